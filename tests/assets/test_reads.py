"""How often a catch-up reads: each file once, the ingest log as often for many files as for few."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from platform_resources.sources import landing
from platform_resources.storage import Lake
from tests.world import sales, world


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the files that are opened to be parsed, and the scans of each table."""
    counts: Counter[str] = Counter()
    open_records, scan = landing.open_records, Lake.scan

    def counted_records(*args: Any) -> Any:
        counts["files"] += 1
        return open_records(*args)

    def counted_scan(lake: Lake, spec: Any, **options: Any) -> Any:
        counts[spec.path] += 1
        return scan(lake, spec, **options)

    monkeypatch.setattr(landing, "open_records", counted_records)
    monkeypatch.setattr(Lake, "scan", counted_scan)
    return counts


def test_each_file_is_parsed_once_and_the_log_is_read_as_often_for_many_as_for_few(
    tmp_path: Path, reads: Counter[str]
) -> None:
    scans = []
    for files in (4, 12):
        with world(tmp_path / str(files)) as made:
            made.land("shop/sales-0.parquet", sales((0, "apple", -1.0)))
            made.catch_up()
            reads.clear()
            for number in range(1, files + 1):
                made.land(
                    f"shop/sales-{number}.parquet", sales((2 * number, "apple", 1.0), (2 * number + 1, "pear", -1.0))
                )
            made.catch_up()
            assert reads["files"] == files
            scans.append(reads["shop/sales/v1__ingests"])
    assert scans[0] == scans[1]
