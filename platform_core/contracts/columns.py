"""Columns as plain records, read once from a Pandera model."""

from dataclasses import dataclass
from functools import cache

import polars as pl
from pandera.api.checks import Check
from pandera.api.polars.components import Column as PanderaColumn

from platform_core.contracts.model import NO_TERMS, TERMS, ColumnTerms, DataFrameModel


@dataclass(frozen=True)
class Column:
    """A column of a contract."""

    name: str
    dtype: pl.DataType
    nullable: bool
    unique: bool
    description: str
    terms: ColumnTerms
    checks: tuple[Check, ...]
    required: bool = True

    @property
    def pii(self) -> str | None:
        """The class of personal data, or None."""
        return self.terms.pii

    @property
    def unit(self) -> str | None:
        """The unit of the values, or None."""
        return self.terms.unit


@cache
def columns_of(model: type[DataFrameModel]) -> tuple[Column, ...]:
    """Return the columns of a model, in the order declared.

    They are the columns of `model.to_schema()`, which copies each of them deeply: half of what loading a declaration
    costs. Pandera has no public way to ask for the columns alone; the version is pinned, and a test compares the two.
    """
    columns = model._build_columns(model.__fields__, model.__checks__)  # noqa: SLF001 - see above
    return tuple(_column(column) for column in columns.values())


def _column(column: PanderaColumn) -> Column:
    metadata = column.metadata or {}
    dtype = column.dtype.type
    return Column(
        name=str(column.name),
        dtype=dtype() if isinstance(dtype, type) else dtype,
        nullable=bool(column.nullable or not column.required),  # Optional[str]: it may be missing, and is null then
        unique=bool(column.unique),
        description=column.description or column.title or "",
        terms=metadata.get(TERMS, NO_TERMS),
        checks=tuple(column.checks),
        required=bool(column.required),
    )
