"""What a dataset takes is shown over time, and old events go while its page stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import dagster as dg
import pytest

from platform_assets.operations.upkeep import events
from tests.assets.entrypoints.conftest import GOOD, Shell


def fill(shell: Shell, runs: int) -> list[str]:
    shell.world.land("shop/sales-1.parquet", GOOD)
    return [shell.world.materialise("shop/sales", partitions=["2024-01"]).run_id for _ in range(runs)]


def test_durations_rows_memory_and_cost_are_shown_run_by_run(shell: Shell) -> None:
    (run_id,) = fill(shell, 1)
    (facts,) = shell.json("performance", "shop/sales")
    (making,) = facts["history"]
    assert (facts["runs"], making["run_id"], making["rows"]) == (1, run_id, 2)
    assert making["seconds"] > 0
    assert making["peak_memory_bytes"] > 1e6
    assert facts["cost"] > 0
    assert "shop/sales" in shell("performance")


def test_a_run_shows_the_steps_that_it_waited_for(shell: Shell) -> None:
    shell.world.land("shop/sales-1.parquet", GOOD)
    run = shell.world.materialise("shop/sales", "shop/takings", partitions=["2024-01"])
    path = shell.json("performance", "--run", run.run_id)["path"]
    assert [step["name"] for step in path] == ["shop__sales", "shop__takings"]
    assert "there is no run 'x'" in shell.refused("performance", "--run", "x")


def test_old_events_go_and_the_page_of_the_asset_stays(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PART", 7)
    fill(shell, 3)
    before = shell.json("datasets", "show", "shop/sales")
    counted = shell.json("upkeep", "events", "--days", "0")
    pruned = shell.json("upkeep", "events", "--days", "0", "--apply")
    with dg.DagsterInstance.get() as instance:
        records = instance.fetch_materializations(dg.AssetKey(["shop", "sales"]), limit=9).records
        partitions = instance.get_materialized_partitions(dg.AssetKey(["shop", "sales"]))
    assert counted["events"] == pruned["events"] > 0
    assert (len(records), partitions) == (1, {"2024-01"})
    assert shell.json("datasets", "show", "shop/sales") == before
    assert shell.json("upkeep", "events", "--days", "0")["events"] == 0


def test_pruning_that_is_cut_short_or_beside_a_run_loses_nothing_that_is_shown(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_PART", 7)
    fill(shell, 2)
    before = shell.json("datasets", "show", "shop/sales")
    counted = shell.json("upkeep", "events", "--days", "0")["events"]
    parts = events._parts

    def two_of(*given: Any) -> Iterator[Any]:
        yield from islice(parts(*given), 2)
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(events, "_parts", two_of)
        with pytest.raises(KeyboardInterrupt):
            events.prune_events(shell.world.location, datetime.now(UTC), apply=True)
    with dg.DagsterInstance.get() as instance:
        instance.create_run_for_job(dg.job(name="waits")(lambda: None))
    rest = shell.json("upkeep", "events", "--days", "0", "--apply")
    assert (rest["events"], rest["runs_going"]) == (counted - 14, 1)
    assert shell.json("datasets", "show", "shop/sales") == before


def test_young_events_stay(shell: Shell) -> None:
    fill(shell, 2)
    report = shell.json("upkeep", "events", "--days", "1", "--apply")
    assert (report["events"], report["run_logs"]) == (0, 0)
    assert datetime.fromisoformat(report["before"]) < datetime.now(UTC) - timedelta(hours=23)
