"""What goes into an envelope comes out of it: any row, through text, to the same types."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, UtcTimestamp
from platform_core.quality import conform, payloads
from platform_core.quality.envelope import as_text


class Everything(DataFrameModel):
    """One column of each kind that a row may have."""

    number: int
    share: float = Field(nullable=True)
    text: str = Field(nullable=True)
    yes: bool = Field(nullable=True)
    at: UtcTimestamp = Field(nullable=True)
    day: pl.Date = Field(nullable=True)
    price: pl.Decimal(10, 2) = Field(nullable=True)
    tags: pl.List(pl.String) = Field(nullable=True)
    sizes: pl.List(pl.Int64) = Field(nullable=True)


everything = Dataset("x/everything", Everything, owner="team:x", version="1.0.0", source=Generated(rows=1))
ROWS = pl.DataFrame(
    {
        "number": [-1, 2],
        "share": [0.1, None],
        "text": ['"quoted", {"v":1}\n♥', None],
        "yes": [True, None],
        "at": [datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC), None],
        "day": [date(2024, 2, 29), None],
        "price": [Decimal("12.30"), None],
        "tags": [["a", 'b"}', None], None],
        "sizes": [[1, None, 3], None],
    },
    schema={column.name: column.dtype for column in everything.columns},
)


def test_a_row_of_every_type_comes_out_as_it_went_in() -> None:
    wrapped = ROWS.select(as_text(ROWS).alias("payload"), pl.lit(None, pl.String).alias("fix"))
    again = conform(payloads(wrapped, ROWS.columns), everything)
    assert again.frame.equals(ROWS)
    assert not again.unreadable.select(pl.any_horizontal(pl.all())).to_series().any()
