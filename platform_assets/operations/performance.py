"""How long datasets take, how much they move and hold, and what that costs, over time, from Dagster's history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from platform_assets.factory.asset_keys import asset_key
from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError
from platform_assets.operations.instance import open_instance
from platform_assets.operations.upkeep.survey import prices_of
from platform_core.upkeep.cost import Pace, working
from platform_core.upkeep.critical_path import PathStep, critical_path
from platform_core.upkeep.slowdown import Slowdown, find_slowdown

if TYPE_CHECKING:
    import dagster as dg

_MOST_RUNS = 500
_GIGABYTE = 1e9


@dataclass(frozen=True, kw_only=True)
class Making:
    """One materialisation; what nobody measured is None.

    Attributes:
        rows: That came in, or were written where none come in.
        size_bytes: Written.
        cost: Of processor and memory, in dollars of the price list.
    """

    at: datetime
    run_id: str
    partition: str | None
    seconds: float | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    rows: int | None
    size_bytes: int | None
    cost: float | None

    @property
    def rows_per_second(self) -> float | None:
        """None where either is not known, or it took no time."""
        return self.rows / self.seconds if self.rows is not None and self.seconds else None


@dataclass(frozen=True, kw_only=True)
class Performance:
    """A dataset over a span of time.

    Attributes:
        runs: Materialisations in it.
        median_seconds: Of those that were measured.
        slowest_seconds: Of those.
        cost: The sum, in dollars.
        slowdown: Where it is slower than it was. A stream worker's stretches are as long as what came, and do not
            count.
        history: Oldest first.
    """

    name: str
    owner: str
    runs: int
    median_seconds: float | None
    slowest_seconds: float | None
    last: Making | None
    cost: float
    slowdown: Slowdown | None
    history: Sequence[Making]


@dataclass(frozen=True, kw_only=True)
class RunPath:
    """What a run waited for, and how long it took."""

    run_id: str
    seconds: float
    path: Sequence[PathStep]


def performance_of(
    location: CodeLocation, now: datetime, *, hours: float, name: str | None = None
) -> list[Performance]:
    """Read how the datasets did over the last hours, the dearest first."""
    prices = prices_of(location.settings)
    facts = []
    with open_instance(location.settings) as instance:
        for dataset in location.catalog.datasets.values():
            if name in {None, dataset.name}:
                makings = makings_of(instance, dataset.name, since=now - timedelta(hours=hours), prices=prices)
                facts.append(_performance(dataset.name, dataset.owner, makings))
    return sorted(facts, key=lambda fact: (-fact.cost, -(fact.median_seconds or 0), fact.name))


def makings_of(instance: "dg.DagsterInstance", name: str, *, since: datetime, prices: Any) -> list[Making]:
    """Read the materialisations of a dataset since an instant, oldest first; a run or report counts once."""
    from dagster import AssetRecordsFilter  # noqa: PLC0415 - loaded by whoever opened the instance

    asset_records_filter = AssetRecordsFilter(asset_key=asset_key(name), after_timestamp=since.timestamp())
    records = instance.fetch_materializations(asset_records_filter, limit=_MOST_RUNS).records
    by_run = {_occasion(record): record for record in reversed(records)}
    return [_making(record, prices) for record in by_run.values()]


def _occasion(record: "dg.EventLogRecord") -> str:
    """Name what made it: its run, or, of a stream worker's report, the version of the table."""
    version = record.asset_materialization.metadata.get("table_version") if record.asset_materialization else None
    return record.run_id or (str(version.value) if version else str(record.storage_id))


def _making(record: "dg.EventLogRecord", prices: Any) -> Making:
    materialisation = record.asset_materialization
    numbers: Mapping[str, Any] = {
        label: value.value
        for label, value in (materialisation.metadata if materialisation else {}).items()
        if isinstance(value.value, int | float) and not isinstance(value.value, bool)
    }
    seconds, cpu, peak = (numbers.get(metric) for metric in ("duration_seconds", "cpu_seconds", "peak_memory_bytes"))
    cost = None
    if seconds:
        pace = Pace(file_seconds=0, cores=(cpu or seconds) / seconds, gigabytes=(peak or 0) / _GIGABYTE)
        cost = working(seconds, prices, pace).total
    return Making(
        at=datetime.fromtimestamp(record.timestamp, UTC),
        run_id=record.run_id,
        partition=record.partition_key,
        seconds=seconds,
        cpu_seconds=cpu,
        peak_memory_bytes=peak,
        rows=numbers.get("rows_in", numbers.get("rows_written")),
        size_bytes=numbers.get("size_bytes"),
        cost=cost,
    )


def _performance(name: str, owner: str, makings: Sequence[Making]) -> Performance:
    seconds = [making.seconds for making in makings if making.seconds is not None]
    return Performance(
        name=name,
        owner=owner,
        runs=len(makings),
        median_seconds=median(seconds) if seconds else None,
        slowest_seconds=max(seconds, default=None),
        last=makings[-1] if makings else None,
        cost=sum(making.cost or 0.0 for making in makings),
        slowdown=find_slowdown([making.seconds for making in makings if making.seconds is not None and making.run_id]),
        history=makings,
    )


def path_of_run(location: CodeLocation, run_id: str) -> RunPath:
    """Find the chain of steps that a run waited for.

    Raises:
        RequestError: There is no such run, or it has no finished step.
    """
    with open_instance(location.settings) as instance:
        run = instance.get_run_by_id(run_id)
        record = instance.get_run_record_by_id(run_id)
        if run is None or record is None:
            raise RequestError(f"there is no run {run_id!r}. Fix: take the id from the UI, or platform performance.")
        stats = instance.get_run_step_stats(run_id)
        start = record.start_time or min((stat.start_time or 0 for stat in stats), default=0)
        steps = {
            stat.step_key: (stat.start_time - start, stat.end_time - start)
            for stat in stats
            if stat.start_time is not None and stat.end_time is not None
        }
        if not steps:
            raise RequestError(f"no step of run {run_id} has ended. Fix: ask again when one has.")
        path = critical_path(steps, _needs(location, steps))
        end = (record.end_time or max(end for _, end in steps.values()) + start) - start
        return RunPath(run_id=run_id, seconds=end, path=path)


def _needs(location: CodeLocation, steps: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Name the steps that each comes after, by the graph of the assets that they make."""
    graph = location.defs.resolve_asset_graph()
    step_of = {"__".join(key.path): key for key in graph.materializable_asset_keys}
    return {
        step: frozenset("__".join(parent.path) for parent in graph.get(step_of[step]).parent_keys)
        for step in steps
        if step in step_of
    }
