"""What a table says, as one number: the same whatever the order of its rows and the pieces it comes in.

A row's hash covers every column in its place; the table's is the sum of them, modulo 2^64, so that a row that is there
twice counts twice. Null, NaN, the empty text, 0.0 and -0.0 are five different values (within lists, 0.0 is -0.0). The
number is comparable within one version of Polars: it is there to be compared, not to be kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from platform_resources.storage.columns import logical, physical

_MODULUS = 1 << 64
_SEED = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Fingerprint:
    """Rows and the sum of their hashes; two of them add up to that of both tables together."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(self.rows + other.rows, (self.total + other.total) % _MODULUS)

    @property
    def hash(self) -> str:
        """The sum in 16 hexadecimal digits."""
        return f"{self.total:016x}"


def fingerprint(frame: pl.DataFrame) -> Fingerprint:
    """Return the fingerprint of a frame; its column names and order matter, its row order and chunks do not."""
    if not frame.width or not frame.height:
        return Fingerprint(frame.height)
    hashes = frame.select(_hashable(name, dtype) for name, dtype in frame.schema.items()).hash_rows(_SEED)
    return Fingerprint(frame.height, int(hashes.sum()) % _MODULUS)


def fingerprint_of(frames: Iterable[pl.DataFrame]) -> Fingerprint:
    """Return the fingerprint of many frames together."""
    return sum((fingerprint(frame) for frame in frames), Fingerprint())


def _hashable(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column in a type whose hash tells all its values apart.

    Floats by their bits, the rest as tables keep it.
    """
    column = pl.col(name)
    if dtype in (pl.Float32, pl.Float64):
        bits = pl.UInt32 if dtype == pl.Float32 else pl.UInt64
        return (
            pl.when(column.is_nan())
            .then(pl.lit(float("nan"), dtype=dtype))
            .otherwise(column)
            .reinterpret(dtype=bits)
            .alias(name)
        )
    if isinstance(dtype, pl.Datetime):
        return column.to_physical()
    hashed_type = physical(logical(dtype))
    return column.cast(hashed_type) if hashed_type != dtype else column
