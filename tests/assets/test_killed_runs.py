"""kill -9 at each named point leaves the last good table or the new one; the next run does the rest."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import sales, world

POINTS = [
    "while reading",
    "after the quarantine's commit",
    "while writing files",
    "before the table's commit",
    "after the table's commit",
    "while reporting",
]
FIRST = sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "plum", 3.0))
REVISED = sales((1, "apple", 9.0), (2, "plum", 2.0), (4, "pear", 4.0))
OLD, NEW = [(1, 1.0), (2, 2.0)], [(1, 9.0), (4, 4.0)]

EXPECTED = {
    "while writing files": [OLD, NEW],  # the commit may win the race against the death
    "after the table's commit": [NEW],
    "while reporting": [NEW],
}


def run_and_die(folder: Path, point: str, package: str = "tests.declared") -> int:
    """The exit status of a run of shop/sales in another process, killed at the point."""
    command = [sys.executable, "-m", "tests.assets.killed", str(folder), point, package]
    return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_run_leaves_the_old_table_or_the_new_one_and_the_next_run_heals(tmp_path: Path, point: str) -> None:
    with world(tmp_path) as shop:
        shop.land("shop/sales-a.parquet", FIRST)
        shop.catch_up()
        shop.land("shop/sales-a.parquet", REVISED)
        assert run_and_die(tmp_path, point) == -signal.SIGKILL
        left = shop.rows("shop/sales").select("sale", "price").rows()
        assert left in EXPECTED.get(point, [OLD])
        shop.catch_up()
        assert shop.rows("shop/sales").select("sale", "price").rows() == NEW
        assert shop.balance("shop/sales") == (3, 3)
        assert shop.store("shop/sales").envelopes()["payload"].str.contains('"sku":"plum"').to_list() == [True]


def test_two_deaths_in_a_row_and_a_first_run_that_dies_heal_too(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        shop.land("shop/sales-a.parquet", FIRST)
        for point in ("after the quarantine's commit", "while writing files", "while reporting"):
            assert run_and_die(tmp_path, point) == -signal.SIGKILL
        shop.catch_up()
        assert shop.rows("shop/sales").select("sale", "price").rows() == OLD
        assert shop.balance("shop/sales") == (3, 3)
