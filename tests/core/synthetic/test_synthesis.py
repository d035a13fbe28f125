"""A row of a contract follows from seed, name and number, not from how many are asked for or how they are cut."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from platform_core.contracts import Catalog, DataFrameModel, Dataset, Field, UtcTimestamp
from platform_core.synthetic import CannotGenerate, synthesize, synthesize_batches, world
from platform_core.synthetic.generate import red_rules


class Orders(DataFrameModel):
    """One row per order."""

    order_id: int = Field(ge=1, unique=True, description="Number")
    code: str = Field(str_matches="^[A-Z]{3}-[0-9]{4}$", description="Code")
    quantity: int = Field(ge=1, le=20, description="Pieces")
    buyer: str = Field(nullable=True, pii="email", format="email", description="Who")
    at: UtcTimestamp = Field(description="When")


class WithNotes(Orders):
    """The same with one more column."""

    note: str = Field(nullable=True, isin=["gift", "late"], description="Words")


orders = Dataset("t/orders", Orders, owner="team:t", version="1.0.0", key=("order_id",))


def test_more_rows_and_other_batches_change_no_row():
    few = synthesize(orders, 700, 5)
    more = synthesize(orders, 70_000, 5)
    assert more.head(700).equals(few)
    assert more["order_id"].is_unique().all()
    batches = list(synthesize_batches(orders, 70_000, 5, size=9_999))
    assert [batch.height for batch in batches] == [9_999] * 7 + [7]
    assert pl.concat(batches).equals(more)
    assert not synthesize(orders, 700, 6).equals(few)
    assert synthesize(orders, 0, 5).schema == few.schema


def test_another_column_changes_no_other_one():
    wider = replace(orders, model=WithNotes)
    few = synthesize(orders, 500, 5)
    assert synthesize(wider, 500, 5).select(few.columns).equals(few)


def test_the_rows_keep_every_rule():
    frame = synthesize(orders, 3_000, 1)
    assert red_rules(frame, orders, {}) == ()


def test_a_world_has_as_many_rows_of_a_numbered_table_as_are_wanted():
    assert world(Catalog({"t/orders": orders}, {}), np.random.default_rng(1), rows=2_000)["t/orders"].height == 2_000


def test_rows_beyond_what_was_planned_are_refused_with_the_fix():
    with pytest.raises(CannotGenerate, match=r"ask for 100 rows or fewer, or name most=\."):
        synthesize(orders, 101, most=100)


def test_few_unique_values_give_a_table_that_grows_to_its_end():
    class Letters(DataFrameModel):
        """One row per letter."""

        letter: str = Field(isin=list("abcdefgh"), unique=True, description="Letter")
        rank: int = Field(ge=0, le=9, description="Rank")

    letters = Dataset("t/letters", Letters, owner="team:t", version="1.0.0", key=("letter",))
    assert synthesize(letters, 8).head(3).equals(synthesize(letters, 3))
    with pytest.raises(CannotGenerate, match="ask for 8 rows or fewer"):
        synthesize(letters, 9)
