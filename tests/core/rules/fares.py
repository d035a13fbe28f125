"""Fares by day, with a rule on drift of each kind."""

import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, UtcTimestamp, daily, drift


class Fares(DataFrameModel):
    """A fare a row."""

    id: int = Field(unique=True, ge=0)
    paid_at: UtcTimestamp
    fare: float = Field(ge=0, le=100, nullable=True)
    code: int = Field(ge=0, le=9)
    city: str = Field(isin=["Cobh", "Kinsale", "Ünna", "it's"])
    note: str = Field(nullable=True)


FARES = Dataset(
    "toy/fares", Fares, owner="team:toy", version="1.0.0", source=Generated(rows=5), key=("id",),
    partitions=daily("2024-01-01", on="paid_at"),
    rules=[
        drift("fare", "mean", at_most=0.3),
        drift("fare", "quantile", at=0.9, at_most=0.3, against="last 3"),
        drift("city", "share", value="it's", at_most=0.3, against="weekday"),
        drift("note", "share", at_most=0.5),
        drift("fare", "psi", at_most=0.2, where="code < 8"),
        drift("fare", "ks", at_most=0.2, against="last 3"),
        drift("city", "new_values", at_most=0, where="city IS NOT NULL"),
    ],
)  # fmt: skip


def day(number: int, *, fare: pl.Expr | None = None, city: pl.Expr | None = None, rows: int = 400) -> pl.DataFrame:
    """Rows of one day of January 2024, alike on every day but for what is given."""
    place = pl.int_range(rows)
    return pl.select(
        id=place + number * 1000,
        paid_at=pl.datetime(2024, 1, number, 8, time_unit="us", time_zone="UTC"),
        fare=(place * 7919 % rows).cast(pl.Float64) / rows * 40 + 10,
        code=place % 10,
        city=pl.when(place % 10 == 0).then(pl.lit("Kinsale")).otherwise(pl.lit("Cobh")),
        note=pl.lit("a"),
    ).with_columns(
        **({"fare": fare} if fare is not None else {}), **({"city": city} if city is not None else {})
    )  # fmt: skip
