"""What every rule has, and the families of rules: on rows, on values of one column, on what is written as a whole.

A kind of rule is one class in one module of this package. It carries its parameters and their checks, its label, what
judges a frame, a record or a table in SQL, its dbt test, and how rows are made that keep it or break it. The judge, the
generator and the exports ask these questions of the families below, never which kind a rule is.

Ids are history keys: they never contain a threshold, so that moving one keeps the history.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self, get_args

import polars as pl

from platform_core.rules.intervals import Intervals, Line, everything, line_of
from platform_core.rules.literals import fitted

Severity = Literal["error", "warn"]
"""`error`: the row is refused (or, for a dataset rule, the write). `warn`: the row is kept and the check warns."""

SEVERITIES: tuple[str, ...] = get_args(Severity)

Dimension = Literal["accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness"]
"""ODCS v3.1's quality dimensions."""

DIMENSIONS: tuple[str, ...] = get_args(Dimension)

Over = Literal["partition", "table"]

NOW = "_now"
"""A column beside the contract's: the instant of the judgement, in UTC, for rules that read the clock."""

Schema = Mapping[str, pl.DataType]
Record = Mapping[str, Any]
Predicate = Callable[[Record], bool]

DbtTest = tuple[str, dict[str, Any]]
"""The name of a generic dbt test and its arguments: SQL that no quoting can spoil, and numbers."""

FaultKind = Literal["shape", "unreadable", "twin", "rows", "count", "sample", "clock", "drift", "balance"]
"""How a rule is broken: a column too many or too few, a text that is no value, a row that repeats another, bad rows,
too many or too few rows, a choice of good rows, another instant of the judgement, a partition unlike the one before,
rows that are missing."""


@dataclass(frozen=True)
class Flaw:
    """One thing wrong with a rule's own parameters."""

    message: str
    fix: str


@dataclass(frozen=True)
class TextTerms:
    """What a rule asks of a text: how it starts and ends, what pattern it follows, how many characters it has."""

    pattern: str | None = None
    anchored: bool = False
    prefix: str = ""
    suffix: str = ""
    lengths: tuple[int, int | None] | None = None


NO_TERMS = TextTerms()


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file of a table, all of whose columns have the types of the contract.

    Attributes:
        rows: How many, at most.
        nulls: By column, how many are null at most; a column of which it is not known is not there.
        bounds: By column, the least and the greatest value, both closed, or wider; NaN, which is null, lies outside.
    """

    rows: int
    nulls: Mapping[str, int]
    bounds: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What every rule has; `id` and `label` are derived from columns and parameters where they are not given."""

    kind: ClassVar[str] = ""
    """The word for the kind in lists of rules; it ends the ids of rules that are named after their columns."""

    fault: ClassVar[FaultKind] = "rows"
    takes: ClassVar[str] = ""
    """The parameter that `value` sets in a list of rules."""

    reads_clock: ClassVar[bool] = False
    """Whether the verdict depends on the instant in column `NOW`, which is passed in."""

    columns: tuple[str, ...] = ()
    severity: Severity = "error"
    dimension: Dimension = "conformity"
    id: str = ""
    label: str = ""
    blocking: bool | None = None
    """Whether a failure stops what is downstream; None leaves it to severity and quarantine."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        if not self.id:
            object.__setattr__(self, "id", id_of(self.columns, self.kind))
        if not self.label:
            try:
                label = self._label()
            except (TypeError, ValueError):
                label = self.id  # a parameter of another type, which `flaws` names
            object.__setattr__(self, "label", label)

    def _label(self) -> str:
        return self.id.replace("_", " ")

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield what is wrong with the rule's parameters on columns of these types.

        Those of unknown columns are skipped.
        """
        yield from ()

    @classmethod
    def of_item(cls, columns: Sequence[str], item: Mapping[str, Any], common: Mapping[str, Any]) -> "Rule":
        """Return the rule that an entry of a list says: `value` is the parameter `takes`, or a mapping of parameters.

        Raises:
            TypeError: A parameter is missing or unknown.
        """
        value = item.get("value")
        parameters = {word: item[word] for word in ("condition", "at_least", "at_most", "over") if word in item}
        if isinstance(value, Mapping):
            parameters |= value
        elif value is not None:
            if not cls.takes:
                raise TypeError("takes no value")
            parameters[cls.takes] = value
        unknown = sorted(parameters.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise TypeError(f"has no {', '.join(map(repr, unknown))}")
        rule = cls(columns=tuple(columns), **parameters, **common)
        compared = rule.values if isinstance(rule, ValueRule) else ()
        if compared and all(getattr(rule, name) is None or getattr(rule, name) == () for name in compared):
            raise TypeError(f"lacks its value ({' or '.join(compared)})")
        return rule

    def restricted(self, where: str) -> "Rule | None":
        """Return the rule on rows for which the SQL is true, where it restricts itself.

        None where others must do it.
        """
        return None

    def fitted(self, schema: Schema) -> Self:
        """Return the rule with its values in the types of the columns.

        So that every engine compares the same two values.
        """
        return self

    def dbt_test(self, partition: str | None) -> DbtTest | None:
        """Return the generic dbt test that says the same, or None where SQL cannot judge it.

        Args:
            partition: The column that holds the partition's key, where the table has partitions.
        """
        return None

    def proven(self, files: Sequence[FileFacts], schema: Schema) -> bool:
        """Tell whether what is known of the files proves that every row keeps the rule, so that none need be read."""
        return False

    @property
    def judges_rows(self) -> bool:
        """Whether single rows are judged, and may be refused."""
        return False

    @property
    def empties(self) -> str | None:
        """The column in which nulls break the rule, if that is how it is broken."""
        return None

    @property
    def stronger(self) -> "Rule":
        """A rule that implies this one and that rows are easier drawn by."""
        return self

    @property
    def broken_by(self) -> tuple["Rule", tuple["Rule", ...]]:
        """The rule that a row must break, and those it must keep, to count against this one."""
        return self, ()


@dataclass(frozen=True, kw_only=True)
class RowRule(Rule):
    """A rule on single rows. A null satisfies every kind that does not say otherwise."""

    compares_rows: ClassVar[bool] = False
    """Whether rows are judged by other rows: no two may be alike in the columns."""

    on_input: ClassVar[bool] = False
    """Whether the verdict falls while the input is read, before there are typed rows."""

    always_computable: ClassVar[bool] = False
    """Whether the rule holds no value or expression of the declaration's own, so that it need not be tried."""

    @property
    def judges_rows(self) -> bool:
        """Always."""
        return True

    def expression(self) -> pl.Expr:
        """Return the polars expression that is true where a row is good; null counts as true."""
        raise TypeError(f"{type(self).__name__} has no expression")

    def holds(self) -> pl.Expr:
        """Return the expression that is true where a row is good; never null."""
        return self.expression().fill_null(value=True)

    def predicate(self, schema: Schema) -> Predicate:
        """Return a function that is true of a good record: a mapping of column names to Python values."""
        types = {name: schema[name] for name in self.columns}
        holds = self.holds().alias("holds")

        def predicate(record: Record) -> bool:
            row = pl.DataFrame({name: [record[name]] for name in types}, schema=types)
            return bool(row.select(holds).item())

        return predicate

    @property
    def is_python(self) -> bool:
        """Whether `predicate` needs no frame."""
        return type(self).predicate is not RowRule.predicate

    def sql(self) -> str | None:
        """Return the condition in DuckDB's SQL that is true or null where a row is good.

        None where SQL cannot say it.
        """
        return None

    def dbt_test(self, partition: str | None) -> DbtTest | None:
        """Return the rows for which the condition is false."""
        condition = self.sql()
        return None if condition is None else ("rows_hold", {"condition": condition})

    @property
    def equality(self) -> pl.Expr | None:
        """An expression in which `a == b` may be read, so that one side is computed from the other."""
        return None


@dataclass(frozen=True, kw_only=True)
class ValueRule(RowRule):
    """A rule on the value of one column."""

    pandera: ClassVar[str] = ""
    """The name of the Pandera check that says the same; its statistics are the class's parameters."""

    word: ClassVar[str] = ""
    """The keyword of `Field` that declares the rule."""

    allows_exactly: ClassVar[bool] = False
    """Whether `allowed` and `listed` hold the values that satisfy the rule, all and no others."""

    values: ClassVar[tuple[str, ...]] = ()
    """The parameters that are values of the column's type, or lists of them."""

    example: ClassVar[str] = ""
    """The keyword as it stands in a declaration."""

    @property
    def column(self) -> str:
        """The name of the column."""
        return self.columns[0]

    def _label(self) -> str:
        return f"{self.column} {self.words()}"

    def words(self) -> str:
        """Return what is said of the column, in words."""
        return self.kind.replace("_", " ")

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return whether the value satisfies the rule; null where it is null."""
        raise TypeError(f"{type(self).__name__} judges no value")

    def expression(self) -> pl.Expr:
        """Return the verdict on the column."""
        return self.good(pl.col(self.column))

    def accepts(self, value: Any) -> bool:
        """Whether a Python value, which is not null, satisfies the rule."""
        return bool(pl.select(self.good(pl.lit(value))).item())

    @property
    def acceptance(self) -> Callable[[Any], bool]:
        """`accepts` for many values: a function that looks no parameter up again."""
        return self.accepts

    def predicate(self, schema: Schema) -> Predicate:
        """Return the verdict on the record's value; None and NaN are nulls."""
        column, accepts = self.column, self.acceptance

        def predicate(record: Record) -> bool:
            value = record[column]
            return value is None or value != value or accepts(value)  # noqa: PLR0124 - true of NaN alone

        return predicate

    @property
    def is_python(self) -> bool:
        """Whether the kind says in Python which values it accepts."""
        return type(self).accepts is not ValueRule.accepts or type(self).acceptance is not ValueRule.acceptance

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a column of parts, of which no single value can be judged."""
        dtype = schema.get(self.column)
        if dtype is not None and dtype.is_nested():
            yield Flaw(f"judges one value, and {self.column} is {dtype}.", "judge its parts by expression(...).")

    def fitted(self, schema: Schema) -> Self:
        """Return the rule with its values in the column's type."""
        dtype = schema.get(self.column)
        if dtype is None or not self.values:
            return self
        return replace(self, **{name: fitted(getattr(self, name), dtype) for name in self.values})

    def allowed(self, line: Line) -> Intervals:
        """Return the ordinals of an ordered type that satisfy the rule."""
        return everything(line)

    def proven(self, files: Sequence[FileFacts], schema: Schema) -> bool:
        """Where the rule knows exactly what it allows, and each file's values lie within, or are all null."""
        return self.allows_exactly and all(self._proven(file, schema[self.column]) for file in files)

    def _proven(self, file: FileFacts, dtype: pl.DataType) -> bool:
        if file.rows == 0 or file.nulls.get(self.column) == file.rows:
            return True
        least, greatest = file.bounds.get(self.column, (None, None))
        if type(least) is not dtype.to_python():
            return False
        if least == greatest and self.listed is not None and not dtype.is_float():
            return any(value == least and type(value) is type(least) for value in self.listed)
        line = line_of(dtype)
        if line is None:
            return False
        pieces, low, high = self.allowed(line).pieces, line.down(least), line.up(greatest)
        return any(first <= low and high <= last for first, last in pieces)

    @property
    def listed(self) -> tuple[Any, ...] | None:
        """The only values that satisfy the rule, where it lists them."""
        return None

    @property
    def unlisted(self) -> tuple[Any, ...] | None:
        """The only values that break the rule, where it lists them."""
        return None

    @property
    def text(self) -> TextTerms:
        """What the rule asks of a text."""
        return NO_TERMS

    def texts(self, *, good: bool) -> tuple[str, ...]:
        """Texts that satisfy the rule, or break it, where neither a list nor a pattern says how they are made."""
        return ()


@dataclass(frozen=True, kw_only=True)
class DatasetRule(Rule):
    """A number computed over the rows of a partition (or table) that must lie in [at_least, at_most], both closed."""

    fault: ClassVar[FaultKind] = "sample"

    severity: Severity = "warn"
    dimension: Dimension = "accuracy"
    at_least: float | None = None
    at_most: float | None = None
    over: Over = "partition"

    @property
    def measure(self) -> pl.Expr:
        """The aggregate of the rows."""
        raise TypeError(f"{type(self).__name__} measures nothing")

    @property
    def compares_with(self) -> str | None:
        """What of the table's past, or which dataset, rows are compared with; None where they stand by themselves."""
        return None

    @property
    def compares_partitions(self) -> bool:
        """Whether what the rows are compared with are earlier partitions of their table."""
        return False

    def distance(self, rows: pl.DataFrame, past: pl.DataFrame) -> float | None:
        """Return the number that is judged where rows are compared with past ones."""
        raise TypeError(f"{type(self).__name__} compares nothing")

    @property
    def bounds_words(self) -> str:
        """The bounds as they are said: `at least 5`, `at most 10`, `between 5 and 10`."""
        if self.at_least is None or self.at_most is None:
            return f"at most {self.at_most}" if self.at_least is None else f"at least {self.at_least}"
        return f"between {self.at_least} and {self.at_most}"

    @property
    def rows_allowed(self) -> tuple[float | None, float | None] | None:
        """The least and the greatest number of rows, where that is what the rule measures."""
        return None

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Bounds that cannot be broken or kept, and a verdict that would come too late."""
        low, high = self.at_least, self.at_most
        if low is None and high is None:
            yield Flaw("has no bound, so it cannot fail.", "give at_least or at_most.")
        for name, bound in (("at_least", low), ("at_most", high)):
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | float)):
                yield Flaw(f"has {name}={bound!r}, which is no number.", "give a number.")
                return
        if low is not None and high is not None and low > high:
            yield Flaw(f"wants at least {low} and at most {high}.", "swap the bounds.")
        if self.over not in get_args(Over):
            yield Flaw(f"is over {self.over!r}.", f"use one of {', '.join(get_args(Over))}.")
        if self.over == "table" and self.severity == "error":
            yield Flaw(
                "judges the whole table, which is written by then, yet should refuse it.",
                "use severity='warn', or over='partition'.",
            )


@dataclass(frozen=True, kw_only=True)
class ShareRule(DatasetRule):
    """A dataset rule on the share of good rows, which is at least `at_least`."""

    fault: ClassVar[FaultKind] = "rows"

    def good(self) -> pl.Expr:
        """Return whether a row is good; never null."""
        raise TypeError(f"{type(self).__name__} judges no row")

    @property
    def measure(self) -> pl.Expr:
        """The share of good rows, by a division that meets a threshold exactly; null where there are no rows."""
        return self.good().sum() / pl.len()

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Yield a share outside of (0, 1]."""
        flaws = list(DatasetRule.flaws(self, schema))
        yield from flaws
        if not flaws and self.at_least is not None and not 0 < self.at_least <= 1:
            yield Flaw(f"wants a share of {self.at_least}.", "give a share in (0, 1].")


def id_of(columns: Sequence[str], suffix: str) -> str:
    """Return the id of a rule named after columns; a character that no check's name may have becomes an underscore."""
    return re.sub(r"[^A-Za-z0-9_]", "_", "_".join(map(str, [*columns, suffix])))


def parameters_of(rule: Rule) -> dict[str, Any]:
    """Return the parameters of a rule's own kind, without what every rule has."""
    common = {item.name for item in fields(Rule)}
    return {item.name: getattr(rule, item.name) for item in fields(rule) if item.name not in common}


def label_of(value: Any) -> str:
    """Return a parameter as a label shows it."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else str(value)


def without_nones(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}
