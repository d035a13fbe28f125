"""The certificate of a stream: a worker is killed at random moments and at named points; each message is there once.

It works on a lake and a topic of its own, which it removes, with the settings' broker: messages made from the contract
are sent while a worker in another process takes them in and is killed with SIGKILL, again and again. At the end each
offset is looked for in the table and in the quarantine. Every second kill is at a named point: before or behind a write
of the quarantine, the table, the log, or the state or rows of a fold, in turn.
"""

import os
import random
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Literal

import polars as pl

from platform_assets.discovery import discover
from platform_assets.ingest.fold_replay import replay_fold
from platform_assets.ingest.stream import create_topic
from platform_assets.ingest.tables import INGEST, SOURCE, quarantine_spec, table_spec
from platform_assets.ingest.topic_history import topic_name
from platform_assets.operations.stream_events import produce_generated
from platform_assets.operations.streams import Pace, run_streams
from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.stores import Store
from platform_resources.brokers import Broker, open_broker
from platform_resources.settings import Settings
from platform_resources.storage import Commit, Lake, TableSpec

_MESSAGES, _BAD_EACH = 100, 50
_LONGEST_LIFE_SECONDS = 1.0
_FIRST_EVENT = datetime(2026, 1, 1, tzinfo=UTC)
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class DeathPoint:
    """Where a worker ends itself by SIGKILL: before or behind the first write of a kind."""

    when: Literal["before", "behind"]
    write: str

    def __str__(self) -> str:
        return f"{self.when} {self.write}"


_OWN_WRITES = {"": "the table", "quarantine": "the quarantine", "ingests": "the log"}
_FOLD_WRITES = {"": "rows of a fold", "state": "state of a fold"}


@dataclass(frozen=True)
class MortalLake(Lake):
    """A lake whose process dies at a point."""

    dataset: str = ""
    point: DeathPoint | None = None

    def write(self, spec: TableSpec, frame: Any, **options: Any) -> Commit:  # passes all on
        """Write, and die before it or behind it where that is the point."""
        self._pass("before", spec)
        done = super().write(spec, frame, **options)
        self._pass("behind", spec)
        return done

    def _pass(self, when: str, spec: TableSpec) -> None:
        _, _, part = spec.path.partition("__")
        writes = _OWN_WRITES if spec.path.startswith(f"{self.dataset}/v") else _FOLD_WRITES
        if self.point is not None and (self.point.when, self.point.write) == (when, writes.get(part)):
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Certificate:
    """What was found.

    Attributes:
        kills: How often a worker was killed.
        sent: Messages that the broker acknowledged.
        rows: Of them, those in the table.
        quarantined: Of them, those set aside.
        lost: Messages that are in neither.
        duplicated: Times that a message is there beyond once.
        versions: Of the table.
        folded: Rows of the folds over the dataset: windows, features, scores.
        fold_differences: Of them, those that stand twice, or that a replay of the stored history does not give.
        seconds: How long it took.
        points: How often a worker died at each named point; the other kills were at random moments.
    """

    kills: int
    sent: int
    rows: int
    quarantined: int
    lost: int
    duplicated: int
    versions: int
    folded: int
    fold_differences: int
    seconds: float
    points: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether each message is there once."""
        return self.lost == self.duplicated == self.fold_differences == 0 and self.sent > 0


def certify(
    settings: Settings,
    package: str,
    dataset: Dataset,
    *,
    kills: int,
    seed: int,
    tell: Callable[[str], None],
    store: Store | None = None,
) -> Certificate:
    """Kill a worker of the dataset so often, and count.

    Args:
        settings: Those of the broker; everything else is set aside.
        package: Where the dataset is declared, for the worker's process.
        dataset: One that refers to no other.
        kills: How often.
        seed: Of the moments and the messages.
        tell: Is told how far it is.
        store: Instead of the dataset's own: another format, or a merge.
    """
    if store is not None:
        dataset = replace(dataset, store=store)
    began = time.monotonic()
    rng = random.Random(seed)  # noqa: S311 - moments, no secrets
    with tempfile.TemporaryDirectory(prefix="certify-") as state:
        own = replace(
            settings,
            state=state,
            lake=f"{state}/lake",
            landing=f"{state}/landing",
            iceberg=None,
            topic_prefix=f"certify-{uuid.uuid4().hex[:8]}-",
        )
        lake, broker = Lake(own), open_broker(own)
        try:
            create_topic(broker, lake, dataset)
            sent, points = 0, _points_of(_catalog(package, dataset), dataset)
            deaths = dict.fromkeys(map(str, points), 0)
            for number in range(kills):
                point = points[number // 2 % len(points)] if number % 2 else None
                worker, reader = _start_worker(own, package, dataset, once=False, point=point)
                sent += _send(lake, broker, dataset, seed=seed, sent=sent)
                reader.poll(_PATIENCE_SECONDS)  # a group of Kafka's waits for its dead member first
                life = rng.uniform(0.0, _LONGEST_LIFE_SECONDS) if point is None else _PATIENCE_SECONDS
                death = time.monotonic() + life
                while time.monotonic() < death and worker.is_alive():
                    sent += _send(lake, broker, dataset, seed=seed, sent=sent)
                    worker.join(timeout=0.0 if point is None else 0.2)
                if point is not None and not worker.is_alive():
                    deaths[str(point)] += 1
                worker.kill()
                worker.join()
                if (number + 1) % max(1, kills // 10) == 0:
                    tell(f"{number + 1} of {kills} kills")
            last, _ = _start_worker(own, package, dataset, once=True)
            last.join()
            if last.exitcode != 0:
                raise RuntimeError(f"{dataset.name}: the last worker ended with {last.exitcode}; see its traceback")
            folded = _count_folds(lake, _catalog(package, dataset), dataset)
            seconds = time.monotonic() - began
            return _count(lake, broker, dataset, kills=kills, sent=sent, folded=folded, seconds=seconds, points=deaths)
        finally:
            broker.delete_topic(topic_name(lake, dataset))
            broker.close()


def _send(lake: Lake, broker: Broker, dataset: Dataset, *, seed: int, sent: int) -> int:
    """Send messages whose events go on from those before, a second apart."""
    until = _FIRST_EVENT + timedelta(seconds=sent + _MESSAGES)
    return produce_generated(lake, broker, dataset, count=_MESSAGES, seed=seed + sent, bad_each=_BAD_EACH, until=until)


def _catalog(package: str, dataset: Dataset) -> Catalog:
    """Return the package's catalog, in which the dataset is stored as it is certified."""
    declared = discover(package)
    return Catalog({**declared.datasets, dataset.name: dataset}, declared.transforms)


def _folds_of(catalog: Catalog, dataset: Dataset) -> list[Dataset]:
    """List what is folded of the dataset alone; a fold reads what only adds rows."""
    if dataset.store.mode != "append":
        return []
    return [fold for fold in catalog.datasets.values() if fold.source and tuple(fold.source.inputs) == (dataset.name,)]


def _points_of(catalog: Catalog, dataset: Dataset) -> list[DeathPoint]:
    """List where a worker can die: around each write that it and its folds make."""
    writes = [*_OWN_WRITES.values(), *(_FOLD_WRITES.values() if _folds_of(catalog, dataset) else ())]
    return [
        DeathPoint("before" if is_before else "behind", write) for write, is_before in product(writes, (True, False))
    ]


def _count_folds(lake: Lake, catalog: Catalog, dataset: Dataset) -> tuple[int, int]:
    """Return how many rows the folds have, and how many stand twice or differ from a replay."""
    rows = differences = 0
    for fold in _folds_of(catalog, dataset):
        replayed = replay_fold(lake, catalog, fold)
        stored = replayed.clear()
        if lake.exists(table_spec(fold)):
            stored = lake.read(table_spec(fold)).select(replayed.columns)
        rows += stored.height
        differences += stored.height - stored.select(fold.key).unique().height
        differences += stored.join(replayed, on=replayed.columns, how="anti", nulls_equal=True).height
        differences += replayed.join(stored, on=replayed.columns, how="anti", nulls_equal=True).height
    return rows, differences


def _start_worker(
    settings: Settings, package: str, dataset: Dataset, *, once: bool, point: DeathPoint | None = None
) -> tuple[ForkServerProcess, Connection]:
    """Return a worker in a process of its own that is ready, and where it says that it took something in."""
    context = get_context("forkserver")  # what it imports is there already, so that a life costs no start
    context.set_forkserver_preload(["platform_assets.operations.streams", "platform_assets.discovery", "deltalake"])
    reader, writer = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(settings, package, dataset.name, dataset.store, writer, once, point))
    worker.start()
    writer.close()
    try:
        reader.recv()
    except EOFError:
        raise RuntimeError(f"{dataset.name}: a worker ended by itself; see its traceback") from None
    return worker, reader


def _work(
    settings: Settings,
    package: str,
    name: str,
    store: Store,
    started: Connection,
    once: bool,  # noqa: FBT001
    point: DeathPoint | None,
) -> None:
    lake, broker = MortalLake(settings, name, point), open_broker(settings)
    dataset = replace(discover(package)[name], store=store)
    catalog = _catalog(package, dataset)
    started.send(name)
    pace = Pace(once=once, every=timedelta(0), report_every=timedelta(0))
    told_lines: list[str] = []

    def tell(line: str) -> None:
        if not told_lines:  # once: nobody reads the rest
            started.send(line)
        told_lines.append(line)

    datasets = [dataset, *_folds_of(catalog, dataset)]
    run_streams(lake, catalog, datasets, broker, None, pace=pace, is_stopped=lambda: False, tell=tell)
    broker.close()


def _count(  # noqa: PLR0913 - what was found, part by part
    lake: Lake,
    broker: Broker,
    dataset: Dataset,
    *,
    kills: int,
    sent: int,
    folded: tuple[int, int],
    seconds: float,
    points: Mapping[str, int],
) -> Certificate:
    topic, spec = topic_name(lake, dataset), table_spec(dataset)
    expected = []
    for partition, (first, _) in broker.bounds(topic).items():
        position = first
        while batch := broker.read(topic, partition, position, max_messages=100_000, max_bytes=1 << 26):
            offsets = batch.rows["offset"].to_pylist()
            expected += [(f"{topic}/{partition}", str(offset)) for offset in offsets]
            position = batch.next_offset
    rows = pl.DataFrame(schema={SOURCE: pl.String, INGEST: pl.String})
    if lake.exists(spec):
        rows = lake.read(spec).select(SOURCE, INGEST)
    aside = quarantine_spec(dataset)
    refused = pl.DataFrame(schema={"source": pl.String, "position": pl.String})
    if lake.exists(aside):
        refused = lake.read(aside).select("source", pl.col("position").cast(pl.String))
    stored_places = pl.concat([rows.rename({SOURCE: "source", INGEST: "position"}), refused])
    expected_places = pl.DataFrame(expected, schema={"source": pl.String, "position": pl.String}, orient="row")
    return Certificate(
        kills=kills,
        sent=sent,
        rows=rows.height,
        quarantined=refused.height,
        lost=expected_places.join(stored_places, on=["source", "position"], how="anti").height
        + max(0, sent - expected_places.height),
        duplicated=stored_places.height - stored_places.unique().height,
        versions=len(lake.operations(spec).history()) if lake.exists(spec) else 0,
        folded=folded[0],
        fold_differences=folded[1],
        seconds=seconds,
        points=points,
    )
