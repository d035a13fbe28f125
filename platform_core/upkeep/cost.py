"""What a table costs, by formulae that can be added up.

With sizes in bytes, n files, prices of the class that they lie in:

    storage   a month    Σ max(size, least_bytes) + overhead_bytes, / 2**30 · gigabyte_month
    a scan               n · REQUESTS_A_FILE / 1000 · thousand_reads + bytes / 2**30 · gigabyte_read
    rewriting            a scan of the old files + new files / 1000 · thousand_writes + the time it takes
    a transition         n / 1000 · thousand_transitions
    time                 hours · (cores · core_hour + gigabytes · gigabyte_hour)

Every one is zero for nothing, adds up over any division of the files, and grows with files, bytes and prices.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from platform_core.upkeep.prices import GIGABYTE, ClassName, PriceList

REQUESTS_A_FILE = 2
"""GET requests by which a Parquet file is read at least: its footer, then the columns of its one row group."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Dollars, by what they are paid for."""

    storage: float = 0.0
    requests: float = 0.0
    retrieval: float = 0.0
    compute: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.storage + self.requests + self.retrieval + self.compute

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(Cost)})

    def __sub__(self, other: "Cost") -> "Cost":
        return self + other * -1

    def __mul__(self, times: float) -> "Cost":
        return Cost(**{field.name: getattr(self, field.name) * times for field in fields(Cost)})


def total(costs: Iterable[Cost]) -> Cost:
    """Return the sum; zero of none."""
    return sum(costs, Cost())


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a machine works on a place.

    Attributes:
        file_seconds: What each file adds to a scan, whatever its size.
        bytes_a_second: At which tables are rewritten.
        cores: That a rewrite keeps busy.
        gigabytes: Of memory that it holds.
    """

    file_seconds: float
    bytes_a_second: float = 50e6
    cores: float = 1.0
    gigabytes: float = 2.0


DISK = Pace(file_seconds=0.00008)
"""Measured: 1000 files of 1.5 kB scan in 0.09 s, the same rows in one file in 0.02 s (decision 0016)."""

S3 = Pace(file_seconds=0.004)
"""Two requests of some 30 ms a file, sixteen at a time."""


def storage(sizes: Sequence[int], prices: PriceList, name: ClassName = "STANDARD") -> Cost:
    """Return what files of these sizes, in bytes, cost in a month."""
    class_prices = prices[name]
    billed = sum(max(size, class_prices.least_bytes) + class_prices.overhead_bytes for size in sizes)
    return Cost(storage=billed / GIGABYTE * class_prices.gigabyte_month)


def scan(sizes: Sequence[int], prices: PriceList, name: ClassName = "STANDARD") -> Cost:
    """Return what it costs to read files of these sizes once."""
    read = prices[name]
    return Cost(
        requests=len(sizes) * REQUESTS_A_FILE / 1000 * read.thousand_reads,
        retrieval=sum(sizes) / GIGABYTE * read.gigabyte_read,
    )


def writing(files: int, prices: PriceList, name: ClassName = "STANDARD") -> Cost:
    """Return what it costs to write as many files."""
    return Cost(requests=files / 1000 * prices[name].thousand_writes)


def transition(files: int, prices: PriceList, name: ClassName) -> Cost:
    """Return what it costs that a lifecycle rule moves as many files into the class."""
    return Cost(requests=files / 1000 * prices[name].thousand_transitions)


def working(seconds: float, prices: PriceList, pace: Pace) -> Cost:
    """Return what as many seconds of a rewrite cost."""
    rate = pace.cores * prices.core_hour + pace.gigabytes * prices.gigabyte_hour
    return Cost(compute=seconds / 3600 * rate)


def break_even_reads(prices: PriceList, name: ClassName) -> float:
    """Whole reads of large files a month that cost as much as a class saves against STANDARD; 0 if it saves nothing."""
    saved = prices["STANDARD"].gigabyte_month - prices[name].gigabyte_month
    if saved <= 0:
        return 0.0
    dearer = prices[name].gigabyte_read - prices["STANDARD"].gigabyte_read
    return saved / dearer if dearer > 0 else float("inf")
