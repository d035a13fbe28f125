"""From a frame as it came to a frame as the contract types it; what cannot be read is marked, never guessed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import polars as pl

from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset
from platform_core.errors import ShapeError
from platform_core.quality.conversions import Conversion, conversions_of
from platform_core.quality.nested import decoded
from platform_core.quality.source_texts import (
    LEAP_SECOND,
    MIDNIGHT,
    NAMELESS,
    likely_names,
    spelled,
    spelling_of,
    with_contract_names,
)

_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")
_TEXT = (pl.String, pl.Categorical, pl.Enum)
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"

_FOUR_DIGITS = "^[0-9]{4}-"
"""Of a year: `%Y` takes one to three as well, and makes the year 31 of 31-12-24."""


@dataclass(frozen=True)
class Conformed:
    """A typed frame of the same height and order as the raw one.

    Attributes:
        frame: The contract's columns, in its order and types. NaN is null.
        unreadable: A boolean column for each column of the contract; true where a value could not be read.
        ignored: Names of raw columns that the contract does not have and the source lets pass.
        conversions: Columns that came in another type and were cast, with what that lost.
    """

    frame: pl.DataFrame
    unreadable: pl.DataFrame
    ignored: tuple[str, ...] = ()
    conversions: tuple[Conversion, ...] = ()


def conform(raw: pl.DataFrame, dataset: Dataset) -> Conformed:
    """Return the raw frame in the contract's types.

    Raises:
        ShapeError: A column is missing, one too many is there, or a whole column has a type that cannot be read
            (a timestamp without a zone where UTC is declared).
    """
    named = with_contract_names(raw, dataset)
    ignored = _judge_names(named.columns, dataset)
    lacking = [pl.lit(None).alias(column.name) for column in dataset.columns if column.name not in named.columns]
    trimmed = _spelled(named.with_columns(lacking), dataset, dataset.columns)
    typed = trimmed.select(
        read_as(column.name, trimmed.schema[column.name], column.dtype) for column in dataset.columns
    )
    unreadable = pl.select(
        (typed[column.name].is_null() & trimmed[column.name].is_not_null()).alias(column.name)
        for column in dataset.columns
    )
    frame = typed.with_columns(_without_nan(typed))
    tells_texts = dataset.source is None or not dataset.source.has_texts_for_types
    return Conformed(frame, unreadable, ignored, conversions_of(named, frame, unreadable if tells_texts else None))


def conform_column(raw: pl.DataFrame, dataset: Dataset, name: str) -> pl.Series:
    """Type one column of the raw frame as the contract says; null where a value cannot be read.

    Raises:
        ShapeError: The column has a type that cannot be read at all.
    """
    (column,) = (column for column in dataset.columns if column.name == name)
    trimmed = _spelled(with_contract_names(raw, dataset), dataset, [column])
    return trimmed.select(read_as(name, trimmed.schema[name], column.dtype)).to_series()


def read_as(name: str, raw: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """Return a column in the type of the contract, null where a value cannot be read as one."""
    return _within_calendar(_cast(pl.col(name), raw, wanted), wanted).alias(name)


def _spelled(raw: pl.DataFrame, dataset: Dataset, columns: Sequence[Column]) -> pl.DataFrame:
    """Return the columns as the source's declaration says that they are written, each of a type that can be read.

    Raises:
        ShapeError: A column has a type that cannot be read at all.
    """
    spelling = spelling_of(dataset)
    nulls = {column.name: dataset.source.null_words(column.name) if dataset.source else None for column in columns}
    texts = raw.select(spelled(column, raw.schema[column.name], spelling, nulls[column.name]) for column in columns)
    for column in columns:
        _judge_type(texts.schema[column.name], column, dataset)
    return texts


def _judge_names(names: Sequence[str], dataset: Dataset) -> tuple[str, ...]:
    declared = {column.name for column in dataset.columns}
    extra = tuple(name for name in names if name not in declared)
    missing = _missing_names(names, extra, dataset)
    if missing:
        likely = likely_names(extra, missing)
        alike = "".join(f" {raw_name!r} differs from {name!r} in case, blanks or underscores alone."
                        for name, raw_name in likely.items())  # fmt: skip
        alike += " Files(headers='loose') takes such names." if likely else ""
        named = [column for column in dataset.columns if column.name in missing and column.terms.source_name]
        alike += "".join(
            f" {column.name} is looked for by its source_name, {column.terms.source_name!r}." for column in named
        )
        raise ShapeError(
            dataset.name, missing, f"missing; the input has {_told_names(names, declared)}.{alike}",
            "let names differ so with Files(headers='loose'), or name it with Field(source_name=...)." if likely else
            "let source_name be the column's name in the input." if named else
            "add the columns to the input, or declare a new version of the contract without them.",
        )  # fmt: skip
    nameless = [name for name in extra if NAMELESS.fullmatch(name)]
    if nameless and len(nameless) == len(extra) and refuses_columns(dataset):
        raise ShapeError(
            dataset.name, nameless, "without a name in the header, as a delimiter at the end of its line makes one; "
            "Files(headers='loose') drops it where it has no value.", "write Files(headers='loose').",
        )  # fmt: skip
    if extra and refuses_columns(dataset):
        raise ShapeError(
            dataset.name, extra, "not in the contract.",
            "declare the columns, or let them pass with Files(extra_columns='ignore').",
        )  # fmt: skip
    return extra


def refuses_columns(dataset: Dataset) -> bool:
    """Tell whether an input with a column that the contract lacks is set aside."""
    return dataset.source is None or dataset.source.extra_columns == "refuse"


def _missing_names(names: Sequence[str], extra: Sequence[str], dataset: Dataset) -> list[str]:
    """Return the columns that an input lacks and may not.

    Nullable ones may be missing unless there are any of other names.
    """
    missing = [column for column in dataset.columns if column.name not in names]
    if spelling_of(dataset).missing_columns == "null" and not extra and len(missing) < len(dataset.columns):
        missing = [column for column in missing if not column.nullable]
    return [column.name for column in missing]


def _told_names(names: Sequence[str], declared: set[str]) -> str:
    """Return the names of an input's columns.

    Where none is known they may be a row of personal data, and are not told.
    """
    if declared.isdisjoint(names):
        return f"{len(names)} columns, none of them known: the header may be missing"
    return ", ".join(names)


def _judge_type(raw: pl.DataType, column: Column, dataset: Dataset) -> None:
    if any(_is_naive(mine, target) for mine, target in _leaves(raw, column.dtype)):
        raise ShapeError(
            dataset.name, [column.name], "is a timestamp without a zone, and the contract says UTC.",
            "write the zone into the input; the platform does not guess it.",
        )  # fmt: skip
    is_day = _is_day(raw, column.dtype) or is_midnight(raw, column.dtype)
    if raw != pl.Null and _family(raw) not in {"text", _family(column.dtype)} and not is_day:
        raise ShapeError(
            dataset.name, [column.name], f"is {raw}, and the contract says {column.dtype}.",
            "send text or the declared type.",
        )  # fmt: skip


def _is_naive(raw: pl.DataType, target: pl.DataType) -> bool:
    return isinstance(target, pl.Datetime) and isinstance(raw, pl.Datetime) and raw.time_zone is None


def _leaves(raw: pl.DataType, target: pl.DataType) -> Iterator[tuple[pl.DataType, pl.DataType]]:
    """Yield the types within two nested ones that stand at the same place.

    The two themselves where they are not nested.
    """
    if isinstance(raw, pl.List | pl.Array) and isinstance(target, pl.List | pl.Array):
        yield from _leaves(_instance(raw.inner), _instance(target.inner))
    elif isinstance(raw, pl.Struct) and isinstance(target, pl.Struct):
        mine = {field.name: _instance(field.dtype) for field in raw.fields}
        for field in target.fields:
            if field.name in mine:
                yield from _leaves(mine[field.name], _instance(field.dtype))
    else:
        yield raw, target


def _instance(dtype: Any) -> pl.DataType:
    return cast("pl.DataType", dtype() if isinstance(dtype, type) else dtype)


def _is_day(raw: pl.DataType, target: pl.DataType) -> bool:
    """Whether days may come as midnights, which is how pandas holds them; another time of day cannot be read as one."""
    return target == pl.Date and isinstance(raw, pl.Datetime) and raw.time_zone is None


def is_midnight(raw: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether days are wanted as instants: their midnights in UTC, which come back as the same days."""
    return raw == pl.Date and isinstance(wanted, pl.Datetime) and wanted.time_zone == "UTC"


def converted(rows: pl.LazyFrame, types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Return the rows with numbers, days and instants in the types that are wanted.

    Null where these have no such value.

    Texts, nested columns and types that are not cast into one another stay as they are, and so does what `types` does
    not name; `conversions_of` both frames says what was lost.
    """
    schema = rows.collect_schema()
    return rows.with_columns(
        read_as(name, schema[name], type_) for name, type_ in types.items()
        if name in schema and _is_convertible(schema[name], type_)
    )  # fmt: skip


def _is_convertible(raw: pl.DataType, target: pl.DataType) -> bool:
    if raw == target or raw.is_nested() or _is_naive(raw, target):
        return False
    return is_midnight(raw, target) or _family(raw) == _family(target) != "text"


def _family(dtype: pl.DataType) -> str:
    if dtype.is_numeric() or dtype == pl.Boolean:
        return "number"
    return "text" if isinstance(dtype, _TEXT) else str(dtype.base_type())


def _cast(value: pl.Expr, raw: pl.DataType, target: pl.DataType) -> pl.Expr:
    """Return a value in the wanted type, null where it cannot be.

    Nothing is cut or wrapped, and only floats are rounded.
    """
    if raw in (target, pl.Null):
        return value.cast(target)
    if isinstance(raw, _TEXT):
        return _parse(value.cast(pl.String), target)
    if isinstance(raw, pl.Datetime) and isinstance(target, pl.Datetime):
        instant = value.dt.convert_time_zone(str(target.time_zone)).cast(target)
        return pl.when(instant.cast(raw) == value).then(instant)
    if any(isinstance(mine, _TEXT) and not isinstance(aim, _TEXT) for mine, aim in _leaves(raw, target)):
        return _through_json(value, target)
    typed = value.cast(target, strict=False)
    if target.is_float():
        return pl.when(typed.is_infinite() == value.cast(pl.Float64).is_infinite()).then(typed)
    return pl.when(typed.cast(raw, strict=False) == value).then(typed)


def _within_calendar(value: pl.Expr, target: pl.DataType) -> pl.Expr:
    """Return a day or instant of the years 1 to 9999, null outside of them: no other can be shown to a person."""
    if not isinstance(target, pl.Datetime | pl.Date):
        return value
    return pl.when(value.dt.year().is_between(1, 9999)).then(value)


def _through_json(value: pl.Expr, target: pl.DataType) -> pl.Expr:
    """Return a nested value whose texts stand for something else, read as the same value is read from JSON."""
    wrapped = pl.Struct({"value": target})
    texts = pl.struct(value.alias("value")).struct.json_encode()
    read = texts.map_batches(lambda series: decoded(series, wrapped), return_dtype=wrapped)
    return read.struct.field("value")


def _parse(raw: pl.Expr, target: pl.DataType) -> pl.Expr:
    """Return a text's value in the wanted type, null where it has none; spaces around it count in texts only."""
    if isinstance(target, _TEXT):
        return raw.cast(target, strict=False)
    text = raw.str.strip_chars()
    if isinstance(target, pl.Datetime):
        return _instant(text, target)
    if target == pl.Date:
        day = text.str.replace(MIDNIGHT, "$1")
        return pl.when(text.str.contains(_FOUR_DIGITS)).then(day.str.to_date("%Y-%m-%d", strict=False))
    if target == pl.Time:
        return pl.when(~text.str.contains(LEAP_SECOND)).then(text.str.to_time("%H:%M:%S%.f", strict=False))
    if target == pl.Boolean:
        lower = text.str.to_lowercase()
        return pl.when(lower.is_in(_TRUE)).then(statement=True).when(lower.is_in(_FALSE)).then(statement=False)
    if target == pl.Binary:
        return text.str.decode("base64", strict=False)
    if target.is_nested():
        return text.map_batches(lambda texts: decoded(texts, target), return_dtype=target)
    return _number(text, target)


def _instant(text: pl.Expr, target: pl.Datetime) -> pl.Expr:
    """Return an instant written as ISO 8601; a text without a zone, or with the day before the year, is not guessed at.

    Digits of a second that the type has no room for are not dropped, and a 60th second does not become the next minute.
    """
    places = {"ms": 3, "us": 6, "ns": 9}[target.time_unit]
    is_exact = ~text.str.contains(rf"[.,][0-9]{{{places}}}[0-9]*[1-9]") & ~text.str.contains(LEAP_SECOND)
    instants = pl.when(text.str.contains(_ISO) & is_exact).then(text.str.replace(r"([+-][0-9]{2})$", "$1:00"))
    read = instants.str.to_datetime(time_unit=target.time_unit, time_zone="UTC", strict=False)
    return read.dt.convert_time_zone(str(target.time_zone))


def _number(text: pl.Expr, target: pl.DataType) -> pl.Expr:
    """Return a number (a duration is one, of its unit); digits that the type has no room for are not dropped."""
    if target.is_float():
        typed = text.cast(target, strict=False)
        return pl.when(typed.is_finite() | ~text.str.contains("[0-9]")).then(typed)
    places = target.scale if isinstance(target, pl.Decimal) else 0
    exact = text.str.contains(rf"^[+-]?[0-9]*(\.[0-9]{{0,{places}}}0*)?$")
    digits = text if places else text.str.replace(r"\.0*$", "")
    return pl.when(exact).then(digits).cast(target, strict=False)


def _without_nan(frame: pl.DataFrame) -> list[pl.Expr]:
    return [pl.col(name).fill_nan(None) for name, dtype in frame.schema.items() if dtype.is_float()]
