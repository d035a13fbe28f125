"""Changes straight from a database: Debezium's engine fills the topics of the datasets that say which database it is.

One process runs the engines, each dataset's with a position of its own. A second one waits, and takes over when the
first is dead. What the engine reads is acknowledged once the topic has it; the stream worker makes rows of it.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from platform_assets.ingest.stream import create_topic
from platform_assets.ingest.topic_history import topic_name
from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError
from platform_core.contracts import Changes, Dataset
from platform_resources.brokers import Broker
from platform_resources.errors import ResourceError
from platform_resources.sources.capture import Capture, claim, run_capture

_FIRST_PAUSE, _LONGEST_PAUSE, _LOOK_SECONDS = 1.0, 60.0, 0.5
_PATIENCE_SECONDS = 60.0
"""How long a capture that ends by itself tries: the one before may be ending, and the server let go of it late."""


def list_captured(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Return those of the datasets whose changes the platform reads from the database itself."""
    return [
        dataset for dataset in datasets if isinstance(dataset.source, Changes) and dataset.source.database is not None
    ]


def choose_captured(location: CodeLocation, datasets: Sequence[Dataset]) -> list[Dataset]:
    """Return the datasets, all of which are captured.

    Raises:
        RequestError: One of them is not.
    """
    others = [dataset.name for dataset in datasets if dataset not in list_captured(datasets)]
    if others or not datasets:
        possible = ", ".join(dataset.name for dataset in list_captured([*location.catalog.datasets.values()])) or "none"
        named = f"{others[0]} is not captured from a database" if others else "no dataset was named"
        raise RequestError(f"{named}. Fix: name one of {possible}; source=Changes(..., database=...) declares one.")
    return list(datasets)


def run_captures(
    location: CodeLocation,
    datasets: Sequence[Dataset],
    broker: Broker,
    *,
    is_stopped: Callable[[], bool],
    tell: Callable[[str], None],
    once: bool = False,
) -> None:
    """Capture the datasets' changes until it is stopped, or up to the present.

    Raises:
        ResourceError: What waiting does not mend; with `once` also what it might.
    """
    errors: list[Exception] = []
    lock = threading.Lock()

    def run(dataset: Dataset) -> None:
        try:
            _capture(location, dataset, broker, lock, lambda: is_stopped() or bool(errors), tell, once=once)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=run, args=(dataset,), daemon=True) for dataset in datasets]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        threads[0].join(_LOOK_SECONDS) if threads[0].is_alive() else time.sleep(_LOOK_SECONDS)
    if errors:
        raise errors[0]
    if once and is_stopped():
        names = ", ".join(dataset.name for dataset in datasets)
        raise RequestError(f"{names}: was stopped before it had all changes. Fix: start it again; it goes on there.")


def _capture(
    location: CodeLocation,
    dataset: Dataset,
    broker: Broker,
    lock: threading.Lock,
    is_stopped: Callable[[], bool],
    tell: Callable[[str], None],
    *,
    once: bool,
) -> None:
    capture = _capture_of(location, dataset)
    topic = topic_name(location.lake, dataset)
    with lock:
        create_topic(broker, location.lake, dataset)

    def keep(messages: Sequence[tuple[bytes | None, bytes | None]]) -> None:
        keys, values = zip(*messages, strict=True)
        with lock:
            broker.produce(topic, values, keys=keys)

    pause, waits, until = _FIRST_PAUSE, False, time.monotonic() + _PATIENCE_SECONDS
    while not is_stopped():
        began = time.monotonic()
        with claim(capture) as is_ours:
            if is_ours:
                try:
                    run_capture(
                        capture, keep, is_stopped=is_stopped, tell=lambda line: tell(f"{dataset.name}: {line}"),
                        once=once,
                    )  # fmt: skip
                    if once:
                        return
                    continue
                except ResourceError as error:
                    if not error.transient or (once and time.monotonic() > until):
                        raise
                    if time.monotonic() - began > _LONGEST_PAUSE:
                        pause = _FIRST_PAUSE
                    tell(f"{error} Trying again in {pause:.0f} s.")
            elif once and time.monotonic() > until:
                raise RequestError(f"{dataset.name}: another process captures it now. Fix: stop that one, or wait.")
            elif not waits:
                waits = True
                tell(f"{dataset.name}: another process captures it; this one waits for its end")
        _wait(pause, is_stopped)
        pause = min(2 * pause, _LONGEST_PAUSE) if is_ours else _FIRST_PAUSE


def _capture_of(location: CodeLocation, dataset: Dataset) -> Capture:
    source = dataset.source
    if not isinstance(source, Changes) or source.database is None:
        raise TypeError(f"{dataset.name} is not captured")
    return Capture(dataset.name, source.database, source.table, location.settings)


def _wait(seconds: float, is_stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not is_stopped():
        time.sleep(0.1)


@contextmanager
def captures_beside(
    location: CodeLocation, datasets: Sequence[Dataset], tell: Callable[[str], None], *, once: bool
) -> Iterator[None]:
    """Have another process capture what of the datasets is captured, as long as this one lives; it is started again.

    With `once` it is waited for, so that what was committed before is in the topics.
    """
    names = [dataset.name for dataset in list_captured(datasets)]
    if not names:
        yield
        return
    arguments = ["--package", location.package, "stream", "capture", *names, "--attached"]
    command = [sys.executable, "-m", "platform_assets.entrypoints.cli", *arguments, *(["--once"] if once else [])]
    if once:
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            code = process.wait()
        if code:
            raise RequestError(f"the changes of {', '.join(names)} were not captured, for the reason above.")
        yield
        return
    ends = threading.Event()

    def keep_running() -> None:
        pause = _FIRST_PAUSE
        while not ends.is_set():
            with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
                while process.poll() is None and not ends.wait(_LOOK_SECONDS):
                    pass
            if not ends.is_set():
                tell(f"the capture of {', '.join(names)} ended with {process.returncode}; again in {pause:.0f} s.")
                ends.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    keeper = threading.Thread(target=keep_running)
    keeper.start()
    try:
        yield
    finally:
        ends.set()
        keeper.join()
