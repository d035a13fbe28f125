"""A dbt model with a contract: its rows are judged as those of a transform are, before the lake has them."""

from collections.abc import Generator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.checks import check_results, describe
from platform_assets.factory.metadata import judged_metadata
from platform_assets.factory.policy import state_of_checks
from platform_assets.ingest.existing_rows import after_transform
from platform_assets.ingest.inputs import Input
from platform_assets.ingest.intake import Intake, take_in
from platform_assets.ingest.references import load_references
from platform_assets.ingest.tables import PROVENANCE, table_spec
from platform_assets.ingest.verdicts import WHOLE, TableVerdicts, stopping_rules
from platform_assets.ingest.wider_types import widen_stored_types
from platform_core.contracts import Catalog, Dataset
from platform_core.quality import RuleResult
from platform_core.quality.policy import stopping
from platform_resources.sources.base import digest
from platform_resources.storage import Lake, Write

_WHOLE = "the model"

Events = Generator[dg.Output[Any] | dg.AssetCheckResult, None, dict[str, str]]


def mart_events(
    context: dg.AssetExecutionContext,
    catalog: Catalog,
    dataset: Dataset,
    rows: pl.DataFrame,
    lake: Lake,
    facts: Mapping[str, Any],
) -> Events:
    """Yield the verdicts on a built model and, where they let it, its table; return why not, by the dataset's name.

    Args:
        context: Of the step.
        catalog: All declared datasets.
        dataset: The model's contract.
        rows: What dbt made.
        lake: Where the table goes.
        facts: What dbt tells of the model.
    """
    references = load_references(lake, catalog, dataset)
    intake = _judged(context, dataset, rows, references, lake)
    broken = stopping(dataset, intake.results, must_be_read=True)
    if broken:
        yield from _selected(context, dataset, intake.results)
        verdict_text = "; ".join(describe(result).rstrip(".") for result in broken)
        return {dataset.name: f"nothing was written, the last good table stays. {verdict_text}. Fix: mend the model."}
    frame = intake.valid.drop(PROVENANCE)
    counts = {"valid": frame.height, "quarantined": 0, "superseded": 0}
    metadata = {**facts, **judged_metadata(dataset, [intake], frame, counts)}
    widen_stored_types(lake, dataset)
    name, spec = asset_key(dataset.name).to_python_identifier(), table_spec(dataset)
    if lake.exists(spec) and lake.scan(spec).collect().equals(frame):
        same = {"dagster/row_count": frame.height, "rows_written": 0, "table_changed": False}
        yield dg.Output(None, name, metadata={**metadata, **same})
    else:
        yield dg.Output(Write(frame=frame), name, metadata=metadata)
    TableVerdicts(lake, dataset).renew(references, partitions=None, warned=intake.warned, places=[WHOLE])
    yield from _selected(context, dataset, state_of_checks(lake, dataset, intake.results, references))
    return {}


def _judged(
    context: dg.AssetExecutionContext,
    dataset: Dataset,
    rows: pl.DataFrame,
    references: Mapping[str, pl.DataFrame],
    lake: Lake,
) -> Intake:
    return take_in(
        dataset,
        [Input(_WHOLE, digest(dataset.name, _WHOLE.encode()), "", rows)],
        references,
        run_id=context.run.run_id,
        at=datetime.now(UTC),
        residents=after_transform(lake, dataset, None),
        measures=stopping_rules(dataset),
    )


def _selected(
    context: dg.AssetExecutionContext, dataset: Dataset, results: Iterable[RuleResult]
) -> Iterable[dg.AssetCheckResult]:
    """Yield the results of the checks that the run selects."""
    for result in check_results(dataset, list(results)):
        if dg.AssetCheckKey(asset_key(dataset.name), str(result.check_name)) in context.selected_asset_check_keys:
            yield result
