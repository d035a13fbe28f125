"""Tables on paper, for the tests of upkeep."""

from datetime import UTC, datetime, timedelta
from typing import Any

from platform_core.contracts import Partitions, Retention, monthly
from platform_core.upkeep import DataFile, History, Read, TableFacts

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
DAYS = timedelta(days=1)
MONTHS: Partitions = monthly("2020-01", on="at")


def files(*sizes: int, partition: str | None = None) -> tuple[DataFile, ...]:
    """Files of these sizes in one partition."""
    return tuple(
        DataFile(path=f"{partition}/{place}.parquet", size_bytes=size, partition=partition)
        for place, size in enumerate(sizes)
    )


def reads(
    times: int, *, partitions: tuple[str, ...] | None = None, filters: tuple[str, ...] = (), days: int = 90
) -> History:
    """As many readings, evenly over the last days."""
    every = [
        Read(at=NOW - DAYS * days * place / times, reader="shop/report", partitions=partitions, filters=filters)
        for place in range(times)
    ]
    return History(reads=every, window=DAYS * days)


def table(*given: DataFile, **facts: Any) -> TableFacts:
    """A Delta table of months on S3."""
    known: dict[str, Any] = {
        "name": "shop/sales", "format": "delta", "files": given, "partitions": MONTHS, "retention": Retention(),
        "on_s3": True, "prefix": "lake/development/shop/sales/v1", "data_prefixes": ("_partition=",),
    }  # fmt: skip
    return TableFacts(**{**known, **facts})
