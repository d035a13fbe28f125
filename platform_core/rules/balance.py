"""What a table adds up to is what another one adds up to: control totals between datasets.

No rule on a table's own rows sees that a join multiplied them, that a filter took too many, or that a group went: each
row that is left is a good one. The totals of both ends see it, whatever lies between.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import polars as pl

from platform_core.rules.base import DatasetRule, Dimension, FaultKind, Flaw, Over, Schema

Groups = Literal["both", "own"]
"""Whether a group that only the other dataset has is out of balance, too."""

_OWN, _THEIRS = "_own", "_theirs"


@dataclass(frozen=True, kw_only=True)
class Balance(DatasetRule):
    """An aggregate of the rows is what an aggregate of another dataset's rows is, in each group.

    What is judged is the number of groups that differ. A null, and a group that is not there, count as nothing: 0.

    Attributes:
        dataset: The other one.
        by: Columns that name a group; without any both tables are one group.
        keys: A structure of the same columns, of the other dataset's rows.
        own: The aggregate of the rows.
        theirs: The aggregate of the other dataset's rows.
        tolerance: How far the two may be apart.
        groups: `own` leaves out groups that only the other dataset has.
    """

    kind: ClassVar[str] = "balance"
    fault: ClassVar[FaultKind] = "balance"

    dimension: Dimension = "consistency"
    at_most: float | None = 0
    over: Over = "table"
    dataset: str = ""
    by: tuple[str, ...] = ()
    keys: pl.Expr = field(default_factory=lambda: pl.lit(0), compare=False)
    own: pl.Expr = field(default_factory=pl.len, compare=False)
    theirs: pl.Expr = field(default_factory=pl.len, compare=False)
    tolerance: float = 0.0
    groups: Groups = "both"

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", tuple(self.by))
        super().__post_init__()

    def _label(self) -> str:
        groups = f" by {', '.join(self.by)}" if self.by else ""
        return f"{self.id.replace('_', ' ')}: balances with {self.dataset}{groups}"

    @property
    def measure(self) -> pl.Expr:
        """The own side, of which a declaration is tried; what is judged is `distance`."""
        return self.own

    @property
    def compares_with(self) -> str:
        """The other dataset."""
        return f"dataset {self.dataset}"

    def side_of(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return the other dataset's side: its groups, named as the rule's own columns, and their aggregates."""
        return self._side(rows.with_columns(self.keys.struct.unnest()) if self.by else rows, self.theirs)

    def own_side(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the side of the rows, as `side_of` returns the other one: what they balance with."""
        return self._side(rows.lazy(), self.own).collect()

    def more_than(self, side: pl.DataFrame) -> pl.DataFrame:
        """Return another side that is out of balance with one, by more than the tolerance in each group."""
        return side.with_columns(pl.col(_THEIRS).fill_null(0) + 1 + 2 * self.tolerance)

    def distance(self, rows: pl.DataFrame, past: pl.DataFrame) -> float:
        """Return the number of groups that differ; `past` is the other side."""
        own = self.own_side(rows).rename({_THEIRS: _OWN})
        if not self.by:
            both = pl.concat([own, past], how="horizontal")
        else:
            how: Literal["left", "full"] = "left" if self.groups == "own" else "full"
            both = own.join(past, on=list(self.by), how=how, coalesce=True, nulls_equal=True)
        apart = (pl.col(_OWN).fill_null(0) - pl.col(_THEIRS).fill_null(0)).abs()
        return float(both.select((apart > self.tolerance).sum()).item())

    def _side(self, rows: pl.LazyFrame, aggregate: pl.Expr) -> pl.LazyFrame:
        number = aggregate.cast(pl.Float64).alias(_THEIRS)
        return rows.group_by(self.by).agg(number) if self.by else rows.select(number)

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Another dataset that is not named, groups that are not there, and a tolerance that is none."""
        yield from DatasetRule.flaws(self, schema)
        if "/" not in self.dataset:
            yield Flaw(f"balances with {self.dataset!r}, which is no dataset.", "give its name, domain/title.")
        if self.groups not in get_args(Groups):
            yield Flaw(f"has groups={self.groups!r}.", f"use one of {', '.join(get_args(Groups))}.")
        if isinstance(self.tolerance, bool) or not isinstance(self.tolerance, int | float) or not self.tolerance >= 0:
            yield Flaw(f"has tolerance={self.tolerance!r}.", "give a number that is not below zero.")
        if self.over != "table":
            yield Flaw(f"is over {self.over!r}, and the other dataset's rows lie in no partition of this one.",
                       "leave over out.")  # fmt: skip


def balance(  # noqa: PLR0913 - both sides, and how they are compared
    rule_id: str,
    dataset: str,
    *,
    own: pl.Expr,
    theirs: pl.Expr,
    by: Mapping[str, pl.Expr | str] | tuple[str, ...] | list[str] = (),
    tolerance: float = 0.0,
    groups: Groups = "both",
    label: str | None = None,
) -> Balance:
    """Return a rule that the aggregate `own` is, in each group, what `theirs` is of another dataset's rows.

    `by` are columns that both have, or own columns with expressions of the other dataset's.
    """
    named = by if isinstance(by, Mapping) else {name: name for name in by}
    theirs_by = {name: pl.col(key) if isinstance(key, str) else key for name, key in named.items()}
    return Balance(
        id=rule_id,
        label=label or "",
        columns=tuple(dict.fromkeys([*named, *own.meta.root_names()])),
        dataset=dataset,
        by=tuple(named),
        keys=pl.struct(key.alias(name) for name, key in theirs_by.items()) if theirs_by else pl.lit(0),
        own=own,
        theirs=theirs,
        tolerance=tolerance,
        groups=groups,
    )
