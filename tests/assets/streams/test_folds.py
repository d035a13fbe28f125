"""Windows, joins, patterns, features and scores declared on datasets: kept up to date, whoever dies, as in a batch."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.composition import definitions_of
from platform_assets.factory.asset_keys import asset_key
from platform_assets.ingest.fold_replay import HistoryRequest, replay_fold
from platform_assets.ingest.fold_state import FoldStore, Snapshot, parts_of
from platform_assets.ingest.fold_worker import FoldWorker, folded_columns, open_folding, piece_ends, stored_rows
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.tables import INGEST, INGESTED_AT, PROVENANCE, SOURCE, ingests_spec, table_spec
from platform_assets.location import CodeLocation
from platform_assets.operations.history_replays import replay_history
from platform_assets.operations.instance import open_instance
from platform_assets.operations.staleness import Staleness
from platform_assets.operations.streams import open_workers
from platform_core.contracts import (
    AsOf,
    Catalog,
    Counted,
    DataFrameModel,
    Dataset,
    Delta,
    Featured,
    Field,
    Generated,
    Hopping,
    Iceberg,
    Lookup,
    Near,
    Partitions,
    Pattern,
    Quarantine,
    Scored,
    Sessions,
    Sliding,
    Topic,
    Tumbling,
    UtcTimestamp,
    catalog_of,
    col,
    expression,
    minutes,
    references,
)  # fmt: skip
from platform_core.contracts.folds import Fold
from platform_core.errors import ContractError, ShapeError
from platform_core.features import count, feature, last
from platform_core.lineage.declared import lineage_of
from platform_resources.brokers import LogBroker, TopicSettings
from platform_resources.settings import Settings
from platform_resources.storage import Lake

START = datetime(2026, 3, 1, tzinfo=UTC)
MEASURES = {"clicks": pl.len().cast(pl.Int64), "most": col("n").max()}


class Clicks(DataFrameModel):
    """One row a click."""

    user: str = Field()
    n: int = Field(ge=0)
    at: UtcTimestamp = Field()


class Windows(DataFrameModel):
    """One row a window."""

    user: str = Field()
    window_start: UtcTimestamp = Field()
    window_end: UtcTimestamp = Field()
    clicks: int = Field(ge=1)
    most: int = Field()


class Ends(DataFrameModel):
    """One row a click that was looked at."""

    user: str = Field()
    n: int = Field()
    at: UtcTimestamp = Field()
    outcome: str = Field()
    ended_at: UtcTimestamp = Field()


class Pairs(DataFrameModel):
    """One row a pair."""

    user: str = Field()
    n: int = Field()
    n_right: int = Field()


class Features(DataFrameModel):
    """One row a click, with what was known before it."""

    user: str = Field()
    n: int = Field()
    at: UtcTimestamp = Field()
    clicks_before: int = Field()
    last_n: int = Field(nullable=True)


class Graded(DataFrameModel):
    """One row a click, with what is known of its user."""

    user: str = Field()
    n: int = Field()
    at: UtcTimestamp = Field()
    grade: int = Field(nullable=True)


class Grades(DataFrameModel):
    """One row a user and change."""

    user: str = Field()
    grade: int = Field()
    since: UtcTimestamp = Field()


class Scores(DataFrameModel):
    """One row a click, with its score."""

    user: str = Field()
    n: int = Field()
    at: UtcTimestamp = Field()
    anomaly_score: float = Field(ge=0)
    anomaly_column: str = Field(nullable=True)


class Labels(DataFrameModel):
    """One row a click of which somebody knows whether it is odd."""

    user: str = Field()
    n: int = Field()
    at: UtcTimestamp = Field()
    is_odd: bool = Field()


FEATURES = [feature("clicks_before", count(), over=minutes(10), by="user"),
            feature("last_n", last("n"), over=minutes(10), by="user")]  # fmt: skip
FOLDS: dict[str, tuple[Fold, type[DataFrameModel], tuple[str, ...]]] = {
    "tumbling": (Tumbling("t/clicks", size=minutes(5), by="user", measures=MEASURES), Windows,
                 ("user", "window_start")),
    "hopping": (Hopping("t/clicks", size=minutes(6), every=minutes(2), by=["user"], measures=MEASURES), Windows,
                ("user", "window_start")),
    "sessions": (Sessions("t/clicks", gap=minutes(3), by="user", measures=MEASURES), Windows, ("user", "window_start")),
    "sliding": (Sliding("t/clicks", size=minutes(3), by="user", measures=MEASURES), Windows, ("user", "window_end")),
    "counted": (Counted("t/clicks", count=7, by="user", measures=MEASURES), Windows, ("user", "window_start")),
    "lookup": (Lookup("t/clicks", "t/grades", by="user", take=["grade"]), Graded, ("user", "n", "at")),
    "as-of": (AsOf("t/clicks", "t/grades", by="user", take=["grade"], valid_from="since"), Graded, ("user", "n", "at")),
    "logins": (Pattern("t/clicks", by="user", first=col("n") % 3 > 0, first_times=3, then=col("n") % 3 == 0, times=2,
                       within=minutes(9), follow="each"), Ends, ("user", "n", "ended_at")),
    "pattern": (Pattern("t/clicks", by="user", first=col("n") < 3, then=col("n") > 7, within=minutes(4)), Ends,
                ("user", "n", "at")),
    "near": (Near("t/clicks", "t/views", by="user", before=minutes(1), after=minutes(1)), Pairs,
             ("user", "n", "n_right")),
    "features": (Featured("t/clicks", features=FEATURES), Features, ("user", "n", "at")),
    "scores": (Scored("t/clicks", reads_columns=["n"], train_on=20), Scores, ("user", "n", "at")),
}  # fmt: skip


def stream(name: str, *, partitions: int = 2) -> Dataset:
    topic = Topic(name, key="user", event_time="at", lateness=minutes(1), topic_partitions=partitions)
    return Dataset(
        f"t/{name}", Clicks, owner="team:t", version="1.0.0", key=("user", "at", "n"), source=topic,
        store=Delta(mode="append"), quarantine=Quarantine(),
    )  # fmt: skip


def declare(kind: str, *more: Dataset, **words: Any) -> tuple[Catalog, Dataset]:
    source, model, key = FOLDS[kind]
    usual = {"source": source, "store": Delta(mode="append"), "quarantine": Quarantine(), "key": key}
    dataset = Dataset("t/out", model, owner="team:t", version="1.0.0", **{**usual, **words})
    grades = Dataset("t/grades", Grades, owner="team:t", version="1.0.0", source=Generated(rows=1),
                     store=Delta(mode="overwrite"))  # fmt: skip
    return catalog_of([stream("clicks"), stream("views"), grades, dataset, *more]), dataset


def grade(lake: Lake, catalog: Catalog, *grades: int, since: datetime = START) -> None:
    """Write the table that lookups look into: a grade for each user but the last."""
    rows = {"user": [f"u{n}" for n in range(len(grades))], "grade": grades, "since": [since] * len(grades)}
    lake.write(table_spec(catalog["t/grades"]), pl.DataFrame(rows))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(state=str(tmp_path), lake=str(tmp_path / "lake"), landing=str(tmp_path / "landing")))


@pytest.fixture
def broker(lake: Lake) -> Iterator[LogBroker]:
    opened = LogBroker(f"{lake.settings.state}/streams")
    for topic in ("clicks", "views"):
        opened.create_topic(topic, TopicSettings(partitions=2))
    yield opened
    opened.close()


def events(count: int, seed: int, *, disorder: float = 50) -> list[dict[str, Any]]:
    rng = random.Random(seed)  # noqa: S311 - no secret
    at = [START + timedelta(seconds=20 * number + rng.uniform(0, disorder)) for number in range(count)]
    return [
        {"user": f"u{rng.randrange(3)}", "n": number, "at": instant.isoformat()} for number, instant in enumerate(at)
    ]


def send(broker: LogBroker, topic: str, rows: list[dict[str, Any]]) -> None:
    broker.produce(topic, [json.dumps(row).encode() for row in rows], keys=[row["user"].encode() for row in rows])


def run(lake: Lake, catalog: Catalog, broker: LogBroker, sent: list[tuple[str, list[dict[str, Any]]]]) -> None:
    """Send pieces while workers of all datasets go on; each piece has a process of its own that is then gone."""
    streams = [dataset for dataset in catalog.datasets.values() if dataset.source and dataset.source.is_stream]
    for topic, rows in sent:
        send(broker, topic, rows)
        workers = open_workers(lake, catalog, streams, broker, run_id="r")
        for _ in range(2):
            for worker in workers.values():
                worker.step()
        for name in ("t/clicks", "t/views"):
            workers[name].close()  # the fold's worker just ends, as behind a kill
    last_one = FoldWorker(lake, catalog, catalog["t/out"], run_id="r")
    last_one.step()
    last_one.close()


def result(lake: Lake, dataset: Dataset) -> pl.DataFrame:
    names = [column.name for column in dataset.columns]
    return lake.read(table_spec(dataset)).select(names).sort(names)


def history(lake: Lake, catalog: Catalog, name: str) -> pl.DataFrame:
    parts = [stored_rows(lake, catalog[name], f"{name[2:]}/{number}", 0, 1 << 40) for number in range(2)]
    names = [column.name for column in catalog[name].columns]
    return pl.concat(parts).select(*names, SOURCE, INGEST)


@pytest.mark.parametrize("kind", FOLDS)
def test_a_fold_gives_what_a_batch_gives_and_a_replay_its_bits(lake: Lake, broker: LogBroker, kind: str) -> None:
    catalog, dataset = declare(kind)
    rows, far = events(120, 1), {"n": 999, "at": (START + timedelta(hours=9)).isoformat()}
    ends = [{"user": f"u{number}", **far} for number in range(3)]
    views = events(60, 2) if kind == "near" else []
    pieces = [("clicks", rows[start : start + 17]) for start in range(0, 120, 17)]
    grade(lake, catalog, 1, 2, since=START + timedelta(minutes=10))
    run(lake, catalog, broker, [*pieces[:4], ("views", [*views, *ends]), *pieces[4:], ("clicks", ends)])
    late = QuarantineStore(lake, dataset).envelopes()
    inputs = {name: history(lake, catalog, name) for name in ("t/clicks", "t/views")}
    folded = result(lake, dataset)
    assert late.is_empty()
    assert folded.height > 0
    if kind != "scores":  # its first rows are those that came first, of whatever partition
        names = [column.name for column in dataset.columns]
        expected = open_folding(lake, catalog, dataset).compute(inputs).select(names).sort(names)
        given = expected.join(folded, on=list(dataset.key), how="semi")  # the end of the history stays open
        assert folded.equals(given.sort(names))
        assert given.height >= expected.height - 3 * 3
    replayed = replay_fold(lake, catalog, dataset)
    assert replayed.sort(replayed.columns).equals(folded)


def test_a_detector_is_an_asset_that_is_trained_anew_where_the_stream_drifts_and_judged_by_labels(
    lake: Lake, broker: LogBroker
) -> None:
    labels = Dataset("t/labels", Labels, owner="team:t", version="1.0.0", key=("user", "n", "at"),
                     source=Generated(rows=1), store=Delta(mode="overwrite"))  # fmt: skip
    source = Scored("t/clicks", reads_columns=["n"], train_on=50, drift=3.0, labels="t/labels", looks="* * * * *")
    catalog, _ = declare("scores", labels, source=source)
    location = CodeLocation("platform_assets.domains", lake.settings, definitions_of, declared=catalog)
    run(lake, catalog, broker, [("clicks", events(60, 10))])
    clicks = lake.read(table_spec(catalog["t/clicks"])).select("user", "n", "at")
    odd = clicks.tail(5).with_columns(n=pl.lit(500, pl.Int64), at=pl.col("at") + timedelta(seconds=1))
    lake.write(table_spec(labels), pl.concat([clicks.with_columns(is_odd=False), odd.with_columns(is_odd=True)]))
    lake.write(table_spec(catalog["t/clicks"]), odd.with_columns(**dict.fromkeys(PROVENANCE, pl.lit(None))))
    job, key = location.defs.resolve_implicit_global_asset_job_def(), dg.AssetKey(["t", "out_detector"])
    with open_instance(lake.settings) as instance:
        results = [job.execute_in_process(instance=instance, asset_selection=[key])]
        far = [{**row, "n": row["n"] + 900, "at": _later(row["at"])} for row in events(600, 11)]
        run(lake, catalog, broker, [("clicks", far)])
        results += [job.execute_in_process(instance=instance, asset_selection=[key]) for _ in range(2)]
        chosen, now, looked = dg.AssetSelection.assets(key), datetime.now(UTC), []
        for minute in range(3):  # at first, at a tick behind new rows, and at one without any
            if minute == 1:
                instance.report_runless_asset_event(dg.AssetMaterialization(["t", "clicks"]))
            at, cursor = now + timedelta(minutes=minute), looked[-1].cursor if looked else None
            looked.append(dg.evaluate_automation_conditions(location.defs, instance, chosen, at, cursor=cursor))
    told = [result.asset_materializations_for_node("t__out_detector")[0].metadata for result in results]
    assert [each["is_trained"].value for each in told] == [False, True, False]
    assert (told[1]["drift_column"].value, told[2]["drift"].value < 3) == ("n", True)
    judged = [evaluation for result in results for evaluation in result.get_asset_check_evaluations()]
    assert (judged[0].check_name, judged[0].passed) == ("evaluation", True)
    assert judged[0].metadata["recall"].value == 1.0
    assert [look.total_requested for look in looked] == [0, 1, 0]
    with pytest.raises(ContractError, match="'is_odd': is no column of t/grades"):
        declare("scores", source=Scored("t/clicks", reads_columns=["n"], labels="t/grades"))


def test_scores_lie_below_their_detector_and_another_version_starts_no_run_of_theirs(lake: Lake) -> None:
    labels = Dataset("t/labels", Labels, owner="team:t", version="1.0.0", key=("user", "n", "at"),
                     source=Generated(rows=1), store=Delta(mode="overwrite"),
                     rules=[references(["user"], "t/out")])  # fmt: skip
    catalog, _ = declare("scores", labels, source=Scored("t/clicks", reads_columns=["n"], labels="t/labels"))
    location = CodeLocation("platform_assets.domains", lake.settings, definitions_of, declared=catalog)
    graph, out, detector = location.defs.resolve_asset_graph(), asset_key("t/out"), asset_key("t/out_detector")
    assert graph.get(out).parent_keys == {asset_key("t/clicks"), detector}
    assert graph.get(detector).parent_keys == {asset_key("t/clicks")}  # people label what was scored
    assert set(lineage_of(catalog).upstream("t/out", depth=1)) == {"t/clicks", "t/out_detector"}
    assert lineage_of(catalog).nodes["t/out_detector"].kind == "detector"
    with open_instance(lake.settings) as instance:
        looks, stale = [], []
        for name in (None, "t/clicks", "t/out", "t/out_detector"):
            if name is not None:
                instance.report_runless_asset_event(dg.AssetMaterialization(asset_key(name)))
            cursor = looks[-1].cursor if looks else None
            mine = dg.AssetSelection.assets(out)
            looks.append(dg.evaluate_automation_conditions(location.defs, instance, mine, cursor=cursor))
            stale.append(Staleness(graph, instance).of(out, {}))
    assert [look.total_requested for look in looks] == [0, 1, 0, 0]
    assert stale == [None, set(), None, None]
    with pytest.raises(ContractError, match="t/out_detector: name: is that of the detector of t/out"):
        declare("scores", stream("out_detector"))


def _later(at: str) -> str:
    return (datetime.fromisoformat(at) + timedelta(days=1)).isoformat()


STATEFUL = [kind for kind in FOLDS if kind not in ("lookup", "as-of", "scores")]


def pieces(catalog: Catalog, sizes: Sequence[int], *, users: int, seed: int = 3) -> Iterator[pl.DataFrame]:
    """Rows of clicks as a fold sees them, numbered, in pieces of these sizes; a minute passes each from the seventh."""
    rng, first = random.Random(seed), 0  # noqa: S311 - no secret
    for place, size in enumerate(sizes):
        numbers = range(first, first + size)
        at = [START + timedelta(minutes=max(0, place - 6), seconds=rng.uniform(0, 50)) for _ in numbers]
        rows = {"user": [f"u{number if place == 0 else rng.randrange(users)}" for number in numbers], "n": [*numbers]}
        stamps = {"at": at, SOURCE: ["clicks/0"] * size, INGEST: [str(number) for number in numbers]}
        typed = pl.DataFrame(rows | stamps).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
        yield folded_columns(catalog["t/clicks"], typed, first)
        first += size


def test_the_log_is_written_with_reports_and_no_micro_batch_waits_for_it(lake: Lake, broker: LogBroker) -> None:
    catalog, _ = declare("sessions")
    clicks = catalog["t/clicks"]
    worker = open_workers(lake, catalog, [clicks], broker, run_id="r")["t/clicks"]
    for number in range(4):
        send(broker, "clicks", events(5, number))
        if number:
            worker._log._flushed_at = time.monotonic() - 5  # type: ignore[union-attr]  # it is long ago
        worker.step()
    versions = [lake.version(spec(clicks)) for spec in (table_spec, ingests_spec)]
    worker.close()
    assert int(str(versions[0])) >= 3
    assert versions[1] in ("0", "1")  # of its first micro-batch, of one partition or two
    assert lake.read(ingests_spec(clicks))["rows"].sum() == 20


@pytest.mark.parametrize("kind", STATEFUL)
def test_a_commit_writes_what_it_changed_of_a_state_of_many_keys_and_the_state_is_read_back(
    lake: Lake, kind: str
) -> None:
    catalog, dataset = declare(kind)
    folding, size = open_folding(lake, catalog, dataset), 3_000
    store = FoldStore(lake, dataset, ["user", "n", "at"])
    before, restored, written = Snapshot(None, {}, folding.begin()), folding.begin(), []
    for rows in pieces(catalog, [size, *[7] * 12], users=size):
        step, again = (folding.step(state, "t/clicks", rows, START) for state in (before.state, restored))
        assert again.rows.equals(step.rows)
        number, places = before.next_number(), before.places + rows.height
        kept = store.keep(Snapshot(number, {}, step.state, places=places), before)
        written.append(lake.read(store.spec, partitions=[f"state-{number}"])["frames"].item())
        store.forget(set(before.changes) - set(kept.changes))
        before, restored = kept, store.load(number, folding.begin()).state
        if len(written) == 7:
            assert (len(kept.changes), kept.changed_rows < 200) == (7, True)
    assert max(map(len, written[1:7])) < len(written[0]) / 10
    assert set(lake.read(store.spec)["part"]) == {f"state-{number}" for number in before.changes}


@pytest.mark.parametrize("kind", STATEFUL)
def test_a_state_that_a_release_before_kept_without_numbers_goes_on(lake: Lake, kind: str) -> None:
    catalog, dataset = declare(kind)
    folding, store = open_folding(lake, catalog, dataset), FoldStore(lake, dataset, ["user", "n", "at"])
    first, *later = pieces(catalog, [40, *[20] * 6], users=5)
    state = folding.step(folding.begin(), "t/clicks", first, START).state
    unnumbered = {name: value.drop("_place", "window_end", strict=False) for name, value in vars(state).items()
                  if isinstance(value, pl.DataFrame)}  # fmt: skip
    if kind == "sessions":
        unnumbered["rows"] = unnumbered["rows"].drop("window_start")
    kept = store.keep(Snapshot(1, {}, state, places=40), Snapshot(None, {}, folding.begin()))
    store.write_part(1, {"positions": {}, "values": parts_of(kept.state)[0], "entries": [], "blocks": []}, unnumbered)
    old = store.load(1, folding.begin())
    assert old.changes == (1,)
    current, expected = old.state, state
    for rows in later:
        steps = [folding.step(each, "t/clicks", rows, START) for each in (current, expected)]
        assert steps[0].rows.equals(steps[1].rows)
        current, expected = steps[0].state, steps[1].state


@pytest.mark.parametrize("kind", ["hopping", "sessions", "logins", "near"])
def test_what_is_open_when_a_worker_dies_is_in_the_state_and_needs_no_row_again(
    lake: Lake, broker: LogBroker, kind: str
) -> None:
    catalog, dataset = declare(kind)
    rows, far = events(60, 8, disorder=10), {"n": 999, "at": (START + timedelta(hours=9)).isoformat()}
    views = events(60, 9, disorder=10) if kind == "near" else []
    ends = [{"user": f"u{number}", **far} for number in range(3)]
    run(lake, catalog, broker, [("clicks", rows[:31]), ("views", views[:31])])
    names = ("t/clicks", "t/views") if views else ("t/clicks",)
    before, given = {name: history(lake, catalog, name) for name in names}, result(lake, dataset).height
    for name in names:  # a worker that read them again would find nothing
        lake.delete(table_spec(catalog[name]), SOURCE, [f"{name[2:]}/0", f"{name[2:]}/1"])
    run(lake, catalog, broker, [("clicks", [*rows[31:], *ends]), ("views", [*views[31:], *(ends if views else [])])])
    inputs = {name: pl.concat([before[name], history(lake, catalog, name)]) for name in names}
    columns = [column.name for column in dataset.columns]
    expected = open_folding(lake, catalog, dataset).compute(inputs).select(columns).sort(columns)
    folded = result(lake, dataset)
    assert folded.equals(expected.join(folded, on=list(dataset.key), how="semi").sort(columns))
    assert folded.height > given
    whole = START + timedelta(seconds=20 * 31 - 60), START + timedelta(seconds=20 * 31 + 60)
    if kind == "hopping":  # a window over the death has what came on both sides of it
        over = folded.filter(pl.col("window_start") < whole[0], pl.col("window_end") > whole[1])
        assert over["clicks"].sum() > 20


@pytest.mark.parametrize("store", [Delta(mode="append"), Delta(mode="merge"), Iceberg(mode="append")])
def test_every_window_stands_once_in_every_store(lake: Lake, broker: LogBroker, store: Delta) -> None:
    catalog, dataset = declare("tumbling", store=store)
    rows = events(60, 3)
    end = [{"user": f"u{n}", "n": 1, "at": (START + timedelta(hours=1)).isoformat()} for n in range(3)]
    run(lake, catalog, broker, [("clicks", rows[:30]), ("clicks", [*rows[30:], *end])])
    assert result(lake, dataset)["clicks"].sum() == 60
    assert not result(lake, dataset).select(dataset.key).is_duplicated().any()


def test_a_replay_of_a_lookup_sees_the_version_that_each_row_saw(lake: Lake, broker: LogBroker) -> None:
    catalog, dataset = declare("lookup")
    rows = events(40, 7, disorder=0)
    grade(lake, catalog, 1, 2)
    run(lake, catalog, broker, [("clicks", rows[:20])])
    grade(lake, catalog, 7)
    run(lake, catalog, broker, [("clicks", rows[20:])])
    folded = result(lake, dataset)
    assert folded.filter(col("n") < 20)["grade"].drop_nulls().unique().sort().to_list() == [1, 2]
    assert folded.filter(col("n") >= 20)["grade"].drop_nulls().unique().to_list() == [7]
    replayed = replay_fold(lake, catalog, dataset)
    assert replayed.sort(replayed.columns).equals(folded)


def test_a_replay_gives_the_bits_of_a_worker_whose_clock_was_set_back(lake: Lake, broker: LogBroker) -> None:
    catalog, dataset = declare("sessions")
    run(lake, catalog, broker, [("clicks", events(40, 12))])
    feeder = open_workers(lake, catalog, [catalog["t/clicks"]], broker, run_id="r")["t/clicks"]
    send(broker, "clicks", [*events(80, 12)[40:], {"user": "u0", "n": 1, "at": _later(START.isoformat())}])
    feeder.step()
    behind = FoldWorker(lake, catalog, dataset, run_id="r", clock=lambda: datetime.now(UTC) - timedelta(hours=1))
    behind.step()
    behind.close()
    replayed = replay_fold(lake, catalog, dataset)
    assert replayed.height > 3
    assert replayed.sort(replayed.columns).equals(result(lake, dataset))


def test_a_lookup_is_refused_that_names_what_is_not_there() -> None:
    with pytest.raises(ContractError, match="'t/none': is no other dataset"):
        declare("lookup", source=Lookup("t/clicks", "t/none", by="user", take=["grade"]))
    with pytest.raises(ContractError, match="'mark': is not in t/grades"):
        declare("lookup", source=Lookup("t/clicks", "t/grades", by="user", take=["mark"]))


def test_a_late_row_is_set_aside_with_where_it_came_from(lake: Lake, broker: LogBroker) -> None:
    catalog, dataset = declare("tumbling")
    late = {"user": "u0", "n": 7, "at": START.isoformat()}
    run(lake, catalog, broker, [("clicks", events(60, 4)), ("clicks", [late])])
    envelope = QuarantineStore(lake, dataset).envelopes().row(0, named=True)
    assert (envelope["source"], envelope["rules"]) == ("t/clicks late", ["late"])
    assert json.loads(envelope["payload"])["n"] == "7"


def test_a_late_row_corrects_its_window_where_that_is_declared(lake: Lake, broker: LogBroker) -> None:
    source = Tumbling("t/clicks", size=minutes(5), by="user", measures=MEASURES, late="correct")
    catalog, dataset = declare("tumbling", source=source, store=Delta(mode="merge"))
    run(
        lake,
        catalog,
        broker,
        [("clicks", events(60, 4)), ("clicks", [{"user": "u0", "n": 700, "at": START.isoformat()}])],
    )
    corrected = result(lake, dataset).filter(user="u0", window_start=START)
    assert corrected["most"].to_list() == [700]
    assert result(lake, dataset).select(dataset.key).is_duplicated().sum() == 0
    assert QuarantineStore(lake, dataset).envelopes().is_empty()
    replayed = replay_fold(lake, catalog, dataset)
    assert replayed.sort(replayed.columns).equals(result(lake, dataset))


def test_a_replay_is_runs_over_partitions_that_say_and_mend_what_the_table_lost(lake: Lake, broker: LogBroker) -> None:
    rules = [expression("few", "most % 9 != 0", label="no window of nine")]
    catalog, dataset = declare("tumbling", partitions=Partitions("hourly", "2026-03-01-00:00", on="window_start"),
                               rules=rules)  # fmt: skip
    end = [{"user": f"u{n}", "n": 1, "at": (START + timedelta(hours=9)).isoformat()} for n in range(3)]
    run(lake, catalog, broker, [("clicks", events(900, 6)[:400]), ("clicks", [*events(900, 6)[760:], *end])])
    assert QuarantineStore(lake, dataset).envelopes().height > 0
    location = CodeLocation("platform_assets.domains", lake.settings, definitions_of, declared=catalog)
    whole = replay_history(location, "t/out", HistoryRequest())
    assert (whole.missing, whole.extra, whole.rows, len(whole.runs)) == (0, 0, result(lake, dataset).height, 2)
    with open_instance(lake.settings) as instance:
        hours = {key for run in whole.runs for key in _materialised(instance, run)}
    assert hours == {f"2026-03-01-0{hour}:00" for hour in (0, 1, 2, 4, 5)}
    lost = result(lake, dataset).filter(pl.col("window_start").dt.hour() == 1)
    lake.delete(table_spec(dataset), "_partition", ["2026-03-01-01:00"])
    broken = replay_history(location, "t/out", HistoryRequest())
    assert (broken.missing, broken.extra, broken.restored, broken.holds) == (lost.height, 0, 0, False)
    with open_instance(lake.settings) as instance:
        assert "not in the table. Fix: `platform stream replay t/out --restore`" in _failures(instance, broken.runs)
    mended = replay_history(location, "t/out", HistoryRequest(until=datetime.now(UTC), restores=True))
    assert (mended.missing, mended.restored, mended.holds) == (lost.height, lost.height, True)
    assert replay_history(location, "t/out", HistoryRequest(since=datetime.now(UTC))).rows == 0
    assert replay_history(location, "t/out", HistoryRequest()).holds


def _materialised(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return [str(entry.dagster_event.partition) for entry in entries if entry.dagster_event]


def _failures(instance: dg.DagsterInstance, runs: Sequence[str]) -> str:
    entries = [entry for run in runs for entry in instance.all_logs(run, of_type=dg.DagsterEventType.STEP_FAILURE)]
    return " ".join(str(entry.dagster_event.step_failure_data.error) for entry in entries if entry.dagster_event)


def test_two_workers_of_a_fold_write_each_window_once(lake: Lake, broker: LogBroker) -> None:
    catalog, dataset = declare("tumbling")
    run(lake, catalog, broker, [("clicks", events(30, 5))])
    both = [FoldWorker(lake, catalog, dataset, run_id=name) for name in "ab"]
    send(broker, "clicks", events(90, 5)[30:])
    feeder = open_workers(lake, catalog, [catalog["t/clicks"]], broker, run_id="r")["t/clicks"]
    feeder.step()
    for worker in [*both, *both]:
        worker._looked = None  # a second later
        worker.step()
    assert not result(lake, dataset).select(dataset.key).is_duplicated().any()


@pytest.mark.parametrize("gap", [1, 1 << 20], ids=["each-offset", "far-apart"])
def test_rows_behind_are_read_in_pieces_of_so_many_rows_each_once(lake: Lake, gap: int) -> None:
    clicks = declare("tumbling")[0]["t/clicks"]
    offsets = [number * gap for number in range(8, 131)]  # with one, two and three digits
    facts = {SOURCE: "clicks/0", INGEST: [str(offset) for offset in offsets], INGESTED_AT: [START] * len(offsets)}
    lake.write(table_spec(clicks), pl.DataFrame({"user": "u", "n": range(len(offsets)), "at": START, **facts}))
    start, pieces = 9 * gap, []
    for stop in piece_ends(lake, clicks, "clicks/0", start, 129 * gap, rows_at_once=50):
        pieces.append(stored_rows(lake, clicks, "clicks/0", start, stop)[INGEST].cast(pl.Int64).to_list())
        start = stop
    assert [offset for piece in pieces for offset in piece] == offsets[1:-2]
    assert [len(piece) for piece in pieces] == [50, 50, 20]


def test_a_column_that_a_fold_does_not_give_is_told_at_once(lake: Lake, broker: LogBroker) -> None:
    catalog, dataset = declare("pattern", source=FOLDS["scores"][0], key=("user", "n", "at"))
    send(broker, "clicks", events(30, 13))
    workers = open_workers(lake, catalog, [catalog["t/clicks"], dataset], broker, run_id="r")
    workers["t/clicks"].step()
    with pytest.raises(ShapeError, match="t/out: outcome, ended_at: missing") as told:
        workers["t/out"].step()
    assert told.value.__context__ is None


def test_a_fold_is_refused_over_what_has_no_event_time_or_other_columns() -> None:
    with pytest.raises(ContractError, match="is no dataset that reads a topic"):
        declare("tumbling", source=Tumbling("t/none", size=minutes(5), by="user", measures=MEASURES))
    with pytest.raises(ContractError, match="gives the columns user, window_start, window_end, other"):
        declare("tumbling", source=Tumbling("t/clicks", size=minutes(5), by="user", measures={"other": pl.len()}))
    with pytest.raises(ContractError, match="is no multiple of every"):
        declare("hopping", source=Hopping("t/clicks", size=minutes(5), every=minutes(2), by="user", measures=MEASURES))
