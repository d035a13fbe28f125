"""Uniqueness has a shortcut through hashes; it may never change a verdict."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, unique
from platform_core.quality import Beside, judge


class Pair(DataFrameModel):
    number: float = Field(nullable=True)
    text: str = Field(nullable=True)


pairs = Dataset(
    "d/pairs", Pair, owner="team:a", version="1.0.0", source=Generated(rows=1), rules=[unique("number", "text")]
)
numbers = st.none() | st.sampled_from([0.0, -0.0, 1.0, 2.5]) | st.floats(allow_nan=False)
rows = st.lists(st.tuples(numbers, st.none() | st.sampled_from(["", "a", "ab", "é"])), max_size=12)


def repeats(given_rows):
    """True where a row without nulls stood before, by Python's own equality."""
    seen = set()
    for row in given_rows:
        yield None not in row and row in seen
        seen.add(row)


@given(rows)
def test_a_row_is_refused_exactly_where_it_stood_before(given_rows):
    frame = pl.DataFrame(given_rows, schema={"number": pl.Float64, "text": pl.String}, orient="row")
    assert judge(frame, pairs, {}).fails["number_text_unique"].to_list() == list(repeats(given_rows))


def test_the_first_of_equal_rows_is_good_whichever_input_brought_it():
    frame = pl.DataFrame({"number": [1.0, 1.0, 1.0], "text": ["a", "a", "a"]})
    judged = judge(frame, pairs, {}, within=pl.Series(["one", "two", "two"]))
    assert judged.fails["number_text_unique"].to_list() == [False, True, True]


class Member(DataFrameModel):
    number: int
    mail: str = Field(nullable=True, unique=True)


members = Dataset("d/members", Member, owner="team:a", version="1.0.0", key=("number",), source=Generated(rows=1))
people = st.lists(st.tuples(st.integers(1, 3), st.none() | st.sampled_from("xyz")), max_size=8)


def refused(judged_rows, table):
    """True where another member had the mail before: in the table, or in an earlier row of any input."""
    owner = {}
    for number, mail in table:
        owner.setdefault(mail, number)
    for number, mail in judged_rows:
        yield mail is not None and owner.setdefault(mail, number) != number


@given(people, people)
def test_a_value_stays_with_the_key_that_had_it_first(table, rows):
    frame, there = (
        pl.DataFrame(each, schema={"number": pl.Int64, "mail": pl.String}, orient="row") for each in (rows, table)
    )
    each_alone = pl.Series([str(place) for place in range(len(rows))], dtype=pl.String)
    judged = judge(frame, members, {}, within=each_alone, beside=Beside(held={"mail_unique": there}))
    assert judged.fails["mail_unique"].to_list() == list(refused(rows, table))
