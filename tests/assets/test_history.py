"""The two readers of Dagster's history say the same, so that an upgrade of Dagster that moves a column fails here."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.operations.event_log import last_materialisations, materialised_at
from platform_assets.operations.history import InstanceHistory, SqliteHistory, open_history
from platform_resources.settings import Settings

NAMES = ["shop/sales", "shop/tills", "shop/never"]
CHECKS = [("shop/sales", "present"), ("shop/sales", "cheap"), ("shop/sales", "never"), ("shop/tills", "present")]


@dg.multi_asset(
    specs=[dg.AssetSpec(["shop", "sales"]), dg.AssetSpec(["shop", "tills"])],
    check_specs=[
        dg.AssetCheckSpec("present", asset=["shop", "sales"]),
        dg.AssetCheckSpec("cheap", asset=["shop", "sales"]),
        dg.AssetCheckSpec("present", asset=["shop", "tills"]),
    ],
)
def shop() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    warning = dg.AssetCheckSeverity.WARN
    yield dg.MaterializeResult(
        ["shop", "sales"], metadata={"rows_in": 3, "dagster/uri": dg.MetadataValue.url("s3://lake/sales"), "share": 0.5}
    )
    yield dg.MaterializeResult(["shop", "tills"])
    yield dg.AssetCheckResult(passed=True, asset_key=["shop", "sales"], check_name="present")
    yield dg.AssetCheckResult(
        passed=False, asset_key=["shop", "sales"], check_name="cheap", severity=warning, description="2 are dear"
    )
    yield dg.AssetCheckResult(passed=False, asset_key=["shop", "tills"], check_name="present")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as instance:
        dg.materialize([shop], instance=instance)
        dg.materialize([shop], instance=instance)
        yield instance


def stored(instance: dg.DagsterInstance) -> SqliteHistory:
    return SqliteHistory(Path(instance.root_directory) / "history" / "runs" / "index.db")


def test_many_assets_are_read_at_once_as_dagster_reads_one(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for _ in range(3):
            dg.materialize([shop], instance=instance)
        sales = instance.fetch_materializations(dg.AssetKey(["shop", "sales"]), limit=9).records
        times = [datetime.fromtimestamp(record.timestamp, UTC) for record in sales]
        assert materialised_at(instance, NAMES, times[-1])["shop/sales"] == times
        assert materialised_at(instance, NAMES, times[0])["shop/sales"] == times[:2]  # and the last one before
        records = last_materialisations(instance, NAMES, limit=2)
        assert records["shop/sales"][0] == InstanceHistory(instance).materialisations(NAMES)["shop/sales"]
        assert {name: len(found) for name, found in records.items()} == dict(zip(NAMES, (2, 2, 0), strict=True))
        instance.wipe_assets([dg.AssetKey(["shop", "sales"])])
        assert materialised_at(instance, NAMES, times[-1])["shop/sales"] == []
        assert last_materialisations(instance, NAMES, limit=2)["shop/sales"] == []


def test_sqlite_and_the_instance_tell_the_same_materialisations_and_verdicts(instance: dg.DagsterInstance) -> None:
    expected = InstanceHistory(instance)
    assert stored(instance).is_readable()
    assert expected.materialisations(NAMES)["shop/sales"].metadata["dagster/uri"] == "s3://lake/sales"
    assert stored(instance).materialisations(NAMES) == expected.materialisations(NAMES)
    assert {check: verdict.status for check, verdict in expected.verdicts(CHECKS).items()} == {
        ("shop/sales", "present"): "passed", ("shop/sales", "cheap"): "warned", ("shop/tills", "present"): "failed"
    }  # fmt: skip
    assert stored(instance).verdicts(CHECKS) == expected.verdicts(CHECKS)


def test_a_run_that_planned_checks_and_did_not_come_so_far_leaves_the_verdicts(instance: dg.DagsterInstance) -> None:
    before = InstanceHistory(instance).verdicts(CHECKS)

    @dg.asset(key=["shop", "first"])
    def first() -> None:
        raise dg.Failure("the input is broken")

    specs = [dg.AssetCheckSpec("present", asset=["shop", "sales"])]

    @dg.multi_asset(specs=[dg.AssetSpec(["shop", "sales"], deps=[first])], check_specs=specs)
    def sales() -> Iterator[dg.MaterializeResult]:
        yield dg.MaterializeResult(["shop", "sales"])

    assert not dg.materialize([first, sales], instance=instance, raise_on_error=False).success
    assert InstanceHistory(instance).verdicts(CHECKS) == before
    assert stored(instance).verdicts(CHECKS) == before


def test_a_wiped_asset_was_never_materialised(instance: dg.DagsterInstance) -> None:
    instance.wipe_assets([dg.AssetKey(["shop", "tills"])])
    assert set(stored(instance).materialisations(NAMES)) == {"shop/sales"}
    assert set(InstanceHistory(instance).materialisations(NAMES)) == {"shop/sales"}


def test_a_history_kept_elsewhere_is_read_through_the_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(f"storage: {{sqlite: {{base_dir: {tmp_path / 'elsewhere'}}}}}\n")
    with open_history(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})) as history:
        assert isinstance(history, InstanceHistory)


@pytest.mark.parametrize("command", [["datasets"], ["datasets", "show", "shop/sales"], ["quarantine", "list"]])
def test_listings_import_no_dagster(command: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from platform_assets.entrypoints.cli import main;"
        f"code = main(['--package', 'tests.declared', *{command}, '--json']);"
        "print(sorted({'dagster', 'dbt', 'duckdb', 'boto3'} & set(sys.modules))); sys.exit(code)"
    )
    environment = {"PLATFORM_STATE": str(tmp_path), "PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "[]"
