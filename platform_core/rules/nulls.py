"""No value is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from platform_core.rules.base import DbtTest, Dimension, FileFacts, Predicate, Record, RowRule, Schema
from platform_core.rules.sql import identifier


@dataclass(frozen=True, kw_only=True)
class NotNull(RowRule):
    """The rule that a column holds no null; NaN is one."""

    kind: ClassVar[str] = "not_null"
    always_computable: ClassVar[bool] = True

    dimension: Dimension = "completeness"

    def _label(self) -> str:
        return f"{self.columns[0]} is never null"

    def expression(self) -> pl.Expr:
        """Return whether there is a value."""
        return pl.col(self.columns[0]).is_not_null()

    def predicate(self, schema: Schema) -> Predicate:
        """Return True for a record with a value; NaN is none."""
        column = self.columns[0]

        def predicate(record: Record) -> bool:
            value = record[column]
            return value is not None and value == value  # noqa: PLR0124 - false of NaN alone

        return predicate

    def proven(self, files: Sequence[FileFacts], schema: Schema) -> bool:
        """Where no file has a null, and the column's values cannot be NaN."""
        name = self.columns[0]
        return not schema[name].is_float() and all(file.rows == 0 or file.nulls.get(name) == 0 for file in files)

    def sql(self) -> str:
        """Return whether there is a value."""
        return f"{identifier(self.columns[0])} IS NOT NULL"

    def dbt_test(self, partition: str | None) -> DbtTest:
        """Return the test that dbt brings."""
        return "not_null", {}

    @property
    def empties(self) -> str:
        """The column itself."""
        return self.columns[0]
