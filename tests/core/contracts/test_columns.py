"""Columns are read past Pandera's `to_schema`, for speed; they must stay what Pandera itself would say."""

from typing import ClassVar, Optional

import polars as pl
from pandera.polars import PolarsData

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, Generated, UtcTimestamp, check, rules_of
from platform_core.contracts.columns import columns_of


class Numbered(DataFrameModel):
    number: int = Field(unique=True, ge=0, le=9, description="inherited")


class Everything(Numbered):
    when: UtcTimestamp = Field(title="an instant")
    day: Day
    text: str = Field(nullable=True, isin={"a", "b"}, str_matches="^a", severity="warn", alias="the text", pii="name")
    share: pl.Float32 = Field(gt=0.5, unit="of one")

    @check("number")
    def even(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - Pandera's form
        return data.lazyframe.select(pl.col(data.key) % 2 == 0)


def test_columns_are_those_of_panderas_own_schema():
    schema = Everything.to_schema()
    assert [column.name for column in columns_of(Everything)] == list(schema.columns)
    for column in columns_of(Everything):
        theirs = schema.columns[column.name]
        assert column.dtype == theirs.dtype.type
        assert (column.nullable, column.unique) == (theirs.nullable, theirs.unique)
        assert list(column.checks) == theirs.checks
        assert column.description == (theirs.description or theirs.title or "")


def test_what_may_be_absent_is_a_column_that_may_be_null() -> None:
    class Older(DataFrameModel):
        id: int
        note: Optional[str]  # noqa: UP045 - both spellings
        score: float | None = Field(ge=0)

    assert [(column.name, column.nullable, column.dtype) for column in columns_of(Older)] == [
        ("id", False, pl.Int64()), ("note", True, pl.String()), ("score", True, pl.Float64()),
    ]  # fmt: skip


def test_a_dataset_keeps_its_rules_and_shares_them_with_no_other():
    made = [Dataset("d/every", Everything, owner="team:a", version="1.0.0", source=Generated(rows=1)) for _ in "ab"]
    assert rules_of(made[0]) is rules_of(made[0])
    assert rules_of(made[0]) is not rules_of(made[1])


def test_what_a_model_says_of_several_columns_together_is_a_rule() -> None:
    class Paired(DataFrameModel):
        a: int
        b: int

        class Config:
            unique: ClassVar = ["a", "b"]

    paired = Dataset("x/paired", Paired, owner="team:x", version="1.0.0")
    assert "a_b_unique" in [rule.id for rule in rules_of(paired)]
