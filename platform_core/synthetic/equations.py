"""Expressions that say what a column equals: such a column is computed, since no draw would ever hit it."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from platform_core.contracts.dataset import Dataset


@dataclass(frozen=True)
class Equation:
    """A column and the expression it equals."""

    column: str
    value: pl.Expr

    def solved(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with the column computed; what does not fit its type is null."""
        dtype = frame.schema[self.column]
        return frame.with_columns(self.value.cast(dtype, strict=False).alias(self.column))


def equations(holds: pl.Expr, dataset: Dataset, *, broken: bool) -> tuple[tuple[Equation, ...], ...]:
    """For each equality that must be true, the ways to compute one side from the other.

    `a == b` and `... & (a == b)` are read; where the expression is to be broken, `a != b` and `... | (a != b)`.
    """
    splits, equal = (operator.or_, operator.ne) if broken else (operator.and_, operator.eq)
    sides = (_ways(side, dataset, equal) for side in _sides(holds, splits))
    return tuple(ways for ways in sides if ways)


def _pair(holds: pl.Expr, connect: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> tuple[pl.Expr, pl.Expr] | None:
    operands = holds.meta.pop()
    if len(operands) == 2 and connect(operands[1], operands[0]).meta.eq(holds):  # noqa: PLR2004 - a pair
        return operands[1], operands[0]
    return None


def _sides(holds: pl.Expr, connect: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Iterator[pl.Expr]:
    pair = _pair(holds, connect)
    if pair is None:
        yield holds
        return
    for side in pair:
        yield from _sides(side, connect)


def _ways(holds: pl.Expr, dataset: Dataset, equal: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> tuple[Equation, ...]:
    pair = _pair(holds, equal)
    if pair is None:
        return ()
    ways = ((pair[0], pair[1]), (pair[1], pair[0]))
    return tuple(
        Equation(side.meta.output_name(), other)
        for side, other in ways
        if side.meta.is_column() and dataset.column(side.meta.output_name()) is not None
        and side.meta.output_name() not in other.meta.root_names()
    )  # fmt: skip
