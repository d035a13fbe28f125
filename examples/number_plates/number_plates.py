"""Number plates: a generator, a validator, a metric of quality and a measure of drawn rows, as plug-ins."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from platform_core.rules import ValueRule

_TOWNS = ("B", "HH", "M", "K", "F")
_PLATE = "^(B|HH|M|K|F)-[A-Z]{2} [1-9][0-9]{0,3}$"
_LETTERS = np.array(list("ABCDEFGHJKLMNPRSTUVWXYZ"))


def draw_plates(rng: np.random.Generator, start: int, rows: int) -> pl.Series:  # noqa: ARG001 - chance alone decides
    """Draw plates such as `HH-KX 417`."""
    towns = rng.choice(_TOWNS, rows)
    letters = rng.choice(_LETTERS, (rows, 2))
    numbers = rng.integers(1, 10_000, rows)
    plates = [f"{town}-{first}{second} {number}" for town, (first, second), number in zip(towns, letters, numbers)]
    return pl.Series(plates, dtype=pl.String)


@dataclass(frozen=True, kw_only=True)
class NumberPlate(ValueRule):
    """The rule that a text is a number plate of a town, such as `HH-KX 417`."""

    kind: ClassVar[str] = "number_plate"

    def words(self) -> str:
        """Return what is said of the column."""
        return "is a number plate"

    def good(self, value: pl.Expr) -> pl.Expr:
        """Return True where the text is one."""
        return value.str.contains(_PLATE)

    def sql(self) -> str:
        """Return the condition for dbt's test."""
        return f"regexp_matches(\"{self.column}\", '{_PLATE}')"

    def texts(self, *, good: bool) -> tuple[str, ...]:
        """Texts that keep the rule, or break it: for rows made from a contract, and for planted faults."""
        return ("HH-KX 417", "B-AA 1", "M-ZZ 9999") if good else ("HH-KX 0", "XX-AB 12")


def count_towns(rows: pl.DataFrame, dataset: str) -> float | None:  # noqa: ARG001 - a metric may ask which dataset it is
    """Count the towns of the plates of a partition; None where there are no plates."""
    if "plate" not in rows.columns:
        return None
    return float(rows["plate"].drop_nulls().str.split("-").list.first().n_unique())


def compare_whole_rows(learnt: pl.DataFrame, drawn: pl.DataFrame) -> float:
    """Return by how much the shares of rows without a null differ."""
    shares = [frame.drop_nulls().height / max(frame.height, 1) for frame in (learnt, drawn)]
    return abs(shares[0] - shares[1])
