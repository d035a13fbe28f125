"""What goes wrong in a real history becomes one message, and one when it is right again."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from platform_assets.operations.alerting.conditions import DatasetMemory, stale_datasets
from platform_assets.operations.alerting.router import AlertRouter, run_router
from platform_core.contracts import Dataset, Generated, Threshold, catalog_of
from platform_resources.alerts import AlertFile, ChannelRefused
from tests.assets.entrypoints.conftest import BAD, Shell
from tests.resources.alerts.sinks import http_sink
from tests.world import World

START = datetime(2026, 1, 1, tzinfo=UTC)


class Inbox:
    """A channel that keeps what it takes, and refuses while it is told to."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.refusal: ChannelRefused | None = None

    def send(self, document: Any) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.documents.append(dict(document))

    def told(self) -> list[tuple[str, str, list[str]]]:
        return [(each["event"], each["root"], [a["kind"] for a in each["alerts"]]) for each in self.documents]


class Watched:
    """A shop with a router over it; every look builds a router anew, as after a restart."""

    def __init__(self, shop: World) -> None:
        self.shop, self.inbox, self.now = shop, Inbox(), datetime.now(UTC)
        self.look()

    def router(self) -> AlertRouter:
        file = AlertFile(channels={"team": self.inbox})
        return AlertRouter(self.shop.location, self.shop.instance, file)

    def look(self, *, later: timedelta = timedelta(0)) -> list[tuple[str, str, list[str]]]:
        self.now = max(self.now + later, datetime.now(UTC)) if not later else self.now + later
        router = self.router()
        before = len(self.inbox.documents)
        router.run_round(self.now)
        router.deliver(self.now)
        return self.inbox.told()[before:]


@pytest.fixture
def watched(shell: Shell) -> Watched:
    return Watched(shell.world)


def test_a_failed_step_is_told_once_and_its_recovery_once(watched: Watched) -> None:
    watched.shop.land("shop/ledger.csv", b"line,amount\n-1,1\n")
    watched.shop.materialise("shop/ledger")
    (first,) = watched.look()
    again = watched.look()
    watched.shop.land("shop/ledger.csv", b"line,amount\n1,1\n")
    watched.shop.materialise("shop/ledger")
    (last,) = watched.look()
    assert first[:2] == ("opened", "shop/ledger")
    assert "step_failed" in first[2]
    assert (again, last[:2], watched.look()) == ([], ("recovered", "shop/ledger"), [])


def test_rows_set_aside_are_told_with_their_number_and_no_value(watched: Watched) -> None:
    watched.shop.land("shop/sales-1.parquet", BAD)
    watched.shop.materialise("shop/sales", partitions=["2024-01"])
    ((event, root, kinds),) = watched.look()
    document = watched.inbox.documents[0]
    assert (event, root, sorted(kinds)) == ("opened", "shop/sales", ["check_failed", "quarantine_grows"])
    assert "rows: 1\n" in document["text"]
    assert "heal: platform quarantine list shop/sales" in document["text"]
    assert not any(value in str(document) for value in ("plum", "ada@example.com"))


def test_what_a_run_sets_aside_is_told_with_its_checks_once_it_is_over(watched: Watched) -> None:
    """The rows lie in quarantine before the run says anything of them; a scan of all tables may come between."""
    shop, selection = watched.shop, frozenset({dg.AssetKey(["shop", "sales"])})
    job = shop.location.defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(selection))
    going = shop.instance.create_run_for_job(job, asset_selection=selection, status=dg.DagsterRunStatus.STARTED)
    shop.land("shop/sales-1.parquet", BAD)
    elsewhere = replace(shop, instance=dg.DagsterInstance.ephemeral())
    elsewhere.materialise("shop/sales", partitions=["2024-01"])
    amid = watched.look()
    shop.instance.report_run_canceled(going)
    ((event, root, kinds),) = watched.look()
    assert (amid, event, root) == ([], "opened", "shop/sales")
    assert "quarantine_grows" in kinds


def test_a_dataset_is_late_behind_its_limit_and_not_at_it(shell: Shell) -> None:
    model = shell.world.dataset("shop/sales").model
    daily = Dataset("shop/daily", model, owner="team:shop", version="1.0.0", source=Generated(rows=5, seed=7),
                    freshness=timedelta(hours=24))  # fmt: skip
    location = replace(shell.world.location, declared=catalog_of([daily]))
    memory = DatasetMemory(filled={"shop/daily": START})
    late = [[*stale_datasets(location, memory, START + timedelta(hours=hours))] for hours in (24, 25)]
    assert [[signal.subject for signal in each] for each in late] == [[], ["shop/daily"]]


def test_a_metric_outside_its_threshold_is_told_and_says_the_bound() -> None:
    threshold = Threshold("row_count", at_least=10, may_fall=0.5)
    assert threshold.problem([100, 90, 60]) is None
    assert threshold.problem([100, 100, 40]) == "row_count is 40, more than 50% below its mean of 100"
    assert threshold.problem([9]) == "row_count is 9, below 10"


def test_a_channel_that_refuses_is_down_and_loses_nothing(watched: Watched) -> None:
    watched.inbox.refusal = ChannelRefused("team", "answered 401", lasting=True)
    watched.shop.land("shop/ledger.csv", b"line,amount\n-1,1\n")
    watched.shop.materialise("shop/ledger")
    watched.look()
    router = watched.router()
    watched.look(later=timedelta(seconds=2))
    journal = [message.document for message in router.outbox.history(limit=9, channel="journal")]
    assert ("channel_down", "team") in {(a["kind"], a["subject"]) for each in journal for a in each["alerts"]}
    watched.inbox.refusal = None
    events = [each[:2] for each in watched.look(later=timedelta(minutes=10))]
    assert events[0] == ("opened", "shop/ledger")


def test_a_silent_daemon_is_told(watched: Watched) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=9)).timestamp()
    watched.shop.instance.add_daemon_heartbeat(DaemonHeartbeat(at, "SENSOR", "id", []))
    assert ("opened", "sensor", ["daemon_silent"]) in watched.look()


def test_a_run_that_nobody_starts_is_told_after_its_limit(watched: Watched) -> None:
    run = watched.shop.instance.create_run_for_job(
        watched.shop.location.defs.resolve_implicit_global_asset_job_def(), status=dg.DagsterRunStatus.NOT_STARTED
    )
    early = watched.look()
    late = watched.look(later=timedelta(minutes=6))
    watched.shop.instance.delete_run(run.run_id)
    over = watched.look(later=timedelta(minutes=7))
    assert (early, [each[0] for each in late], [each[0] for each in over]) == ([], ["opened"], ["recovered"])


def test_a_failed_tick_is_told_until_one_succeeds(watched: Watched) -> None:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("platform"), "__repository__")
    state = InstigatorState(
        RemoteInstigatorOrigin(repository, "landing"), InstigatorType.SENSOR, InstigatorStatus.RUNNING,
        SensorInstigatorData(),
    )  # fmt: skip
    watched.shop.instance.add_instigator_state(state)

    def tick(status: TickStatus) -> None:
        error = SerializableErrorInfo("secret words", [], "ValueError") if status == TickStatus.FAILURE else None
        data = TickData(state.instigator_origin_id, "landing", InstigatorType.SENSOR, status, time.time(),
                        selector_id=state.selector_id, error=error)  # fmt: skip
        watched.shop.instance.create_tick(data)

    tick(TickStatus.FAILURE)
    failed = watched.look()
    tick(TickStatus.SKIPPED)
    assert [failed, watched.look()] == [
        [("opened", "landing", ["tick_failed"])], [("recovered", "landing", ["tick_failed"])],
    ]  # fmt: skip


def test_failed_partitions_of_a_backfill_are_told_until_they_are_made(watched: Watched) -> None:
    shop = watched.shop
    shop.land("shop/ledger.csv", b"line,amount\n-1,1\n")
    shop.materialise("shop/ledger", tags={"dagster/backfill": "b1"})
    watched.look()
    shop.instance.add_backfill(
        PartitionBackfill("b1", BulkActionStatus.COMPLETED_FAILED, False, {}, time.time(),
                          asset_selection=[dg.AssetKey(["shop", "ledger"])])
    )  # fmt: skip
    late = watched.look(later=timedelta(minutes=2))
    shop.land("shop/ledger.csv", b"line,amount\n1,1\n")
    assert shop.materialise("shop/ledger").success
    over = watched.look(later=timedelta(minutes=2))
    assert ("grown", "shop/ledger", ["backfill_failed"]) in late
    assert [each[:2] for each in over] == [("recovered", "shop/ledger")]


def test_the_dead_mans_switch_hears_of_each_round(watched: Watched) -> None:
    with http_sink() as sink:
        router = replace(watched.router(), file=AlertFile(dead_man=f"{sink.url}/ping"))
        run_router(router, every=timedelta(seconds=1), is_stopped=lambda: True, tell=print, once=True)
        assert [path for path, _, _ in sink.posts] == ["/ping"]


def test_a_round_that_fails_is_told_once_and_pings_nobody_until_one_succeeds(watched: Watched) -> None:
    told, rounds = list[str](), iter(range(9))
    outbox = watched.router().outbox.path

    def is_stopped() -> bool:
        number, pings = next(rounds), len(sink.posts)
        assert pings == (number >= 2)
        if number == 1:
            outbox.unlink()
        return number >= 2

    with http_sink() as sink:
        router = replace(watched.router(), file=AlertFile(dead_man=f"{sink.url}/ping"))
        for path in outbox.parent.glob("outbox.db*"):
            path.unlink()
        outbox.write_bytes(b"no database" * 99)
        run_router(router, every=timedelta(0), is_stopped=is_stopped, tell=told.append)
    assert [line.partition(":")[0] for line in told] == ["alerts cannot be looked for", "alerts cannot be sent"] * 2
    assert [line.endswith("works again") for line in told] == [False, False, True, True]


def test_the_sensor_alerts_where_no_router_runs(shell: Shell) -> None:
    shop = shell.world
    sensor = shop.location.defs.resolve_sensor_def("alerts")
    sensor(dg.build_sensor_context(shop.instance))
    shop.land("shop/ledger.csv", b"line,amount\n-1,1\n")
    failed = shop.materialise("shop/ledger")
    sensor(dg.build_sensor_context(shop.instance))
    journal = Path(shop.location.settings.state) / "alerts.jsonl"
    assert failed.run_id in journal.read_text()
