"""A value that cannot be read is told of with its column, itself and what was expected; personal data is masked."""

from typing import Annotated

import polars as pl
import pytest

from platform_core.contracts import DataFrameModel, Dataset, Field, UtcTimestamp
from platform_core.quality import conform
from platform_core.quality.unreadable import unreadable_values


class Things(DataFrameModel):
    """One row per thing."""

    at: UtcTimestamp
    price: Annotated[pl.Decimal, 6, 2]
    count: int
    card: int = Field(pii="card")


THINGS = Dataset("x/things", Things, owner="team:x", version="1.0.0")
GOOD = {"at": "2024-03-03T09:00:00Z", "price": "1.50", "count": "3", "card": "4"}


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("at", "2024-03-03T09:00:00", "at: '2024-03-03T09:00:00' has no zone; UtcTimestamp wants one"),
        ("at", "01/05/2024", "at: '01/05/2024' is no instant"),
        ("price", "1.505", "price: '1.505' does not fit 6 digits with 2 places."),
        ("price", "$7", "price: '$7' is no number; digits and a point are wanted"),
        ("count", "1.5", "count: '1.5' has places; a whole number is wanted."),
        ("count", "99999999999999999999", "lies beyond Int64."),
        ("card", "no card", "card: ••• is no whole number"),
    ],
)
def test_the_reason_names_column_value_and_what_was_expected(column: str, value: str, told: str) -> None:
    raw = pl.DataFrame([GOOD, {**GOOD, column: value}])
    (reason,) = unreadable_values(raw, conform(raw, THINGS).unreadable, THINGS)
    assert told in reason
    assert "no card" not in reason
