"""A profile says what a frame holds, whatever its types, and never shows a value of personal data."""

import json
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest

from platform_core.privacy.detect import suspected_pii
from platform_core.quality.profile import profile, shape
from platform_core.quality.profile_page import plain_profile, profile_page

CANARY = "canary@leak.example"

ODD = pl.DataFrame({
    "n": [1, 2, 2, None],
    "f": [1.0, float("nan"), -0.0, 4.0],
    "big": pl.Series([2**64 - 1, 0, 1, 2], dtype=pl.UInt64),
    "dec": pl.Series(["1.20", "2.00", None, "3"]).cast(pl.Decimal(10, 2)),
    "text": ["C-104", "né 7", None, ""],
    "day": [date(1960, 1, 1), None, date(2020, 1, 1), date(2021, 1, 1)],
    "at": [datetime(1969, 12, 31, tzinfo=UTC)] * 4,
    "clock": [time(1), time(2), None, time(3)],
    "took": [timedelta(seconds=1)] * 4,
    "yes": [True, False, None, True],
    "cat": pl.Series(["u", "v", "u", "u"], dtype=pl.Categorical),
    "raw": pl.Series([b"a", b"bb", None, b""]),
    "many": [[1], [], None, [1, 2]],
    "deep": [{"x": 1}] * 4,
    "none": pl.Series([None] * 4, dtype=pl.Null),
    'quo"te d': ["a", "b", "c", "d"],
})  # fmt: skip


def test_a_profile_counts_what_is_there() -> None:
    measured = profile("odd", ODD)
    numbers = measured.column("n")
    assert (numbers.nulls, numbers.distinct, numbers.minimum, numbers.maximum, numbers.mean) == (1, 2, 1, 2, 5 / 3)
    assert numbers.top == ((2, 2), (1, 1))
    assert numbers.quantiles["p50"] == 2
    assert measured.column("f").nulls == 1, "NaN is null"
    assert measured.column("big").maximum == 2**64 - 1
    assert (measured.column("many").shortest, measured.column("many").longest) == (0, 2)
    assert dict(measured.column("text").patterns) == {"A-999": 1, "aa 9": 1, "": 1}
    assert measured.keys == (("big",), ('quo"te d',))


@pytest.mark.parametrize("rows", [0, 1, 4])
@pytest.mark.parametrize("name", ODD.columns)
def test_every_type_makes_a_page_and_json_whatever_the_number_of_rows(name: str, rows: int) -> None:
    measured = profile("odd", ODD.select(name).head(rows))
    assert json.loads(json.dumps(plain_profile(measured)))["rows"] == rows
    assert "</html>" in profile_page(measured)


def test_the_bars_of_a_histogram_count_every_value_once() -> None:
    measured = profile("n", pl.DataFrame({"x": [*range(1000), None]})).column("x")
    assert sum(bar.count for bar in measured.histogram) == 1000
    assert (measured.histogram[0].low, measured.histogram[-1].high) == (0.0, 999.0)


def test_keys_of_several_columns_are_found_where_no_single_one_is() -> None:
    frame = pl.DataFrame({"a": [1, 1, 2, 2], "b": ["x", "y", "x", "y"], "c": [1, 1, 1, 1]})
    assert profile("pairs", frame).keys == (("a", "b"),)
    assert profile("twice", pl.concat([frame, frame])).duplicates == 4


def test_partitions_are_measured_each_by_itself() -> None:
    frame = pl.DataFrame({"part": ["a", "a", "b"], "x": [1, None, 5]})
    parts = profile("p", frame, partition=pl.col("part")).partitions
    assert {key: (part.rows, part.null_shares["x"], part.means["x"]) for key, part in parts.items()} == {
        "a": (2, 0.5, 1.0),
        "b": (1, 0.0, 5.0),
    }


def test_personal_data_is_in_no_page_and_no_json_declared_or_not() -> None:
    frame = pl.DataFrame({"mail": [CANARY] * 3, "phone": [4915199999999] * 3, "part": ["p", "q", "q"]})
    assert suspected_pii(frame.lazy()) == {"mail": "email", "phone": "phone"}
    measured = profile("f", frame, personal=suspected_pii(frame.lazy()), partition=pl.col("part"))
    written = profile_page(measured) + json.dumps(plain_profile(measured))
    assert [value for value in (CANARY, "canary", "4915199999999", "4.9152e+12") if value in written] == []


def test_markup_in_a_name_or_a_value_stays_text() -> None:
    page = profile_page(profile("<script>", pl.DataFrame({"<b>": ["<img src=x>"]})))
    assert "<script>" not in page
    assert "<img" not in page


def test_a_shape_keeps_no_letter_and_no_digit() -> None:
    assert pl.select(shape(pl.lit("Ünï 東京 A٣-9"))).item() == "Aaa aa A9-9"


def test_an_approximate_count_says_that_it_is_one() -> None:
    measured = profile("n", pl.DataFrame({"x": range(50_000)}), approximate=True).column("x")
    assert not measured.exact
    assert measured.distinct == pytest.approx(50_000, rel=0.05)
