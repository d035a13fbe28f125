"""The asset of a dataset with a source: take in, judge, quarantine, write, log; in this order, each step repeatable.

The quarantine commits first, the table second, the log last. A run killed between two of them leaves the last good
table or the new one, and its input still pending, so that the next run does the rest.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from pydantic import Field

from platform_assets.factory.checks import check_results
from platform_assets.factory.metadata import intake_metadata
from platform_assets.factory.policy import refuse_if_unfit, table_results
from platform_assets.factory.specs import asset_of, dependency
from platform_assets.ingest.existing_rows import after_ingest, after_replay
from platform_assets.ingest.inputs import Input, adapter_for, take_inputs
from platform_assets.ingest.intake import Intake, take_in
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.references import load_references
from platform_assets.ingest.replay import REPLAY_TAG, mark_replayed, replayed_source
from platform_assets.ingest.tables import ingests_spec, table_spec
from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.sources import Source
from platform_resources.sources import Landing
from platform_resources.storage import Lake, Write
from platform_resources.transience import retry_transient


class IngestConfig(dg.Config):
    """What a run takes in."""

    files: list[str] = Field(default_factory=list)
    """Sources to take in, as `domain/name`; empty takes every landed file that touches the run's partitions."""


Body = Iterator[dg.AssetCheckResult | dg.Output[Write]]


def ingest_asset(catalog: Catalog, dataset: Dataset) -> dg.AssetsDefinition:
    """The asset that fills the dataset from its source."""
    above = dict.fromkeys(rule.dataset for rule in catalog.references_of(dataset) if rule.dataset != dataset.name)

    read = [table_spec(dataset), ingests_spec(dataset), *(table_spec(catalog[name]) for name in above)]

    def ingest(
        context: dg.AssetExecutionContext,
        config: IngestConfig,
        lake: dg.ResourceParam[Lake],
        landing: dg.ResourceParam[Landing],
    ) -> Body:
        with retry_transient(), lake.telling(*read):
            replay = context.run.tags.get(REPLAY_TAG)
            store = QuarantineStore(lake, dataset)
            inputs, intake = _taken_in(context, config, catalog, store, landing=landing, replay=replay)
            yield from refuse_if_unfit(dataset, intake.results)
            yield from _commit(context, store, inputs, intake, replay=replay)
            yield from check_results(dataset, [*intake.results, *table_results(lake, dataset)])

    return asset_of(dataset, ingest, deps=[dependency(catalog[name], dataset) for name in above], output_required=False)


def _taken_in(
    context: dg.AssetExecutionContext,
    config: IngestConfig,
    catalog: Catalog,
    store: QuarantineStore,
    *,
    landing: Landing,
    replay: str | None,
) -> tuple[Sequence[Input], Intake]:
    """What came in, and the verdict on it; nothing is written yet."""
    dataset, lake = store.dataset, store.lake
    references = load_references(lake, catalog, dataset)
    partitions = context.partition_keys if dataset.partitions else None
    source = dataset.source if replay is None else replayed_source(replay)
    inputs = _inputs(source, store, landing, config=config, partitions=partitions, references=references)
    intake = take_in(
        dataset,
        inputs,
        references,
        run_id=context.run.run_id,
        at=datetime.now(UTC),
        residents=after_replay(lake, dataset) if replay is not None else after_ingest(lake, dataset),
    )
    context.log.info(
        "%s: %d rows from %d inputs, %d valid, %d refused",
        dataset.name, intake.height, len(inputs), intake.rows.height, intake.refused.height,
    )  # fmt: skip
    return inputs, intake


def _inputs(
    source: Source | None,
    store: QuarantineStore,
    landing: Landing,
    *,
    config: IngestConfig,
    partitions: Sequence[str] | None,
    references: dict[str, pl.DataFrame],
) -> list[Input]:
    adapter = adapter_for(
        store.dataset, landing.settings, source=source, partitions=partitions, references=lambda: references,
        store=store, recent=landing.recent,
    )  # fmt: skip
    inputs = take_inputs(
        adapter, store, again=source is not None and source.replaces, names=config.files, partitions=partitions
    )
    if not inputs and source is not None and source.when_empty:
        named = f"{', '.join(config.files)} of " if config.files else ""
        raise dg.Failure(
            f"{store.dataset.name}: nothing to take in: there is no {named}{adapter.describe()}. "
            f"Fix: {source.when_empty}",
            allow_retries=False,
        )
    return inputs


def _commit(
    context: dg.AssetExecutionContext,
    store: QuarantineStore,
    inputs: Sequence[Input],
    intake: Intake,
    *,
    replay: str | None,
) -> Iterator[dg.Output[Write]]:
    """Quarantine, table, log. Dagster stores the output before it resumes this generator, so the log comes after."""
    dataset = store.dataset
    obsolete: Sequence[str] = ()
    if replay is None and dataset.quarantine:
        obsolete = store.add(intake.refused, intake.sources, intake.unreadable)
    replaced = intake.sources if replay is None and table_spec(dataset).replaces else ()
    yield dg.Output(
        Write(frame=intake.rows, replace_values=replaced, commit_metadata={"run_id": context.run.run_id}),
        metadata=intake_metadata(dataset, intake),
    )
    store.remove(obsolete)
    if replay is None:
        store.log(intake.ingests, intake.unreadable)
    else:
        mark_replayed(store, inputs, intake)
