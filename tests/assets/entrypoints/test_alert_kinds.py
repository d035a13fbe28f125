"""Each kind of alert is one message at a real receiver when it begins, and one when it is over; restarts add none."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._daemon.types import DaemonHeartbeat

from platform_assets.composition import build_location
from platform_assets.ingest.stream import create_topic
from platform_assets.operations.alerting.router import AlertRouter
from platform_assets.operations.stream_events import produce_generated
from platform_assets.operations.streams import Pace, run_streams
from platform_core.contracts import Dataset, Delta, Generated, Threshold, Topic, catalog_of
from platform_resources.alerts import Outbox, read_alert_file
from platform_resources.brokers import open_broker
from platform_resources.settings import Settings
from platform_resources.sinks import open_sink
from platform_resources.sinks.base import Changes, SinkContext
from tests.assets.entrypoints.conftest import BAD, GOOD
from tests.resources.alerts.sinks import HttpSink, http_sink
from tests.world import World

MINUTE = timedelta(minutes=1)


@dataclass
class Scene:
    """A shop, a file of alerts whose channels are paths of a real receiver, and a clock that the test moves."""

    shop: World
    sink: HttpSink
    kinds: frozenset[str] = frozenset()
    routes: str = ""
    limits: dict[str, float] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.model = self.shop.dataset("shop/sales").model

    def look(self, later: timedelta = MINUTE) -> list[tuple[str, str, str]]:
        """Run a round of a router that was just started; path, event and kinds of each message that came."""
        self.now += later
        settings, before = self.shop.location.settings, len(self.sink.posts)
        path = Path(settings.state) / "alerts.toml"
        channels = "\n".join(
            f'[channels.{name}]\ntype = "webhook"\nurl = "{self.sink.url}/{name}"' for name in ("team", "boss")
        )
        routes = self.routes or '[[routes]]\nchannels = ["team"]'
        limits = "\n".join(f"{name} = {value}" for name, value in self.limits.items())
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{channels}\n[limits]\n{limits}\n{routes}\n")
        file = read_alert_file(replace(settings, alerts=str(path)))
        router = AlertRouter(self.shop.location, self.shop.instance, file, kinds=self.kinds)
        router.run_round(self.now)
        router.deliver(self.now)
        posts = [(path.strip("/"), json.loads(body)) for path, _, body in self.sink.posts[before:]]
        return [(path, post["event"], "+".join(sorted(a["kind"] for a in post["alerts"]))) for path, post in posts]

    def declare(self, **words: Any) -> Dataset:
        """Let the shop have one dataset more, or another one of the same name."""
        usual: dict[str, Any] = {"owner": "team:shop", "version": "1.0.0", "key": ("sale",)}
        dataset = Dataset("shop/daily", self.model, **{**usual, **words})
        self.shop = replace(self.shop, location=replace(self.shop.location, declared=catalog_of([dataset])))
        return dataset

    def report(self, **metadata: float) -> None:
        """Let it be told that the dataset was made."""
        key = dg.AssetKey(["shop", "daily"])
        self.shop.instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata))


@contextmanager
def scene_in(folder: Path) -> Iterator[Scene]:
    with pytest.MonkeyPatch.context() as patch, http_sink() as sink:
        patch.setenv("DAGSTER_HOME", str(folder))
        (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        location = build_location("tests.declared", Settings.from_environment({"PLATFORM_STATE": f"{folder}/state"}))
        with dg.DagsterInstance.get() as instance:
            yield Scene(World(location, instance), sink)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as scene:
        yield scene


Step = Callable[[Scene], Any]


def burn_budget(scene: Scene) -> None:
    scene.declare(source=Generated(rows=1), freshness=timedelta(hours=1))
    scene.report()
    scene.now += timedelta(days=3)


def lag(scene: Scene) -> None:
    scene.limits = {"lag": 4}
    live = scene.declare(source=Topic("live"), store=Delta(mode="append"))
    with closing(open_broker(scene.shop.location.settings)) as broker:
        create_topic(broker, scene.shop.location.lake, live)
        produce_generated(scene.shop.location.lake, broker, live, count=5, seed=1)


def take_in(scene: Scene) -> None:
    location = scene.shop.location
    with closing(open_broker(location.settings)) as broker:
        run_streams(
            location.lake, location.catalog, [location.catalog["shop/daily"]], broker, None,
            pace=Pace(once=True), is_stopped=lambda: False, tell=print,
        )  # fmt: skip


def fall_below(scene: Scene) -> None:
    scene.declare(source=Generated(rows=3, seed=1), thresholds=[Threshold("row_count", at_least=5)])
    assert scene.shop.materialise("shop/daily").success


def rise_again(scene: Scene) -> None:
    scene.declare(source=Generated(rows=9, seed=1), thresholds=[Threshold("row_count", at_least=5)])
    assert scene.shop.materialise("shop/daily").success


def fail_run(scene: Scene, **tags: str) -> None:
    job = scene.shop.location.defs.resolve_implicit_global_asset_job_def()
    part = job.get_subset(asset_selection={dg.AssetKey(["shop", "ledger"])})
    run = scene.shop.instance.create_run_for_job(part, tags=tags, asset_selection=part.asset_selection)
    scene.shop.instance.report_run_failed(run, "the worker is gone")


def make_ledger(scene: Scene) -> None:
    scene.shop.land("shop/ledger.csv", b"line,amount\n1,1\n")
    assert scene.shop.materialise("shop/ledger").success


def beat(scene: Scene, at: datetime) -> None:
    scene.shop.instance.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), "SENSOR", "id", []))


def leave_run_waiting(scene: Scene) -> None:
    job = scene.shop.location.defs.resolve_implicit_global_asset_job_def()
    scene.shop.instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED)
    scene.now += timedelta(minutes=6)


def drop_runs(scene: Scene) -> None:
    for run in scene.shop.instance.get_runs():
        scene.shop.instance.delete_run(run.run_id)


def age(scene: Scene) -> None:
    scene.declare(source=Generated(rows=1), freshness=timedelta(hours=1))
    scene.report()
    scene.now += timedelta(hours=2)


def set_aside(scene: Scene) -> None:
    scene.shop.land("shop/sales-1.parquet", BAD)
    scene.shop.materialise("shop/sales", partitions=["2024-01"])


def land_again(scene: Scene) -> None:
    scene.shop.land("shop/sales-1.parquet", GOOD)
    scene.shop.materialise("shop/sales", partitions=["2024-01"])


CASES: dict[str, tuple[str, Step, Step]] = {
    "stale": ("stale", age, lambda scene: scene.declare(source=Generated(rows=1), freshness=timedelta(days=9))),
    "sla": ("sla", burn_budget, lambda scene: scene.declare(source=Generated(rows=1), freshness=timedelta(days=9))),
    "stream": ("stream_lags", lag, take_in),
    "threshold": ("threshold", fall_below, rise_again),
    "disk": ("disk_low", lambda scene: scene.limits.update(disk_free_share=1.0),
             lambda scene: scene.limits.update(disk_free_share=0.0)),
    "run failed": ("run_failed", fail_run, make_ledger),
    "retries": ("retries_exhausted", lambda scene: fail_run(scene, **{"dagster/retry_number": "2"}), make_ledger),
    "never started": ("run_not_started", leave_run_waiting, drop_runs),
    "daemon": ("daemon_silent", lambda scene: beat(scene, scene.now - timedelta(minutes=9)),
               lambda scene: beat(scene, scene.now + 3 * MINUTE)),
    "quarantine": ("quarantine_grows", set_aside, land_again),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_goes_wrong_is_one_message_and_its_end_another(scene: Scene, name: str) -> None:
    kind, break_it, heal_it = CASES[name]
    scene.kinds = frozenset({kind})
    before = scene.look()
    break_it(scene)
    first, again = scene.look(), scene.look()
    heal_it(scene)
    last, after = scene.look(), scene.look()
    kinds = "check_failed+quarantine_grows" if kind == "quarantine_grows" else kind
    assert (before, first, again) == ([], [("team", "opened", kinds)], [])
    assert (last, after) == ([("team", "recovered", kinds)], [])


def test_a_code_location_that_cannot_be_loaded_is_told_by_the_web_server(scene: Scene) -> None:
    scene.kinds = frozenset({"location_down"})
    with dagster_web() as (address, down):
        settings = replace(scene.shop.location.settings, web=address)
        scene.shop = replace(scene.shop, location=replace(scene.shop.location, settings=settings))
        before = scene.look()
        down.append("shop")
        first, again = scene.look(), scene.look()
        down.clear()
        last = scene.look()
    gone = scene.look()
    assert (before, first, again) == ([], [("team", "opened", "location_down")], [])
    assert (last, gone) == ([("team", "recovered", "location_down")], [("team", "opened", "location_down")])


@contextmanager
def dagster_web() -> Iterator[tuple[str, list[str]]]:
    """A web server that answers the one question as Dagster's does; the locations in the list cannot be loaded."""
    down: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            error = {"__typename": "PythonError", "className": "ImportError"}
            entries = [{"name": name, "locationOrLoadError": error} for name in down]
            fine = {"name": "platform", "locationOrLoadError": {"__typename": "RepositoryLocation"}}
            body = json.dumps({"data": {"workspaceOrError": {"locationEntries": [fine, *entries]}}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", down
        server.shutdown()


ROUTES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "owner": ('owners = ["team:shop"]', [("boss", "opened", "stale")]),
    "another owner": ('owners = ["team:other"]', []),
    "tag": ('tags = ["gold"]', [("boss", "opened", "stale")]),
    "another tag": ('tags = ["tin"]', []),
    "domain": ('domains = ["shop"]', [("boss", "opened", "stale")]),
    "another domain": ('domains = ["bikes"]', []),
    "kind": ('kinds = ["stale"]', [("boss", "opened", "stale")]),
    "another kind": ('kinds = ["sla"]', []),
    "severity": ('severity = "error"', [("boss", "opened", "stale")]),
    "selection": ('datasets = ["shop/d*+"]', [("boss", "opened", "stale")]),
    "another selection": ('datasets = ["shop/ledger+"]', []),
}


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A dataset that is late, and nobody was told."""
    with scene_in(tmp_path_factory.mktemp("late")) as scene:
        scene.kinds = frozenset({"stale"})
        scene.declare(source=Generated(rows=1), freshness=timedelta(hours=1), tags=("gold",))
        scene.look()
        scene.report()
        scene.now += timedelta(hours=2)
        yield scene


def fresh_outbox(scene: Scene) -> Scene:
    """Forget what was told, so that the next look is a router's first."""
    for path in (Path(scene.shop.location.settings.state) / "alerts").glob("outbox.db*"):
        path.unlink()
    return scene


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_takes_what_its_words_say(late: Scene, name: str) -> None:
    words, expected = ROUTES[name]
    fresh_outbox(late).routes = f'[[routes]]\nchannels = ["boss"]\n{words}'
    assert late.look() == expected


def test_an_open_incident_is_repeated_as_declared_and_not_otherwise(late: Scene) -> None:
    fresh_outbox(late).routes = '[[routes]]\nchannels = ["team"]\nrepeat_hours = 2'
    events = [late.look(timedelta(hours=1)) for _ in range(5)]
    assert [[event for _, event, _ in each] for each in events] == [["opened"], [], ["repeated"], [], ["repeated"]]


def test_a_message_waits_for_the_end_of_the_quiet_hours_once(late: Scene) -> None:
    start, end = late.now - timedelta(hours=1), late.now + timedelta(hours=1)
    hours = f'quiet = {{from = "{start:%H:%M}", to = "{end:%H:%M}", but = "none"}}'
    fresh_outbox(late).routes = f'[[routes]]\nchannels = ["team"]\n{hours}'
    assert [late.look(), late.look(timedelta(hours=2)), late.look()] == [[], [("team", "opened", "stale")], []]


def test_what_is_silenced_is_told_when_the_silence_ends(late: Scene) -> None:
    fresh_outbox(late).routes = ""
    router = AlertRouter(late.shop.location, late.shop.instance, read_alert_file(late.shop.location.settings))
    router.outbox.add_silence("shop/*", (), late.now + timedelta(hours=1), "a move")
    assert [late.look(), late.look(timedelta(hours=2)), late.look()] == [[], [("team", "opened", "stale")], []]


def test_rows_of_a_stream_heed_a_silence_and_one_that_is_over_is_never_told(scene: Scene) -> None:
    scene.look()
    settings = scene.shop.location.settings
    known = replace(settings, alerts=f"{settings.state}/alerts.toml")
    schema = {"sku": pl.String(), "left": pl.Int64()}
    options = {"channel": "team", "when": '"left" < 5', "title": "", "severity": "warn", "most": 9}
    sink = open_sink("alert", options, SinkContext(dataset="shop/sales", settings=known, key=("sku",), schema=schema))

    def write(number: int, **left: int) -> None:
        rows = pl.DataFrame({"sku": list(left), "left": list(left.values())}, schema=schema)
        sink.write(Changes(rows=rows, deleted=rows.clear(), key=("sku",), number=number, position=str(number)))

    def told() -> list[tuple[str, str]]:
        before = len(scene.sink.posts)
        scene.look(2 * MINUTE)
        documents = [json.loads(body) for _, _, body in scene.sink.posts[before:]]
        return [(document["event"], document["key"]) for document in documents]

    outbox = Outbox(settings.state)
    write(1, a=1)
    assert told() == [("opened", "a")]
    number = outbox.add_silence("shop/s*", (), scene.now + timedelta(hours=1), "a move")
    write(2, b=2, c=3)
    assert told() == []
    write(3, a=9, b=9)
    assert told() == [("recovered", "a")]
    outbox.end_silence(number)
    outbox.add_silence("*", ("stale",), scene.now + timedelta(hours=9), "of one kind")
    assert told() == [("opened", "c")]
