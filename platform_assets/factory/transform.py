"""The asset of a dataset that a pure function makes: load inputs, call it, judge, write."""

import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.checks import check_results
from platform_assets.factory.column_lineage import observed_columns, planned_columns
from platform_assets.factory.metadata import judged_metadata, page_links
from platform_assets.factory.partitioning import dependency, is_wider, partition_mapping
from platform_assets.factory.personal_values import withhold_personal_values
from platform_assets.factory.policy import refuse_if_unfit, state_of_checks
from platform_assets.factory.reads import READS, filters_of
from platform_assets.factory.red_checks import RedChecks, refuse_below_red
from platform_assets.factory.specs import asset_of
from platform_assets.factory.wider import of_run
from platform_assets.ingest.existing_rows import after_transform
from platform_assets.ingest.inputs import Input
from platform_assets.ingest.intake import take_in
from platform_assets.ingest.metrics import record_metrics
from platform_assets.ingest.publishing import publish_changes
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.references import load_references
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import PROVENANCE, table_spec
from platform_assets.ingest.verdicts import WHOLE, TableVerdicts, stopping_rules
from platform_assets.ingest.wider_types import widen_stored_types
from platform_core.contracts import Catalog, Dataset, Transform
from platform_core.errors import ContractError, Problem
from platform_resources.sources import digest
from platform_resources.storage import Lake, Write
from platform_resources.storage.frames import KINDS, from_polars, kind_of, to_polars
from platform_resources.transience import retry_transient

_UNPARTITIONED = "transform"
"""The source that an envelope of a transform names where its row lies in no partition."""

_TOLD = 3

_LAZY: Any = pl.LazyFrame
"""Inputs are loaded lazily, whatever a transform asks for, so that only the contract's columns are read."""


def transform_asset(
    catalog: Catalog,
    transform: Transform[..., object],
    *,
    automation: dg.AutomationCondition[Any] | None = None,
) -> dg.AssetsDefinition:
    """Yield the asset that fills the dataset by its function."""
    dataset = transform.dataset
    inputs = {name: transform.input_name(name) for name in transform.parameters}
    kinds = _kinds(transform)
    wider = is_wider((catalog[above] for above in inputs.values()), dataset)
    referred = {*catalog.looked_into(dataset)} - {*inputs.values()}

    above = [catalog[name] for name in inputs.values()]
    engines = [kind.partition(".")[0] for kind in kinds.values()]
    lineage = planned_columns(catalog, transform)
    read = [table_spec(catalog[name]) for name in sorted({dataset.name, *inputs.values(), *referred})]

    def build(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        red_checks: dg.ResourceParam[RedChecks],
        **frames: Any,
    ) -> Iterator[dg.AssetCheckResult | dg.Output[Write]]:
        about = context.partition_keys if dataset.partitions else None
        red = red_checks.stopping(context.instance, asset_key(dataset.name), partitions=about)
        refuse_below_red(dataset.name, red)
        with retry_transient(), lake.telling(*read):
            partitions = context.partition_keys if dataset.partitions else None
            declared = {
                name: from_polars(as_declared(frame, catalog[inputs[name]]), kinds[name])
                for name, frame in frames.items()
            }
            with withhold_personal_values(dataset, above), lake.telling(*read):
                transformed = transform(**declared)
            reads = _reads(transformed, {name: lake.location(table_spec(catalog[name])) for name in inputs.values()})
            with withhold_personal_values(dataset, above), lake.telling(*read):
                whole = _result(dataset, transformed)
            raw = of_run(whole, dataset, partitions) if wider else whole
            input_ = Input(_place(partitions), _id(dataset, partitions), "", raw)
            references = load_references(lake, catalog, dataset)
            intake = take_in(
                dataset,
                [input_],
                references,
                run_id=context.run.run_id,
                at=datetime.now(UTC),
                residents=after_transform(lake, dataset, partitions),
                measures=stopping_rules(dataset),
            )
            yield from refuse_if_unfit(
                lake, dataset, intake, partitions=partitions, references=references, must_be_read=True
            )
            store = QuarantineStore(lake, dataset)
            refused = intake.refused.with_columns(source=pl.coalesce("partition", pl.lit(_UNPARTITIONED)))
            quarantined = store.plan(refused, [*(partitions or ()), _UNPARTITIONED]) if dataset.quarantine else None
            if quarantined is not None:
                store.add(quarantined)
            key = list(dataset.key)
            rows = intake.valid.unique(key, keep="last", maintain_order=True) if key else intake.valid
            rows = rows.drop(PROVENANCE)
            counts = {"valid": rows.height, "quarantined": sum(intake.quarantined.values()), "superseded": 0}
            metadata = {
                **judged_metadata(dataset, [intake], rows, counts),
                **reads,
                **(lineage or observed_columns(lake.settings, catalog, transform)),
                **page_links(lake.settings, dataset),
            }
            if wider and partitions:
                metadata["rows_of_other_partitions"] = dg.MetadataValue.int(whole.height - raw.height)
            widen_stored_types(lake, dataset)
            yield dg.Output(Write(frame=rows, partitions=partitions), metadata=metadata)
            if quarantined is not None:
                store.clear(quarantined)
            TableVerdicts(lake, dataset).renew(
                references, partitions=partitions, warned=intake.warned, places=partitions or [WHOLE]
            )
            results = state_of_checks(lake, dataset, intake.results, references)
            record_metrics(lake, dataset, intake.valid, results, run_id=context.run.run_id, at=datetime.now(UTC))
            publish_changes(lake, dataset)
            yield from check_results(dataset, results)

    return asset_of(
        dataset,
        build,
        engine=next((kind for kind in engines if kind != "polars"), "polars"),
        code=transform.function.__code__,
        ins={name: _input(catalog[above], dataset) for name, above in inputs.items()},
        deps=[dependency(catalog[name], dataset) for name in sorted(referred)],
        automation_condition=automation,
    )


def _input(above: Dataset, dataset: Dataset) -> dg.AssetIn:
    mapping = partition_mapping(above, dataset)
    return dg.AssetIn(asset_key(above.name), dagster_type=_LAZY, partition_mapping=mapping)


def _place(partitions: Sequence[str] | None) -> str:
    """Return what a transform made, in the words of a message: its partitions, of many the first and the last."""
    if not partitions:
        return _UNPARTITIONED
    return ", ".join(partitions) if len(partitions) <= _TOLD else f"{partitions[0]} to {partitions[-1]}"


def _id(dataset: Dataset, partitions: Sequence[str] | None) -> str:
    return digest(dataset.name, ",".join(partitions or [_UNPARTITIONED]).encode())


def _reads(transformed: object, places: Mapping[str, str]) -> dict[str, dg.JsonMetadataValue]:
    """By input, the columns that a lazy query filters on; nothing of a frame that was made already."""
    return (
        {READS: dg.MetadataValue.json(filters_of(transformed, places))} if isinstance(transformed, pl.LazyFrame) else {}
    )


def _annotations(transform: Transform[..., object]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(transform.function)
    except NameError as error:
        message = f"says {error.name!r} in an annotation, which is not there at run time."
        fix = f"import {error.name} outside of TYPE_CHECKING."
        raise ContractError([Problem(transform.dataset.name, "transform", message, fix)]) from error


def _kinds(transform: Transform[..., object]) -> dict[str, str]:
    """Return the kind of table that each parameter's annotation asks for; a lazy Polars frame where it has none.

    Raises:
        ContractError: An annotation is no kind of table.
    """
    annotated = _annotations(transform)
    kinds = {name: kind_of(annotated.get(name, pl.LazyFrame)) for name in transform.parameters}
    wrong = [
        Problem(transform.dataset.name, f"transform parameter {name!r}", f"is annotated {annotated[name]}, no table.",
                f"annotate it as one of {', '.join(KINDS)}.")
        for name, kind in kinds.items() if kind is None
    ]  # fmt: skip
    if wrong:
        raise ContractError(wrong)
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _result(dataset: Dataset, result: object) -> pl.DataFrame:
    frame = to_polars(result)
    if frame is None:
        raise dg.Failure(
            f"{dataset.name}: its transform returned {type(result).__name__}, which is no table. "
            "Fix: return a Polars, pandas, Arrow or DuckDB table.",
            allow_retries=False,
        )
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame
