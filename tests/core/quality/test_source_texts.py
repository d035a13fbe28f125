"""Texts as people write them become values where the declaration says how, and stay unreadable where it does not."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Optional

import polars as pl
import pytest

from platform_core.contracts import DataFrameModel, Dataset, Day, Field, Files, UtcTimestamp
from platform_core.errors import ShapeError
from platform_core.quality import conform


class Orders(DataFrameModel):
    """A column of each kind whose spelling can be declared."""

    customer_id: str = Field(source_name="Customer ID")
    amount: Annotated[pl.Decimal, 10, 2] = Field(nullable=True)
    share: float = Field(nullable=True)
    day: Day = Field(nullable=True)
    at: UtcTimestamp = Field(nullable=True)
    country: str = Field(nullable=True)


def read(values: dict[str, Any], **said: Any) -> dict[str, Any]:
    """The first row; `"?"` where a value cannot be read."""
    orders = Dataset("x/orders", Orders, owner="team:x", version="1.0.0", source=Files("*", **said))
    raw = pl.DataFrame({"Customer ID": ["c"], **{name: [value] for name, value in values.items()}})
    done = conform(raw, orders)
    (row,), (wrong,) = done.frame.to_dicts(), done.unreadable.to_dicts()
    return {name: "?" if wrong[name] else value for name, value in row.items() if name in values}


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("1.234,50", {"decimal": ",", "thousands": "."}, Decimal("1234.50")),
        ("1,5", {"decimal": ","}, Decimal("1.50")),
        ("1.5", {"decimal": ","}, "?"),
        ("1.23,5", {"decimal": ",", "thousands": "."}, "?"),
        ("1,234.5", {"thousands": ","}, Decimal("1234.50")),
        ("1,5", {"thousands": ","}, "?"),
        ("1\u202f234,5 €", {"decimal": ",", "thousands": " ", "currency": ("€",)}, Decimal("1234.50")),
        ("-$7", {"currency": ("$",)}, Decimal("-7.00")),
        ("US$ 7.25", {"currency": ("$", "US$")}, Decimal("7.25")),
        ("7 €", {}, "?"),
        ("n/a", {"null_values": {"amount": ("n/a",)}}, None),
        ("n/a", {"null_values": {"share": ("n/a",)}}, "?"),
        (",5", {"decimal": ","}, Decimal("0.50")),
        ("abc", {"decimal": ","}, "?"),
    ],
)
def test_numbers_are_read_as_the_source_writes_them(text: str, said: dict[str, Any], expected: object) -> None:
    assert read({"amount": text}, **said) == {"amount": expected}


@pytest.mark.parametrize(
    ("column", "text", "said", "expected"),
    [
        ("day", "31.12.2024", {"formats": {"day": "%d.%m.%Y"}}, date(2024, 12, 31)),
        ("day", "12/31/2024", {"formats": {"day": "%d/%m/%Y"}}, "?"),
        ("day", "31-12-24", {"formats": {"day": "%d-%m-%Y"}}, "?"),
        ("day", "31-12-24", {"formats": {"day": "%d-%m-%y"}}, date(2024, 12, 31)),
        ("day", "31.12.2024", {}, "?"),
        ("at", "2024-07-01 12:00:00", {"zone": "Europe/Berlin"}, datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ("at", "2024-07-01T12:00:00Z", {"zone": "Europe/Berlin"}, datetime(2024, 7, 1, 12, tzinfo=UTC)),
        ("at", "2024-03-31 02:30:00", {"zone": "Europe/Berlin"}, "?"),
        ("at", "2024-10-27 02:30:00", {"zone": "Europe/Berlin"}, datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),
        ("at", "2024-07-01 12:00:00", {}, "?"),
        ("at", "01.07.2024 12:00", {"formats": {"at": "%d.%m.%Y %H:%M"}, "zone": "Europe/Berlin"},
         datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ("at", "01.07.2024 12:00", {"formats": {"at": "%d.%m.%Y %H:%M"}}, "?"),
        ("at", "2024-07-01 12:00 +0200", {"formats": {"at": "%Y-%m-%d %H:%M %z"}},
         datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ("at", datetime(2024, 7, 1, 12), {"zone": "Europe/Berlin"}, datetime(2024, 7, 1, 10, tzinfo=UTC)),  # noqa: DTZ001
        ("country", " na ", {"trim": True, "case": {"country": "upper"}}, "NA"),
        ("country", "NA", {}, "NA"),
        ("country", "NA", {"null_values": ("NA",)}, None),
    ],
)  # fmt: skip
def test_days_instants_and_texts_are_read_as_the_source_writes_them(
    column: str, text: object, said: dict[str, Any], expected: object
) -> None:
    assert read({column: text}, **said) == {column: expected}


def orders(**said: Any) -> Dataset:
    return Dataset("x/orders", Orders, owner="team:x", version="1.0.0", source=Files("*", **said))


def test_a_nullable_column_that_older_files_lack_is_null() -> None:
    assert conform(pl.DataFrame({"Customer ID": ["c"]}), orders()).frame["amount"].to_list() == [None]
    with pytest.raises(ShapeError, match=r"amount.* missing"):
        conform(pl.DataFrame({"Customer ID": ["c"]}), orders(missing_columns="refuse"))
    with pytest.raises(ShapeError, match="customer_id: missing"):
        conform(pl.DataFrame({"amount": ["1"]}), orders())


def test_a_source_name_that_the_input_has_not_is_told_beside_the_names_that_it_has() -> None:
    orders = Dataset("x/orders", Orders, owner="team:x", version="1.0.0", source=Files("*"))
    with pytest.raises(ShapeError, match="customer_id is looked for by its source_name, 'Customer ID'") as refusal:
        conform(pl.DataFrame({"Customer No": ["c"], "amount": ["1"]}), orders)
    assert "the input has Customer No, amount" in str(refusal.value)
    assert "let source_name be the column's name in the input." in str(refusal.value)


def test_a_column_under_another_name_is_not_taken_for_a_missing_one() -> None:
    with pytest.raises(ShapeError, match=r"'Amount ' differs from 'amount' in case.*loose"):
        conform(pl.DataFrame({"Customer ID": ["c"], "Amount ": ["1"]}), orders())


def test_loose_headers_match_whatever_their_case_and_blanks() -> None:
    raw = pl.DataFrame(
        {"CUSTOMER_ID": ["c"], " Amount": ["1"], "column_3": [None]}, schema_overrides={"column_3": pl.String}
    )
    assert conform(raw, orders(headers="loose")).frame.row(0)[:2] == ("c", Decimal("1.00"))


def test_without_a_header_the_columns_are_the_contracts_in_its_order() -> None:
    raw = pl.DataFrame({f"column_{place}": [None if place > 1 else "c"] for place in range(1, 7)})
    assert conform(raw, orders(header=False)).frame["customer_id"].to_list() == ["c"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"malformed": 2}, "malformed 2"),
        ({"decimal": ",", "thousands": ","}, "do not tell a number"),
        ({"zone": "Europe/Nowhere"}, "no time zone"),
        ({"headers": "any"}, "use exact or loose"),
        ({"missing_columns": "zero"}, "use null or refuse"),
        ({"delimiter": ";;"}, "delimits no fields"),
        ({"header_row": 0}, "is no row"),
        ({"widths": (3, 0)}, "are not those of columns"),
        ({"case": {"country": "title"}}, "use lower or upper"),
        ({"path_columns": {"country": "("}}, "is no regular expression"),
    ],
)
def test_a_declaration_that_says_nothing_sensible_is_refused(said: dict[str, Any], told: str) -> None:
    problems = [" ".join(problem) for problem in Files("*", **said).problems(store_mode="merge")]
    assert any(told in problem for problem in problems), problems


class Visits(DataFrameModel):
    """A column that may be missing."""

    visit: int
    note: Optional[str]  # noqa: UP045 - Pandera's word for a column that may be missing


def test_an_optional_column_is_null_where_it_is_missing() -> None:
    visits = Dataset("x/visits", Visits, owner="team:x", version="1.0.0", source=Files("*"))
    assert conform(pl.DataFrame({"visit": ["1"]}), visits).frame.rows() == [(1, None)]
    assert conform(pl.DataFrame({"visit": ["1"], "note": ["n"]}), visits).frame.rows() == [(1, "n")]
