"""No two rows are alike in some columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from platform_core.rules.base import DbtTest, Dimension, FaultKind, Flaw, RowRule, Schema, Severity
from platform_core.rules.sql import identifier

WITHIN = "_within"
"""A column beside the contract's: uniqueness is judged among rows that share its value (rows of one file)."""


@dataclass(frozen=True, kw_only=True)
class Unique(RowRule):
    """The rule that no two rows share the values of the columns; the first row stays, later ones fail."""

    kind: ClassVar[str] = "unique"
    fault: ClassVar[FaultKind] = "twin"
    compares_rows: ClassVar[bool] = True
    always_computable: ClassVar[bool] = True

    dimension: Dimension = "uniqueness"

    def _label(self) -> str:
        return f"{', '.join(self.columns)}: no two rows alike"

    def expression(self) -> pl.Expr:
        """Return True for the first of equal rows `WITHIN` one input, and where a null is among the columns."""
        columns = [pl.col(name) for name in self.columns]
        alone = pl.struct(WITHIN, *columns).is_first_distinct()
        return alone | pl.any_horizontal(column.is_null() for column in columns)

    def dbt_test(self, partition: str | None) -> DbtTest:
        """Return the test that dbt brings for one column, and one of ours for several."""
        if len(self.columns) == 1:
            return "unique", {}
        names = [identifier(name) for name in self.columns]
        filled = " AND ".join(f"{name} IS NOT NULL" for name in names)
        return "no_two_alike", {"filled": filled, "group_by": f"GROUP BY {', '.join(names)}"}

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """No column at all."""
        if not self.columns:
            yield Flaw("names no column.", "name the columns that must differ.")


def unique(*columns: str, severity: Severity = "error") -> Unique:
    """Return a row rule that no two rows share the values of `columns`; the first row stays, later ones fail."""
    return Unique(columns=columns, severity=severity)
