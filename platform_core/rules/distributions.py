"""A column's mean, quantile, spread, number of different values, or the share of one value, lies between bounds."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import polars as pl

from platform_core.rules.base import DatasetRule, DbtTest, Flaw, Over, Schema, Severity, id_of, without_nones
from platform_core.rules.literals import fitted
from platform_core.rules.sql import identifier, literal


@dataclass(frozen=True, kw_only=True)
class _OfColumn(DatasetRule):
    """An aggregate of one column, which each class says in Polars and in SQL."""

    numeric: ClassVar[bool] = True

    def _words(self) -> str:
        return self.kind

    def _label(self) -> str:
        return f"{self._words()} of {self.columns[0]} {self.bounds_words}"

    def _sql(self, name: str) -> str | None:
        return None

    def dbt_test(self, partition: str | None) -> DbtTest | None:
        """Return the same aggregate, in each partition."""
        aggregate = self._sql(identifier(self.columns[0]))
        if aggregate is None:
            return None
        per = partition if self.over == "partition" else None
        bounds = without_nones(at_least=self.at_least, at_most=self.at_most, per=per)
        return "measure_holds", {"aggregate": aggregate, **bounds}

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a column of another type than numbers."""
        yield from DatasetRule.flaws(self, schema)
        dtype = schema.get(self.columns[0])
        if self.numeric and dtype is not None and not dtype.is_numeric():
            yield Flaw(f"measures numbers, and {self.columns[0]} is {dtype}.", "name a column of numbers.")


@dataclass(frozen=True, kw_only=True)
class Mean(_OfColumn):
    """The rule that the mean of a column lies between two bounds; nulls do not count."""

    kind: ClassVar[str] = "mean"

    @property
    def measure(self) -> pl.Expr:
        """The mean."""
        return pl.col(self.columns[0]).mean()

    def _sql(self, name: str) -> str:
        return f"avg({name})"


@dataclass(frozen=True, kw_only=True)
class Deviation(_OfColumn):
    """The rule that the standard deviation of a column (n - 1) lies between two bounds."""

    kind: ClassVar[str] = "deviation"

    def _words(self) -> str:
        return "standard deviation"

    @property
    def measure(self) -> pl.Expr:
        """The standard deviation."""
        return pl.col(self.columns[0]).std()

    def _sql(self, name: str) -> str:
        return f"stddev_samp({name})"


@dataclass(frozen=True, kw_only=True)
class Quantile(_OfColumn):
    """The rule that a quantile of a column, interpolated linearly, lies between two bounds; 0.5 is the median."""

    kind: ClassVar[str] = "quantile"
    takes: ClassVar[str] = "at"

    at: float = 0.5

    def __post_init__(self) -> None:
        if not self.id and isinstance(self.at, int | float):
            object.__setattr__(self, "id", id_of(self.columns, f"quantile_{self.at:g}".replace(".", "_")))
        super().__post_init__()

    def _words(self) -> str:
        return f"quantile {self.at:g}"

    @property
    def measure(self) -> pl.Expr:
        """The quantile."""
        return pl.col(self.columns[0]).quantile(self.at, interpolation="linear")

    def _sql(self, name: str) -> str:
        return f"quantile_cont({name}, {self.at})"

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a quantile that is none."""
        yield from super().flaws(schema)
        if isinstance(self.at, bool) or not isinstance(self.at, int | float) or not 0 <= self.at <= 1:
            yield Flaw(f"has no quantile {self.at!r}.", "give a share between 0 and 1.")


@dataclass(frozen=True, kw_only=True)
class Distinct(_OfColumn):
    """The rule that a column has so many different values, null aside."""

    kind: ClassVar[str] = "distinct"
    numeric: ClassVar[bool] = False

    def _words(self) -> str:
        return "number of different values"

    @property
    def measure(self) -> pl.Expr:
        """The number of different values."""
        return pl.col(self.columns[0]).drop_nulls().n_unique()

    def _sql(self, name: str) -> str:
        return f"count(DISTINCT {name})"


@dataclass(frozen=True, kw_only=True)
class ShareOf(_OfColumn):
    """The rule that the share of one value among the non-null values of a column lies between two bounds."""

    kind: ClassVar[str] = "share_of"
    takes: ClassVar[str] = "value"
    numeric: ClassVar[bool] = False

    value: Any = None

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", id_of(self.columns, f"share_of_{self.value}"))
        super().__post_init__()

    def _words(self) -> str:
        return f"share of {self.value!r} in the values"

    @property
    def measure(self) -> pl.Expr:
        """The share; null where there are no values."""
        value = pl.col(self.columns[0])
        return value.eq(self.value).sum() / value.count()

    def _sql(self, name: str) -> str:
        return f"count(*) FILTER ({name} = {literal(self.value)}) / count({name})"

    def fitted(self, schema: Schema) -> Self:
        """Return the rule with its value in the column's type."""
        dtype = schema.get(self.columns[0])
        return self if dtype is None else replace(self, value=fitted(self.value, dtype))


def mean(
    column: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    severity: Severity = "warn",
    over: Over = "partition",
) -> Mean:
    """Return a rule that the mean of a column lies in [at_least, at_most], both closed."""
    return Mean(columns=(column,), at_least=at_least, at_most=at_most, severity=severity, over=over)


def deviation(
    column: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    severity: Severity = "warn",
    over: Over = "partition",
) -> Deviation:
    """Return a rule that the standard deviation of a column lies in [at_least, at_most], both closed."""
    return Deviation(columns=(column,), at_least=at_least, at_most=at_most, severity=severity, over=over)


def quantile(
    column: str,
    at: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    severity: Severity = "warn",
    over: Over = "partition",
) -> Quantile:
    """Return a rule that a quantile (0 to 1) of a column lies in [at_least, at_most], both closed."""
    return Quantile(columns=(column,), at=at, at_least=at_least, at_most=at_most, severity=severity, over=over)


def distinct(
    column: str,
    *,
    at_least: int | None = None,
    at_most: int | None = None,
    severity: Severity = "warn",
    over: Over = "partition",
) -> Distinct:
    """Return a rule that the number of different values of a column lies in [at_least, at_most], both closed."""
    return Distinct(columns=(column,), at_least=at_least, at_most=at_most, severity=severity, over=over)


def share_of(
    column: str,
    value: object,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    severity: Severity = "warn",
    over: Over = "partition",
) -> ShareOf:
    """Return a rule that the share of one value among a column's values lies in [at_least, at_most], both closed."""
    return ShareOf(columns=(column,), value=value, at_least=at_least, at_most=at_most, severity=severity, over=over)
