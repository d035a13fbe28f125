"""Streams made of streams: windows, joins, patterns, features and scores over the rows of other datasets.

A fold is a source: a worker feeds it with the rows that its inputs took in, in their order, and what it gives out is
judged and written like messages, with the fold's state under the same number. Inputs are streams that only add rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

import polars as pl

from platform_core.contracts.sources import Source, SourceProblem

Late = Literal["quarantine", "correct"]
Follow = Literal["next", "later", "each"]
_NONE = timedelta(0)


def detector_name(dataset: str) -> str:
    """Return the name of the detector by which a dataset's rows are scored."""
    return f"{dataset}_detector"


@dataclass(frozen=True, kw_only=True)
class Fold(Source):
    """What folds of all kinds say.

    Attributes:
        grace: How far behind the watermark a row still counts. The watermark is the latest event time of each
            partition less the `lateness` of the input's topic, and of these the earliest.
        idle: How long a partition may be silent before it holds the others up no longer; None waits for ever.
        late: What becomes of a row that comes later still: `quarantine`, or `correct`, which computes its windows anew.
    """

    kind: ClassVar[str] = "fold"
    is_stream: ClassVar[bool] = True
    can_be_malformed: ClassVar[bool] = False
    uncorrectable: ClassVar[str] = "cannot change what was given out."
    """Why `late='correct'` is refused; empty where windows can be computed anew."""

    grace: timedelta = field(default=_NONE)
    idle: timedelta | None = field(default=None)
    late: Late = field(default="quarantine")

    @property
    def reads(self) -> str:
        """The inputs."""
        return ", ".join(self.inputs)

    @property
    def tables(self) -> Sequence[str]:
        """Datasets whose tables are looked into, beside the streams that are folded."""
        return ()

    @property
    def upstream(self) -> Sequence[str]:
        """The inputs and the tables."""
        return (*self.inputs, *self.tables)

    @property
    def columns(self) -> Sequence[str] | None:
        """The columns that it gives out; None where they are those of its inputs and others."""
        return None

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: rows that come out are added to a table; corrected ones take the place of others."""
        yield from super().problems(store_mode=store_mode)
        if store_mode == "overwrite":
            yield "store", "is 'overwrite', but what a stream gives out is no whole table.", "use Delta(mode='append')."
        if self.late == "correct" and self.uncorrectable:
            yield "late='correct'", self.uncorrectable, "use late='quarantine' and a grace."
        elif self.late == "correct" and store_mode != "merge":
            yield "late='correct'", "changes rows, and the store only adds.", "use Delta(mode='merge') and a key."
        if self.grace < _NONE:
            yield f"grace {self.grace}", "is below zero.", "give a timedelta, zero or more."


@dataclass(frozen=True)
class _OfOne(Fold):
    of: str

    @property
    def inputs(self) -> Sequence[str]:
        """The one stream."""
        return (self.of,)


@dataclass(frozen=True)
class _Keyed(Fold):
    by: Sequence[str] | str = field(kw_only=True)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that part the rows."""
        return (self.by,) if isinstance(self.by, str) else tuple(self.by)


@dataclass(frozen=True)
class Windows(_Keyed, _OfOne):
    """What windows of all kinds say."""

    measures: Mapping[str, pl.Expr] = field(kw_only=True, hash=False)

    @property
    def columns(self) -> Sequence[str]:
        """The key, the window's bounds and what is measured."""
        return (*self.key, "window_start", "window_end", *self.measures)

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: a measure is an expression."""
        yield from super().problems(store_mode=store_mode)
        for name, measure in self.measures.items():
            if not isinstance(measure, pl.Expr):
                yield f"measure {name!r}", "is no expression.", f"write {{{name!r}: col('x').max()}}."


@dataclass(frozen=True)
class SizedWindows(Windows):
    """Windows of a length."""

    size: timedelta = field(kw_only=True)

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: a window has a length."""
        yield from super().problems(store_mode=store_mode)
        if self.size <= _NONE:
            yield f"size {self.size}", "is no length of a window.", "give size=minutes(1)."


@dataclass(frozen=True)
class Tumbling(SizedWindows):
    """Windows side by side, `[start, start + size)`, aligned to 1970 in UTC, a row for each key and window.

    Attributes:
        of: The stream, by its dataset's name.
        size: How long a window is.
        by: The columns of the key.
        measures: Expressions over a window's rows, by column.
    """

    uncorrectable: ClassVar[str] = ""


@dataclass(frozen=True)
class Hopping(SizedWindows):
    """A window `[start, start + size)` each `every`, aligned to 1970 in UTC; a row lies in several.

    Attributes:
        of: The stream, by its dataset's name.
        size: How long a window is; a multiple of `every`.
        every: From one start to the next.
        by: The columns of the key.
        measures: Expressions over a window's rows, by column.
    """

    uncorrectable: ClassVar[str] = ""

    every: timedelta = field(kw_only=True)

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: the size must be a multiple of the step."""
        yield from super().problems(store_mode=store_mode)
        if self.every <= _NONE or self.size % self.every:
            yield f"size {self.size}", f"is no multiple of every={self.every}.", "change one of them."


@dataclass(frozen=True)
class Sessions(Windows):
    """Rows of one key of which each is at most `gap` behind the one before it; `window_end` is the last row's time.

    Attributes:
        of: The stream, by its dataset's name.
        gap: The longest pause within a session.
        maximum: A session holds the rows of `[start, start + maximum)`; None for any length.
        by: The columns of the key.
        measures: Expressions over a session's rows, by column.
    """

    uncorrectable: ClassVar[str] = "would join sessions that were given out."

    gap: timedelta = field(kw_only=True)
    maximum: timedelta | None = field(default=None, kw_only=True)

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: a gap has a length."""
        yield from super().problems(store_mode=store_mode)
        if self.gap <= _NONE or (self.maximum is not None and self.maximum <= _NONE):
            yield f"gap {self.gap}", "or the maximum is no length.", "give gap=minutes(30)."


@dataclass(frozen=True)
class Sliding(SizedWindows):
    """A window `(instant - size, instant]` for each instant at which a key has a row: that instant counts.

    Attributes:
        of: The stream, by its dataset's name.
        size: How long a window is.
        by: The columns of the key.
        measures: Expressions over a window's rows, by column.
    """

    uncorrectable: ClassVar[str] = "would change windows of other rows."


@dataclass(frozen=True)
class Counted(Windows):
    """A window for each `count` rows of a key in the order in which they came, whatever their times: none is late.

    `window_start` and `window_end` are the earliest and the latest time of its rows.

    Attributes:
        of: The stream, by its dataset's name.
        count: How many rows a window has.
        by: The columns of the key.
        measures: Expressions over a window's rows, by column.
    """

    uncorrectable: ClassVar[str] = "has nothing to correct, as no row is late."

    count: int = field(kw_only=True)

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: a window has rows."""
        yield from super().problems(store_mode=store_mode)
        if self.count < 1:
            yield f"count {self.count}", "is no number of rows.", "give count=100."


@dataclass(frozen=True)
class Pattern(_Keyed, _OfOne):
    """A row `first`, then a row `then` of the same key within a time, without a row `without` between them.

    What comes out is the first row's columns with `outcome` (matched, broken or timed_out) and `ended_at`.

    Attributes:
        of: The stream, by its dataset's name.
        by: The columns of the key.
        first: Which rows begin it.
        then: Which rows end it: behind the first, and at most `within` behind it; that instant counts.
        within: The time between them; from the first `first` to the last `then`.
        without: Which rows, strictly between them, break it; None for none.
        first_times: How many `first` come before the `then`, each behind the one before.
        times: How many `then` must come, each behind the one before.
        follow: `later` passes over rows that are neither; `next` breaks at one; `each` gives a match for each `then`.
    """

    first: pl.Expr = field(kw_only=True, hash=False)
    then: pl.Expr = field(kw_only=True, hash=False)
    within: timedelta = field(kw_only=True)
    without: pl.Expr | None = field(default=None, kw_only=True, hash=False)
    first_times: int = field(default=1, kw_only=True)
    times: int = field(default=1, kw_only=True)
    follow: Follow = field(default="later", kw_only=True)

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: a row comes at least once, within some time."""
        yield from super().problems(store_mode=store_mode)
        if self.within <= _NONE:
            yield f"within {self.within}", "is no time.", "give within=minutes(30)."
        if min(self.first_times, self.times) < 1:
            yield "first_times or times", "is below one.", "say how many rows must come, one or more."


@dataclass(frozen=True)
class Lookup(_Keyed, _OfOne):
    """Each row of a stream with columns of the row that a table has for its key, or nulls; by the table as it is then.

    The version of the table that each row saw is kept, and looked for anew every ten seconds: a replay sees the same.

    Attributes:
        of: The stream, by its dataset's name.
        table: A dataset whose table has each key once.
        by: The columns of the key, in both.
        take: Columns of the table, none of which the stream has.
    """

    table: str
    take: Sequence[str] = field(kw_only=True)

    @property
    def tables(self) -> Sequence[str]:
        """The one table."""
        return (self.table,)

    @property
    def history(self) -> Sequence[str]:
        """The table's column of instants, where it is a history."""
        return ()

    @property
    def looked_into(self) -> Sequence[str]:
        """The columns of the table that are read."""
        return tuple(dict.fromkeys([*self.key, *self.history, *self.take]))


@dataclass(frozen=True)
class AsOf(Lookup):
    """Each row of a stream with what a history had for its key at the row's time, or nulls.

    That is the history's last row with `valid_from` at or before the row's time: that instant counts.

    Attributes:
        of: The stream, by its dataset's name.
        table: A dataset whose table is a history: a row for each key and change.
        by: The columns of the key, in both.
        take: Columns of the table, none of which the stream has.
        valid_from: The table's column of instants from which a row is valid.
    """

    valid_from: str = field(kw_only=True)

    @property
    def history(self) -> Sequence[str]:
        """The column of instants from which a row is valid."""
        return (self.valid_from,)


@dataclass(frozen=True)
class Near(_Keyed):
    """Pairs of rows of two streams under one key whose times are near; columns of the right that clash end in `_right`.

    Attributes:
        left: A stream, by its dataset's name.
        right: Another one.
        by: The columns of the key, in both.
        before: How long before the left row the right one may lie; that instant counts.
        after: How long behind it; that instant counts.
    """

    left: str
    right: str
    before: timedelta = field(default=_NONE, kw_only=True)
    after: timedelta = field(default=_NONE, kw_only=True)

    @property
    def inputs(self) -> Sequence[str]:
        """Both streams."""
        return (self.left, self.right)


@dataclass(frozen=True)
class Featured(_OfOne):
    """Features as of each row of a stream: none sees the row itself, or what came behind it.

    Attributes:
        of: The stream, by its dataset's name.
        features: What `platform_core.features.feature` makes.
    """

    features: Sequence[Any] = field(kw_only=True)


@dataclass(frozen=True)
class Scored(_OfOne):
    """Each row of a stream with `anomaly_score`, 1 or more for what is odd, and `anomaly_column`, which explains it.

    The detector is trained on the first `train_on` rows, by the first run or worker that finds as many, and kept as a
    version; rows before it has been trained wait.

    Attributes:
        of: The stream, by its dataset's name.
        reads_columns: The numbers that the detector looks at.
        train_on: How many rows it is trained on.
        rate: The share of usual rows that may reach a score of 1.
        seed: Of the training.
        season: A period, such as a day: a value is odd by what it is beside what is usual at its time; None for none.
        season_parts: Into how many parts the period is cut, each `[start, end)`, counted from 1970 in UTC.
        time: The column of instants by which a season is told.
        drift: By how many usual deviations a column's median moves until the detector's asset trains it anew; None
            leaves that to people.
        looks: When the asset looks for drift, as cron in UTC, where the stream has new rows.
        labels: A dataset with this one's key and a label, by which the asset judges the detector; None for none.
        label: The column that says whether a row is odd.
        auc_at_least: How often an odd row must score above a usual one.
    """

    adds_columns: ClassVar[Sequence[str]] = ("anomaly_score", "anomaly_column")

    reads_columns: Sequence[str] = field(kw_only=True)
    train_on: int = field(default=1_000, kw_only=True)
    rate: float = field(default=0.001, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    season: timedelta | None = field(default=None, kw_only=True)
    season_parts: int = field(default=24, kw_only=True)
    time: str | None = field(default=None, kw_only=True)
    drift: float | None = field(default=None, kw_only=True)
    looks: str = field(default="*/10 * * * *", kw_only=True)
    labels: str | None = field(default=None, kw_only=True)
    label: str = field(default="is_odd", kw_only=True)
    auc_at_least: float = field(default=0.9, kw_only=True)

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: a detector needs rows and numbers."""
        yield from super().problems(store_mode=store_mode)
        if self.drift is not None and self.drift <= 0:
            yield f"drift {self.drift}", "is no distance.", "give drift=0.5, or None."
        if not 0 <= self.auc_at_least <= 1:
            yield f"auc_at_least {self.auc_at_least}", "is no share.", "give a number from 0 to 1."
        if not self.reads_columns or isinstance(self.reads_columns, str):
            yield "reads_columns", "names no list of columns.", "write reads_columns=['price'] ."
        if self.train_on < 2 or not 0 < self.rate < 1:  # noqa: PLR2004 - one row has no scale
            yield "train_on or rate", "trains no detector.", "give train_on=1000, rate=0.001."
        if self.season is not None and (self.time is None or self.season <= _NONE or self.season_parts < 1):
            yield (
                f"season {self.season}",
                "has no length, no parts or no time.",
                "give season=within(days=1), time='at'.",
            )
