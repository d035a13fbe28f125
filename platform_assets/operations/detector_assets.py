"""The detectors of scores as assets: trained where there is none, anew where the stream drifted, judged by labels.

Each looks at the latest rows of its stream; the worker and the runs of the scores go on with what it trained. The graph
shows the scores below it, and the labels above, unless people give them to what was scored: Dagster takes no circle.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.ingest.detectors import Renewal, renew_detector
from platform_assets.location import OPERATION
from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.folds import Scored, detector_name
from platform_resources.storage import Lake

_ROWS = 10_000
CHECK = "evaluation"


def detector_assets(catalog: Catalog) -> list[dg.AssetsDefinition]:
    """Build the asset of each detector that is declared."""
    return [
        _detector_asset(catalog, dataset, dataset.source)
        for dataset in catalog.datasets.values()
        if isinstance(dataset.source, Scored)
    ]


def detector_key(dataset: Dataset) -> dg.AssetKey:
    """Return the key of the detector of a dataset's scores."""
    return asset_key(detector_name(dataset.name))


def _detector_asset(catalog: Catalog, dataset: Dataset, source: Scored) -> dg.AssetsDefinition:
    key = detector_key(dataset)
    is_labelled_beside = source.labels is not None and not catalog.is_above(dataset.name, source.labels)
    check = dg.AssetCheckSpec(
        CHECK, asset=key, description=f"An odd row scores above a usual one {source.auc_at_least:.0%} of the time"
    )

    @dg.asset(
        key=key,
        group_name=dataset.domain,
        owners=[dataset.owner],
        description=f"The detector by which {dataset.name} is scored: trained on the latest rows of {source.of}"
        + ("." if source.drift is None else f", anew where a median moved by {source.drift:g} usual deviations."),
        tags={OPERATION: ""},
        kinds={"detector"},
        deps=[asset_key(name) for name in (source.of, *([str(source.labels)] if is_labelled_beside else []))],
        check_specs=[] if source.labels is None else [check],
        automation_condition=None if source.drift is None else _looks(source.looks),
        pool=f"detector_{dataset.name.replace('/', '_')}",
    )
    def detector(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
        renewal = renew_detector(lake, catalog, dataset, rows=_ROWS, limit=source.drift)
        context.log.info("%s: %s", dataset.name, renewal)
        if renewal.evaluation is not None:
            yield _judged(renewal, source, key)
        yield dg.MaterializeResult(asset_key=key, metadata=_metadata(renewal), data_version=_version(renewal))

    return detector


def _looks(cron: str) -> dg.AutomationCondition[Any]:
    """Build the condition of a look: the time has come, and the stream has new rows."""
    handled = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()
    due = dg.AutomationCondition.cron_tick_passed(cron).since(handled)
    fed = dg.AutomationCondition.any_deps_updated().since(handled)
    return (due & fed & ~dg.AutomationCondition.in_progress()).with_label("look_for_drift")


def _judged(renewal: Renewal, source: Scored, key: dg.AssetKey) -> dg.AssetCheckResult:
    evaluation = renewal.evaluation
    if evaluation is None or evaluation.auc is None:
        words = "no rows of both kinds are labelled"
        return dg.AssetCheckResult(
            check_name=CHECK, asset_key=key, passed=False, severity=dg.AssetCheckSeverity.WARN, description=words
        )
    figures = {"precision": evaluation.precision, "recall": evaluation.recall, "auc": evaluation.auc}
    return dg.AssetCheckResult(
        check_name=CHECK,
        asset_key=key,
        passed=evaluation.auc >= source.auc_at_least,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{evaluation.rows:,} labelled rows, {evaluation.odd:,} of them odd: AUC {evaluation.auc:.3f}",
        metadata={name: value for name, value in figures.items() if value is not None}
        | {"version": str(renewal.version)},
    )


def _metadata(renewal: Renewal) -> dict[str, Any]:
    drift = {} if renewal.drift is None else {"drift": renewal.drift.shift, "drift_column": renewal.drift.column}
    version = renewal.version or "none: too few rows"
    return {"version": version, "is_trained": renewal.is_trained, "rows": renewal.rows, **drift}


def _version(renewal: Renewal) -> dg.DataVersion | None:
    return None if renewal.version is None else dg.DataVersion(renewal.version)
