"""The two rules every dataset has: its columns are those declared, and every value can be read as its type."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from platform_core.rules.base import FaultKind, RowRule, Rule


@dataclass(frozen=True, kw_only=True)
class Columns(Rule):
    """The rule that a frame has the declared columns and no others; no row is to blame."""

    kind: ClassVar[str] = "schema"
    fault: ClassVar[FaultKind] = "shape"

    id: str = "schema"
    label: str = "columns are those declared"


@dataclass(frozen=True, kw_only=True)
class Types(RowRule):
    """The rule that every value can be read as its column's type; typed rows keep it."""

    kind: ClassVar[str] = "types"
    fault: ClassVar[FaultKind] = "unreadable"
    on_input: ClassVar[bool] = True
    always_computable: ClassVar[bool] = True

    id: str = "types"
    label: str = "every value can be read as its type"

    def expression(self) -> pl.Expr:
        """Return True: a row that has types could be read."""
        return pl.lit(value=True)
