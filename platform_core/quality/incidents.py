"""One incident, one cause: the dataset and column where something began, not all that lies below it.

Each partition is judged against its own past. What is odd is walked up the lineage: an oddity whose upstream is odd in
the same period is a consequence. More rows alone are no incident, nor is a last day that is not there yet; both explain
what they move downstream.
"""

import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from platform_core.quality.baselines import LEAST_POINTS, Band, Point, Tolerance, deviation, expected
from platform_core.quality.fingerprints import REFUSED, SHARE

WHOLE_ROWS = ""
"""As the column of an incident: whole rows are gone, or come twice."""

_TOLERANCES: Mapping[str, Tolerance] = {
    "row_count": Tolerance(relative=0.0, absolute=0.25),  # of its logarithm
    "duplicate_rate": Tolerance(relative=0.0, absolute=0.01),
    "refused_rate": Tolerance(relative=0.0, absolute=0.01),
    REFUSED: Tolerance(relative=0.0, absolute=0.01),
    "null_rate": Tolerance(relative=0.0, absolute=0.02),
    "first_day": Tolerance(relative=0.0, absolute=0.3),
    "last_day": Tolerance(relative=0.0, absolute=1.5),  # the last day of a partition may come late
    "mean_hour": Tolerance(relative=0.0, absolute=0.4),
    "mean": Tolerance(relative=0.08),
    "deviation": Tolerance(relative=0.15),
}
_SHARES = Tolerance(relative=0.05, absolute=0.03)
_LENGTHS = ("length", "mean_day")
_GROWTH = math.log(1.2)
"""A fifth more rows than usual, though a season foretold them, explain what they move; alone they are no incident."""
_SLACK = 1.1
"""What is made of more rows moves as much as they do, and at most a tenth more."""
_LATE = 0.5
"""Days by which a last row may come earlier than usual before it explains what is missing below."""
_MISSED_WHERE_LATE = ("row_count", "null_rate", "last_day")
"""What a day that is not there yet moves below: its rows are missing, and what was to be looked up in it is null."""
_EMPTY = 0.3
"""With a smaller share of the least expected rows a partition is not there, whatever its rows look like."""
_EDGES = ("first_day", "last_day")
_FEW_ROWS = 5
"""Of fewer rows neither a text's length and letters nor the share of a value say anything: one row has all or none."""
_OF_TEXTS = ("length", "capitals", "small_letters")
_OF_NUMBERS = ("mean", "deviation")


class Graph(Protocol):
    """What is asked of the lineage."""

    def upstream(self, name: str) -> Mapping[str, int]:
        """Return what a dataset is made of or looks into, by name."""

    def column_upstream(self, name: str, column: str) -> Mapping[tuple[str, str], int]:
        """Return the columns that reach a column."""

    def is_readable(self, name: str) -> bool:
        """Return whether the origin of a dataset's columns is known."""


@dataclass(frozen=True, kw_only=True)
class History:
    """The fingerprints of a dataset, oldest period first.

    Attributes:
        name: Of the dataset.
        frame: Rows of `FINGERPRINT`.
        judged: The periods to judge.
        partition_column: The column that says in which partition a row lies.
        key: The columns that identify a row.
        rule_columns: The columns that each rule judges, by its id.
        is_whole: Whether a period is a version of the whole table, which overlaps every partition of others.
        marked: Periods that people left out: neither judged nor learned from.
    """

    name: str
    frame: pl.DataFrame
    judged: Sequence[str]
    partition_column: str | None = None
    key: Sequence[str] = ()
    rule_columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_whole: bool = False
    marked: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Oddity:
    """A number that is not as expected.

    Attributes:
        dataset: Of which dataset.
        column: Of which column; empty for the rows as such.
        metric: Of a fingerprint.
        period: The partition.
        value: What it is.
        band: The nearest of those where it was expected.
        score: How far it lies from the band's middle, in half widths.
    """

    dataset: str
    column: str
    metric: str
    period: str
    value: float
    band: Band
    score: float

    @property
    def is_growth(self) -> bool:
        """Whether there are more rows than expected, which is no incident by itself."""
        return self.metric == "row_count" and self.value > self.band.low

    @property
    def is_late(self) -> bool:
        """Whether the last day is not there yet, as it may be; alone it is no incident."""
        return self.metric == "last_day" and self.score <= 1

    def may_move(self, below: "Oddity", *, reaches_column: bool) -> bool:
        """Return whether it may be why a number of a dataset below is odd.

        ==============  ==============================================================================
        It is           and below it may move
        ==============  ==============================================================================
        a late day      how many rows there are, until when, and which values are looked up in vain
        more rows       more rows, and what is counted or added up of them as much as they; no spelling
        anything else   the columns that it reaches; all of them where it is of whole rows
        ==============  ==============================================================================
        """
        if self.is_late:
            return below.metric in _MISSED_WHERE_LATE
        if not reaches_column:
            return False
        return not self.is_growth or below.follows_growth(self)

    def follows_growth(self, growth: "Oddity") -> bool:
        """Return whether more rows above may have moved it: more rows, and numbers not much more than they."""
        if self.metric in _OF_TEXTS:
            return False
        if self.metric == "row_count":
            return self.value > self.band.low
        if self.metric not in _OF_NUMBERS or self.band.low <= 0:
            return True
        reach = _SLACK * growth.value / math.sqrt(growth.band.low * growth.band.high)
        return self.band.low / reach <= self.value <= self.band.high * reach


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Where something began.

    Attributes:
        dataset: Where.
        column: Which column; empty where whole rows are gone or come twice.
        periods: The partitions that are odd, oldest first.
        evidence: What is odd about the column, the oddest first.
        also: Other columns of the dataset that are odd in the same partitions.
        reaches: Datasets below that are odd because of it.
    """

    dataset: str
    column: str
    periods: Sequence[str]
    evidence: Sequence[Oddity]
    also: Sequence[str] = ()
    reaches: Sequence[str] = field(default_factory=tuple)


def find_incidents(histories: Sequence[History], graph: Graph) -> list[Incident]:
    """Judge each dataset's periods against their own past and name where each incident began, the oddest first."""
    odd = {history.name: list(oddities(history)) for history in histories}
    whole = {history.name for history in histories if history.is_whole}
    walk = _Walk(odd, whole, graph)
    roots: dict[str, list[Oddity]] = {}
    consequences: dict[str, list[Oddity]] = {}
    for name, own_oddities in odd.items():
        for oddity in own_oddities:
            kind = consequences if walk.is_explained(oddity) else roots
            if not oddity.is_growth and not oddity.is_late:
                kind.setdefault(name, []).append(oddity)
    by_name = {history.name: history for history in histories}
    incidents = [
        incident for name, root in roots.items() for incident in _of_dataset(by_name[name], root, consequences, graph)
    ]
    return sorted(incidents, key=lambda incident: -incident.evidence[0].score)


def oddities(history: History) -> Iterator[Oddity]:
    """Yield the numbers of the judged periods that are not as their own past lets expect."""
    for period in history.judged:
        yield from _moves(history, period, least=1.0)


def _moves(history: History, period: str, *, least: float) -> Iterator[Oddity]:
    """Yield the numbers of a period whose score is above `least`."""
    periods = history.frame["period"].unique(maintain_order=True).to_list()
    if period in history.marked or period not in periods:
        return
    earlier = [before for before in periods[: periods.index(period)] if before not in history.marked]
    if len(earlier) < LEAST_POINTS:
        return
    series = _series(history.frame)
    rows = {other_period: point.value for other_period, point in series.get(("", "row_count"), {}).items()}
    for (column, metric), points in series.items():
        if rows.get(period, 0) < _FEW_ROWS and (metric in _OF_TEXTS or metric.startswith(SHARE)):
            continue
        if column and _is_calendar(column, series, earlier):
            continue
        oddity = _oddity(history.name, column, metric, points, rows, earlier, period)
        if oddity is not None and (oddity.score > least or oddity.is_growth or oddity.is_late):
            yield oddity


Series = Mapping[tuple[str, str], Mapping[str, Point]]


def _series(frame: pl.DataFrame) -> Series:
    """Return the points by column, metric and period; a value that a column of few values lacks has the share 0."""
    series: dict[tuple[str, str], dict[str, Point]] = {}
    listed: dict[str, set[str]] = {}
    for period, column, metric, value, noise in frame.iter_rows():
        series.setdefault((column, metric), {})[period] = Point(period, value, noise)
        if metric.startswith(SHARE):
            listed.setdefault(column, set()).add(period)
    for (column, metric), points in series.items():
        if metric.startswith(SHARE):
            for period in listed[column]:
                rows = series.get(("", "row_count"), {}).get(period)
                points.setdefault(period, Point(period, 0.0, 0.6 / rows.value if rows and rows.value else 0.0))
    return series


def _oddity(
    dataset: str,
    column: str,
    metric: str,
    points: Mapping[str, Point],
    rows: Mapping[str, float],
    earlier: Sequence[str],
    period: str,
) -> Oddity | None:
    point = points.get(period)
    past = [points[before] for before in earlier if before in points]
    if point is None:
        return None
    if metric.startswith(REFUSED):
        past = [points.get(before, Point(before, 0.0)) for before in earlier]
    # What chance alone may do to a value, if it is as it was: the noise of the past, more where there are fewer rows.
    power = 1.0 if metric in _EDGES else 0.5
    noises = [before.noise * (rows.get(before.period, 1.0) / max(rows.get(period, 1.0), 1.0)) ** power
              for before in past[-LEAST_POINTS:]]  # fmt: skip
    is_count = metric == "row_count"
    if is_count:
        past = [Point(before.period, math.log(max(before.value, 1.0))) for before in past]
    value = math.log(max(point.value, 1.0)) if is_count else point.value
    bands = expected(past, period, noise=max(noises, default=0.0), tolerance=_tolerance(metric))
    score = deviation(bands, value)
    if not bands:
        return None
    moved = value - statistics.median(past_point.value for past_point in past)
    if (is_count and score <= 1 and moved < _GROWTH) or (metric == "last_day" and score <= 1 and moved > -_LATE):
        return None
    band = min(bands, key=lambda candidate: candidate.deviation(value))
    if is_count:
        band = Band(math.exp(band.low), math.exp(band.high), band.basis)
    return Oddity(dataset=dataset, column=column, metric=metric, period=period, value=point.value, band=band,
                  score=score)  # fmt: skip


def _tolerance(metric: str) -> Tolerance:
    if metric in _LENGTHS:
        return Tolerance(relative=0.05, absolute=0.5)
    return _TOLERANCES.get(REFUSED if metric.startswith(REFUSED) else metric, _SHARES)


def _is_calendar(column: str, series: Series, earlier: Sequence[str]) -> bool:
    """Return whether a column says the year or the month of its period, so that it moves with it."""
    means = series.get((column, "mean"))
    if means is None:
        return False
    known = [(means[period].value, period) for period in earlier if period in means and period[:4].isdecimal()]
    if not known:
        return False
    parts = [(value, int(period[:4]), int(period[5:7] or 0)) for value, period in known]
    return all(abs(value - year) < 1 for value, year, _ in parts) or all(
        abs(value - month) < 1 for value, _, month in parts
    )


class _Walk:
    """Whether an oddity has an odd upstream."""

    def __init__(self, odd: Mapping[str, Sequence[Oddity]], whole: Collection[str], graph: Graph) -> None:
        self._odd, self._whole, self._graph = odd, whole, graph

    def is_explained(self, oddity: Oddity) -> bool:
        """Return whether something above is odd in the same period and reaches the column.

        Where rows are gone, refused or come twice above, every column below may move.
        """
        above = [name for name in self._graph.upstream(oddity.dataset) if self._odd.get(name)]
        if not above:
            return False
        is_whole = not oddity.column or not self._graph.is_readable(oddity.dataset)
        columns = () if is_whole else self._graph.column_upstream(oddity.dataset, oddity.column)
        return any(
            self._overlap(oddity, cause)
            and cause.may_move(oddity, reaches_column=is_whole or not cause.column or (name, cause.column) in columns)
            for name in above
            for cause in self._odd[name]
        )

    def _overlap(self, one: Oddity, other: Oddity) -> bool:
        if one.dataset in self._whole or other.dataset in self._whole:
            return True
        return one.period.startswith(other.period) or other.period.startswith(one.period)


def _of_dataset(
    history: History, own_oddities: Sequence[Oddity], consequences: Mapping[str, Sequence[Oddity]], graph: Graph
) -> Iterator[Incident]:
    name = history.name
    by_column: dict[str, dict[str, list[Oddity]]] = {}
    for period in dict.fromkeys(oddity.period for oddity in own_oddities):
        odd = [oddity for oddity in own_oddities if oddity.period == period]
        by_column.setdefault(_cause(odd, history), {})[period] = odd
    for column, periods in by_column.items():
        odd = [oddity for listed in periods.values() for oddity in listed]
        # A column that is blamed for what a rule refused may have no odd number of its own.
        own = [oddity for oddity in odd if oddity.column == column] or odd
        evidence = sorted(own, key=lambda oddity: -oddity.score)
        also = dict.fromkeys(oddity.column for oddity in odd if oddity.column not in ("", column))
        reaches = [below for below in consequences if name in graph.upstream(below)]
        yield Incident(dataset=name, column=column, periods=tuple(sorted(periods)), evidence=tuple(evidence),
                       also=tuple(also), reaches=tuple(sorted(reaches)))  # fmt: skip


def _cause(odd: Sequence[Oddity], history: History) -> str:
    """Return the column in which the oddities of one partition began.

    A time that moved takes rows out of its partition, and a key that lost its values repeats: the column comes first.
    """
    metrics = {(oddity.column, oddity.metric) for oddity in odd}
    if any(oddity.metric == "row_count" and oddity.value < _EMPTY * oddity.band.low for oddity in odd):
        return WHOLE_ROWS
    if history.partition_column and any((history.partition_column, edge) in metrics for edge in _EDGES):
        return history.partition_column
    columns = [oddity for oddity in odd if oddity.column]
    in_key = [oddity for oddity in columns if oddity.column in history.key]
    if ("", "duplicate_rate") in metrics and not in_key:
        return WHOLE_ROWS
    if ("", "row_count") in metrics and ("", "duplicate_rate") not in metrics:
        return WHOLE_ROWS
    if not columns:
        return _refused_for(odd, history)
    suspects = in_key if ("", "duplicate_rate") in metrics else columns
    return max(suspects or columns, key=lambda oddity: oddity.score).column


def _refused_for(odd: Sequence[Oddity], history: History) -> str:
    """Return the column of the rule that refused the most; of a rule on several, the one that moved most."""
    rules = [oddity for oddity in odd if oddity.metric.startswith(REFUSED)]
    if not rules:
        return WHOLE_ROWS
    worst = max(rules, key=lambda oddity: oddity.value)
    columns = history.rule_columns.get(worst.metric.removeprefix(REFUSED), ())
    moves = sorted(_moves(history, worst.period, least=0.0), key=lambda oddity: oddity.score)
    moved = {oddity.column: oddity.score for oddity in moves}
    return max(columns, key=lambda column: moved.get(column, 0.0), default=WHOLE_ROWS)
