"""Notes land as files into a table without partitions; their columns have the types that texts hardly carry.

Late ones land in a table of their own, too."""

from typing import Annotated

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine


class Notes(DataFrameModel):
    """One row per note."""

    note: int = Field(gt=0)
    amount: Annotated[pl.Decimal, 10, 2] = Field(nullable=True)
    marks: Annotated[pl.List, pl.Int64] = Field(nullable=True)
    took: pl.Duration = Field(nullable=True)
    starts: pl.Time = Field(nullable=True)
    seal: pl.Binary = Field(nullable=True)
    order: int = Field(nullable=True)
    kind: Annotated[pl.Enum, ["a", "b"]] = Field(nullable=True)


notes = Dataset(
    "odd/notes",
    Notes,
    owner="team:odd",
    version="1.0.0",
    key=("note",),
    source=Files("notes-*"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)

late_notes = Dataset(
    "odd/late_notes",
    Notes,
    owner="team:odd",
    version="1.0.0",
    key=("note",),
    source=Files("notes-late*"),
    store=Delta(mode="merge"),
)
