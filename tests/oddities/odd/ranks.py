"""Ranks of notes, made in DuckDB, by a column whose name is a word of SQL."""

from duckdb import DuckDBPyRelation

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field


class Ranks(DataFrameModel):
    """One row per note."""

    note: int
    order: int = Field(nullable=True)


ranks = Dataset("odd/ranks", Ranks, owner="team:odd", version="1.0.0", key=("note",), store=Delta())


@ranks.transform
def build(notes: DuckDBPyRelation) -> DuckDBPyRelation:
    """Each note's place, as it was told."""
    return notes.project('note, "order"')
