"""Where instants lie when a contract leaves the choice: a year, or the first few partitions."""

from datetime import UTC, datetime, timedelta

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.partitions import Grain
from platform_core.rules import DatasetRule

Window = tuple[datetime, datetime]

_YEAR = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
_SPREAD: dict[Grain, int] = {"hourly": 24, "daily": 14, "monthly": 6}
"""Over how many partitions rows are spread."""


def window_of(dataset: Dataset, rows: int, now: datetime | None) -> Window:
    """The window in which `rows` rows lie: closed, open; never past `now`.

    Partitions are as many as the volume rules of the dataset allow for that number of rows.
    """
    if dataset.partitions is None:
        return _YEAR if now is None else (now - timedelta(days=365), now)
    start = dataset.partitions.starts_at
    end = later(start, dataset.partitions.grain, _partitions(dataset, rows))
    return (start, min(end, now)) if now is not None and now > start else (start, end)


def first_partition(dataset: Dataset) -> Window:
    """The window of the first partition; a year where there are none."""
    if dataset.partitions is None:
        return _YEAR
    return dataset.partitions.starts_at, later(dataset.partitions.starts_at, dataset.partitions.grain, 1)


def _partitions(dataset: Dataset, rows: int) -> int:
    count = _SPREAD[dataset.partitions.grain] if dataset.partitions else 1
    for rule in dataset.rules:
        if isinstance(rule, DatasetRule) and rule.rows_allowed and rule.over == "partition":
            least, most = rule.rows_allowed
            if least:
                count = min(count, max(1, int(rows / (2 * least))))
            if most:
                count = max(count, int(2 * rows / most) + 1)
    return count


def later(instant: datetime, grain: Grain, count: int) -> datetime:
    """The instant so many partitions later; `instant` begins one."""
    if grain == "monthly":
        months = instant.month - 1 + count
        return instant.replace(year=instant.year + months // 12, month=months % 12 + 1)
    return instant + count * (timedelta(days=1) if grain == "daily" else timedelta(hours=1))
