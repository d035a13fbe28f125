"""Rules as records: a stable id, what it judges, how severe it is. Evaluation lives in `quality`.

A row rule judges one row and may refuse it. A dataset rule judges what is written, per partition or over the table.
Ids are history keys: they never contain a threshold, so that moving one keeps the history.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl
from pandera.api.checks import Check

from platform_core.contracts.types import Dimension, Severity

Over = Literal["partition", "table"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What every rule has."""

    id: str
    label: str
    columns: tuple[str, ...]
    severity: Severity = "error"
    dimension: Dimension = "conformity"


@dataclass(frozen=True, kw_only=True)
class RowRule(Rule):
    """A rule on single rows. `kind` and `parameters` say which; a null satisfies every kind but `not_null`."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True)
class CheckRule(Rule):
    """A Pandera check written by the user (`@check`, `@dataframe_check`), judged by Pandera itself."""

    check: Check = field(compare=False)
    column: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReferenceRule(Rule):
    """Values must be found in another dataset. With `coverage` 1 rows are judged, below it the share per partition."""

    dataset: str
    to: tuple[str, ...]
    coverage: float = 1.0

    @property
    def judges_rows(self) -> bool:
        """Whether single rows are refused."""
        return self.coverage >= 1.0


@dataclass(frozen=True, kw_only=True)
class DatasetRule(Rule):
    """A number computed over the rows of a partition (or table) that must lie in [at_least, at_most], both closed."""

    measure: pl.Expr = field(compare=False)
    at_least: float | None = None
    at_most: float | None = None
    over: Over = "partition"
    kind: str = "measure"


def id_of(columns: Sequence[str], suffix: str) -> str:
    """The id of a rule named after columns; a character that no check's name may have becomes an underscore."""
    return re.sub(r"[^A-Za-z0-9_]", "_", "_".join([*columns, suffix]))


def complete(column: str, *, at_least: float, severity: Severity = "warn", over: Over = "partition") -> DatasetRule:
    """A rule that the share of non-null values of `column` is at least `at_least` (0 to 1, closed)."""
    return DatasetRule(
        id=id_of([column], "complete"),
        label=f"{column} is filled in at least {at_least:.0%} of rows",
        columns=(column,),
        severity=severity,
        dimension="completeness",
        measure=pl.col(column).count() / pl.len(),  # 1 - nulls / rows would miss a threshold by a rounding
        at_least=at_least,
        over=over,
        kind="complete",
    )


def volume(
    *,
    at_least: int | None = None,
    at_most: int | None = None,
    severity: Severity = "warn",
    over: Over = "partition",
) -> DatasetRule:
    """A rule that the number of rows lies in [at_least, at_most], both closed."""
    return DatasetRule(
        id="volume",
        label=f"rows between {at_least or 0:,} and {'any number' if at_most is None else f'{at_most:,}'}",
        columns=(),
        severity=severity,
        dimension="completeness",
        measure=pl.len(),
        at_least=at_least,
        at_most=at_most,
        over=over,
        kind="volume",
    )


def measure(
    rule_id: str,
    aggregate: pl.Expr,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    label: str | None = None,
    severity: Severity = "warn",
    over: Over = "partition",
) -> DatasetRule:
    """A rule that an aggregate of the rows (`pl.col("x").mean()`) lies in [at_least, at_most], both closed."""
    return DatasetRule(
        id=rule_id,
        label=label or f"{rule_id.replace('_', ' ')} between {at_least} and {at_most}",
        columns=tuple(aggregate.meta.root_names()),
        severity=severity,
        dimension="accuracy",
        measure=aggregate,
        at_least=at_least,
        at_most=at_most,
        over=over,
    )


def expression(
    rule_id: str, holds: pl.Expr | str, *, label: str | None = None, severity: Severity = "error"
) -> RowRule:
    """A row rule from a polars expression, or SQL text, that is true where the row is good. A null result is good."""
    expr = pl.sql_expr(holds) if isinstance(holds, str) else holds
    return RowRule(
        id=rule_id,
        label=label or rule_id.replace("_", " "),
        columns=tuple(dict.fromkeys(expr.meta.root_names())),
        severity=severity,
        dimension="consistency",
        kind="expression",
        parameters={"holds": expr},
    )


def unique(*columns: str, severity: Severity = "error") -> RowRule:
    """A row rule that no two rows share the values of `columns`; the first row stays, later ones fail."""
    return RowRule(
        id=id_of(columns, "unique"),
        label=f"{', '.join(columns)}: no two rows alike",
        columns=columns,
        severity=severity,
        dimension="uniqueness",
        kind="unique",
    )


def references(
    columns: Sequence[str],
    dataset: str,
    *,
    to: Sequence[str] | None = None,
    coverage: float = 1.0,
    severity: Severity = "error",
) -> ReferenceRule:
    """A rule that the values of several columns together are found in columns `to` of another dataset."""
    return ReferenceRule(
        id=id_of(columns, "references"),
        label=f"{', '.join(columns)} found in {dataset}",
        columns=tuple(columns),
        severity=severity,
        dimension="coverage",
        dataset=dataset,
        to=tuple(to or columns),
        coverage=coverage,
    )
