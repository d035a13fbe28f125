"""Thirty months of the example graph, made up with seasons and noise, and the same months with one thing gone wrong.

Rows arrive, those that break a rule are refused, and what is derived is made of the rest by the transforms themselves.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import polars as pl

from platform_assets.discovery import discover
from platform_assets.operations.incidents import LineageGraph
from platform_core.contracts import Catalog, Dataset, ReferenceRule, rules_of
from platform_core.contracts.partitions import Partitions
from platform_core.lineage.declared import lineage_of
from platform_core.quality import judge
from platform_core.quality.fingerprints import fingerprint
from platform_core.quality.incidents import History, Incident, find_incidents
from platform_core.quality.judge import Judgement
from platform_core.synthetic import synthesize

SNAPSHOTS = {"flights/airlines": 40, "flights/airports": 300, "flights/planes": 400, "commerce/customers": 400,
             "commerce/products": 150}  # fmt: skip
MONTHLY = {"flights/weather": 700, "flights/flights": 900, "commerce/orders": 800}
MONTHS = [f"{year}-{month:02d}" for year in (2024, 2025, 2026) for month in range(1, 13)][:30]
LAST = MONTHS[-1]
_PEAK = (0.8, 0.75, 0.9, 1.0, 1.05, 1.1, 1.2, 1.2, 1.0, 0.95, 1.1, 1.7)
"""Rows by month of the year: December is busy."""

Frames = Mapping[str, pl.DataFrame]
Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class World:
    """What arrived, and what was measured of it.

    Attributes:
        arrived: Rows by dataset and month; of a snapshot all its rows.
        measured: Fingerprints by dataset and month.
    """

    catalog: Catalog
    arrived: Mapping[str, Frames]
    measured: Mapping[str, Mapping[str, pl.DataFrame]]

    def with_change(self, name: str, change: Change, month: str = LAST) -> "World":
        """The world in which a dataset's rows of one month arrived otherwise, with all that follows from it."""
        arrived = dict(self.arrived)
        if name not in DERIVED:
            arrived[name] = {**self.arrived[name], month: change(self.arrived[name][month])}
        world = replace(self, arrived=arrived)
        below = {name, *(each for each in DERIVED if name in lineage_of(self.catalog).upstream(each))}
        measured = {
            each: {**self.measured[each], month: world.measure(each, month, made=change if each == name else None)}
            for each in below
        }
        return replace(world, measured={**self.measured, **measured})

    def measure(self, name: str, month: str, *, made: Change | None = None) -> pl.DataFrame:
        """The fingerprint of what arrived in a month, or of what was derived; `made` changes what was derived."""
        dataset = self.catalog[name]
        if name in DERIVED:
            rows = self.derived(name, month)
            return fingerprint(dataset, made(rows) if made else rows, month)
        rows = self.of_partition(name, month)
        judged = self.judged(name, month)
        by_rule = Counter(rule for rules in judged.broken_rules() for rule in rules)
        return fingerprint(dataset, rows, month, refused=int(judged.refused.sum()), by_rule=by_rule)

    def of_partition(self, name: str, month: str) -> pl.DataFrame:
        """The rows that lie in the month's partition, whichever month's file brought them."""
        rows, parts = self.arrived[name][month], self.catalog[name].partitions
        return rows if parts is None else rows.filter(parts.key().is_null() | (parts.key() == month))

    def stored(self, name: str, month: str) -> pl.DataFrame:
        """The rows that no rule refused."""
        return self.judged(name, month).valid

    def judged(self, name: str, month: str) -> Judgement:
        """The verdict on what arrived."""
        dataset = self.catalog[name]
        references = {
            rule.id: self.arrived[rule.dataset][month].select(
                pl.col(to).alias(own) for own, to in zip(rule.columns, rule.to, strict=True)
            ).unique()
            for rule in rules_of(dataset) if isinstance(rule, ReferenceRule)
        }  # fmt: skip
        return judge(self.of_partition(name, month), dataset, references, now=datetime(2030, 1, 1, tzinfo=UTC))

    def derived(self, name: str, month: str) -> pl.DataFrame:
        """What the transform makes of the stored rows of the month."""
        transform = self.catalog.transforms[name]
        inputs = {word: self.stored(transform.input_name(word), month) for word in transform.parameters}
        if name == "commerce/daily_revenue":
            made = pl.from_pandas(transform.function(**{word: rows.to_pandas() for word, rows in inputs.items()}))
        else:
            made = transform.function(**{word: rows.lazy() for word, rows in inputs.items()}).collect()
        return made.select(pl.col(column.name).cast(column.dtype) for column in self.catalog[name].columns)

    def incidents(self, *, marked: Sequence[str] = (), judged: Sequence[str] = (LAST,)) -> list[Incident]:
        """What the platform says began where."""
        histories = [
            History(
                name=name,
                frame=pl.concat(months.values()),
                judged=tuple(judged),
                partition_column=parts.on if (parts := self.catalog[name].partitions) else None,
                key=self.catalog[name].key,
                rule_columns={rule.id: rule.columns for rule in rules_of(self.catalog[name])},
                is_whole=parts is None,
                marked=marked,
            )
            for name, months in self.measured.items()
        ]
        return find_incidents(histories, LineageGraph(lineage_of(self.catalog)))


DERIVED = ("flights/daily_delays", "commerce/daily_revenue")


@lru_cache(maxsize=1)
def world(seed: int) -> World:
    """The months in which nothing went wrong; each seed draws others."""
    catalog, rng = _unending(discover("platform_assets.domains")), np.random.default_rng(seed)
    arrived: dict[str, dict[str, pl.DataFrame]] = {}
    for name, rows in SNAPSHOTS.items():
        frame = synthesize(catalog[name], rows, seed, references=_references(catalog[name], arrived, MONTHS[0]))
        arrived[name] = {month: frame.head(rows - len(MONTHS) // 3 + place // 3) for place, month in enumerate(MONTHS)}
    for name, rows in MONTHLY.items():
        arrived[name] = {month: month_of(catalog[name], rows, month, arrived, rng) for month in MONTHS}
    empty = World(catalog, arrived, {})
    measured = {
        name: {month: empty.measure(name, month) for month in MONTHS} for name in (*SNAPSHOTS, *MONTHLY, *DERIVED)
    }
    hollow = [
        name for name, months in measured.items()
        if any(frame.filter(pl.col("column") != "").is_empty() for frame in months.values())
    ]  # fmt: skip
    assert not hollow, f"no rows in some month: {hollow}"  # where nothing is, nothing alarms
    return replace(empty, measured=measured)


def _unending(catalog: Catalog) -> Catalog:
    """The catalog with partitions that go on as time does, so that all months of `MONTHS` are some."""
    datasets = {
        name: replace(dataset, partitions=replace(parts, end=None))
        if isinstance(parts := dataset.partitions, Partitions) else dataset
        for name, dataset in catalog.datasets.items()
    }  # fmt: skip
    return replace(catalog, datasets=datasets)


def month_of(
    dataset: Dataset,
    rows: int,
    month: str,
    arrived: Mapping[str, Frames],
    rng: np.random.Generator,
    factor: float = 1.0,
) -> pl.DataFrame:
    """A month's rows: as many as the season has, give or take; by day, and with values that move with the season."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    assert dataset.partitions is not None
    end = dataset.partitions.ends_at(month)
    count = int(rows * _PEAK[start.month - 1] * rng.normal(1, 0.04) * factor)
    frame = synthesize(
        dataset, count, int(rng.integers(2**62)), references=_references(dataset, arrived, month), window=(start, end)
    )
    angle = 2 * np.pi * start.month / 12
    seasonal = [
        (pl.col(name) * 0.4 + centre + 12 * np.sin(angle)).round(2).alias(name)
        for name, centre in (("temp", 30.0), ("dewp", 10.0)) if name in frame.columns
    ]  # fmt: skip
    delays = [(pl.col(name) * (0.8 + 0.1 * np.sin(angle))).round(0).alias(name)
              for name in ("dep_delay", "arr_delay") if name in frame.columns]  # fmt: skip
    return frame.with_columns(seasonal + delays)


def _references(dataset: Dataset, arrived: Mapping[str, Frames], month: str) -> dict[str, pl.DataFrame]:
    return {
        rule.id: arrived[rule.dataset][month].select(
            pl.col(to).alias(own) for own, to in zip(rule.columns, rule.to, strict=True)
        ).unique(maintain_order=True)
        for rule in rules_of(dataset) if isinstance(rule, ReferenceRule)
    }  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One thing gone wrong, and where a person would say that it began."""

    kind: str
    size: str
    dataset: str
    column: str
    change: Change = field(compare=False)


def faults(world: World, rng: np.random.Generator) -> Iterator[Fault]:
    """Faults of all kinds and sizes, on columns of any dataset that they can befall, for ever."""
    names = [*SNAPSHOTS, *MONTHLY, *DERIVED]
    while True:
        for kind in FAULTS:
            fault = FAULTS[kind](world, rng, names)
            if fault is not None:
                yield fault


def _rows(world: World, name: str) -> pl.DataFrame:
    return world.derived(name, LAST) if name in DERIVED else world.arrived[name][LAST]


_CALENDAR = {"year", "month", "day"}


def _pick(
    world: World, rng: np.random.Generator, names: Sequence[str], wanted: Callable[[pl.Series], bool]
) -> tuple[str, str]:
    """A dataset and a column that a fault can befall: with 30 values at least."""
    while True:
        name = names[rng.integers(len(names))]
        rows = _rows(world, name)
        columns = [
            series.name for series in rows.get_columns()
            if series.name not in _CALENDAR and series.drop_nulls().len() >= 30 and wanted(series)
        ]  # fmt: skip
        if columns:
            return name, columns[rng.integers(len(columns))]


def _is_number(series: pl.Series) -> bool:
    return series.dtype.is_numeric() and series.drop_nulls().n_unique() > 1


def _scaled(kind: str, factors: Sequence[float]) -> Callable[..., Fault]:
    def fault(world: World, rng: np.random.Generator, names: Sequence[str]) -> Fault:
        name, column = _pick(world, rng, names, lambda s: _is_number(s) and abs(s.mean()) > 0.3 * s.std())  # type: ignore[arg-type,operator]  # numbers
        factor = factors[rng.integers(len(factors))]
        value = (pl.col(column) * factor).round(2)
        return Fault(kind, f"times {factor:g}", name, column,
                     lambda rows: rows.with_columns(value.cast(rows.schema[column]).alias(column)))  # fmt: skip

    return fault


def _some(rows: pl.DataFrame, share: float) -> pl.Expr:
    """True of a share of the rows, chosen by chance."""
    chosen = np.random.default_rng(rows.height).random(rows.height) < share
    return pl.lit(pl.Series(chosen))


def _nulls(world: World, rng: np.random.Generator, names: Sequence[str]) -> Fault:
    name, column = _pick(world, rng, names, lambda s: s.null_count() < 0.5 * s.len())
    share = (0.1, 0.3, 0.8)[rng.integers(3)]
    return Fault("null spike", f"{share:.0%}", name, column, _replaced(column, pl.lit(None), share))


def _category(world: World, rng: np.random.Generator, names: Sequence[str]) -> Fault:
    name, column = _pick(world, rng, names, lambda s: s.dtype == pl.String and s.n_unique() <= 20)
    share = (0.1, 0.3, 0.8)[rng.integers(3)]
    return Fault("new category", f"{share:.0%}", name, column, _replaced(column, pl.lit("UNHEARD OF"), share))


def _replaced(column: str, value: pl.Expr, share: float) -> Change:
    """What writes another value into a share of the rows."""
    return lambda rows: rows.with_columns(
        pl.when(_some(rows, share)).then(value).otherwise(pl.col(column)).alias(column)
    )


def _dropped(_: World, rng: np.random.Generator, names: Sequence[str]) -> Fault:
    name = names[rng.integers(len(names))]
    share = (0.4, 0.6, 0.95)[rng.integers(3)]
    return Fault("dropped rows", f"{share:.0%}", name, "", lambda rows: rows.filter(~_some(rows, share)))


def _duplicated(_: World, rng: np.random.Generator, names: Sequence[str]) -> Fault:
    name = names[rng.integers(len(names))]
    share = (0.05, 0.3, 1.0)[rng.integers(3)]
    return Fault("duplicated rows", f"{share:.0%}", name, "",
                 lambda rows: pl.concat([rows, rows.filter(_some(rows, share))]))  # fmt: skip


def _shifted(world: World, rng: np.random.Generator, _: Sequence[str]) -> Fault:
    timed = [*MONTHLY, *DERIVED[:1]]
    name, column = _pick(world, rng, timed, lambda s: s.dtype.is_temporal())
    days = (1, 2, 5, 9)[rng.integers(4)] * (1 if rng.random() < 0.5 else -1)
    return Fault("shifted time", f"{days:+d} days", name, column,
                 lambda rows: rows.with_columns(pl.col(column).dt.offset_by(f"{days}d")))  # fmt: skip


def _case(world: World, rng: np.random.Generator, names: Sequence[str]) -> Fault:
    name, column = _pick(world, rng, names, lambda s: s.dtype == pl.String and bool(
        (s.str.to_lowercase() != s).any()))  # fmt: skip
    share = (0.2, 0.6, 1.0)[rng.integers(3)]
    return Fault("case", f"{share:.0%}", name, column, _replaced(column, pl.col(column).str.to_lowercase(), share))


def _rounding(world: World, rng: np.random.Generator, names: Sequence[str]) -> Fault:
    step = (1.0, 10.0)[rng.integers(2)]

    def changes(series: pl.Series) -> bool:
        if not _is_number(series) or (series.std() or 0) < 2 * step:  # type: ignore[operator]  # a number
            return False
        moved = (series.cast(pl.Float64) - (series.cast(pl.Float64) / step).round() * step).abs() > 0.001
        return bool((moved.mean() or 0) > 0.5)

    name, column = _pick(world, rng, names, changes)
    return Fault("rounding", f"to {step:g}", name, column, lambda rows: rows.with_columns(
        ((pl.col(column) / step).round() * step).cast(rows.schema[column]).alias(column)))  # fmt: skip


FAULTS: Mapping[str, Callable[..., Fault | None]] = {
    "unit change": _scaled("unit change", (60.0, 1.609, 0.4536, 0.001)),
    "inflation": _scaled("inflation", (1.25, 1.5, 2.0)),
    "null spike": _nulls,
    "new category": _category,
    "dropped rows": _dropped,
    "duplicated rows": _duplicated,
    "shifted time": _shifted,
    "case": _case,
    "rounding": _rounding,
}


def controls(world: World, rng: np.random.Generator) -> Iterator[tuple[str, World, str]]:
    """Months in which nothing is wrong, though much moves: kind, world and the month to judge."""
    names = list(MONTHLY)
    while True:
        name = names[rng.integers(len(names))]
        seed = int(rng.integers(1 << 30))
        yield (
            "full rebuild",
            world.with_change(name, lambda rows, s=seed: rows.sample(fraction=1, shuffle=True, seed=s)),
            LAST,
        )  # type: ignore[misc]  # a default argument
        yield "seasonal peak", _rewritten(world, name, "2025-12", rng, 1.0), "2025-12"
        late = world.arrived[name][LAST]
        on = world.catalog[name].partitions.on  # type: ignore[union-attr]  # those of MONTHLY have partitions
        last = late[on].max()
        yield "late day", world.with_change(name, lambda rows, c=on, at=last: rows.filter(  # type: ignore[misc]
            pl.col(c).dt.date() < at.date())), LAST  # fmt: skip
        yield "more rows", _rewritten(world, name, LAST, rng, (1.5, 2.0, 3.0)[rng.integers(3)]), LAST


def _rewritten(world: World, name: str, month: str, rng: np.random.Generator, factor: float) -> World:
    rows = month_of(world.catalog[name], MONTHLY[name], month, world.arrived, rng, factor)
    return world.with_change(name, lambda _: rows, month)
