"""What people ask of streams: run a worker, send messages, certify; and what is refused of it."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from platform_assets.ingest.fresh import read_fresh
from platform_assets.ingest.stream import create_topic
from platform_assets.ingest.topic_history import restart_topic, topic_name, topic_of
from platform_assets.location import CodeLocation
from platform_assets.operations.captures import captures_beside, choose_captured, list_captured, run_captures
from platform_assets.operations.datasets import find_dataset
from platform_assets.operations.errors import RequestError, UnknownName
from platform_assets.operations.instance import open_instance
from platform_assets.operations.stream_certificate import Certificate, certify
from platform_assets.operations.stream_events import produce_file, produce_generated
from platform_assets.operations.streams import Pace, StreamState, draw_pace, run_streams, stream_states
from platform_core.contracts import Dataset, Delta, Iceberg
from platform_core.contracts.folds import Scored
from platform_core.contracts.sources import Topic
from platform_core.contracts.stores import Store
from platform_resources.brokers import Broker, TopicSettings, open_broker

_INPUT = 0
"""The standard input, whose end says that the process is gone which began this one."""
_SAMPLE_ENDS = datetime(2026, 3, 1, 18, tzinfo=UTC)


def choose_streams(location: CodeLocation, names: Sequence[str], *, all_streams: bool) -> list[Dataset]:
    """Return the streams that were named, or all.

    Raises:
        UnknownName: There is no such dataset, or it is no stream.
        RequestError: None was named.
    """
    streams = [dataset for dataset in location.catalog.datasets.values() if dataset.source and dataset.source.is_stream]
    if all_streams:
        return streams
    if not names:
        listed = ", ".join(stream.name for stream in streams) or "none is declared: source=Topic(...)"
        raise RequestError(f"no stream was named. Fix: name one of {listed}; or use --all.")
    chosen = [find_dataset(location.catalog, name) for name in names]
    for dataset in chosen:
        if dataset not in streams:
            raise UnknownName("stream", dataset.name, [stream.name for stream in streams])
    return chosen


def run_worker(location: CodeLocation, datasets: Sequence[Dataset], pace: Pace, tell: Callable[[str], None]) -> None:
    """Run a worker in this process; SIGTERM and Ctrl+C end it behind the micro-batch that it is in."""
    with _opened(location) as broker, _stopped_by_signals() as stops, contextlib.ExitStack() as stack:
        stack.enter_context(captures_beside(location, datasets, tell, once=pace.once))
        instance = None
        if pace.is_reported:
            instance = stack.enter_context(open_instance(location.settings))
        tell(f"Reading {', '.join(dataset.name for dataset in datasets)}")
        run_streams(
            location.lake,
            location.catalog,
            datasets,
            broker,
            instance,
            pace=pace,
            is_stopped=lambda: bool(stops),
            tell=tell,
        )


def capture_streams(
    location: CodeLocation,
    names: Sequence[str],
    tell: Callable[[str], None],
    *,
    all_streams: bool,
    once: bool,
    is_attached: bool,
) -> None:
    """Read the changes of databases in this process; SIGTERM, Ctrl+C and, where attached, the end of input end it.

    Raises:
        RequestError: One of the datasets is not captured, or none was named.
    """
    chosen = [find_dataset(location.catalog, name) for name in names]
    if all_streams:
        chosen = list_captured([*location.catalog.datasets.values()])
    chosen = choose_captured(location, chosen)
    with _opened(location) as broker, _stopped_by_signals() as stops:
        if is_attached:
            threading.Thread(target=lambda: stops.append(len(os.read(_INPUT, 1)) or 1), daemon=True).start()
        tell(f"Capturing {', '.join(each.name for each in chosen)}")
        run_captures(location, chosen, broker, is_stopped=lambda: bool(stops), tell=tell, once=once)


def read_stream(location: CodeLocation, name: str) -> pl.DataFrame:
    """Return the rows of a stream's table and what its topic holds beyond them.

    Raises:
        RequestError: It reads no topic.
    """
    dataset = find_dataset(location.catalog, name)
    if dataset.source is None or dataset.source.stream is None:
        raise RequestError(f"{name}: reads no topic, so that its table is all there is. Fix: name a stream.")
    with _opened(location) as broker:
        return read_fresh(location.lake, location.catalog, dataset, broker)


def restart_stream(location: CodeLocation, name: str, *, from_beginning: bool) -> Sequence[int]:
    """Let a stream go on with the topic that is there now; return the partitions that were another topic's.

    Raises:
        RequestError: It reads no topic.
    """
    dataset = find_dataset(location.catalog, name)
    if dataset.source is None or dataset.source.stream is None:
        raise RequestError(f"{name}: reads no topic. Fix: name a stream.")
    with _opened(location) as broker:
        return restart_topic(location.lake, dataset, broker, from_beginning=from_beginning)


def list_streams(location: CodeLocation) -> list[StreamState]:
    """Return how all streams stand."""
    with _opened(location) as broker:
        return stream_states(location.lake, location.catalog, broker, choose_streams(location, [], all_streams=True))


def write_pace(location: CodeLocation, name: str, path: Path) -> None:
    """Write the graph of what a stream's micro-batches took.

    Raises:
        RequestError: No worker of it ran on this machine.
    """
    (dataset,) = choose_streams(location, [name], all_streams=False)
    drawing = draw_pace(location.lake, dataset)
    if drawing is None:
        raise RequestError(f"{name}: no worker of it took messages in on this machine. Fix: platform stream run {name}")
    path.write_text(drawing)


def send_file(location: CodeLocation, topic: str, file: Path) -> int:
    """Send a file's lines to a topic, which is created where it is missing; return how many.

    Raises:
        RequestError: There is no such file.
    """
    if not file.is_file():
        raise RequestError(f"there is no file {str(file)!r}. Fix: name a file of JSON lines.")
    source = next((topic_of(reader) for reader in _readers(location, topic)), Topic(topic))
    name = location.settings.topic_prefix + topic
    with _opened(location) as broker:
        if name not in broker.topics():
            broker.create_topic(name, TopicSettings(partitions=source.topic_partitions))
        return produce_file(broker, name, file, key=source.key)


def send_generated(location: CodeLocation, topic: str, *, count: int, seed: int) -> int:
    """Send rows made from the contract of the dataset that reads the topic; return how many.

    Raises:
        RequestError: No dataset reads it.
    """
    readers = _readers(location, topic)
    if not readers:
        raise RequestError(f"no dataset reads topic {topic!r}, so no rows can be made. Fix: name a file of JSON lines.")
    with _opened(location) as broker:
        now = datetime.now(UTC)
        return produce_generated(location.lake, broker, readers[0], count=count, seed=seed, until=now)


def send_sample(location: CodeLocation, name: str) -> int:
    """Send the demo's messages, some of them cut off, to a topic that has none; return how many."""
    dataset = find_dataset(location.catalog, name)
    with _opened(location) as broker:
        create_topic(broker, location.lake, dataset)
        if any(end for _, end in broker.bounds(topic_name(location.lake, dataset)).values()):
            return 0
        odd = {name: 1_777 for scored in location.catalog.datasets.values() if isinstance(scored.source, Scored)
               for name in scored.source.reads_columns if scored.source.of == dataset.name}  # fmt: skip
        return produce_generated(
            location.lake, broker, dataset, count=5_000, seed=6, bad_each=500, until=_SAMPLE_ENDS, odd=odd
        )


def certify_stream(
    location: CodeLocation,
    name: str,
    *,
    kills: int,
    seed: int,
    tell: Callable[[str], None],
    store: str | None = None,
) -> Certificate:
    """Certify a stream.

    Raises:
        RequestError: It refers to other datasets, whose tables the certificate's lake does not have.
    """
    (dataset,) = choose_streams(location, [name], all_streams=False)
    if list(location.catalog.references_of(dataset)) or dataset.quarantine is None:
        raise RequestError(
            f"{name}: a certificate is made in a lake of its own, with bad messages among the good, so that the "
            "dataset needs a quarantine and no references. Fix: certify a dataset such as commerce/clicks."
        )
    stores: dict[str, Store] = {
        f"{kind}-{mode}": record(mode=mode)  # type: ignore[arg-type] # modes of both
        for kind, record in (("delta", Delta), ("iceberg", Iceberg)) for mode in ("append", "merge")
    }  # fmt: skip
    if store is not None and store not in stores:
        raise UnknownName("store", store, [*stores])
    chosen = None if store is None else stores[store]
    return certify(location.settings, location.package, dataset, kills=kills, seed=seed, tell=tell, store=chosen)


def _readers(location: CodeLocation, topic: str) -> list[Dataset]:
    streams = [
        choose_stream
        for choose_stream in choose_streams(location, [], all_streams=True)
        if choose_stream.source and choose_stream.source.stream
    ]
    return [dataset for dataset in streams if topic_of(dataset).topic == topic]


@contextlib.contextmanager
def _opened(location: CodeLocation) -> Iterator[Broker]:
    broker = open_broker(location.settings)
    try:
        yield broker
    finally:
        broker.close()


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[list[int]]:
    """Give a list that is filled when somebody asks the process to end; the second time it ends at once."""
    stops: list[int] = []

    def ask(number: int, frame: object) -> None:
        del frame
        stops.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
