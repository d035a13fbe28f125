"""Promises are checks of their asset, red once the error budget is spent, and they stop nothing."""

from pathlib import Path

import dagster as dg

from platform_assets.composition import build_location
from platform_resources.settings import Settings
from tests.world import World


def test_a_promise_is_a_check_that_is_red_when_its_budget_is_spent(tmp_path: Path) -> None:
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path / "state")})
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(build_location("tests.promised", settings), instance)
        world.land("till/takings-a.csv", b"till,amount\n1,5.0\n")
        world.catch_up()
        checks = {name: check for name, check in world.checks("till/takings").items() if name.startswith("sla_")}
        assert {name: check.passed for name, check in checks.items()} == {
            "sla_freshness": True, "sla_latency": False, "sla_throughput": True,
        }  # fmt: skip
        latency = checks["sla_latency"]
        assert latency.severity == dg.AssetCheckSeverity.WARN
        assert latency.metadata["burn_rate"].value > 99
        assert checks["sla_freshness"].metadata["burn_rate"].value == 0
        assert "not measured" in checks["sla_throughput"].description
        assert world.rows("till/takings").height == 1
