"""Records that producers push: judged at the door by the dataset's own rules, durable before they are acknowledged.

What is accepted becomes messages of the dataset's topic, and the stream worker commits them as it does all others. A
record that breaks a rule goes the way that the dataset declares: with a quarantine it is sent on and set aside there,
without one it is refused. What is no JSON object is refused. This knows no HTTP; the gateway does.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any, Literal

import polars as pl

from platform_assets.ingest.references import load_references
from platform_assets.ingest.stream import create_topic, judge_messages
from platform_assets.ingest.topic_history import topic_name, topic_of
from platform_assets.location import CodeLocation
from platform_core.contracts import Changes, Dataset
from platform_core.quality import RecordTest, compile_record_test
from platform_resources.brokers import Batch, Broker
from platform_resources.brokers.base import build_rows
from platform_resources.brokers.decoding import parse_message
from platform_resources.settings import Settings
from platform_resources.sources.push_ledger import PushLedger, Token
from platform_resources.sources.topic import group_of

MOST_RECORDS = 10_000
_REFERENCES_SECONDS = 10.0
_LAG_SECONDS = 1.0
_PACKED = ("arrow", "avro")

State = Literal["quarantined", "refused"]


class Refused(Exception):
    """A request that is not taken in: the HTTP status that says why, a title, a detail, and how long to wait."""

    def __init__(self, status: int, title: str, detail: str = "", *, retry_after: int = 0) -> None:
        self.status, self.title, self.detail, self.retry_after = status, title, detail, retry_after
        super().__init__(f"{title} {detail}")


@dataclass(frozen=True)
class BrokenRecord:
    """A record that is no valid row: its position in the request from 0, what becomes of it, and why."""

    position: int
    state: State
    reason: str


@dataclass(frozen=True)
class Answer:
    """What became of a request's records.

    Attributes:
        accepted: Valid ones, which are durable.
        quarantined: Durable ones that break a rule and will be set aside.
        refused: Those of which nothing is kept.
        records: The broken ones.
        ends: By partition, the position behind the request's messages.
        is_repeated: Whether the answer is that of an earlier request of the same key.
    """

    accepted: int
    quarantined: int
    refused: int
    records: tuple[BrokenRecord, ...]
    ends: Mapping[int, int]
    is_repeated: bool = False

    def facts(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return {
            "accepted": self.accepted,
            "quarantined": self.quarantined,
            "refused": self.refused,
            "records": [vars(record) for record in self.records],
            "ends": {str(partition): end for partition, end in self.ends.items()},
        }


def ledger_of(settings: Settings) -> PushLedger:
    """Open the ledger of a state folder."""
    return PushLedger(Path(settings.state) / "push" / "ledger.db")


@dataclass
class PushDesk:
    """Takes records in for the datasets of a code location.

    Attributes:
        location: Whose datasets.
        broker: Where their topics are.
        ledger: Who may push, and what was answered.
        most_lag: Messages that a worker may be behind before producers are asked to wait.
        clock: The present, in UTC.
    """

    location: CodeLocation
    broker: Broker
    ledger: PushLedger
    most_lag: int = 1_000_000
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _references: dict[str, "_Loaded"] = field(default_factory=dict, repr=False)
    _lags: dict[str, tuple[float, int]] = field(default_factory=dict, repr=False)
    _working: set[tuple[str, str]] = field(default_factory=set, repr=False)
    _budgets: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)

    def admit(self, token: str, name: str) -> Dataset:
        """Return the dataset that a token may push to.

        Raises:
            Refused: 401 for an unknown token, 403 for one of other datasets, 404 for a dataset that takes no messages,
                415 for one whose messages are no JSON, 429 for a token that spent what its rate allows.
        """
        holder: Token | None = self.ledger.token_of(token)
        if holder is None:
            raise Refused(401, "Unknown token", "Send Authorization: Bearer with a token of platform push grant.")
        if not holder.admits(name):
            raise Refused(403, "Token of other datasets", f"{holder.name} may push to {', '.join(holder.datasets)}.")
        dataset = self.location.catalog.datasets.get(name)
        if dataset is None or dataset.source is None or dataset.source.stream is None:
            raise Refused(404, "No such dataset", f"{name} is no dataset whose source is a topic.")
        if topic_of(dataset).format in _PACKED:
            raise Refused(415, "Topic of another format", f"The topic of {name} takes no JSON; send to the broker.")
        self._refuse_overspent(holder)
        return dataset

    def spend(self, token: str, records: int) -> None:
        """Take records from what the token's rate allows; who sends more at once than is left waits the longer."""
        holder = self.ledger.token_of(token)
        if holder is not None and holder.rate:
            with self._lock:
                self._budgets[holder.name] = self._budget(holder) - records, time.monotonic()

    def _budget(self, holder: Token) -> float:
        """Say how many records a token may send now: what a second brings at most; below zero after too many."""
        remaining, at = self._budgets.get(holder.name, (float(holder.rate), time.monotonic()))
        return min(float(holder.rate), remaining + (time.monotonic() - at) * holder.rate)

    def _refuse_overspent(self, holder: Token) -> None:
        if holder.rate and (remaining := self._budget(holder)) <= 0:
            detail = f"{holder.name} may push {holder.rate:,} records a second."
            raise Refused(429, "Above the token's rate", detail, retry_after=ceil(-remaining / holder.rate) or 1)

    def push(self, dataset: Dataset, records: Sequence[bytes], *, key: str = "", body: bytes = b"") -> Answer:
        """Judge records and keep the sound ones durably.

        Args:
            dataset: Whose topic takes them.
            records: The JSON of each.
            key: The request's idempotency key; empty for none.
            body: What came under that key.

        Raises:
            Refused: Too many records, a key with another body, a request of the same key at work, or pressure.
        """
        if not records:
            raise Refused(400, "No record", "Send a JSON object, a list of them, or one a line.")
        if len(records) > MOST_RECORDS:
            raise Refused(413, "Too many records", f"Send at most {MOST_RECORDS:,} at once.")
        self._refuse_under_pressure(dataset)
        if not key:
            return self._judge_and_keep(dataset, records, {})
        with self._lock:
            if (dataset.name, key) in self._working:
                raise Refused(409, "Request at work", "The same Idempotency-Key is being answered.", retry_after=1)
            self._working.add((dataset.name, key))
        try:
            return self._push_once(dataset, records, key, body)
        finally:
            with self._lock:
                self._working.discard((dataset.name, key))

    def _push_once(self, dataset: Dataset, records: Sequence[bytes], key: str, body: bytes) -> Answer:
        topic = self._topic(dataset)
        ends = {partition: end for partition, (_, end) in self.broker.bounds(topic).items()}
        known = self.ledger.begin(dataset.name, key, body, ends, at=self.clock().timestamp())
        if known is not None and not self.ledger.is_same(known, body):
            raise Refused(422, "Key of another request", "Send another Idempotency-Key with another body.")
        if known is not None and known.is_at_work:
            raise Refused(409, "Request at work", "Another gateway answers the same Idempotency-Key.", retry_after=1)
        if known is not None and known.answer is not None:
            facts = dict(known.answer)
            broken = tuple(BrokenRecord(**record) for record in facts.pop("records"))
            known_ends = {int(partition): end for partition, end in facts.pop("ends").items()}
            return Answer(**facts, records=broken, ends=known_ends, is_repeated=True)
        try:
            answer = self._judge_and_keep(
                dataset, records, {} if known is None else self._messages_behind(topic, known.ends)
            )
        except BaseException:
            if known is None and not self._messages_behind(topic, ends):
                self.ledger.forget(dataset.name, key)
            raise
        self.ledger.end(dataset.name, key, answer.facts())
        return answer

    def _judge_and_keep(self, dataset: Dataset, records: Sequence[bytes], present: Mapping[bytes, int]) -> Answer:
        """Judge the records, and produce the sound ones but those that are there already, by their bytes."""
        topic = self._topic(dataset)
        at = self.clock()
        loaded = self._load_references(dataset)
        broken = () if _are_sound(loaded.test, records, at) else _broken(dataset, topic, records, loaded.values, at)
        refused = {record.position for record in broken if record.state == "refused"}
        new_records: list[bytes] = []
        keys: list[bytes | None] = []
        unmatched, column = Counter(present), topic_of(dataset).key
        for place, record in enumerate(records):
            if place in refused:
                continue
            if unmatched[record]:
                unmatched[record] -= 1
            else:
                new_records.append(record)
                keys.append(None if column is None else _key(_parsed(record), column))
        with self._lock:
            ends = self.broker.produce(topic, new_records, keys=None if column is None else keys) if new_records else {}
        quarantined = len(broken) - len(refused)
        return Answer(len(records) - len(broken), quarantined, len(refused), broken, ends)

    def _messages_behind(self, topic: str, ends: Mapping[int, int]) -> Counter[bytes]:
        """Count the messages behind the given ends, by their bytes."""
        counts: Counter[bytes] = Counter()
        for partition, end in ends.items():
            position = end
            while len(batch := self.broker.read(topic, partition, position, max_messages=50_000, max_bytes=1 << 26)):
                counts.update(value for value in batch.values() if value is not None)
                position = batch.next_offset
        return counts

    def _topic(self, dataset: Dataset) -> str:
        topic = topic_name(self.location.lake, dataset)
        if topic not in self._lags:
            create_topic(self.broker, self.location.lake, dataset)
            self._lags[topic] = float("-inf"), 0
        return topic

    def _refuse_under_pressure(self, dataset: Dataset) -> None:
        topic, now = self._topic(dataset), time.monotonic()
        asked_at, lag = self._lags[topic]
        if now - asked_at > _LAG_SECONDS:
            lag = sum(self.broker.lag(group_of(dataset.name), topic).values())
            self._lags[topic] = now, lag
        if lag > self.most_lag:
            detail = f"{lag:,} messages of {dataset.name} wait for platform stream run."
            raise Refused(503, "Worker is behind", detail, retry_after=30)

    def _load_references(self, dataset: Dataset) -> "_Loaded":
        loaded = self._references.get(dataset.name)
        now = time.monotonic()
        if loaded is None or now - loaded.at > _REFERENCES_SECONDS:
            values = load_references(self.location.lake, self.location.catalog, dataset)
            is_tested = not isinstance(topic_of(dataset), Changes)
            loaded = _Loaded(now, values, compile_record_test(dataset, values) if is_tested else None)
            self._references[dataset.name] = loaded
        return loaded


@dataclass(frozen=True)
class _Loaded:
    """What other datasets have, since when, and the test of one record by it; None where only frames can judge."""

    at: float
    values: Mapping[str, pl.DataFrame]
    test: RecordTest | None


def _are_sound(test: RecordTest | None, records: Sequence[bytes], at: datetime) -> bool:
    """Say whether a body is one record that surely breaks no rule; frames judge all others."""
    if test is None or len(records) != 1:
        return False
    document = parse_message(records[0])
    return isinstance(document, dict) and test(document, at)


def _broken(
    dataset: Dataset, topic: str, records: Sequence[bytes], references: Mapping[str, pl.DataFrame], at: datetime
) -> tuple[BrokenRecord, ...]:
    """Return the records that are no good rows, by position, with their reasons."""
    count = len(records)
    rows = build_rows(range(count), [int(at.timestamp() * 1_000_000)] * count, [None] * count, list(records))
    judged = judge_messages(dataset, Batch(topic, 0, rows, count), references, run_id="push", at=at)
    reasons = sorted(judged.refused.select("position", "reason").iter_rows())
    poison = {place for place, _ in reasons if _parsed(records[place]) is None}
    return tuple(
        BrokenRecord(place, "refused" if place in poison or dataset.quarantine is None else "quarantined", reason)
        for place, reason in reasons
    )


def _parsed(record: bytes) -> Mapping[str, Any] | None:
    """Read a record; None for what is no JSON object."""
    try:
        document = json.loads(record)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _key(document: Mapping[str, Any] | None, column: str) -> bytes | None:
    """Return the key of a record's message, by the column that the topic declares."""
    value = None if document is None else document.get(column)
    return None if value is None else str(value).encode()
