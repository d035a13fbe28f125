"""What a dataset promised beside freshness as checks of its asset: measured over 30 days whenever it is written."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.location import CodeLocation
from platform_assets.operations.sla import promises_of, times_of
from platform_core.contracts import Dataset
from platform_core.quality.promises import Promise

_WINDOW = timedelta(days=30)


def sla_checks(location: CodeLocation) -> list[dg.AssetChecksDefinition]:
    """Build a check for each promise of each dataset that declares `sla=`; a broken one warns, and stops nothing."""
    return [
        _checks(location, dataset)
        for dataset in location.catalog.datasets.values()
        if dataset.sla is not None and promised(dataset)
    ]


def promised(dataset: Dataset) -> tuple[str, ...]:
    """Name what a dataset promises that can be measured."""
    sla = dataset.sla
    terms = {
        "freshness": dataset.freshness,
        "throughput": sla.throughput if sla and dataset.source is not None else None,
        "latency": sla.latency if sla else None,
    }
    return tuple(name for name, term in terms.items() if term is not None)


def _checks(location: CodeLocation, dataset: Dataset) -> dg.AssetChecksDefinition:
    key = asset_key(dataset.name)
    specs = [
        dg.AssetCheckSpec(f"sla_{name}", asset=key, description=f"The {name} that was promised, over 30 days.")
        for name in promised(dataset)
    ]

    @dg.multi_asset_check(specs=specs, name=f"{'__'.join(key.path)}__sla")
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        now = datetime.now(UTC)
        times = times_of(location, dataset, context.instance, now - _WINDOW)
        for promise in promises_of(location, dataset, times, now, _WINDOW):
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=f"sla_{promise.name}",
                passed=promise.kept is not False,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{promise.promised}: {promise.detail}",
                metadata=_measures(promise),
            )

    return checks


def _measures(promise: Promise) -> dict[str, float | str]:
    measures = {"measured": promise.measured, "error_budget": promise.budget, "burn_rate": promise.burn}
    known: dict[str, float | str] = {
        name: min(value, 1e300) for name, value in measures.items() if value is not None
    }  # the page shows no infinity
    return {"promised": promise.promised, **known}
