"""A topic through rules, quarantine and table: each message once, whoever dies or competes."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.factory import asset_for, asset_key
from platform_assets.ingest.fresh import read_fresh
from platform_assets.ingest.ingest_log import StreamLog
from platform_assets.ingest.pace_log import read_samples
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.replay import replay_tag
from platform_assets.ingest.stream import StreamRefused, StreamWorker
from platform_assets.ingest.tables import INGEST, SOURCE, quarantine_spec, table_spec
from platform_assets.ingest.topic_history import TopicReplaced, read_positions, restart_topic
from platform_assets.operations.performance import makings_of
from platform_assets.operations.stream_certificate import certify
from platform_assets.operations.stream_crew import Crew
from platform_assets.operations.stream_events import produce_file, produce_generated
from platform_assets.operations.streams import Pace, open_workers, run_streams, stream_states
from platform_assets.operations.upkeep.survey import prices_of
from platform_core.contracts import (
    Catalog,
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Iceberg,
    Parquet,
    Quarantine,
    Topic,
    UtcTimestamp,
    catalog_of,
    dataframe_check,
)
from platform_core.errors import ContractError
from platform_resources.brokers import LogBroker, MemoryBroker, TopicSettings
from platform_resources.settings import Settings
from platform_resources.storage import Lake
from platform_resources.storage.io_manager import LakeIOManager
from platform_resources.telemetry import open_span
from tests.resources.telemetry.collector import collector, spans


class Clicks(DataFrameModel):
    """One row a click."""

    click_id: str = Field()
    n: int = Field(ge=0)
    at: UtcTimestamp = Field()


class Seats(DataFrameModel):
    """One row a booking; a seat is booked once."""

    click_id: str = Field()
    n: int = Field(unique=True)


class Moody(DataFrameModel):
    """Rows with a check that fails on some values itself."""

    click_id: str = Field()
    n: int = Field()

    @dataframe_check
    def computable(cls, data: object) -> pl.LazyFrame:  # noqa: N805 - Pandera's classmethod
        frame = data.lazyframe  # type: ignore[attr-defined]
        if (frame.collect()["n"] == 13).any():
            raise ArithmeticError("13")
        return frame.select(pl.col("n") >= 0)


def _dataset(model: type[DataFrameModel] = Clicks, **more: object) -> Dataset:
    declared = {
        "owner": "team:commerce",
        "version": "1.0.0",
        "key": ("click_id",),
        "source": Topic("clicks", key="click_id"),
        "store": Delta(mode="append"),
        "quarantine": Quarantine(),
    }
    return Dataset("shop/clicks", model, **(declared | more))  # type: ignore[arg-type]


def _click(number: int, **more: object) -> bytes:
    return json.dumps({"click_id": f"c{number}", "n": number, "at": "2026-03-01T12:00:00Z"} | more).encode()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)}))


@pytest.fixture
def broker(lake: Lake) -> Iterator[LogBroker]:
    opened = LogBroker(f"{lake.settings.state}/streams")
    yield opened
    opened.close()


def _worker(lake: Lake, dataset: Dataset, broker: LogBroker) -> StreamWorker:
    return StreamWorker(lake, catalog_of([dataset], []), dataset, broker, run_id="r")


def _numbers(lake: Lake, dataset: Dataset) -> list[int]:
    return sorted(lake.read(table_spec(dataset))["n"])


@pytest.mark.parametrize("store", [Delta(mode="append"), Delta(mode="merge"), Iceberg(mode="append")])
def test_rows_go_to_the_table_bad_ones_to_the_quarantine_and_none_is_lost(
    lake: Lake, broker: LogBroker, store: Delta | Iceberg
) -> None:
    dataset = _dataset(store=store)
    worker = _worker(lake, dataset, broker)
    poison = [b"no json", b"[1]", None, b"\xff", _click(7, n="many"), _click(8, n=-1), _click(9, more=1), b'{"n": NaN}']
    broker.produce("clicks", [_click(0), *poison, _click(1), b'{"click_id": "c2"}'])
    assert worker.step() == 11
    assert _numbers(lake, dataset) == [0, 1]
    refused = QuarantineStore(lake, dataset).envelopes().sort("position")
    assert refused["position"].to_list() == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert refused["source"].unique().to_list() == ["clicks/0"]
    assert refused.filter(pl.col("position") == 1)["payload"].item() == '{"message":"no json"}'
    assert read_positions(lake, dataset, [0]) == {0: 11}
    assert broker.lag("shop.clicks", "clicks") == {0: 0}


def test_a_worker_that_died_between_quarantine_and_table_writes_each_message_once(
    lake: Lake, broker: LogBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, write = _dataset(), Lake.write
    broker.create_topic("clicks")
    broker.produce("clicks", [_click(0), b"bad", _click(1)])

    def die_at_the_table(self: Lake, spec: object, *arguments: object, **more: object) -> object:
        if spec == table_spec(dataset):
            raise KeyboardInterrupt
        return write(self, spec, *arguments, **more)  # type: ignore[arg-type]

    worker = _worker(lake, dataset, broker)
    monkeypatch.setattr(Lake, "write", die_at_the_table)
    with pytest.raises(KeyboardInterrupt):
        worker.step()
    worker.close()
    monkeypatch.undo()
    broker.produce("clicks", [b"worse", _click(2)])
    assert _worker(lake, dataset, broker).step() == 5
    assert _numbers(lake, dataset) == [0, 1, 2]
    assert lake.read(quarantine_spec(dataset))["position"].sort().to_list() == [1, 3]


def test_a_group_whose_position_was_lost_begins_where_the_table_is(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset()
    worker = _worker(lake, dataset, broker)
    broker.produce("clicks", [_click(number) for number in range(5)])
    worker.step()
    worker.close()
    for position in Path(lake.settings.state).glob("streams/groups/*/clicks/*.position"):
        position.write_text("0")
    again = _worker(lake, dataset, broker)
    assert again.step() == 0
    assert _numbers(lake, dataset) == list(range(5))


def test_a_worker_that_another_one_overtook_is_refused_and_goes_on_behind_it(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset()
    stale = _worker(lake, dataset, broker)
    broker.produce("clicks", [_click(0)])
    stale.step()
    broker.produce("clicks", [_click(1), _click(2)])
    stream = "stream:clicks/0"
    row = lake.read(table_spec(dataset)).with_columns(click_id=pl.lit("c1"), n=pl.lit(1, pl.Int64))
    lake.write(table_spec(dataset), row, transaction=(stream, 2), expected_position=1)  # as the other one commits
    assert stale.step() == 0
    assert stale.step() == 1
    assert _numbers(lake, dataset) == [0, 1, 2]


def test_a_message_that_no_rule_can_be_computed_on_stands_alone(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset(Moody)
    worker = _worker(lake, dataset, broker)
    broker.produce("clicks", [json.dumps({"click_id": f"c{n}", "n": n}).encode() for n in range(40)])
    worker.step()
    assert _numbers(lake, dataset) == [number for number in range(40) if number != 13]
    assert lake.read(quarantine_spec(dataset))["position"].to_list() == [13]


def test_without_a_quarantine_the_stream_stands_before_a_bad_message(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset(quarantine=None)
    worker = _worker(lake, dataset, broker)
    broker.produce("clicks", [_click(0), _click(1, n=-4)])
    with pytest.raises(StreamRefused, match="offset 1 of clicks/0"):
        worker.step()
    assert not lake.exists(table_spec(dataset))


def test_the_last_message_of_a_key_stands_whether_they_come_together_or_apart(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset(store=Delta(mode="merge"))
    worker = _worker(lake, dataset, broker)
    broker.produce("clicks", [_click(0), _click(1), _click(1, n=5)])
    worker.step()
    broker.produce("clicks", [_click(0, n=9)])
    worker.step()
    assert _numbers(lake, dataset) == [5, 9]
    assert worker.tally.superseded == 1


def test_an_append_keeps_each_message_whichever_micro_batch_it_comes_in(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset()
    worker = _worker(lake, dataset, broker)
    broker.produce("clicks", [_click(1), _click(1)])
    worker.step()
    broker.produce("clicks", [_click(1)])
    worker.step()
    assert _numbers(lake, dataset) == [1, 1, 1]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_value_that_is_unique_comes_once_whichever_micro_batch_it_comes_in(
    lake: Lake, broker: LogBroker, mode: str
) -> None:
    dataset = _dataset(Seats, store=Delta(mode=mode))
    worker = _worker(lake, dataset, broker)
    for seat in (1, 2, 1):
        broker.produce("clicks", [json.dumps({"click_id": f"c{worker.tally.read}", "n": seat}).encode()])
        worker.step()
    assert _numbers(lake, dataset) == [1, 2]
    assert QuarantineStore(lake, dataset).envelopes()["position"].to_list() == [2]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_the_log_has_one_row_a_partition_whose_counts_add_up_also_after_a_death(
    lake: Lake, broker: LogBroker, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _dataset(store=Delta(mode=mode))
    worker = _worker(lake, dataset, broker)
    broker.produce("clicks", [_click(0), _click(1), b"bad"])
    worker.step()
    broker.produce("clicks", [_click(1), b"worse"])
    monkeypatch.setattr(StreamLog, "add", _die)
    with pytest.raises(KeyboardInterrupt):
        worker.step()
    worker.close()
    monkeypatch.undo()
    broker.produce("clicks", [_click(1), _click(2)])
    _worker(lake, dataset, broker).step()
    (row,) = QuarantineStore(lake, dataset).ingests().to_dicts()
    valid, superseded = (5, 0) if mode == "append" else (3, 2)
    assert (row["source"], row["position"], row["rows"], row["quarantined"]) == ("clicks/0", "7", 7, 2)
    assert (row["valid"], row["superseded"]) == (valid, superseded)
    assert lake.read(table_spec(dataset)).height == valid


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_envelopes_of_a_stream_are_replayed_once_and_the_worker_goes_on_counting(
    lake: Lake, broker: LogBroker, mode: str
) -> None:
    dataset = _dataset(store=Delta(mode=mode))
    worker, store = _worker(lake, dataset, broker), QuarantineStore(lake, dataset)
    broker.produce("clicks", [_click(0), _click(1, n=-1), b"bad"])
    worker.step()
    envelopes = store.envelopes().sort("position")
    store.fix(envelopes["quarantine_id"][0], _click(1).decode())
    asset, resources = asset_for(_catalog(dataset), dataset), {"lake": lake, "io_manager": LakeIOManager(lake.settings)}
    for _ in range(2):
        dg.materialize([asset], resources=resources, tags=replay_tag(None))
    store.decide(
        envelopes["quarantine_id"].to_list(), "open"
    )  # as a replay leaves them that dies before it closes them
    dg.materialize([asset], resources=resources, tags=replay_tag(None))
    assert lake.read(table_spec(dataset)).select(SOURCE, INGEST, "n").sort("n").rows() == [
        ("clicks/0", "0", 0),
        ("clicks/0", "1", 1),
    ]
    assert store.envelopes().sort("position")["decision"].to_list() == ["replayed", "open"]
    broker.produce("clicks", [_click(2)])
    worker.step()
    (row,) = store.ingests().to_dicts()
    assert (row["rows"], row["valid"], row["quarantined"], row["position"]) == (4, 3, 1, "4")


def test_messages_that_pretend_to_be_several_are_not_taken_for_rows(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset()
    worker = _worker(lake, dataset, broker)
    one, two = _click(1), _click(2)
    broker.produce("clicks", [one + b"," + two, two[:20], two[20:], _click(3)])
    worker.step()
    assert _numbers(lake, dataset) == [3]
    assert worker.tally.quarantined == 3


def _catalog(*datasets: Dataset) -> Catalog:
    return catalog_of([*datasets], [])


def test_a_worker_reports_materialisations_and_checks_to_dagster(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset(source=Topic("clicks", topic_partitions=2))
    produce_generated(lake, broker, dataset, count=300, seed=1)
    broker.produce("clicks", [b"bad"])
    lines: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        totals = run_streams(
            lake,
            _catalog(dataset),
            [dataset],
            broker,
            instance,
            pace=Pace(once=True),
            is_stopped=lambda: False,
            tell=lines.append,
        )
        event = instance.get_latest_materialization_event(asset_key(dataset.name))
        check = dg.AssetCheckKey(asset_key(dataset.name), "schema")
        summary = instance.event_log_storage.get_asset_check_summary_records([check])[check]
    assert totals[dataset.name].valid == 300
    assert event is not None
    assert event.asset_materialization is not None
    facts = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert facts["rows_quarantined"] == 1
    assert (facts["dagster/row_count"], facts["rows_written"], facts["table_changed"]) == (300, 300, True)
    assert facts["size_bytes"] > 0 < facts["duration_seconds"]
    assert summary.last_check_execution_record is not None
    assert summary.last_check_execution_record.status.value == "FAILED"
    assert lines == ["shop/clicks: 301 messages, 300 rows, 1 set aside, 2 micro-batches"]
    assert [state.lag for state in stream_states(lake, catalog_of([dataset]), broker, [dataset])] == [0, 0]


def test_a_run_of_the_asset_drains_the_topic_and_says_what_it_took(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset()
    produce_generated(lake, broker, dataset, count=50, seed=2)
    asset = asset_for(_catalog(dataset), dataset)
    resources = {"lake": lake, "io_manager": LakeIOManager(lake.settings)}
    result = dg.materialize([asset], resources=resources)
    (event,) = result.asset_materializations_for_node("shop__clicks")
    assert event.metadata["rows_valid"].value == event.metadata["dagster/row_count"].value == 50
    assert {evaluation.passed for evaluation in result.get_asset_check_evaluations()} == {True}
    assert lake.read(table_spec(dataset)).height == 50


def test_a_worker_stops_behind_its_micro_batch_when_it_is_asked_to(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset()
    produce_generated(lake, broker, dataset, count=50, seed=2)
    asked = iter([False, True, True, True])
    totals = run_streams(
        lake, _catalog(dataset), [dataset], broker, None, pace=Pace(), is_stopped=lambda: next(asked), tell=str
    )
    assert totals[dataset.name].valid == 50


def test_lines_of_a_file_become_messages_with_their_key(broker: LogBroker, tmp_path: Path) -> None:
    broker.create_topic("clicks", TopicSettings(partitions=3))
    (tmp_path / "clicks.jsonl").write_bytes(b'{"user": "u1"}\r\n\n{"user": "u1", "n": 1}\nbad\n')
    assert produce_file(broker, "clicks", tmp_path / "clicks.jsonl", key="user") == 3
    found = [
        (row["key"], row["value"])
        for partition in range(3)
        for row in broker.read("clicks", partition, 0, max_messages=9, max_bytes=999).rows.to_pylist()
    ]
    assert sorted(found, key=str) == sorted(
        [(b"u1", b'{"user": "u1"}'), (b"u1", b'{"user": "u1", "n": 1}'), (None, b"bad")], key=str
    )


def test_a_stream_that_would_overwrite_its_table_is_refused() -> None:
    with pytest.raises(ContractError, match="a micro-batch is no whole table"):
        catalog_of([_dataset(store=Delta())], [])


def test_references_are_read_again_when_they_are_ten_seconds_old(lake: Lake, broker: LogBroker) -> None:
    now = [datetime(2026, 3, 1, tzinfo=UTC)]
    dataset = _dataset()
    worker = StreamWorker(lake, _catalog(dataset), dataset, broker, run_id="r", clock=lambda: now[0])
    first = worker._load_references()
    assert worker._load_references() is first
    now[0] += timedelta(seconds=11)
    assert worker._load_references() is not first


@pytest.mark.lane
def test_killed_workers_lose_nothing_and_write_nothing_twice(tmp_path: Path) -> None:
    from platform_assets.domains.commerce.clicks import clicks  # noqa: PLC0415 - only this test needs the domain

    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})
    found = certify(settings, "platform_assets.domains", clicks, kills=25, seed=1, tell=str)
    assert (found.lost, found.duplicated) == (0, 0)
    assert found.rows + found.quarantined == found.sent > 0


def test_what_was_polled_and_not_committed_is_taken_in_by_the_next_step(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset()
    instants = iter([ConnectionError("no network")])

    def clock() -> datetime:
        for error in instants:
            raise error
        return datetime.now(UTC)

    worker = StreamWorker(lake, catalog_of([dataset]), dataset, broker, run_id="r", clock=clock)
    broker.produce("clicks", [_click(0)])
    with pytest.raises(ConnectionError):
        worker.step()
    assert worker.step() == 1


@pytest.mark.parametrize("form", ["arrow", "avro"])
def test_messages_that_bring_their_types_are_rows_and_others_are_set_aside(
    lake: Lake, broker: LogBroker, form: str
) -> None:
    dataset = _dataset(source=Topic("clicks", format=form, event_time="at"))
    produce_generated(lake, broker, dataset, count=20, seed=1)
    broker.produce("clicks", [b"{}", None])
    assert _worker(lake, dataset, broker).step() == 22
    assert lake.read(table_spec(dataset)).height == 20
    assert QuarantineStore(lake, dataset).envelopes().height == 2


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_reader_sees_the_table_and_what_the_topic_holds_beyond_it(lake: Lake, broker: LogBroker, mode: Any) -> None:
    dataset = _dataset(store=Delta(mode=mode))
    worker, catalog = _worker(lake, dataset, broker), catalog_of([dataset])
    broker.produce("clicks", [_click(0), b"bad", _click(1)])
    assert sorted(read_fresh(lake, catalog, dataset, broker)["n"]) == [0, 1]
    worker.step()
    broker.produce("clicks", [_click(2), _click(0, n=9), _click(3, n=-1)])
    fresh = read_fresh(lake, catalog, dataset, broker)
    assert sorted(fresh["n"]) == ([1, 2, 9] if mode == "merge" else [0, 1, 2, 9])
    assert _numbers(lake, dataset) == [0, 1]
    worker.step()
    assert sorted(read_fresh(lake, catalog, dataset, broker)["n"]) == _numbers(lake, dataset)


def test_each_report_of_a_worker_counts_in_the_history_and_none_is_called_slower(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset()
    with dg.DagsterInstance.ephemeral() as instance:
        for seed, count in enumerate((20, 30, 40)):
            produce_generated(lake, broker, dataset, count=count, seed=seed)
            pace = Pace(once=True)
            run_streams(
                lake, _catalog(dataset), [dataset], broker, instance, pace=pace, is_stopped=lambda: False, tell=str
            )
        prices = prices_of(lake.settings)
        makings = makings_of(instance, dataset.name, since=datetime(2020, 1, 1, tzinfo=UTC), prices=prices)
    assert [making.rows for making in makings] == [20, 30, 40]
    assert all(making.seconds and making.cost and not making.run_id for making in makings)


def _step(lake: Lake, dataset: Dataset, broker: LogBroker) -> None:
    with closing(_worker(lake, dataset, broker)) as worker:
        worker.step()


def _replace_topic(broker: LogBroker, count: int) -> None:
    broker.delete_topic("clicks")
    broker.create_topic("clicks")
    broker.produce("clicks", [_click(100 + number) for number in range(count)])


@pytest.mark.parametrize(
    "store", [Delta(mode="append"), Delta(mode="merge"), Iceberg(mode="append"), Parquet(mode="append")]
)
def test_a_longer_topic_made_again_while_no_worker_ran_is_refused_and_read_on_demand(
    lake: Lake, broker: LogBroker, store: Delta | Iceberg | Parquet
) -> None:
    dataset = _dataset(store=store)
    broker.create_topic("clicks")
    broker.produce("clicks", [_click(0), _click(1), _click(2, n=-1)])
    _step(lake, dataset, broker)
    _replace_topic(broker, 5)
    with pytest.raises(TopicReplaced, match="stream restart shop/clicks --from-beginning") as refused:
        _step(lake, dataset, broker)
    assert refused.value.stored != refused.value.present
    assert _numbers(lake, dataset) == [0, 1]
    assert restart_topic(lake, dataset, broker, from_beginning=True) == [0]
    _step(lake, dataset, broker)
    assert _numbers(lake, dataset) == [0, 1, *range(100, 105)]
    assert restart_topic(lake, dataset, broker, from_beginning=True) == []
    _replace_topic(broker, 7)
    with pytest.raises(TopicReplaced):
        _step(lake, dataset, broker)


def test_a_position_is_kept_on_a_topic_made_again_where_a_person_says_so(lake: Lake, broker: LogBroker) -> None:
    dataset = _dataset()
    broker.create_topic("clicks")
    broker.produce("clicks", [_click(0), _click(1)])
    _step(lake, dataset, broker)
    _replace_topic(broker, 5)
    assert restart_topic(lake, dataset, broker, from_beginning=False) == [0]
    _step(lake, dataset, broker)
    assert _numbers(lake, dataset) == [0, 1, 102, 103, 104]


def test_a_topic_made_again_under_a_running_worker_is_refused(lake: Lake) -> None:
    dataset, broker = _dataset(), MemoryBroker()
    worker = StreamWorker(lake, catalog_of([dataset], []), dataset, broker, run_id="r")
    broker.produce("clicks", [_click(0)])
    worker.step()
    broker.delete_topic("clicks")
    broker.create_topic("clicks")
    broker.produce("clicks", [_click(1), _click(2)])
    with pytest.raises(TopicReplaced):
        worker.step()
    assert _numbers(lake, dataset) == [0]


def test_a_position_from_before_there_were_identities_is_taken_for_the_present_topic(
    lake: Lake, broker: LogBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _dataset()
    broker.create_topic("clicks")
    broker.produce("clicks", [_click(0)])
    with monkeypatch.context() as earlier:
        earlier.setattr(LogBroker, "identity", lambda _broker, _topic: None)
        _step(lake, dataset, broker)
    broker.produce("clicks", [_click(1)])
    _step(lake, dataset, broker)
    assert _numbers(lake, dataset) == [0, 1]
    _replace_topic(broker, 5)
    with pytest.raises(TopicReplaced):
        _step(lake, dataset, broker)


def test_a_micro_batch_is_in_the_trace_of_its_messages_or_known_to_each_of_theirs(tmp_path: Path) -> None:
    with collector() as sink:
        lake = Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path), "PLATFORM_TRACES": sink.url}))
        dataset, broker = _dataset(), LogBroker(f"{tmp_path}/streams")
        traces = []
        worker = StreamWorker(lake, _catalog(dataset), dataset, broker, run_id="r")
        for requests in (1, 2):
            for _ in range(requests):
                with open_span(lake.settings, "push") as push:
                    produce_generated(lake, broker, dataset, count=2, seed=requests)
                    traces.append(push.trace_id)
            worker.step()
        worker.close()
        with open_span(lake.settings, "end", flush=True):
            pass
        told = spans(sink)
    by_name = {name: [span for span in told if span.name == name] for name in ("micro-batch", "taken in")}
    assert by_name["micro-batch"][0].trace_id.hex() == traces[0]
    assert [span.trace_id.hex() for span in by_name["taken in"]] == traces[1:]
    named = {fact.value.string_value for span in by_name["taken in"] for fact in span.attributes}
    assert by_name["micro-batch"][1].trace_id.hex() in named


@pytest.mark.parametrize("latency", ["60", "0.0001"], ids=["at-ease", "squeezed"])
def test_topics_are_taken_in_at_once_while_the_goals_are_met_and_one_by_one_where_not(
    tmp_path: Path, latency: str
) -> None:
    chosen = {"PLATFORM_STATE": str(tmp_path), "PLATFORM_STREAM_LATENCY": latency}
    lake, broker = Lake(Settings.from_environment(chosen)), LogBroker(f"{tmp_path}/streams")
    datasets = [
        replace(_dataset(), name=f"shop/clicks_{number}", source=Topic(f"clicks_{number}")) for number in range(4)
    ]
    workers = open_workers(lake, _catalog(*datasets), datasets, broker, run_id="r")
    crew, at_once = Crew(lake.settings, workers, most=3), []
    for part in range(4):
        for number in range(4):
            broker.produce(f"clicks_{number}", [_click(10 * part + place) for place in range(10)])
        assert crew.step() == 40
        at_once.append(crew.at_once)
    crew.close()
    assert at_once == ([2, 3, 3, 3] if latency == "60" else [1, 1, 1, 1])
    assert [_numbers(lake, dataset) for dataset in datasets] == [[*range(40)]] * 4
    assert [sample.at_once for sample in read_samples(lake.settings, datasets[0])][1:] == at_once[:3]


def test_what_one_topic_cannot_do_stops_no_other(lake: Lake, broker: LogBroker) -> None:
    datasets = [
        replace(_dataset(quarantine=None if number == 1 else Quarantine()), name=f"shop/clicks_{number}",
                source=Topic(f"clicks_{number}")) for number in range(3)
    ]  # fmt: skip
    workers = open_workers(lake, _catalog(*datasets), datasets, broker, run_id="r")
    for number in range(3):
        broker.produce(f"clicks_{number}", [_click(1), b"none" if number == 1 else _click(2)])
    crew = Crew(lake.settings, workers, most=3)
    crew.at_once = 3
    with pytest.raises(StreamRefused, match="clicks_1"):
        crew.step()
    crew.close()
    assert [_numbers(lake, datasets[number]) for number in (0, 2)] == [[1, 2]] * 2
