"""The certificate of a stream: a worker is killed at random moments, and each message must be there once.

It works on a lake and a topic of its own, which it removes, with the settings' broker: messages made from the contract
are sent while a worker in another process takes them in and is killed with SIGKILL, again and again. At the end each
offset is looked for in the table and in the quarantine.
"""

import random
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import polars as pl

from platform_assets.discovery import discover
from platform_assets.ingest.stream import create_topic, topic_name
from platform_assets.ingest.tables import INGEST, SOURCE, quarantine_spec, table_spec
from platform_assets.operations.stream_events import produce_generated
from platform_assets.operations.streams import Pace, run_streams
from platform_core.contracts import Dataset
from platform_resources.brokers import Broker, open_broker
from platform_resources.settings import Settings
from platform_resources.storage import Lake

_MESSAGES, _BAD_EACH = 100, 50
_LONGEST_LIFE_SECONDS = 1.0
_PATIENCE_SECONDS = 30.0


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
        seconds: How long it took.
    """

    kills: int
    sent: int
    rows: int
    quarantined: int
    lost: int
    duplicated: int
    versions: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether each message is there once."""
        return self.lost == self.duplicated == 0 and self.sent > 0


def certify(
    settings: Settings, package: str, dataset: Dataset, *, kills: int, seed: int, tell: Callable[[str], None]
) -> Certificate:
    """Kill a worker of the dataset so often, and count.

    Args:
        settings: Those of the broker; everything else is set aside.
        package: Where the dataset is declared, for the worker's process.
        dataset: One that refers to no other.
        kills: How often.
        seed: Of the moments and the messages.
        tell: Is told how far it is.
    """
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
            sent = 0
            for number in range(kills):
                worker, reader = _start_worker(own, package, dataset.name, once=False)
                sent += produce_generated(lake, broker, dataset, count=_MESSAGES, seed=seed + sent, bad_each=_BAD_EACH)
                reader.poll(_PATIENCE_SECONDS)  # a group of Kafka's waits for its dead member first
                death = time.monotonic() + rng.uniform(0.0, _LONGEST_LIFE_SECONDS)
                while time.monotonic() < death:
                    sent += produce_generated(
                        lake, broker, dataset, count=_MESSAGES, seed=seed + sent, bad_each=_BAD_EACH
                    )
                worker.kill()
                worker.join()
                if (number + 1) % max(1, kills // 10) == 0:
                    tell(f"{number + 1} of {kills} kills")
            last, _ = _start_worker(own, package, dataset.name, once=True)
            last.join()
            if last.exitcode != 0:
                raise RuntimeError(f"{dataset.name}: the last worker ended with {last.exitcode}; see its traceback")
            return _count(lake, broker, dataset, kills=kills, sent=sent, seconds=time.monotonic() - began)
        finally:
            broker.delete_topic(topic_name(lake, dataset))
            broker.close()


def _start_worker(settings: Settings, package: str, name: str, *, once: bool) -> tuple[ForkServerProcess, Connection]:
    """Return a worker in a process of its own that is ready, and where it says that it took something in."""
    context = get_context("forkserver")  # what it imports is there already, so that a life costs no start
    context.set_forkserver_preload(["platform_assets.operations.streams", "platform_assets.discovery", "deltalake"])
    reader, writer = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(settings, package, name, writer, once))
    worker.start()
    writer.close()
    try:
        reader.recv()
    except EOFError:
        raise RuntimeError(f"{name}: a worker ended by itself; see its traceback") from None
    return worker, reader


def _work(settings: Settings, package: str, name: str, started: Connection, once: bool) -> None:  # noqa: FBT001 - a process takes no keywords
    lake, broker, catalog = Lake(settings), open_broker(settings), discover(package)
    started.send(name)
    pace = Pace(once=once, every=timedelta(0), report_every=timedelta(0))
    told: list[str] = []

    def tell(line: str) -> None:
        if not told:  # once: nobody reads the rest
            started.send(line)
        told.append(line)

    run_streams(lake, catalog, [catalog[name]], broker, None, pace=pace, is_stopped=lambda: False, tell=tell)
    broker.close()


def _count(lake: Lake, broker: Broker, dataset: Dataset, *, kills: int, sent: int, seconds: float) -> Certificate:
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
    found = pl.concat([rows.rename({SOURCE: "source", INGEST: "position"}), refused])
    wanted = pl.DataFrame(expected, schema={"source": pl.String, "position": pl.String}, orient="row")
    return Certificate(
        kills=kills,
        sent=sent,
        rows=rows.height,
        quarantined=refused.height,
        lost=wanted.join(found, on=["source", "position"], how="anti").height + max(0, sent - wanted.height),
        duplicated=found.height - found.unique().height,
        versions=len(lake.operations(spec).history()) if lake.exists(spec) else 0,
        seconds=seconds,
    )
