"""Uniqueness has shortcuts: places of whole numbers, order, hashes; they may never change a verdict."""

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, Generated, unique
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


class Cell(DataFrameModel):
    """Columns whose values lie close, far apart, or in order."""

    near: int = Field(nullable=True)
    far: int = Field(nullable=True)
    day: Day = Field(nullable=True)
    text: str = Field(nullable=True)


SHORTCUTS = [("near",), ("far",), ("day",), ("text",), ("near", "day"), ("near", "far"), ("text", "near")]
cells = Dataset("d/cells", Cell, owner="team:a", version="1.0.0", source=Generated(rows=1),
                rules=[unique(*names) for names in SHORTCUTS])  # fmt: skip
ends = st.sampled_from([-(2**63), -1, 0, 1, 2**63 - 1])
days = st.dates(date(1969, 12, 30), date(1970, 1, 2)) | st.sampled_from([date(1, 1, 1), date(9999, 12, 31)])
cell = st.tuples(st.none() | st.integers(-3, 20), st.none() | ends, st.none() | days, st.sampled_from(["", "a", "b"]))


@given(st.lists(cell, max_size=12), st.sampled_from([None, *SHORTCUTS]))
def test_no_shortcut_takes_equal_rows_for_different(given_rows, order):
    frame = pl.DataFrame(given_rows, schema={column.name: column.dtype for column in cells.columns}, orient="row")
    frame = frame if order is None else frame.sort(order)
    verdicts = judge(frame, cells, {}).fails
    for rule, names in zip(cells.rules, SHORTCUTS, strict=True):
        assert verdicts[rule.id].to_list() == list(repeats(frame.select(names).rows())), names


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
    """True where another member has the mail: in the table, or by an earlier row that its owner has not taken back."""
    has = {number: mail for number, mail in table if mail is not None}
    for number, mail in judged_rows:
        taken = mail is not None and any(other != number and mail == theirs for other, theirs in has.items())
        if not taken:
            has[number] = mail
        yield taken


def as_frame(rows):
    return pl.DataFrame(rows, schema={"number": pl.Int64, "mail": pl.String}, orient="row")


@given(st.dictionaries(st.integers(1, 3), st.sampled_from("xyz")), people)
def test_a_value_stays_with_the_key_that_has_it(table, rows):
    table = list({mail: number for number, mail in table.items()}.items())
    table = [(number, mail) for mail, number in table]
    each_alone = pl.Series([str(place) for place in range(len(rows))], dtype=pl.String)
    beside = Beside(held={"mail_unique": as_frame(table)})
    judged = judge(as_frame(rows), members, {}, within=each_alone, beside=beside)
    assert judged.fails["mail_unique"].to_list() == list(refused(rows, table))


def test_two_keys_swap_their_values_in_one_input():
    beside = Beside(held={"mail_unique": as_frame([(1, "x"), (2, "y")])})
    judged = judge(as_frame([(1, "y"), (2, "x")]), members, {}, beside=beside)
    assert judged.fails["mail_unique"].to_list() == [False, False]


def test_a_swap_of_which_one_half_is_refused_does_not_happen():
    beside = Beside(held={"mail_unique": as_frame([(1, "x"), (2, "y"), (3, "z")])})
    judged = judge(as_frame([(1, "y"), (2, "z")]), members, {}, beside=beside)
    assert judged.fails["mail_unique"].to_list() == [True, True]


class Nick(DataFrameModel):
    number: int
    nick: str = Field(unique=True, severity="warn")


nicks = Dataset("d/nicks", Nick, owner="team:a", version="1.0.0", key=("number",), source=Generated(rows=1))


def test_a_warning_keeps_the_row():
    judged = judge(pl.DataFrame({"number": [1, 2], "nick": ["a", "a"]}), nicks, {}, within=pl.Series(["x", "y"]))
    assert (judged.fails["nick_unique"].to_list(), judged.valid.height) == ([False, True], 2)
