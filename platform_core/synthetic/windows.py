"""Where instants lie when a contract leaves the choice: a year, or the first few partitions."""

from datetime import UTC, datetime, timedelta

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.partitions import Grain
from platform_core.rules import DatasetRule

Window = tuple[datetime, datetime]

_YEAR = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
_SPREAD: dict[Grain, int] = {
    "hourly": 24, "daily": 14, "weekly": 8, "monthly": 6, "quarterly": 4, "yearly": 3,
}  # fmt: skip
"""Over how many partitions rows are spread."""


def window_of(dataset: Dataset, rows: int, now: datetime | None) -> Window:
    """Return the window in which `rows` rows lie: closed, open; never past `now`.

    Partitions are as many as the volume rules of the dataset allow for that number of rows.
    """
    time = dataset.partitions.time if dataset.partitions else None
    if time is None:
        return _YEAR if now is None else (now - timedelta(days=365), now)
    start = time.starts_at
    end = time.later(start, _partitions(dataset, rows))
    end = end if time.stops_at is None else min(end, time.stops_at)
    return (start, min(end, now)) if now is not None and now > start else (start, end)


def first_partition(dataset: Dataset) -> Window:
    """Return the window of the first partition; a year where there are none."""
    time = dataset.partitions.time if dataset.partitions else None
    return (time.starts_at, time.later(time.starts_at, 1)) if time else _YEAR


def _partitions(dataset: Dataset, rows: int) -> int:
    time = dataset.partitions.time if dataset.partitions else None
    count = _SPREAD[time.grain] if time else 1
    for rule in dataset.rules:
        if isinstance(rule, DatasetRule) and rule.rows_allowed and rule.over == "partition":
            least, most = rule.rows_allowed
            if least:
                count = min(count, max(1, int(rows / (2 * least))))
            if most:
                count = max(count, int(2 * rows / most) + 1)
    return count
