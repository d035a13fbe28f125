"""A table of which a file is lost, as runs and commands tell it."""

from pathlib import Path

import pytest

from platform_assets.ingest import table_spec
from tests.assets.entrypoints.conftest import GOOD, Shell
from tests.assets.entrypoints.test_tables import filled


@pytest.fixture
def lost(shell: Shell) -> str:
    """The name of a data file of shop/sales that is gone."""
    filled(shell)
    shell("table", "compact", "shop/sales")
    lake, spec = shell.world.location.lake, table_spec(shell.world.dataset("shop/sales"))
    live, root = lake.scan(spec).explain(), Path(lake.location(spec))
    file = next(path for path in root.rglob("*.parquet") if path.name in live)
    file.unlink()
    return file.name


def test_reading_says_which_file_is_lost_and_where_to_go_back_to(shell: Shell, lost: str) -> None:
    told = shell.refused("table", "read", "shop/sales").replace(" ", "")
    assert lost in told
    assert "Fix:bringitbackfromabackup" in told
    assert "platformtablerestore…--version" in told
    version = told.partition("--version")[2].partition("--apply")[0]
    shell("table", "restore", "shop/sales", "--version", version, "--apply")
    assert shell.json("table", "read", "shop/sales")["rows"]


def test_a_transform_and_an_ingest_that_need_the_file_fail_with_its_name(shell: Shell, lost: str) -> None:
    done = shell.world.materialise("shop/takings", partitions=["2024-01"])
    [failed] = done.get_step_failure_events()
    assert failed.step_failure_data.error is not None
    assert lost in failed.step_failure_data.error.to_string()
    assert "TableDamaged" in failed.step_failure_data.error.to_string()
    shell.world.land("shop/sales-z.parquet", GOOD)
    with pytest.raises(AssertionError, match="TableDamaged"):
        shell.world.catch_up()
