"""How a dataset is stored. A store is a description; `platform_resources` writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Mode = Literal["overwrite", "append", "merge"]
Evolution = Literal["refuse", "add"]


@dataclass(frozen=True)
class Delta:
    """A Delta table: ACID, merge on the key, time travel."""

    mode: Mode = "overwrite"
    evolution: Evolution = "refuse"
    format: Literal["delta"] = "delta"


@dataclass(frozen=True)
class Iceberg:
    """An Iceberg table: ACID, merge on the key, time travel; `sort` orders the rows of each file by columns."""

    mode: Mode = "overwrite"
    evolution: Evolution = "refuse"
    sort: Sequence[str] = ()
    format: Literal["iceberg"] = "iceberg"


@dataclass(frozen=True)
class Parquet:
    """One Parquet file a partition, replaced atomically, or append. It cannot merge."""

    mode: Mode = "overwrite"
    evolution: Evolution = "refuse"
    format: Literal["parquet"] = "parquet"


Store = Delta | Iceberg | Parquet


@dataclass(frozen=True)
class Quarantine:
    """Where refused rows go, and for how long they are kept.

    Attributes:
        keep: How long.
        awaits_future: Whether rows whose partition has not begun are taken up by themselves when it begins.
    """

    keep: timedelta = timedelta(days=90)
    awaits_future: bool = False


def within(*, hours: float = 0, days: float = 0) -> timedelta:
    """The longest time a dataset may go without a materialisation."""
    return timedelta(hours=hours, days=days)
