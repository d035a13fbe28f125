"""A column is distributed as it was in earlier partitions, or in a version of the table.

What a partition is compared with is declared (`against`), and so is how: by its mean, a quantile, the share of one
value, the population stability index, the Kolmogorov-Smirnov distance, or the share of values that are new. A partition
that has nothing to be compared with, or too few values, has no verdict.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import polars as pl

from platform_core.rules.base import DatasetRule, FaultKind, Flaw, Schema, Severity, id_of
from platform_core.rules.literals import fitted

FEWEST = 30
"""Fewer values than this, on either side, are not compared."""

_AGAINST = re.compile(r"previous|weekday|last [1-9][0-9]*|version \S+")
_BINS = 10
_FLOOR = 1e-4
"""The share that an empty bin counts as, so that the index stays finite."""

_CHANCE = 3.2905
"""Standard deviations of a normal distribution that one draw in 1,000 lies beyond."""

_KS_CHANCE = 1.9495
"""The Kolmogorov distribution's 0.999 quantile."""


@dataclass(frozen=True, kw_only=True)
class DriftRule(DatasetRule):
    """A distance between the values of a partition and earlier ones, which is at most `at_most`, closed.

    Attributes:
        against: `previous` (the partition before), `weekday` (the last one of the same weekday), `last N` (the N
            before, together), or `version V` (the whole table as it was at that version).
        where: SQL; rows for which it is not true count on neither side.
        fewest: Values that there must be on either side.
    """

    fault: ClassVar[FaultKind] = "drift"
    takes: ClassVar[str] = "at_most"
    numeric: ClassVar[bool] = False
    measure_word: ClassVar[str] = ""
    """The word of `drift` for the kind."""

    at_most: float | None = None
    against: str = "previous"
    where: str | None = None
    fewest: int = FEWEST

    def __post_init__(self) -> None:
        if not self.id:
            against = "" if self.against == "previous" else f"_{self.against}"
            object.__setattr__(self, "id", id_of(self.columns[:1], f"{self._measure_name()}{against}"))
        if self.where is not None and isinstance(self.where, str):
            try:
                condition_columns = pl.sql_expr(self.where).meta.root_names()
            except pl.exceptions.PolarsError:
                condition_columns = []  # `flaws` names it
            object.__setattr__(self, "columns", tuple(dict.fromkeys([*self.columns, *condition_columns])))
        super().__post_init__()

    @property
    def column(self) -> str:
        """The column that is compared."""
        return self.columns[0]

    @property
    def compares_partitions(self) -> bool:
        """Unless it is compared with a version of the table."""
        return not str(self.against).startswith("version ")

    @property
    def compares_with(self) -> str:
        """What of the table's past it is compared with."""
        return self.against

    def _measure_name(self) -> str:
        return self.kind

    def _words(self) -> str:
        return self.kind.replace("_", " ")

    def restricted(self, where: str) -> Self:
        """Return the rule on rows for which the condition is true, on both sides."""
        return replace(self, where=where, label="")

    def _label(self) -> str:
        against = {"previous": "the partition before", "weekday": "the same weekday before"}.get(self.against)
        against = against or self.against.replace("last", "the last")
        where = f", where {self.where}" if self.where else ""
        return f"{self._words()} of {self.column} against {against} at most {self.at_most}{where}"

    @property
    def measure(self) -> pl.Expr:
        """The number of values that are compared: what of the rule can be tried on one frame."""
        return self._chosen().count()

    def _chosen(self) -> pl.Expr:
        value = pl.col(self.column)
        return value if self.where is None else value.filter(pl.sql_expr(self.where))

    def distance(self, rows: pl.DataFrame, past: pl.DataFrame) -> float | None:
        """How far the rows are from the past ones; None where either side has too few values. Never NaN or infinite."""
        now, before = (self._values(frame) for frame in (rows, past))
        if min(now.len(), before.len()) < max(self.fewest, 1):
            return None
        return self._between(now, before)

    def _values(self, frame: pl.DataFrame) -> pl.Series:
        values = frame.select(self._chosen()).to_series()
        return (values.fill_nan(None) if values.dtype.is_float() else values).drop_nulls()

    def _between(self, now: pl.Series, before: pl.Series) -> float:
        raise TypeError(f"{type(self).__name__} compares nothing")

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a bound that cannot be broken, an unknown past, a condition that is no SQL.

        A column of another type.
        """
        if self.at_most is None or self.at_least is not None:
            yield Flaw("has no at_most, so it cannot fail." if self.at_most is None else "has an at_least.",
                       "give at_most alone: the greatest distance.")  # fmt: skip
        else:
            yield from DatasetRule.flaws(self, schema)
            if not isinstance(self.at_most, bool) and isinstance(self.at_most, int | float) and self.at_most < 0:
                yield Flaw(f"has at_most={self.at_most}, and no distance is below 0.", "give 0 or more.")
        if not isinstance(self.against, str) or not _AGAINST.fullmatch(self.against):
            yield Flaw(f"is against {self.against!r}.", "use 'previous', 'weekday', 'last 7' or 'version 12'.")
        elif self.severity == "error" and self.against.startswith("version"):
            yield Flaw("would refuse a write for a version that may be gone.", "use severity='warn'.")
        if isinstance(self.fewest, bool) or not isinstance(self.fewest, int) or self.fewest < 1:
            yield Flaw(f"has fewest={self.fewest!r}.", "give a number of values, 1 or more.")
        if self.over != "partition":
            yield Flaw("compares partitions.", "leave out over=.")
        if self.where is not None:
            try:
                pl.sql_expr(self.where)
            except (pl.exceptions.PolarsError, TypeError):
                yield Flaw(f"has where={self.where!r}, which is no SQL.", 'write a condition such as "fare > 0".')
        dtype = schema.get(self.column)
        if dtype is not None and (dtype.is_nested() or (self.numeric and not dtype.is_numeric())):
            comparable = "numbers" if self.numeric else "single values"
            yield Flaw(f"compares {comparable}, and {self.column} is {dtype}.", f"name a column of {comparable}.")


def _relative(now: float, before: float) -> float:
    """Return the change as a share of what was before; of what is now where that was 0."""
    if now == before:
        return 0.0
    change = abs(now - before) / abs(before or now)
    return min(change, 1e300)


@dataclass(frozen=True, kw_only=True)
class MeanDrift(DriftRule):
    """The rule that a column's mean has changed by at most a share of what it was: 0.2 is 20 %."""

    kind: ClassVar[str] = "mean_drift"
    measure_word: ClassVar[str] = "mean"
    numeric: ClassVar[bool] = True

    def _words(self) -> str:
        return "change of the mean"

    def _between(self, now: pl.Series, before: pl.Series) -> float:
        return _relative(*(float(values.cast(pl.Float64).mean()) for values in (now, before)))  # type: ignore[arg-type]  # a mean of numbers is one


@dataclass(frozen=True, kw_only=True)
class QuantileDrift(DriftRule):
    """The rule that a quantile (0.5 is the median) of a column has changed by at most a share of what it was."""

    kind: ClassVar[str] = "quantile_drift"
    measure_word: ClassVar[str] = "quantile"
    numeric: ClassVar[bool] = True

    at: float = 0.5

    def _measure_name(self) -> str:
        return f"{self.kind}_{self.at}"

    def _words(self) -> str:
        return f"change of quantile {self.at:g}"

    def _between(self, now: pl.Series, before: pl.Series) -> float:
        return _relative(*(float(values.cast(pl.Float64).quantile(self.at, "linear") or 0) for values in (now, before)))

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a quantile that is none."""
        yield from super().flaws(schema)
        if isinstance(self.at, bool) or not isinstance(self.at, int | float) or not 0 <= self.at <= 1:
            yield Flaw(f"has no quantile {self.at!r}.", "give a share between 0 and 1.")


@dataclass(frozen=True, kw_only=True)
class ShareDrift(DriftRule):
    """The rule that the share of one value has changed by at most so much: 0.05 is 5 points. None: of nulls."""

    kind: ClassVar[str] = "share_drift"
    measure_word: ClassVar[str] = "share"

    value: Any = None

    def _measure_name(self) -> str:
        return f"{self.kind}_{'null' if self.value is None else self.value}"

    def _words(self) -> str:
        return f"change of the share of {'nulls' if self.value is None else repr(self.value)}"

    @property
    def measure(self) -> pl.Expr:
        """The number of values that are the one."""
        return self._is_value(pl.col(self.column)).sum()

    def _is_value(self, values: pl.Expr) -> pl.Expr:
        return values.is_null() if self.value is None else values.eq(self.value)

    def _values(self, frame: pl.DataFrame) -> pl.Series:
        values = frame.select(self._chosen()).to_series()
        return values if self.value is None else values.drop_nulls()

    def _between(self, now: pl.Series, before: pl.Series) -> float:
        one = self._is_value(pl.col(self.column)).mean()
        return float(abs(now.to_frame().select(one).item() - before.to_frame().select(one).item()))

    def fitted(self, schema: Schema) -> Self:
        """Return the rule with its value in the column's type."""
        dtype = schema.get(self.column)
        return self if dtype is None or self.value is None else replace(self, value=fitted(self.value, dtype))


@dataclass(frozen=True, kw_only=True)
class Psi(DriftRule):
    """The rule on the population stability index, less what chance gives once in 1,000: 0.1 is some, 0.25 much.

    Numbers and times are counted by the tenths of the past, other values one by one.
    """

    kind: ClassVar[str] = "psi"
    measure_word: ClassVar[str] = "psi"

    def _words(self) -> str:
        return "stability index (PSI)"

    def _between(self, now: pl.Series, before: pl.Series) -> float:
        shares = _binned(now, before)
        ours, theirs = (shares[name].clip(lower_bound=_FLOOR) for name in ("now", "before"))
        index = float(((ours - theirs) * (ours / theirs).log()).sum())
        return max(0.0, index - _chi_square(shares.height - 1) * (1 / now.len() + 1 / before.len()))


@dataclass(frozen=True, kw_only=True)
class Ks(DriftRule):
    """The rule on the greatest distance of the cumulative shares (Kolmogorov-Smirnov), less chance once in 1,000."""

    kind: ClassVar[str] = "ks"
    measure_word: ClassVar[str] = "ks"

    def _words(self) -> str:
        return "Kolmogorov-Smirnov distance"

    def _between(self, now: pl.Series, before: pl.Series) -> float:
        counts = _counted(now, before).sort("value")
        ours = counts["now"].cum_sum() / now.len()
        theirs = counts["before"].cum_sum() / before.len()
        chance = _KS_CHANCE * math.sqrt(1 / now.len() + 1 / before.len())
        return max(0.0, float((ours - theirs).abs().max()) - chance)  # type: ignore[arg-type]  # a maximum of numbers

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a column whose values have no order of their own."""
        yield from super().flaws(schema)
        dtype = schema.get(self.column)
        if dtype is not None and not (dtype.is_numeric() or dtype.is_temporal()):
            yield Flaw(f"compares an order, and {self.column} is {dtype}.", "use psi or new_values.")


@dataclass(frozen=True, kw_only=True)
class NewValues(DriftRule):
    """The rule that at most a share of the values were not there before: new categories."""

    kind: ClassVar[str] = "new_values"
    measure_word: ClassVar[str] = "new_values"

    def _words(self) -> str:
        return "share of new values"

    def _between(self, now: pl.Series, before: pl.Series) -> float:
        return float((~now.is_in(before.unique().implode())).sum() / now.len())


def _chi_square(degrees: int) -> float:
    """Return the 0.999 quantile of the chi-square distribution, by Wilson and Hilferty; 0 for no degree of freedom."""
    if degrees < 1:
        return 0.0
    part = 2 / (9 * degrees)
    return degrees * (1 - part + _CHANCE * math.sqrt(part)) ** 3


def _counted(now: pl.Series, before: pl.Series) -> pl.DataFrame:
    """How often each value comes now and came before."""
    sides = [values.alias("value").to_frame().group_by("value").len(name) for values, name in
             ((now, "now"), (before, "before"))]  # fmt: skip
    counts = sides[0].join(sides[1], on="value", how="full", coalesce=True)
    return counts.with_columns(pl.col("now", "before").cast(pl.Int64).fill_null(0))


def _binned(now: pl.Series, before: pl.Series) -> pl.DataFrame:
    """Return the share of each bin now and before.

    The tenths of the past, or the values themselves where they have no order.

    Rare values are one bin together, so that no index is made of single rows.
    """
    if now.dtype.is_numeric() or now.dtype.is_temporal():
        ours, theirs = (values.cast(pl.Float64) if values.dtype.is_numeric() else values.to_physical() for values in
                        (now, before))  # fmt: skip
        edges = sorted({theirs.quantile(step / _BINS, "lower") for step in range(1, _BINS)})  # type: ignore[type-var]  # numbers
        bounds = pl.Series(edges, dtype=theirs.dtype)
        now, before = (bounds.search_sorted(values.cast(theirs.dtype), side="left") for values in (ours, theirs))
    counts = _counted(now, before)
    rare = (pl.col("now") / now.len() + pl.col("before") / before.len()) < 1 / (2 * _BINS)
    grouped = counts.group_by(pl.when(~rare).then(pl.col("value").cast(pl.String))).agg(pl.col("now", "before").sum())
    return grouped.select(pl.col("now") / now.len(), pl.col("before") / before.len())


DriftMeasure = Literal["mean", "quantile", "share", "psi", "ks", "new_values"]

_MEASURES: dict[str, type[DriftRule]] = {
    kind.measure_word: kind for kind in (MeanDrift, QuantileDrift, ShareDrift, Psi, Ks, NewValues)
}


def drift(
    column: str,
    measure: DriftMeasure,
    *,
    at_most: float,
    against: str = "previous",
    where: str | None = None,
    severity: Severity = "warn",
    fewest: int = FEWEST,
    **terms: Any,
) -> DriftRule:
    """Return a rule that a column is as before: `against` the `previous` partition, `last 7`, `version 12`, ...

    Args:
        column: The column.
        measure: `mean` and `quantile` (with `at=`) change by a share of what they were, `share` (with `value=`) by
            points; `psi`, `ks` and `new_values` are distances.
        at_most: The greatest distance, closed.
        against: `previous`, `weekday`, `last N` or `version V`.
        where: SQL; other rows do not count.
        severity: `warn`, or `error`, by which nothing is written.
        fewest: Values that there must be on either side; with fewer there is no verdict.
        terms: `at`, `value`.
    """
    kind = _MEASURES.get(measure)
    if kind is None:
        raise ValueError(f"drift has no measure {measure!r}. Fix: use one of {', '.join(_MEASURES)}.")
    return kind(columns=(column,), at_most=at_most, against=against, where=where, severity=severity, fewest=fewest,
                **terms)  # fmt: skip
