"""Joins of a stream with another one, with a table, and with a table's history."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from platform_core.contracts.folds import AsOf, Lookup, Near
from platform_core.folding.base import END_OF_TIME, Folding, Step, TableStore
from platform_core.streaming import IntervalJoin, JoinState, fold_interval_join, look_up, look_up_as_of

_TABLE = "table:"


class NearFolding(Folding[Near]):
    """Pairs of rows whose times are near."""

    def begin(self) -> JoinState:
        """Return the state before any row."""
        return JoinState()

    def step(self, state: JoinState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        """Take rows of one side in."""
        own = self.source
        beside = rows.clear().select(column for column in rows.columns if column not in self.empty[name].columns)
        sides = {side: pl.concat([empty, beside], how="horizontal") for side, empty in self.empty.items()}
        sides[name] = rows
        join = IntervalJoin(
            left=self.clocks[own.left], right=self.clocks[own.right], by=own.key, before=own.before, after=own.after,
            grace=own.grace,
        )  # fmt: skip
        state_kept, joined = fold_interval_join(join, state, sides[own.left], sides[own.right], now=now)
        return Step(state_kept, joined.pairs, joined.late_left if name == own.left else joined.late_right)

    def plan(self, *inputs: pl.LazyFrame) -> pl.LazyFrame:
        """Join by the key; which pairs are near depends on both times."""
        left, right = (self.clocks[name].time for name in self.source.inputs)
        pairs = inputs[0].join(inputs[1], on=list(self.source.key), suffix="_right")
        right_time = f"{right}_right" if right in inputs[0].collect_schema().names() else right
        return pairs.filter(pl.col(right_time) >= pl.col(left))


@dataclass(frozen=True)
class LookupState:
    """The version of the table that is looked into."""

    version: str | None = None


@dataclass(frozen=True)
class LookupFolding(Folding[Lookup]):
    """Rows with what a table has for their key."""

    loaded: dict[str, pl.DataFrame] = field(default_factory=dict)

    def begin(self) -> LookupState:
        """Return the state before any row."""
        return LookupState()

    def renew(self, state: LookupState) -> str | None:
        """Return the table's version, where it is another one."""
        current = self._table.current()
        return None if current == state.version else f"{_TABLE}{current}"

    def recall(self, state: LookupState, note: str) -> LookupState:
        """Look into the version of the note from the next row on."""
        return replace(state, version=note.removeprefix(_TABLE))

    def step(self, state: LookupState, name: str, rows: pl.DataFrame, now: datetime) -> Step:
        """Look the rows up."""
        del name, now
        version = state.version or self._table.current()
        if version not in self.loaded:
            self.loaded.clear()
            self.loaded[version] = self._table.load(version)
        return Step(LookupState(version), self._look_up(rows, self.loaded[version]), rows.clear())

    def compute(self, inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Look a history up in the table as it is now."""
        return self.step(self.begin(), self.source.of, inputs[self.source.of], END_OF_TIME).rows

    def plan(self, *inputs: pl.LazyFrame) -> pl.LazyFrame:
        """Join by the key; which row of a history is taken depends on both times."""
        rows, table = inputs
        joined = rows.join(table.select(self.source.looked_into), on=list(self.source.key), how="left")
        return joined.filter(pl.col(name) <= pl.col(self.clock.time) for name in self.source.history)

    @property
    def _table(self) -> TableStore:
        if self.stores.table is None:
            raise ValueError(f"{self.source.table} is to be looked into, and was not given")
        return self.stores.table

    def _look_up(self, rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
        return look_up(rows, table, by=self.source.key)


class AsOfFolding(LookupFolding):
    """Rows with what a history had at their time."""

    source: AsOf

    def _look_up(self, rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
        own = self.source
        return look_up_as_of(rows, table, by=own.key, time=self.clock.time, valid_from=own.valid_from)
