"""A row of a contract follows from seed, name and number, not from how many are asked for or how they are cut."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_core.contracts import Catalog, DataFrameModel, Dataset, Field, UtcTimestamp, measure
from platform_core.synthetic import CannotGenerate, lookups, synthesize, synthesize_batches, world
from platform_core.synthetic.numbering import permuted
from platform_core.synthetic.verdicts import red_rules


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
    assert world(Catalog({"t/orders": orders}, {}), 1, rows=2_000)["t/orders"].height == 2_000


class Managers(DataFrameModel):
    """One row per employee."""

    employee_id: int = Field(ge=1, unique=True, description="Number")
    boss: int = Field(nullable=True, references="t/managers.employee_id", description="Whom they report to")
    team: int = Field(references="t/teams.team_id", description="Where")


class Teams(DataFrameModel):
    """One row per team."""

    team_id: int = Field(ge=1, unique=True, description="Number")
    head: int = Field(references="t/managers.employee_id", description="Who leads it")


managers = Dataset("t/managers", Managers, owner="team:t", version="1.0.0", key=("employee_id",))
teams = Dataset("t/teams", Teams, owner="team:t", version="1.0.0", key=("team_id",))


def test_a_circle_of_references_that_rows_need_is_refused_with_its_way():
    with pytest.raises(CannotGenerate, match=r"t/managers → t/teams.*team_references.*head_references.*be null"):
        world(Catalog({"t/managers": managers, "t/teams": teams}, {}), 1, rows=10)


def link(name, *needed, nullable=()):
    """A table whose rows refer to other tables, in columns of their names."""
    annotations = {"number": int} | dict.fromkeys((*needed, *nullable), int)
    fields = {
        other: Field(references=f"t/{other}.number", nullable=other in nullable) for other in (*needed, *nullable)
    }
    model = type(name, (DataFrameModel,), {"__annotations__": annotations, "__doc__": "One row.", **fields})
    return f"t/{name}", Dataset(f"t/{name}", model, owner="team:t", version="1.0.0", key=("number",))


@pytest.mark.parametrize(("tables", "told"), [
    ([link("a", "b"), link("b", "a")], "references t/a → t/b → t/a: each row needs"),
    ([link("z", "a"), link("a", "b"), link("b", "c"), link("c", "a")], "references t/a → t/b → t/c → t/a: each row"),
    ([link("a", "a")], "references t/a → t/a: each row needs"),
    ([link("a", "gone")], "'gone_references': looks into 't/gone', which is not among the datasets"),
])  # fmt: skip
def test_a_circle_of_any_length_is_told_whole(tables, told):
    with pytest.raises(CannotGenerate, match=told):
        world(Catalog(dict(tables), {}), 1, rows=10)


@pytest.mark.parametrize("tables", [
    [link("a", nullable=["b"]), link("b", "a")],
    [link("a", "b"), link("b", "c"), link("c", nullable=["a"])],
    [link("a", nullable=["a"])],
])  # fmt: skip
def test_a_circle_with_a_reference_that_may_be_null_is_made(tables):
    made = world(Catalog(dict(tables), {}), 1, rows=10)
    assert all(red_rules(made[name], dataset, lookups(dataset, made)) == () for name, dataset in tables)


def test_a_reference_to_the_own_table_is_null_in_generated_rows():
    class Alone(Managers):
        """One row per employee without a team."""

        team: int = Field(description="Where")

    tables = world(Catalog({"t/managers": replace(managers, model=Alone)}, {}), 1, rows=10)
    assert tables["t/managers"]["boss"].null_count() == 10


class Lines(DataFrameModel):
    """One row per delivery."""

    delivery_id: int = Field(ge=1, unique=True, description="Number")
    order_id: int = Field(references="t/orders.order_id", description="Of which order")


def test_more_rows_of_two_tables_change_neither_and_few_parents_have_many_children():
    catalog = Catalog({
        "t/orders": orders,
        "t/lines": Dataset("t/lines", Lines, owner="team:t", version="1.0.0", key=("delivery_id",)),
    }, {})  # fmt: skip
    few, many = (world(catalog, 3, rows=rows) for rows in (90, 4_000))
    assert all(many[name].head(90).equals(few[name]) for name in few)
    children = many["t/lines"]["order_id"].value_counts()["count"]
    assert children.max() > 20 * children.mean()


class Doses(DataFrameModel):
    """One row per dose, dear ones on the whole."""

    dose_id: int = Field(ge=1, unique=True, description="Number")
    cents: int = Field(ge=1, le=100, description="Price")


def test_rules_on_the_whole_hold_in_a_frame_and_over_batches():
    rule = measure("dear", pl.col("cents").mean(), at_least=80)
    doses = Dataset("t/doses", Doses, owner="team:t", version="1.0.0", key=("dose_id",), rules=[rule])
    assert synthesize(doses, 40)["cents"].mean() >= 80
    batches = list(synthesize_batches(doses, 20_000, size=7_000))
    assert pl.concat(batches)["cents"].mean() >= 80
    assert pl.concat(batches)["dose_id"].is_unique().all()


@given(count=st.integers(1, 3_000), key=st.integers(0, 2**62))
def test_a_shuffle_takes_each_place_once(count, key):
    places = permuted(np.arange(count, dtype=np.uint64), count, key)
    assert sorted(places.tolist()) == list(range(count))


def test_few_unique_values_give_a_table_that_grows_to_its_end():
    class Letters(DataFrameModel):
        """One row per letter."""

        letter: str = Field(isin=list("abcdefgh"), unique=True, description="Letter")
        rank: int = Field(ge=0, le=9, description="Rank")

    letters = Dataset("t/letters", Letters, owner="team:t", version="1.0.0", key=("letter",))
    assert synthesize(letters, 8).head(3).equals(synthesize(letters, 3))
    with pytest.raises(CannotGenerate, match="ask for 8 rows or fewer"):
        synthesize(letters, 9)
    for less_than_none in (synthesize, lambda *given: list(synthesize_batches(*given))):
        with pytest.raises(CannotGenerate, match=r"t/letters: rows: -1 rows .* Fix: ask for none or more"):
            less_than_none(letters, -1)
