"""The asset of a dataset with a source: what Dagster gives an ingest, and what it is told of it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from pydantic import Field

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.checks import (
    check_results,
    has_receipts,
    last_receipt,
    receipt_results,
    source_schema_result,
)
from platform_assets.factory.metadata import ingest_metadata, quarantine_facts
from platform_assets.factory.partitioning import dependency, grow
from platform_assets.factory.policy import refuse_if_unfit, state_of_checks
from platform_assets.factory.specs import asset_of
from platform_assets.ingest.ingest import Ingest, Run, ingest, large_bytes
from platform_assets.ingest.inputs import Input, adapter_for, take_inputs
from platform_assets.ingest.metrics import record_metrics, rows_of_sources
from platform_assets.ingest.publishing import publish_changes
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.references import load_references
from platform_assets.ingest.replay import REPLAY_TAG, replayed_source
from platform_assets.ingest.state import IngestState
from platform_assets.ingest.tables import ingests_spec, table_spec
from platform_core.contracts import Catalog, Dataset
from platform_core.quality.policy import stopping
from platform_resources.sources import Landing
from platform_resources.storage import Lake
from platform_resources.telemetry import log_event
from platform_resources.transience import retry_transient


class IngestConfig(dg.Config):
    """What a run takes in."""

    files: list[str] = Field(default_factory=list)
    """Sources to take in, as `domain/name`; empty takes every landed file that touches the run's partitions."""


Body = Iterator[dg.AssetCheckResult | dg.Output[None] | dg.AssetMaterialization]


def ingest_asset(catalog: Catalog, dataset: Dataset) -> dg.AssetsDefinition:
    """Yield the asset that fills the dataset from its source."""
    above = catalog.looked_into(dataset)

    read = [table_spec(dataset), ingests_spec(dataset), *(table_spec(catalog[name]) for name in above)]

    def body(
        context: dg.AssetExecutionContext,
        config: IngestConfig,
        lake: dg.ResourceParam[Lake],
        landing: dg.ResourceParam[Landing],
    ) -> Body:
        with retry_transient(), lake.telling(*read):
            references = load_references(lake, catalog, dataset)
            done = ingest(
                lake,
                dataset,
                lambda state: _inputs(context, config, state, landing, references),
                references,
                run=Run(
                    run_id=context.run.run_id,
                    at=datetime.now(UTC),
                    partitions=_partitions(context, dataset),
                    replays=REPLAY_TAG in context.run.tags,
                    is_named=bool(config.files),
                ),
                admits=lambda intake: not stopping(dataset, intake.results),
            )
            _tell(context, done)
            partitions = _partitions(context, dataset)
            yield from refuse_if_unfit(lake, dataset, done[-1].intake, partitions=partitions, references=references)
            store = QuarantineStore(lake, dataset)
            waiting = store.envelopes(decision="open") if dataset.quarantine else None
            if _stands(lake, dataset, done, _partitions(context, dataset)):
                facts = ingest_metadata(lake, done, partitions=_partitions(context, dataset))
                yield dg.Output(None, metadata={**facts, **quarantine_facts(store.ingests(), waiting)})
            yield from _elsewhere(context, done)
            results = state_of_checks(lake, dataset, done[-1].intake.results, references)
            if all(part.table.rest is None for part in done):
                rows: pl.DataFrame | pl.LazyFrame = pl.concat([part.intake.valid for part in done], how="diagonal")
            else:  # the rows of a large input are not in memory
                rows = rows_of_sources(lake, dataset, [input_.source for part in done for input_ in part.inputs])
            record_metrics(lake, dataset, rows, results, run_id=context.run.run_id, at=datetime.now(UTC))
            publish_changes(lake, dataset)
            yield from check_results(dataset, results, waiting)
            if has_receipts(dataset):
                changes = dict.fromkeys(
                    words for part in done for input_ in part.inputs for words in input_.schema_changes
                )
                yield source_schema_result(dataset, list(changes))
                drawn_up = [receipt for part in done for receipt in part.receipts]
                yield receipt_results(dataset, drawn_up, last_receipt(context.instance, dataset.name))

    return asset_of(dataset, body, deps=[dependency(catalog[name], dataset) for name in above], output_required=False)


def _partitions(context: dg.AssetExecutionContext, dataset: Dataset) -> list[str] | None:
    return list(context.partition_keys) if dataset.partitions else None


def _stands(lake: Lake, dataset: Dataset, done: Sequence[Ingest], partitions: list[str] | None) -> bool:
    """Whether the run made its partitions: not where its inputs lie in none, and no row lies in the one it names."""
    if partitions is None or any(part.outcome.partitions or part.table.partitions for part in done):
        return True
    spec = table_spec(dataset)
    return lake.exists(spec) and not lake.scan(spec, partitions=partitions).head(1).collect().is_empty()


def _tell(context: dg.AssetExecutionContext, done: Sequence[Ingest]) -> None:
    for part in done:
        context.log.info(
            "%s: %d rows from %d inputs, %d valid, %d refused",
            part.state.dataset.name, part.intake.height, len(part.inputs), part.outcome.ingests["valid"].sum(),
            part.intake.refused.height,
        )  # fmt: skip
        for row in part.outcome.ingests.select("source", "ingest_id", "rows", "valid", "quarantined").to_dicts():
            settings, dataset = part.state.lake.settings, part.state.dataset.name
            log_event(settings, "input", dataset=dataset, run_id=context.run.run_id, **row)


def _elsewhere(context: dg.AssetExecutionContext, done: Sequence[Ingest]) -> Iterator[dg.AssetMaterialization]:
    """Yield what Dagster is told of partitions outside of the run's whose rows changed.

    So that what lies below follows.
    """
    changed = [part for part in done if part.commit is not None and part.state.dataset.partitions is not None]
    if not changed:
        return
    partitions = frozenset[str]().union(*(part.table.partitions for part in changed))
    grow(context.instance, changed[0].state.dataset.partitions, partitions)
    for partition in sorted(partitions - set(context.partition_keys)):
        yield dg.AssetMaterialization(
            asset_key(changed[0].state.dataset.name),
            description="a key moved, a row stood again, or an input brought rows of this partition too",
            partition=partition,
        )


def _inputs(
    context: dg.AssetExecutionContext,
    config: IngestConfig,
    store: IngestState,
    landing: Landing,
    references: dict[str, pl.DataFrame],
) -> Sequence[Input]:
    """Return what came in: what the tag of a replay says, or what the source has for the run."""
    dataset, replay = store.dataset, context.run.tags.get(REPLAY_TAG)
    partitions = _partitions(context, dataset)
    source = dataset.source if replay is None else replayed_source(replay)
    adapter = adapter_for(
        store.dataset, landing.settings, source=source, partitions=partitions, references=lambda: references,
        store=store, recent=landing.recent,
    )  # fmt: skip
    inputs = take_inputs(
        adapter,
        store,
        again=source is not None and source.replaces,
        names=config.files,
        partitions=partitions if replay is None else None,  # its envelopes are chosen by what their rows say now
        large_bytes=large_bytes(store.lake, dataset),
    )
    if not inputs and source is not None and source.when_empty:
        named = f"{', '.join(config.files)} of " if config.files else ""
        raise dg.Failure(
            f"{store.dataset.name}: nothing to take in: there is no {named}{adapter.describe()}. "
            f"Fix: {source.when_empty}",
            allow_retries=False,
        )
    return inputs
