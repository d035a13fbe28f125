"""Names and texts as a source writes them, brought to the contract's names and to texts that every reader takes alike.

The source's declaration says how it writes; nothing is guessed. A text that is not written as it says is marked, so
that it cannot be read as something else: with a decimal comma, `1.5` is no number.
"""

import re
from collections.abc import Sequence

import polars as pl

from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset
from platform_core.contracts.sources import AS_IS, Spelling

_TEXT = (pl.String, pl.Categorical, pl.Enum)
_NAIVE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?$"
_BLANKS = "[ \u00a0\u202f]"
_LEAST_YEAR = 1000
LEAP_SECOND = "[0-9]:60([^0-9]|$)"
"""A second that no type has room for: read as the first of the next minute, two instants would be one."""
MIDNIGHT = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}) 00:00:00$"
"""A day as a workbook's date cell becomes text beside texts; a day as `_is_day` takes it, whatever the format."""
NAMELESS = re.compile("column_[0-9]+")
"""What readers call a column that the header gives no name."""

_MISSPELT = "?"
"""Put before a text that is not written as the source says: no number, day or instant begins with it."""


def spelling_of(dataset: Dataset) -> Spelling:
    """Return how the texts of a dataset's source are written."""
    return dataset.source.spelling if dataset.source else AS_IS


def with_contract_names(raw: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Rename the columns of a source to the contract's names, where its declaration tells which is which.

    A column that already has the contract's name keeps it. Two that would have one name stay as they are.
    """
    spelling, columns = spelling_of(dataset), dataset.columns
    if not spelling.header and len(raw.columns) == len(columns):
        beside = _not_in_file(dataset)
        mine = [name for name in raw.columns if name not in beside]
        names_in_file = [column.name for column in columns if column.name not in beside]
        return raw.rename(dict(zip(mine, names_in_file, strict=True))) if len(mine) == len(names_in_file) else raw
    names = {column.terms.source_name or column.name: column.name for column in columns}
    renamed = {name: names[name] for name in raw.columns if name in names}
    if spelling.headers == "loose":
        raw = raw.select(name for name in raw.columns if not _is_nameless(raw, name))
        folded = {_folded(name): contract for name, contract in names.items()}
        if len(folded) == len(names):
            loose = {name: folded[_folded(name)] for name in raw.columns if _folded(name) in folded}
            renamed |= {name: contract for name, contract in loose.items() if contract not in renamed.values()}
    new_names = [renamed.get(name, name) for name in raw.columns]
    return raw.rename(dict(zip(raw.columns, new_names, strict=True))) if len(set(new_names)) == len(new_names) else raw


def _not_in_file(dataset: Dataset) -> set[str]:
    """Name the columns that come from where a file lies, and from the place of a row in it."""
    named = dataset.source.named_columns if dataset.source else {}
    return {*named.get("path_columns", ()), *named.get("place_column", ())}


def stray_values(raw: pl.DataFrame, dataset: Dataset) -> dict[int, str]:
    """Find the rows, from 1, that alone have a value in a column which the contract lacks, and name that column.

    One JSON object in a hundred with a key too many is a mistake in itself; a key that more of them have is a new
    column, for which the declaration has its own word. Empty where the source's new columns are let pass.

    Args:
        raw: A whole unit, under the contract's names.
        dataset: The contract.
    """
    known = {column.name for column in dataset.columns}
    extra = [name for name in raw.columns if name not in known]
    share = spelling_of(dataset).malformed
    if not extra or not share or dataset.source is None or dataset.source.extra_columns != "refuse":
        return {}
    most = max(int(share * raw.height), 1)
    stray: dict[int, str] = {}
    for name in extra:
        rows = raw[name].is_not_null().arg_true()
        if not 0 < len(rows) <= most or len(rows) == raw.height:
            return {}
        stray |= {place + 1: name for place in rows}
    return stray if len(stray) <= most else {}


def likely_names(raw: Sequence[str], missing: Sequence[str]) -> dict[str, str]:
    """Find, for missing columns, those of a source whose names differ in case, blanks or underscores alone."""
    folded = {_folded(name): name for name in raw}
    return {name: folded[_folded(name)] for name in missing if _folded(name) in folded}


def spelled(column: Column, raw: pl.DataType, spelling: Spelling, nulls: Sequence[str] | None) -> pl.Expr:
    """Bring a column to texts as the contract's types are read from, or to instants where naive ones have a zone.

    Args:
        column: The column, under the contract's name.
        raw: The type in which it came.
        spelling: How the source writes.
        nulls: Texts that mean null; the empty text is one too, but for texts, where it is a value. None for none.
    """
    value = pl.col(column.name)
    if (
        isinstance(raw, pl.Datetime)
        and raw.time_zone is None
        and spelling.zone
        and isinstance(column.dtype, pl.Datetime)
    ):
        return _in_zone(value, spelling.zone)
    if not isinstance(raw, _TEXT) or (nulls is None and spelling == AS_IS):
        return value
    text = value.cast(pl.String)
    if spelling.trim:
        text = text.str.strip_chars()
    if nulls is not None:
        words = [*nulls] if isinstance(column.dtype, pl.String | pl.Binary) else [*nulls, ""]
        text = pl.when(~text.is_in(words)).then(text) if words else text
    return _written(column, text, spelling).alias(column.name)


def _written(column: Column, text: pl.Expr, spelling: Spelling) -> pl.Expr:
    dtype = column.dtype
    if isinstance(dtype, _TEXT):
        case = spelling.case.get(column.name)
        return text.str.to_lowercase() if case == "lower" else text.str.to_uppercase() if case == "upper" else text
    if dtype.is_numeric():
        return _number(text, spelling)
    written = spelling.formats.get(column.name)
    if dtype == pl.Date and written:
        day = text.str.strip_chars()
        read = _marked(text, day.str.to_date(written, strict=False), pl.Date())
        return pl.when(day.str.contains(MIDNIGHT)).then(day).otherwise(read)
    if isinstance(dtype, pl.Datetime):
        return _instant(text, written, spelling.zone)
    return text


def _number(text: pl.Expr, spelling: Spelling) -> pl.Expr:
    """Write a number with a point, and with no mark between thousands and no sign of a currency."""
    if spelling.decimal == "." and not spelling.thousands and not spelling.currency:
        return text
    point = re.escape(spelling.decimal)
    mark = _BLANKS if spelling.thousands == " " else re.escape(spelling.thousands)
    bare = text.str.strip_chars()
    if spelling.currency:
        signs = "|".join(map(re.escape, sorted(spelling.currency, key=len, reverse=True)))
        bare = bare.str.replace(rf"^([+-]?)\s*(?:{signs})\s*([+-]?)", "$1$2").str.replace(rf"\s*(?:{signs})$", "")
    whole = rf"[0-9]+|[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+" if spelling.thousands else "[0-9]+"
    fits = bare.str.contains(rf"^[+-]?(?:(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?$")
    digits = bare.str.replace_all(mark, "") if spelling.thousands else bare
    plain = digits.str.replace(spelling.decimal, ".", literal=True)
    return pl.when(fits).then(plain).otherwise(pl.lit(_MISSPELT) + text)


def _instant(text: pl.Expr, written: str | None, zone: str | None) -> pl.Expr:
    """Write an instant in ISO 8601 with its zone."""
    bare = text.str.strip_chars()
    utc = pl.Datetime("us", "UTC")
    if written and "%z" in written:
        return _marked(text, bare.str.to_datetime(written, time_unit="us", time_zone="UTC", strict=False), utc)
    if written:
        naive = bare.str.to_datetime(written, time_unit="us", strict=False)
        return _marked(text, _in_zone(naive, zone), utc) if zone else pl.lit(_MISSPELT) + text
    if zone is None:
        return text
    naive = pl.when(bare.str.contains(_NAIVE) & ~bare.str.contains(LEAP_SECOND)).then(
        bare.str.replace("T", " ", literal=True)
    )
    read = _in_zone(naive.str.to_datetime(time_unit="ns", strict=False), zone).dt.to_string("iso:strict")
    return pl.when(bare.str.contains(_NAIVE)).then(pl.coalesce(read, pl.lit(_MISSPELT) + text)).otherwise(text)


def _in_zone(naive: pl.Expr, zone: str) -> pl.Expr:
    local = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _marked(text: pl.Expr, value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Write a day or instant as ISO 8601; mark the text where there is none, or its year has lost its century."""
    iso = value.dt.to_string("%Y-%m-%d" if dtype == pl.Date else "iso:strict")
    return (
        pl.when((value.dt.year() >= _LEAST_YEAR) & ~text.str.contains(LEAP_SECOND))
        .then(iso)
        .otherwise(pl.lit(_MISSPELT) + text)
    )


def _folded(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()


def _is_nameless(raw: pl.DataFrame, name: str) -> bool:
    """Tell whether a column has no name of its own and no value, as a delimiter too many leaves one behind."""
    return NAMELESS.fullmatch(name) is not None and raw[name].null_count() == raw.height
