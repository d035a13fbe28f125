"""Number plates for generated cars, and one measure of drawn rows: what a package of plug-ins looks like."""

import numpy as np
import polars as pl

_TOWNS = ("B", "HH", "M", "K", "F")
_LETTERS = np.array(list("ABCDEFGHJKLMNPRSTUVWXYZ"))


def draw_plates(rng: np.random.Generator, start: int, rows: int) -> pl.Series:  # noqa: ARG001 - chance alone decides
    """Draw plates such as `HH-KX 417`."""
    towns = rng.choice(_TOWNS, rows)
    letters = rng.choice(_LETTERS, (rows, 2))
    numbers = rng.integers(1, 10_000, rows)
    plates = [f"{town}-{first}{second} {number}" for town, (first, second), number in zip(towns, letters, numbers)]
    return pl.Series(plates, dtype=pl.String)


def compare_whole_rows(learnt: pl.DataFrame, drawn: pl.DataFrame) -> float:
    """Return by how much the shares of rows without a null differ."""
    shares = [frame.drop_nulls().height / max(frame.height, 1) for frame in (learnt, drawn)]
    return abs(shares[0] - shares[1])
