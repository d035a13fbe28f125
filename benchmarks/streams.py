"""Streams beside the raw library: the log's writes, messages to windows, topic to table, replays, a scored record.

`python benchmarks/streams.py`; with `KAFKA_JARS` set (`.ci/kafka FOLDER` fills one) Kafka is measured too. Rates are
messages a second of wall time and of CPU time of this process; a message is a click of 122 bytes, in JSON.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

COUNT, AT_ONCE = 500_000, 10_000


def main() -> None:
    from platform_resources.brokers import LogBroker

    messages = make_messages()
    print(f"{COUNT:,} messages of {sum(map(len, messages)) / COUNT:.0f} bytes\n")
    print(f"{'case':52}{'a second':>12}{'a CPU second':>14}")
    with tempfile.TemporaryDirectory() as folder:
        measure("file: write and fsync each 10,000, by hand", lambda: write_by_hand(messages, Path(folder) / "raw"))
        broker = LogBroker(f"{folder}/streams")
        broker.create_topic("clicks")
        measure("embedded log: write each 10,000, synced", lambda: produce(broker, messages))
        measure("embedded log: read", lambda: read(broker))
        measure("log to 1-minute windows a visitor, by hand", lambda: windows_by_hand(broker))
        measure("log to 1-minute windows a visitor, watermarks", lambda: windows(broker))
        measure("log to Delta by the worker, once", lambda: to_table(folder, broker))
        measure("stored rows to windows, replayed as they were folded", lambda: replay(folder))
        broker.close()
    score_latency()
    if os.environ.get("KAFKA_JARS"):
        with tempfile.TemporaryDirectory() as folder:
            kafka(Path(folder), messages)


def make_messages() -> list[bytes]:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    rng = np.random.default_rng(1)
    visitors, durations = rng.integers(0, 1000, COUNT), rng.integers(0, 60_000, COUNT)
    return [
        json.dumps(
            {
                "click_id": f"{number:016x}",
                "visitor": f"v{visitors[number]:03d}",
                "page": "home",
                "duration_ms": int(durations[number]),
                "at": (start + timedelta(milliseconds=number)).isoformat(),
            },
            separators=(",", ":"),
        ).encode()
        for number in range(COUNT)
    ]


def measure(name: str, run: Callable[[], int]) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    count = run()
    wall, busy = time.perf_counter() - began, time.process_time() - cpu
    print(f"{name:52}{count / wall:12,.0f}{count / busy:14,.0f}", flush=True)


def write_by_hand(messages: list[bytes], path: Path) -> int:
    with path.open("wb") as file:
        for start in range(0, COUNT, AT_ONCE):
            file.write(b"\n".join(messages[start : start + AT_ONCE]))
            file.flush()
            os.fdatasync(file.fileno())
    return COUNT


def produce(broker, messages: list[bytes]) -> int:
    for start in range(0, COUNT, AT_ONCE):
        broker.produce("clicks", messages[start : start + AT_ONCE])
    return COUNT


def read(broker) -> int:
    return sum(len(batch) for batch in batches(broker))


def batches(broker, topic: str = "clicks"):
    first, end = broker.bounds(topic)[0]
    while first < end:
        batch = broker.read(topic, 0, first, max_messages=50_000, max_bytes=1 << 26)
        first = batch.next_offset
        yield batch


def decode(values: pl.Series) -> pl.DataFrame:
    schema = {"visitor": pl.String, "duration_ms": pl.Int64, "at": pl.String}
    lines = b"\n".join(values.to_list())
    return pl.read_ndjson(lines, schema=schema).with_columns(
        pl.col("at").str.to_datetime(time_unit="us", time_zone="UTC")
    )


AGGREGATES = {"clicks": pl.len(), "longest": pl.col("duration_ms").max()}


def windows_by_hand(broker) -> int:
    count, frames = 0, []
    for batch in batches(broker):
        rows = decode(pl.from_arrow(batch.rows["value"]))
        frames.append(rows.group_by("visitor", pl.col("at").dt.truncate("1m")).agg(**AGGREGATES))
        count += rows.height
    pl.concat(frames).group_by("visitor", "at").agg(pl.col("clicks").sum(), pl.col("longest").max())
    return count


def windows(broker) -> int:
    from platform_core.streaming import Clock, WindowState, close_windows, fold_windows, tumbling

    clock = Clock(time="at", lateness=timedelta(seconds=5))
    window = tumbling(timedelta(minutes=1), clock=clock, by=("visitor",), aggregates=AGGREGATES)
    state, count = WindowState(), 0
    for batch in batches(broker):
        state, _ = fold_windows(window, state, decode(pl.from_arrow(batch.rows["value"])), now=datetime.now(UTC))
        count += len(batch)
    close_windows(window, state)
    return count


def lake_in(folder: str):
    from platform_resources.settings import Settings
    from platform_resources.storage import Lake

    return Lake(Settings.from_environment({"PLATFORM_STATE": f"{folder}/state", "PLATFORM_STREAM_LATENCY": "3"}))


def declared():
    """The shop's clicks, their visits and their scores."""
    from platform_assets.discovery import discover

    return discover("platform_assets.domains")


def to_table(folder: str, broker) -> int:
    from platform_assets.ingest.stream import StreamWorker

    catalog = declared()
    worker = StreamWorker(lake_in(folder), catalog, catalog["commerce/clicks"], broker, run_id="bench")
    taken = 0
    while taken < COUNT:
        taken += worker.step(timeout=timedelta(seconds=1))
    assert worker.tally.valid == COUNT
    worker.close()
    return COUNT


def replay(folder: str) -> int:
    """Fold what the table has, untimed, and time its replay."""
    from dataclasses import replace as changed

    from platform_assets.ingest.fold_replay import replay_fold
    from platform_assets.ingest.fold_worker import FoldWorker
    from platform_core.contracts import Catalog, Tumbling

    catalog, lake = declared(), lake_in(folder)
    window = Tumbling(
        "commerce/clicks", size=timedelta(minutes=1), by="visitor", measures=catalog["commerce/visits"].source.measures
    )
    visits = changed(catalog["commerce/visits"], source=window)
    catalog = Catalog({**catalog.datasets, visits.name: visits}, catalog.transforms)
    worker = FoldWorker(lake, catalog, visits, run_id="bench")
    worker.step()
    worker.close()
    began, cpu = time.perf_counter(), time.process_time()
    replayed = replay_fold(lake, catalog, visits)
    wall, busy = time.perf_counter() - began, time.process_time() - cpu
    print(f"{'  of it, the replay alone':52}{COUNT / wall:12,.0f}{COUNT / busy:14,.0f}   {replayed.height:,} windows")
    return COUNT


def score_latency() -> None:
    from platform_core.anomaly import score_rows, train_detector

    rng = np.random.default_rng(1)
    columns = ("a", "b", "c", "d")
    rows = pl.DataFrame({name: rng.normal(size=5_000) for name in columns})
    detector = train_detector(rows, columns, rng)
    took = []
    for number in range(500):
        began = time.perf_counter()
        score_rows(detector, rows[number])
        took.append(time.perf_counter() - began)
    began = time.perf_counter()
    score_rows(detector, rows)
    whole = (time.perf_counter() - began) / rows.height
    print(f"\na record scored alone: p50 {np.median(took) * 1e3:.2f} ms, p99 {np.quantile(took, 0.99) * 1e3:.2f} ms; "
          f"in a batch of 5,000: {whole * 1e6:.1f} us")  # fmt: skip


def kafka(folder: Path, messages: list[bytes]) -> None:
    from confluent_kafka import Consumer

    from platform_resources.brokers.kafka import KafkaBroker
    from tests.brokers import kafka_server

    with kafka_server(folder) as server:
        broker = KafkaBroker(server.address)
        broker.create_topic("clicks")
        print()
        measure("Kafka: produced and acknowledged", lambda: produce(broker, messages))

        def by_hand() -> int:
            settings = {"bootstrap.servers": server.address, "group.id": "hand", "auto.offset.reset": "earliest"}
            client, count, frames = Consumer(settings), 0, []
            client.subscribe(["clicks"])
            while count < COUNT:
                values = [message.value() for message in client.consume(50_000, 1.0)]
                if values:
                    rows = decode(pl.Series(values))
                    frames.append(rows.group_by("visitor", pl.col("at").dt.truncate("1m")).agg(**AGGREGATES))
                    count += len(values)
            client.close()
            return count

        def ours() -> int:
            from platform_core.streaming import Clock, WindowState, fold_windows, tumbling

            clock = Clock(time="at", lateness=timedelta(seconds=5))
            window = tumbling(timedelta(minutes=1), clock=clock, by=("visitor",), aggregates=AGGREGATES)
            state, count = WindowState(), 0
            with broker.consumer("ours", "clicks") as consumer:
                while count < COUNT:
                    for batch in consumer.poll(timeout=timedelta(seconds=1)):
                        rows = decode(pl.from_arrow(batch.rows["value"]))
                        state, _ = fold_windows(window, state, rows, now=datetime.now(UTC))
                        count += len(batch)
            return count

        measure("Kafka to 1-minute windows a visitor, by hand", by_hand)
        measure("Kafka to 1-minute windows a visitor, watermarks", ours)
        measure("Kafka to Delta by the worker, once", lambda: to_table(f"{folder}/lake", broker))
        broker.close()


if __name__ == "__main__":
    main()
