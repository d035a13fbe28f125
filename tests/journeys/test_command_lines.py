"""Dagster's own commands over the platform's definitions, each in a process of its own, without a daemon."""

import dagster as dg
import pytest

from platform_assets.factory import asset_key
from tests.journeys.conftest import Demo
from tests.journeys.installation import Installation

pytestmark = pytest.mark.journey
OURS = ("-m", "platform_assets.definitions")
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
    ... on RepositoryLocation { repositories { assetNodes { assetKey { path } } } } } } } } }"""


@pytest.fixture(scope="module")
def installed(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return demo.installation.copy(tmp_path_factory.mktemp("commands") / "state")


def last_run(installation: Installation) -> tuple[dg.DagsterRunStatus, set[tuple[str, str | None]]]:
    """How the last run ended, and what it materialised, with partitions."""
    with installation.instance() as instance:
        (run,) = instance.get_runs(limit=1)
        made = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        events = [entry.asset_materialization for entry in made if entry.asset_materialization]
        return run.status, {(event.asset_key.to_user_string(), event.partition) for event in events}


@pytest.mark.parametrize(
    ("command", "made"),
    [
        pytest.param(
            ("dagster", "asset", "materialize", "--select", "flights/airlines", *OURS),
            {("flights/airlines", None)},
            id="dagster asset materialize",
        ),
        pytest.param(
            ("dagster", "asset", "materialize", "--select", "flights/weather", "--partition", "2013-01", *OURS),
            {("flights/weather", "2013-01")},
            id="one partition",
        ),
        pytest.param(
            ("dagster", "asset", "materialize", "--select", "flights/daily_delays",
             "--partition-range", "2013-01...2013-03", *OURS),
            {("flights/daily_delays", f"2013-0{month}") for month in (1, 2, 3)},
            id="a range of partitions",
        ),
        pytest.param(
            ("dg", "launch", "--assets", "flights/airports"),
            {("flights/airports", None)},
            id="dg launch",
        ),
        pytest.param(
            ("dg", "launch", "--assets", "flights/daily_delays", "--partition", "2013-05"),
            {("flights/daily_delays", "2013-05")},
            id="dg launch one partition",
        ),
    ],
)  # fmt: skip
def test_a_command_materialises_what_it_names(
    installed: Installation, command: tuple[str, ...], made: set[tuple[str, str | None]]
) -> None:
    before = installed.count("flights/daily_delays"), installed.count("flights/weather")
    installed.succeed(*command)
    assert last_run(installed) == (dg.DagsterRunStatus.SUCCESS, made)
    assert (installed.count("flights/daily_delays"), installed.count("flights/weather")) == before


def test_a_web_server_shows_the_platform_and_another_company_s_location_beside_it(installed: Installation) -> None:
    both = ("-w", "workspace.yaml", "-w", "tests/journeys/company/workspace.yaml")
    with installed.serving("dagster-webserver", *both) as server:
        entries = server.graphql(LOCATIONS)["workspaceOrError"]["locationEntries"]
    shown = {
        entry["name"]: {
            "/".join(node["assetKey"]["path"])
            for repository in entry["locationOrLoadError"]["repositories"]
            for node in repository["assetNodes"]
        }
        for entry in entries
    }
    assert shown.keys() == {"platform", "company"}
    assert {"flights/flights", "commerce/orders"} <= shown["platform"]
    assert {"shop/sales", "shop/takings"} <= shown["company"]


def test_another_company_s_dataset_is_filled_by_its_own_location(installed: Installation) -> None:
    installed.land("shop/ledger-1.csv", b"line,amount\n1,2.5\n2,4.0\n")
    installed.succeed(
        "dagster", "asset", "materialize", "--select", "shop/ledger", "-m", "tests.journeys.company.definitions"
    )
    (shown,) = [
        line for line in installed.asked("--package", "tests.declared", "datasets") if line["name"] == "shop/ledger"
    ]
    with installed.instance() as instance:
        assert instance.get_latest_materialization_event(asset_key("shop/ledger")) is not None
    assert (shown["rows"], shown["checks"]["failed"]) == (2, 0)
