"""What a text or a value becomes in the contract's type; what has no exact place there is unreadable, never guessed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, Files, UtcTimestamp
from platform_core.quality import conform
from platform_core.quality.conform import converted
from platform_core.quality.conversions import conversions_of
from platform_core.quality.envelope import as_text, payloads


class Kinds(DataFrameModel):
    """A column of each kind."""

    whole: int = Field(nullable=True)
    small: pl.Float32 = Field(nullable=True)
    real: float = Field(nullable=True)
    flag: bool = Field(nullable=True)
    text: str = Field(nullable=True)
    day: Day = Field(nullable=True)
    at: UtcTimestamp = Field(nullable=True)
    money: Annotated[pl.Decimal, 10, 2] = Field(nullable=True)
    marks: Annotated[pl.List, pl.Int64] = Field(nullable=True)
    days: Annotated[pl.List, pl.Date] = Field(nullable=True)
    prices: Annotated[pl.List, pl.Decimal(10, 2)] = Field(nullable=True)
    took: pl.Duration = Field(nullable=True)
    seal: pl.Binary = Field(nullable=True)


kinds = Dataset("x/kinds", Kinds, owner="team:x", version="1.0.0", source=Files("*", null_values=("NA",)))
UNREADABLE = "unreadable"
MIDNIGHT_AND_A_SECOND = [datetime(2024, 2, 29), datetime(2024, 2, 29, 0, 0, 1)]  # noqa: DTZ001 - as pandas has them
NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


def read(column: str, values: list[Any], dtype: Any = None) -> list[Any]:
    """What the values of a column become; `UNREADABLE` where they cannot."""
    raw = pl.DataFrame({each.name: pl.Series([None] * len(values), dtype=pl.Null) for each in kinds.columns})
    done = conform(raw.with_columns(pl.Series(column, values, dtype=dtype)), kinds)
    wrong = done.unreadable[column]
    return [UNREADABLE if bad else value for value, bad in zip(done.frame[column], wrong, strict=True)]


def test_days_become_their_midnights_in_utc_and_what_a_cast_lost_is_counted() -> None:
    assert read("at", [date(2024, 2, 29), None]) == [datetime(2024, 2, 29, tzinfo=UTC), None]
    rows = pl.DataFrame({"at": [date(2024, 2, 29), None], "n": [2**53 + 1, 7], "text": ["1", "x"]})
    wanted = {"at": pl.Datetime("us", "UTC"), "n": pl.Float64(), "text": pl.Int64(), "new": pl.Int64()}
    read_rows = converted(rows.lazy(), wanted).collect()
    assert read_rows.rows() == [(datetime(2024, 2, 29, tzinfo=UTC), 2.0**53, "1"), (None, 7.0, "x")]
    assert [each.words for each in conversions_of(rows, read_rows)] == [
        "at: Date to Datetime(time_unit='us', time_zone='UTC'), nothing lost",
        "n: Int64 to Float64, 1 of 2 values lost something",
    ]


def test_texts_read_as_numbers_are_counted_where_the_input_has_types() -> None:
    nothing = {each.name: pl.Series([None] * 3, dtype=pl.Null) for each in kinds.columns}
    typed = pl.DataFrame({**nothing, "real": [1.5, 2.0, None], "whole": ["1", "x", "NA"], "text": ["1", "2", "3"]})
    assert [each.words for each in conform(typed, kinds).conversions] == [
        "whole: String to Int64, 1 of 3 values lost something"
    ]
    assert conform(typed.with_columns(real=pl.lit("1.5")), kinds).conversions == ()


@pytest.mark.parametrize(
    ("column", "texts", "expected"),
    [
        ("whole", ["1", "1.0", " 7 ", "", "NA"], [1, 1, 7, None, None]),
        ("whole", ["1.5", "1e3", "0x10", "9223372036854775808"], [UNREADABLE] * 4),
        ("real", ["1e400", "-1e400", "1,5"], [UNREADABLE] * 3),
        ("real", [" 1.5 ", "inf", "NaN"], [1.5, float("inf"), None]),
        ("small", ["1e39"], [UNREADABLE]),
        ("money", ["1.23", "1.230", "1.239", "1e-9"], [Decimal("1.23"), Decimal("1.23"), UNREADABLE, UNREADABLE]),
        ("flag", [" TRUE", "no", "2"], [True, False, UNREADABLE]),
        ("text", ["", " a ", "NA"], ["", " a ", None]),
        ("day", ["2024-02-29", "2023-02-29", "01/02/2024"], [date(2024, 2, 29), UNREADABLE, UNREADABLE]),
        (
            "marks",
            ["[1.5]", "[2.0, null]", "[true]", "[9223372036854775808]"],
            [UNREADABLE, [2, None], *[UNREADABLE] * 2],
        ),
        ("days", ['["2024-02-29"]', '["2023-02-29"]', "[5]"], [[date(2024, 2, 29)], *[UNREADABLE] * 2]),
        ("days", ['["20240229"]', '["2024-02-29T00:00:00"]'], [UNREADABLE] * 2),
        ("prices", ["[1.25]", "[1.255]", "[1e400]"], [[Decimal("1.25")], *[UNREADABLE] * 2]),
        ("marks", ["[1, 2]", "[1", "{}", '["x"]', "", "[3]\n[4]"], [[1, 2], *[UNREADABLE] * 3, None, UNREADABLE]),
    ],
)
def test_a_text_is_read_exactly_or_not_at_all(column: str, texts: list[str], expected: list[Any]) -> None:
    assert [each.to_list() if isinstance(each, pl.Series) else each for each in read(column, texts)] == expected


@pytest.mark.parametrize("text", ["2024-01-02 12:00:00", "2024-01-02", "01/02/2024 12:00:00", "02.01.2024"])
def test_a_text_without_a_zone_is_not_taken_for_utc(text: str) -> None:
    assert read("at", [text]) == [UNREADABLE]


ZONED = ["2024-01-02T12:00:00Z", "2024-01-02T12:00Z", "2024-01-02 13:30:00.000+01:30", "2024-01-02 14:00:00+02",
         "2024-01-02T07:00:00.000000-0500"]  # fmt: skip


@given(st.permutations([*ZONED, "garbage", "2024-01-02 12:00:00"]))
def test_how_an_instant_is_read_does_not_depend_on_its_neighbours(texts: list[str]) -> None:
    assert read("at", texts) == [NOON if text in ZONED else UNREADABLE for text in texts]


@pytest.mark.parametrize(
    ("column", "values", "dtype", "expected"),
    [
        ("whole", [Decimal("1.5"), Decimal("2.0")], None, [UNREADABLE, 2]),
        ("whole", [2**63, 1], pl.UInt64, [UNREADABLE, 1]),
        ("whole", [1.5, 2.0, 1e300], None, [UNREADABLE, 2, UNREADABLE]),
        ("flag", [0, 1, 2], None, [False, True, UNREADABLE]),
        ("money", [Decimal("1.239"), Decimal("1.230")], None, [UNREADABLE, Decimal("1.23")]),
        ("small", [1e39, 0.5], None, [UNREADABLE, 0.5]),
        ("text", ["a"], pl.Categorical, ["a"]),
        ("day", MIDNIGHT_AND_A_SECOND, None, [date(2024, 2, 29), UNREADABLE]),
    ],
)
def test_a_typed_value_is_not_cut_or_wrapped(column: str, values: list[Any], dtype: Any, expected: list[Any]) -> None:
    assert read(column, values, dtype) == expected


@given(
    st.fixed_dictionaries({
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "real": st.none() | st.floats(allow_nan=False),
        "flag": st.none() | st.booleans(),
        "text": st.none() | st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "NA"),
        "day": st.none() | st.dates(),
        "at": st.none() | st.datetimes(timezones=st.just(UTC)),
        "money": st.none() | st.decimals(-(10**7), 10**7, places=2),
        "marks": st.none() | st.lists(st.none() | st.integers(-(2**31), 2**31)),
        "took": st.none() | st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
        "seal": st.none() | st.binary(),
    })
)  # fmt: skip
def test_a_payload_is_read_as_the_row_it_was_made_of(row: dict[str, Any]) -> None:
    schema = {column.name: column.dtype for column in kinds.columns}
    typed = pl.DataFrame([{"small": None, **row}], schema=schema)
    raw = payloads(typed.select(as_text(typed).alias("payload"), pl.lit(None, pl.String).alias("fix")), typed.columns)
    assert conform(raw, kinds).frame.equals(typed)
