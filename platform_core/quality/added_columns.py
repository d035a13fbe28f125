"""Columns that inputs have and the contract lacks, as nullable columns of a wider model: `extra_columns="add"`.

A type is read off all values of an input: the narrowest that reads each of them without loss. Values are taken for
personal until somebody declares the column and says what it holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.model import DataFrameModel, Field
from platform_core.quality.conform import read_as
from platform_core.quality.source_texts import with_contract_names

_INSTANT = pl.Datetime("us", "UTC")
_OF_TEXTS: tuple[pl.DataType, ...] = (pl.Int64(), pl.Float64(), pl.Date(), _INSTANT)
_BOOLEANS = ("true", "false")
_LONG_WHOLE = pl.Decimal(20, 0)
"""Of a piece until it is joined: whole numbers of which a float would round one."""
_SURE_DIGITS = 15
"""So many digits every float keeps."""
_LEADING_ZERO = r"^[+-]?0[0-9]"
"""A text of digits that is no number: `007` would lose its zeros."""


def new_columns(raw: pl.DataFrame, dataset: Dataset, *, needed: Sequence[str]) -> dict[str, pl.DataType]:
    """Find the columns that a raw frame has and the contract lacks, with their types.

    None where a column that is needed is missing, for a column that is new may then be a misspelt one. Columns
    without a value are left out, and so are records and lists, names that SQL could not tell apart, and names that
    begin with `_`, which are the platform's. `joint_types` joins the types, also
    those of one piece.

    Args:
        raw: An input as it came.
        dataset: The contract, with the columns that were added before.
        needed: The columns of the contract itself.
    """
    named = with_contract_names(raw, dataset)
    taken_names = {column.name.lower() for column in dataset.columns}
    if not set(needed) <= set(named.columns):
        return {}
    types: dict[str, pl.DataType] = {}
    for name in named.columns:
        dtype = None if name.lower() in taken_names or name.startswith("_") else _type_of(named[name])
        if dtype is not None:
            types[name] = dtype
            taken_names.add(name.lower())
    return types


def joint_types(found: Iterable[Mapping[str, pl.DataType]]) -> dict[str, pl.DataType]:
    """Join what several pieces of inputs say: the type that holds all of their values, a text where none else does."""
    joined: dict[str, pl.DataType] = {}
    for types in found:
        for name, dtype in types.items():
            joined[name] = _joint_type(joined.get(name, dtype), dtype)
    return {name: pl.Int64() if dtype == _LONG_WHOLE else dtype for name, dtype in joined.items()}


def _joint_type(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    if one == other:
        return one
    both = (one, other)
    if not all(dtype.is_numeric() for dtype in both):
        return pl.String()
    if _LONG_WHOLE in both:
        return pl.String() if pl.Float64() in both else _LONG_WHOLE
    return pl.Float64()


def with_columns_added(dataset: Dataset, types: Mapping[str, pl.DataType]) -> Dataset:
    """Widen the dataset's model by nullable columns; the dataset itself where there are none."""
    known = {column.name for column in dataset.columns}
    added = {name: dtype for name, dtype in types.items() if name not in known}
    if not added:
        return dataset
    labels = {f"added_column_{number}": name for number, name in enumerate(added, start=len(known))}
    fields = {label: Field(nullable=True, alias=name, pii="free_text") for label, name in labels.items()}
    annotations = {label: added[name] for label, name in labels.items()}
    model = type(dataset.model.__name__, (dataset.model,), {"__annotations__": annotations, **fields,
                                                             "__doc__": dataset.model.__doc__})  # fmt: skip
    assert issubclass(model, DataFrameModel)  # noqa: S101 - for the type checker: its base is one
    return replace(dataset, model=model)


def describe_added(types: Mapping[str, pl.DataType]) -> str:
    """Say which columns were added, and how each is declared."""
    if not types:
        return ""
    listed = ", ".join(f"{name} ({dtype})" for name, dtype in types.items())
    return f"added to the table, though the contract does not name them: {listed}; declare them as nullable columns."


def _type_of(values: pl.Series) -> pl.DataType | None:
    """Return the type that reads every value; None where there is none, or where it is no plain value."""
    dtype = values.dtype
    if values.null_count() == values.len() or dtype.is_nested() or dtype in (pl.Object, pl.Null):
        return None
    if dtype.is_integer():
        return _whole(values.cast(pl.String)) if dtype != pl.UInt64 else pl.String()
    if dtype.is_float():
        return pl.Float64()
    if isinstance(dtype, pl.Datetime):
        return _INSTANT if dtype.time_zone else None
    if dtype in (pl.Boolean, pl.Date):
        return pl.Boolean() if dtype == pl.Boolean else pl.Date()
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return _type_of_texts(values.cast(pl.String))
    return None


def _type_of_texts(values: pl.Series) -> pl.DataType:
    texts = values.filter(values.is_not_null() & (values.str.strip_chars() != ""))
    if texts.is_empty() or texts.str.contains(_LEADING_ZERO).any():
        return pl.String()
    if texts.str.to_lowercase().is_in(_BOOLEANS).all():
        return pl.Boolean()
    frame = texts.to_frame("value")
    for dtype in _OF_TEXTS:
        if frame.select(read_as("value", pl.String(), dtype).is_not_null().all()).item():
            if dtype.is_integer():
                return _whole(texts)
            return pl.String() if dtype.is_float() and _loses_digits(texts) else dtype
    return pl.String()


def _whole(texts: pl.Series) -> pl.DataType:
    return _LONG_WHOLE if _loses_digits(texts) else pl.Int64()


def _loses_digits(texts: pl.Series) -> bool:
    """Whether a number has more digits than a float keeps: 20 of an account, say."""
    written, parsed = _digits(texts), _digits(texts.str.strip_chars().cast(pl.Float64, strict=False).cast(pl.String))
    return bool(((written.str.len_chars() > _SURE_DIGITS) & written.ne_missing(parsed)).any())


def _digits(numbers: pl.Series) -> pl.Series:
    """Return the digits of each number from the first to the last that is not zero."""
    return numbers.str.replace("[eE].*$", "").str.replace_all("[^0-9]", "").str.strip_chars("0")
