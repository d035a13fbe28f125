"""Datasets made of people, by functions that fail on their values."""

import pandas as pd
import polars as pl

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field


class Numbers(DataFrameModel):
    """One row per person."""

    id: int
    number: int


class Letters(DataFrameModel):
    """One row per person."""

    id: int
    mail: str = Field(pii="email", str_endswith=".com", unique=True)


def _dataset(title: str, model: type[DataFrameModel]) -> Dataset:
    return Dataset(f"crm/{title}", model, owner="team:crm", version="1.0.0", key=("id",), store=Delta(mode="overwrite"))


lazy_numbers = _dataset("lazy_numbers", Numbers)
eager_numbers = _dataset("eager_numbers", Numbers)
letters = _dataset("letters", Letters)


@lazy_numbers.transform
def build_lazily(people: pl.LazyFrame) -> pl.LazyFrame:
    """Phones as numbers, which they are not."""
    return people.select("id", number=pl.col("phone").cast(pl.Int64))


@eager_numbers.transform
def build_eagerly(people: pd.DataFrame) -> pd.DataFrame:
    """Phones as numbers, one at a time."""
    return pd.DataFrame({"id": people["id"], "number": [int(phone) for phone in people["phone"]]})


@letters.transform
def build_letters(people: pl.LazyFrame) -> pl.LazyFrame:
    """All mail, refused by a rule."""
    return people.select("id", "mail")
