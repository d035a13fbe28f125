"""Uniqueness has a shortcut through hashes; it may never change a verdict."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, unique
from platform_core.quality import judge


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


def test_equal_rows_of_two_inputs_are_both_good():
    frame = pl.DataFrame({"number": [1.0, 1.0, 1.0], "text": ["a", "a", "a"]})
    judged = judge(frame, pairs, {}, within=pl.Series(["one", "two", "two"]))
    assert judged.fails["number_text_unique"].to_list() == [False, False, True]
