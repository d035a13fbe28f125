"""How a dataset is stored. A store is a description; `platform_resources` writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Mode = Literal["overwrite", "append", "merge"]
Evolution = Literal["refuse", "add"]


@dataclass(frozen=True)
class Delta:
    """A Delta table: ACID, merge on the key, time travel.

    Attributes:
        mode: `"merge"` writes a row under its key and is what landed files need, `"overwrite"` replaces the partitions
            of the run, or the table, and `"append"` adds.
        evolution: What becomes of a table whose contract has a new column: `"refuse"` says so and writes nothing,
            `"add"` adds it to the table, null in the rows that are there.
        format: Of the files.
    """

    mode: Mode = "overwrite"
    evolution: Evolution = "refuse"
    format: Literal["delta"] = "delta"


@dataclass(frozen=True)
class Iceberg:
    """An Iceberg table: ACID, merge on the key, time travel; `sort` orders the rows of each file by columns.

    Attributes:
        mode: `"merge"` writes a row under its key and is what landed files need, `"overwrite"` replaces the partitions
            of the run, or the table, and `"append"` adds.
        evolution: What becomes of a table whose contract has a new column: `"refuse"` says so and writes nothing,
            `"add"` adds it to the table, null in the rows that are there.
        sort: Columns by which the rows of each file are ordered, so that a query for a few of them reads less.
        format: Of the files.
    """

    mode: Mode = "overwrite"
    evolution: Evolution = "refuse"
    sort: Sequence[str] = ()
    format: Literal["iceberg"] = "iceberg"


@dataclass(frozen=True)
class Parquet:
    """One Parquet file a partition, replaced atomically, or append. It cannot merge.

    Attributes:
        mode: `"overwrite"` replaces the partitions of the run, or the table, and `"append"` adds.
        evolution: What becomes of a table whose contract has a new column: `"refuse"` says so and writes nothing,
            `"add"` adds it to the table, null in the rows that are there.
        format: Of the files.
    """

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
    """Return the longest time a dataset may go without a materialisation."""
    return timedelta(hours=hours, days=days)
