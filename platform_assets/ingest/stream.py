"""A stream taken in without Dagster: micro-batches through the rules of a contract, each message once.

A micro-batch is what one partition of the topic has. It is committed as files are, by `commit`: its refused rows to the
quarantine, under ids made of partition and offset; then its valid rows, with the offset behind it in the same commit;
then the log. A worker that dies in between reads the messages again from where the table is, and counts the log anew.
Where another worker was first, the table refuses the commit, and the position is read again.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from platform_assets.ingest.changes import BatchChanges, read_changes, with_positions
from platform_assets.ingest.commit import Outcome, commit
from platform_assets.ingest.existing_rows import Residents, after_messages
from platform_assets.ingest.ingest_log import StreamLog, log_of
from platform_assets.ingest.inputs import Input
from platform_assets.ingest.intake import count_warned
from platform_assets.ingest.pace_log import PacedSize
from platform_assets.ingest.publishing import Publisher
from platform_assets.ingest.quarantine import QuarantinePlan
from platform_assets.ingest.references import load_references
from platform_assets.ingest.state import IngestState, read_stream_state
from platform_assets.ingest.table_plan import TablePlan, plan_changes, plan_messages
from platform_assets.ingest.tables import HASH, INGEST, INGESTED_AT, SOURCE, table_spec
from platform_assets.ingest.topic_history import (
    TopicReplaced,
    history_name,
    identity_id,
    present_identity,
    refuse_replaced,
    stream_id,
    topic_name,
    topic_of,
)
from platform_assets.ingest.verdicts import WARNED, TableVerdicts
from platform_core.contracts import Catalog, Dataset, rules_of
from platform_core.contracts.sources import Changes
from platform_core.errors import CoreError
from platform_core.ingest import row_hash
from platform_core.quality import Beside, RuleResult, conform, envelopes, judge
from platform_core.quality.envelope import ENVELOPE
from platform_core.quality.judge import is_measured
from platform_resources.brokers import Batch, Broker, Consumer, TopicSettings
from platform_resources.brokers.decoding import Decoded, decode
from platform_resources.brokers.errors import BrokerError, PartitionLost
from platform_resources.errors import PositionMoved
from platform_resources.sources import digest
from platform_resources.sources.topic import group_of
from platform_resources.storage import Commit, Lake
from platform_resources.telemetry import log_event, open_span

_SCHEMA_RULE = "schema"
_OFFSET = "_offset"


class StreamRefused(CoreError):
    """A message breaks a rule, and the dataset has no quarantine; nothing of its micro-batch was written."""

    def __init__(self, dataset: str, topic: str, partition: int, offset: int, reason: str) -> None:
        self.dataset, self.topic, self.partition, self.offset = dataset, topic, partition, offset
        super().__init__(
            f"{dataset}: the message at offset {offset} of {topic}/{partition} was refused ({reason}), and the stream "
            "stands before it. Fix: declare quarantine=Quarantine() to set such messages aside."
        )


@dataclass(frozen=True)
class MicroBatch:
    """What became of some messages of one partition.

    Attributes:
        rows: Valid rows with provenance.
        refused: Envelopes, whose positions are offsets.
        results: What each rule found.
        read: Messages that came.
        warned: By rule of severity `warn` and partition of the topic, how many valid rows break it.
        changes: Of a database's changes, what they do to keys besides these rows; None for other messages.
    """

    rows: pl.DataFrame
    refused: pl.DataFrame
    results: tuple[RuleResult, ...]
    read: int
    warned: pl.DataFrame
    changes: BatchChanges | None = None


@dataclass
class Tally:
    """What a worker did since it was last asked.

    Attributes:
        read: Messages.
        valid: Rows written.
        quarantined: Messages set aside.
        superseded: Valid rows that a later message of their batch wrote anew.
        commits: Micro-batches with rows.
        partitions: Partitions of the table that were touched.
        results: By rule id, the verdicts added up.
        written: The commits as one, with the version and rows of the last; None where none wrote rows.
        seconds: Spent on messages, without waiting for them.
        cpu_seconds: Of them, by processors; with what other datasets took in at the same time.
        batch_size: Messages that the next micro-batch may have; 0 where that is not adapted.
    """

    read: int = 0
    valid: int = 0
    quarantined: int = 0
    superseded: int = 0
    commits: int = 0
    partitions: set[str] = field(default_factory=set)
    results: dict[str, RuleResult] = field(default_factory=dict)
    written: Commit | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    batch_size: int = 0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add what is done meanwhile to the seconds."""
        began, began_cpu = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - began
            self.cpu_seconds += time.process_time() - began_cpu

    def add(self, batch: MicroBatch, table: TablePlan, written: Commit | None) -> None:
        """Count a micro-batch that was committed."""
        if written is not None:
            self.written = _add_commits(self.written, written)
        self.read += batch.read
        self.valid += table.written.height
        self.quarantined += batch.refused.height
        self.superseded += batch.rows.height - table.written.height
        self.commits += 1
        self.partitions |= table.partitions
        for result in batch.results:
            self.results[result.rule.id] = _add_up(self.results.get(result.rule.id), result)


@dataclass(frozen=True)
class Piece:
    """Rows of one partition of a stream's topic, as they stand in its table.

    Attributes:
        dataset: The stream's name.
        source: The partition: `topic/number`.
        start: The first offset that the piece covers.
        end: The offset behind the last.
        rows: The valid ones, with provenance, in the order of their offsets.
    """

    dataset: str
    source: str
    start: int
    end: int
    rows: pl.DataFrame


class StreamWorker:
    """Takes the messages of one dataset's topic in; one of possibly several that share its partitions."""

    def __init__(
        self,
        lake: Lake,
        catalog: Catalog,
        dataset: Dataset,
        broker: Broker,
        *,
        run_id: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        log_pause_seconds: float = 0.0,
    ) -> None:
        """Create the topic where it is missing, and join the dataset's group.

        With a pause the log follows that much later, and is counted anew where the worker died before.
        """
        self._lake, self._catalog, self._dataset, self._broker = lake, catalog, dataset, broker
        self._run_id, self._clock = run_id, clock
        self.topic = topic_name(lake, dataset)
        self.tally = Tally()
        self._references: tuple[datetime, Mapping[str, pl.DataFrame]] | None = None
        self._log = StreamLog(lake, dataset, least_pause_seconds=log_pause_seconds)
        self._states: dict[int, IngestState] = {}
        self._touched: set[str] | None = None
        self._warned = [pl.DataFrame(schema=WARNED)]
        self._unannounced: set[int] = set()
        self._publisher = Publisher(lake, dataset)
        self._is_published = False
        self.size = PacedSize(lake.settings, dataset)
        self.listeners: list[Callable[[Piece], None]] = []
        self._unpublished: list[tuple[Commit | None, pl.DataFrame]] = []
        self._identity: int | None = None
        self._is_compared = False
        self._is_astray = False
        create_topic(broker, lake, dataset)
        self._history = history_name(lake, dataset)
        self._consumer: Consumer = broker.consumer(group_of(dataset.name), self.topic, start=self._start)

    def step(self, *, max_messages: int | None = None, timeout: timedelta = timedelta(0)) -> int:
        """Take in what is there, and return how many messages that was; waits for the first until the time-out.

        Without `max_messages` a micro-batch is as large as the goals of latency and memory let it be.

        Raises:
            StreamRefused: A message was refused, and there is no quarantine.
            TopicReplaced: The topic is not the one that the table's position belongs to.
            SinkUnreachable: What was taken in is in the table, and is published when the far side answers.
        """
        if not self._is_published:  # also behind a far side that did not answer
            self._publisher.catch_up()
            self._is_published = True
        if self._is_astray:
            self._rewind()
        self._is_astray = True  # unless all of this is done: else the next poll would begin behind what was lost here
        batches = self._poll(self.size.messages if max_messages is None else max_messages, timeout)
        self._announce()
        began = time.monotonic()
        with self.tally.timed():
            message_count = self._take_all(batches)
        self._is_astray = False
        self.size.adapt(message_count, time.monotonic() - began, self._clock())
        self.tally.batch_size = self.size.messages
        return message_count

    def _poll(self, most: int, timeout: timedelta) -> list[Batch]:
        """Return the next messages; what was read between two looks at the topic's identity is of one topic."""
        self._compare()
        try:
            batches = self._consumer.poll(max_messages=most, max_bytes=self.size.bytes, timeout=timeout)
        except BrokerError as error:
            if not error.transient:
                self._refuse_another()
            raise
        if batches:
            self._refuse_another()
            self._compare()
        return [replace(batch, topic=self._history) for batch in batches]

    def _rewind(self) -> None:
        """Read on from where the table is now, as if the partitions had just been given to this worker.

        What was asked of a broker or a lake that did not answer may have been done, and messages may have been read
        that nobody was given.
        """
        committed = self._broker.committed(group_of(self._dataset.name), self.topic)
        bounds = self._broker.bounds(self.topic)
        for _, partition in self._consumer.assignment():
            position = self._start(self.topic, partition)
            position = committed.get(partition, bounds[partition][0]) if position is None else position
            with suppress(PartitionLost):
                self._consumer.seek(self.topic, partition, position)

    def _compare(self) -> None:
        """Compare the topic with those of the table's positions, at first and where another worker wrote one."""
        if not self._is_compared:
            self._identity = refuse_replaced(self._lake, self._dataset, self._broker)
            self._is_compared = True

    def _refuse_another(self) -> None:
        present, read = present_identity(self._broker, self.topic), self._identity
        if present is not None and read is not None and present != read:
            raise TopicReplaced(self._dataset.name, self.topic, stored=read, present=present)

    def _take_all(self, batches: Sequence[Batch]) -> int:
        message_count = 0
        for batch in batches:
            facts: dict[str, str | int] = {
                "dataset": self._dataset.name,
                "topic": self.topic,
                "partition": batch.partition,
            }
            with self._span(batch, facts):
                message_count += self._take_in(batch)
                log_event(self._lake.settings, "micro-batch", run_id=self._run_id, messages=len(batch), **facts)
        if message_count:
            self._publish()
        return message_count

    @contextmanager
    def _span(self, batch: Batch, facts: Mapping[str, str | int]) -> Iterator[None]:
        """Open the span of a micro-batch: in the trace of its messages, or beside theirs where they have several."""
        settings, parent = self._lake.settings, batch.traces[0] if len(batch.traces) == 1 else ""
        with open_span(settings, "micro-batch", parent=parent, attributes={**facts, "messages": len(batch)}) as span:
            yield
            for trace in batch.traces if not parent else ():
                beside = {**facts, "micro_batch_trace": span.trace_id}
                with open_span(settings, "taken in", parent=trace, attributes=beside):
                    pass

    def _publish(self) -> None:
        commits, self._unpublished = self._unpublished, []
        self._is_published = False
        if isinstance(topic_of(self._dataset), Changes):  # its commits delete rows, too
            self._publisher.catch_up()
        for commit_, rows in commits:
            self._publisher.follow(commit_, rows)
        self._is_published = True

    def is_drained(self) -> bool:
        """Tell whether nothing was left when this was asked, also of what other workers take in."""
        return not any(self._broker.lag(group_of(self._dataset.name), self.topic).values())

    def owns_all(self) -> bool:
        """Tell whether all partitions are read by this worker."""
        return len(self._consumer.assignment()) == self._broker.topics()[self.topic]

    def take_tally(self) -> Tally:
        """Return what was done since this was last called."""
        tally, self.tally = self.tally, Tally()
        return tally

    def renew_verdicts(self) -> None:
        """Measure what was taken in since this was last called; the first time, all of the table.

        For a worker before this one may have died behind a micro-batch whose rows were not measured yet.
        """
        self._log.flush()
        dataset, partitions = self._dataset, None
        if dataset.partitions is not None:
            is_first = self._touched is None and any(map(is_measured, rules_of(dataset)))
            partitions = sorted(self._all_partitions() if is_first else self._touched or ())
        warned = pl.concat(self._warned)
        TableVerdicts(self._lake, dataset).add_warnings(self._load_references(), partitions=partitions, warned=warned)
        self._touched, self._warned = set(), [pl.DataFrame(schema=WARNED)]
        self._publisher.save()

    def close(self) -> None:
        """Leave the group."""
        self._log.flush()
        self._consumer.close()
        self._publisher.close()

    def _start(self, topic: str, partition: int) -> int | None:
        del topic
        self._unannounced.add(partition)
        position = self._read_state(partition).position.table
        if position is None and self._history != self.topic:  # the group's position may be that of the topic before
            return self._broker.bounds(self.topic)[partition][0]
        return position

    def _read_state(self, partition: int) -> IngestState:
        source, stream = f"{self._history}/{partition}", stream_id(self._history, partition)
        state = read_stream_state(self._lake, self._dataset, source=source, stream=stream, log=self._log)
        if self._identity is not None:
            note = (identity_id(self._history, partition), self._identity)
            state = replace(state, note=note)
            spec = table_spec(self._dataset)
            if self._lake.exists(spec) and self._lake.position(spec, note[0]) not in (None, note[1]):
                self._is_compared = False
        self._states[partition] = state
        return state

    def _announce(self) -> None:
        """Bring the log and the group's position to the table's, which is ahead where a worker died between them."""
        owned = {partition for _, partition in self._consumer.assignment()}
        for partition in sorted(self._unannounced & owned):
            position = self._states[partition].position.table
            if position is not None:
                self._log.settle(self._empty_row(partition, position), position=position)
                self._commit(partition, position)
        self._unannounced -= owned

    def _commit(self, partition: int, position: int) -> None:
        with suppress(PartitionLost):  # another worker has it now; it begins where the table is
            self._consumer.commit(self.topic, {partition: position})

    def _take_in(self, batch: Batch) -> int:
        state, at = self._states.get(batch.partition) or self._read_state(batch.partition), self._clock()
        beside = after_messages(self._lake, self._dataset)
        micro = judge_messages(self._dataset, batch, self._load_references(), beside=beside, run_id=self._run_id, at=at)
        if self._dataset.quarantine is None and micro.refused.height:
            first = micro.refused.row(0, named=True)
            raise StreamRefused(self._dataset.name, self.topic, batch.partition, first["position"], first["reason"])
        outcome = plan_micro_batch(state, batch, micro, run_id=self._run_id, at=at)
        try:
            written = commit(state, outcome)
        except PositionMoved:
            position = self._start(self.topic, batch.partition)
            first_kept = self._broker.bounds(self.topic)[batch.partition][0]
            self._consumer.seek(self.topic, batch.partition, first_kept if position is None else position)
            return 0
        self._states[batch.partition] = replace(state, position=replace(state.position, table=batch.next_offset))
        self.tally.add(micro, outcome.table, written)
        self._warned.append(micro.warned)
        if self._touched is not None:
            self._touched |= outcome.table.partitions
        self._commit(batch.partition, batch.next_offset)
        start = batch.rows["offset"][0].as_py()
        for listener in self.listeners:
            listener(Piece(self._dataset.name, _source(batch), start, batch.next_offset, outcome.table.written))
        if self._dataset.publish and micro.changes is None:
            self._unpublished.append((written, outcome.table.written))
        return len(batch)

    def _empty_row(self, partition: int, position: int) -> pl.DataFrame:
        source = f"{self._history}/{partition}"
        input_ = Input(source, digest(source, b""), str(position), position=str(position))
        counts: dict[str, dict[str, int]] = {"rows": {}, "valid": {}, "quarantined": {}}
        return log_of([input_], counts, arrivals={}, partitions={}, run_id=self._run_id, at=self._clock())

    def _all_partitions(self) -> set[str]:
        spec = table_spec(self._dataset)
        if spec.partition_column is None or not self._lake.exists(spec):
            return set()
        column = self._lake.scan(spec, columns=[spec.partition_column]).select(spec.partition_column)
        return set(column.unique().collect().to_series().drop_nulls())

    def _load_references(self) -> Mapping[str, pl.DataFrame]:
        """Return the values that rules look up, as they were at most ten seconds ago."""
        now = self._clock()
        if self._references is None or now - self._references[0] > timedelta(seconds=10):
            self._references = now, load_references(self._lake, self._catalog, self._dataset)
        return self._references[1]


def create_topic(broker: Broker, lake: Lake, dataset: Dataset) -> None:
    """Create the topic, unless it is there in whatever shape."""
    name = topic_name(lake, dataset)
    if name not in broker.topics():
        broker.create_topic(name, TopicSettings(partitions=topic_of(dataset).topic_partitions))


def plan_micro_batch(state: IngestState, batch: Batch, judged: MicroBatch, *, run_id: str, at: datetime) -> Outcome:
    """Decide what a judged micro-batch changes; nothing is written.

    Args:
        state: Where its partition of the topic stands.
        batch: Its messages.
        judged: The verdict on them.
        run_id: Of the worker, or of the run.
        at: The instant of the run, in UTC.
    """
    dataset, source, column = state.dataset, _source(batch), table_spec(state.dataset).partition_column
    if judged.changes is None:
        table = plan_messages(state, judged.rows)
    else:
        table = plan_changes(state, judged.rows, judged.changes)
    counts = {"rows": judged.read, "valid": table.written.height, "quarantined": judged.refused.height}
    end = str(batch.next_offset)
    return Outcome(
        run_id=run_id,
        quarantine=QuarantinePlan(judged.refused)
        if dataset.quarantine is None
        else state.plan_messages(judged.refused),
        table=table,
        ingests=log_of(
            [Input(source, _ingest_id(batch), end, position=end)],
            {name: {source: count} for name, count in counts.items()},
            arrivals={},
            partitions={} if column is None else {source: table.written[column].unique().sort().to_list()},
            run_id=run_id,
            at=at,
        ),
        number=batch.next_offset,
    )


def judge_messages(
    dataset: Dataset,
    batch: Batch,
    references: Mapping[str, pl.DataFrame],
    *,
    run_id: str,
    at: datetime,
    beside: Residents | None = None,
) -> MicroBatch:
    """Decode, conform and judge messages; nothing is written.

    Where the rules cannot be computed on the batch, it is halved until the message that is to blame stands alone.

    Args:
        dataset: The contract.
        batch: The messages.
        references: By rule id, as `judge` takes them.
        run_id: Of the worker, or of the run.
        at: The instant, in UTC.
        beside: What the table has that bears on the verdict; None for nothing.
    """
    source = topic_of(dataset)
    changes = None
    if isinstance(source, Changes):
        decoded_changes, changes = read_changes(dataset, batch, times=source.times, extra=source.extra_columns)
        decoded = decoded_changes.decoded
    else:
        names = [column.name for column in dataset.columns]
        decoded = decode(batch, names, extra=source.extra_columns, form=source.format)
    parts = [_poison(dataset, batch, decoded.poison, run_id=run_id, at=at)] if decoded.poison else []
    residents = beside or (lambda _, __: Beside())
    parts += _judge_or_halve(dataset, batch, decoded, references, residents, run_id=run_id, at=at)
    judged = _together(parts, read=len(batch))
    return judged if changes is None else replace(judged, rows=with_positions(judged.rows, changes), changes=changes)


def judge_folded(
    dataset: Dataset,
    batch: Batch,
    decoded: Decoded,
    references: Mapping[str, pl.DataFrame],
    beside: Residents,
    *,
    run_id: str,
    at: datetime,
) -> MicroBatch:
    """Conform and judge rows that a fold gave out, as `judge_messages` does with messages.

    Raises:
        ShapeError: The fold gives no such column as the contract has, which is no row's fault.
    """
    conform(decoded.rows.clear(), dataset)
    parts = _judge_or_halve(dataset, batch, decoded, references, beside, run_id=run_id, at=at)
    return _together(parts, read=decoded.rows.height)


def _together(parts: Sequence[MicroBatch], *, read: int) -> MicroBatch:
    results: dict[str, RuleResult] = {}
    for part in parts:
        for result in part.results:
            results[result.rule.id] = _add_up(results.get(result.rule.id), result)
    rows = pl.concat([part.rows for part in parts if part.rows.width])
    refused, warned = pl.concat([part.refused for part in parts]), pl.concat([part.warned for part in parts])
    return MicroBatch(rows, refused, tuple(results.values()), read, warned)


def _judge_or_halve(
    dataset: Dataset,
    batch: Batch,
    decoded: Decoded,
    references: Mapping[str, pl.DataFrame],
    residents: Residents,
    *,
    run_id: str,
    at: datetime,
) -> list[MicroBatch]:
    try:
        return [_judge(dataset, batch, decoded, references, residents, run_id=run_id, at=at)]
    except CoreError as error:
        height = decoded.rows.height
        if height == 0:
            raise
        if height == 1:
            poison = {int(decoded.offsets[0]): f"no rule can be computed on it: {type(error).__name__}"}
            no_row = pl.DataFrame(schema=dict.fromkeys(decoded.rows.columns, pl.String))  # of types that all conform
            nothing = replace(decoded, rows=no_row, offsets=decoded.offsets.clear())
            alone = _judge(dataset, batch, nothing, references, residents, run_id=run_id, at=at)
            return [_poison(dataset, batch, poison, run_id=run_id, at=at), alone]
        middle = height // 2
        halves = [
            replace(decoded, rows=decoded.rows[part], offsets=decoded.offsets[part])
            for part in (slice(0, middle), slice(middle, height))
        ]
        return [
            judged
            for half in halves
            for judged in _judge_or_halve(dataset, batch, half, references, residents, run_id=run_id, at=at)
        ]


def _judge(
    dataset: Dataset,
    batch: Batch,
    decoded: Decoded,
    references: Mapping[str, pl.DataFrame],
    residents: Residents,
    *,
    run_id: str,
    at: datetime,
) -> MicroBatch:
    typed = conform(decoded.rows, dataset)
    # Each message is an input of its own: a key may come again, and the last one stands.
    within = decoded.offsets.cast(pl.String).alias(SOURCE)
    verdict = judge(
        typed.frame,
        dataset,
        references,
        unreadable=typed.unreadable,
        within=within,
        beside=residents(typed.frame, ()),
        now=at,
        arrived=at,
        measures=(),
    )
    bad = verdict.refused
    stamped = verdict.valid.with_columns(
        pl.lit(_source(batch)).alias(SOURCE),
        decoded.offsets.filter(~bad).cast(pl.String).alias(INGEST),
        _row_hash(dataset),
        pl.lit(at).cast(pl.Datetime("us", "UTC")).alias(INGESTED_AT),
    )
    if dataset.partitions is not None:
        stamped = stamped.with_columns(dataset.partitions.key())
    broken = verdict.broken_rules().to_list()
    labels = {rule.id: rule.label for rule in rules_of(dataset)}
    homes: Sequence[str | None] = [None] * len(broken)
    if dataset.partitions is not None:
        homes = verdict.frame.filter(bad).select(dataset.partitions.key()).to_series().to_list()
    refused = envelopes(
        decoded.rows.filter(bad),
        broken,
        ["broken: " + "; ".join(labels[rule_id] for rule_id in rules) for rules in broken],
        source=_source(batch),
        ingest_id=_ingest_id(batch),
        positions=decoded.offsets.filter(bad).to_list(),
        run_id=run_id,
        at=at,
        partitions=homes,
    )
    facts = pl.DataFrame({SOURCE: pl.repeat(_source(batch), bad.len(), dtype=pl.String, eager=True)})
    warned = count_warned(dataset, verdict, facts)
    return MicroBatch(stamped, refused, verdict.results, decoded.rows.height, warned)


def _poison(dataset: Dataset, batch: Batch, poison: Mapping[int, str], *, run_id: str, at: datetime) -> MicroBatch:
    """Return the envelopes of messages that are no rows; their payload is the message, as far as it is text."""
    rows = batch.rows.filter(pl.Series(batch.rows["offset"].to_pylist()).is_in(list(poison)).to_arrow())
    offsets: list[int] = rows["offset"].to_pylist()
    texts = [None if value is None else value.decode(errors="replace") for value in rows["value"].to_pylist()]
    refused = envelopes(
        pl.DataFrame({"message": pl.Series(texts, dtype=pl.String)}),
        [[_SCHEMA_RULE]] * len(offsets),
        [poison[offset] for offset in offsets],
        source=_source(batch),
        ingest_id=_ingest_id(batch),
        positions=offsets,
        run_id=run_id,
        at=at,
        partitions=[None] * len(offsets),
    )
    schema = next(rule for rule in rules_of(dataset) if rule.id == _SCHEMA_RULE)
    result = RuleResult(
        schema, passed=False, failed=len(offsets), total=len(offsets), reason=f"{len(offsets)} messages are no rows"
    )
    return MicroBatch(pl.DataFrame(), refused.select(list(ENVELOPE)), (result,), 0, pl.DataFrame(schema=WARNED))


def _row_hash(dataset: Dataset) -> pl.Expr:
    return row_hash([column.name for column in dataset.columns]).alias(HASH)


def _source(batch: Batch) -> str:
    return f"{batch.topic}/{batch.partition}"


def _ingest_id(batch: Batch) -> str:
    """Return what makes an envelope's id with the offset: the same whenever the message is read."""
    return digest(_source(batch), b"")


def _add_commits(before: Commit | None, after: Commit) -> Commit:
    if before is None:
        return after
    return replace(
        after,
        rows_written=before.rows_written + after.rows_written,
        rows_deleted=before.rows_deleted + after.rows_deleted,
        size_bytes=before.size_bytes + after.size_bytes,
        files=before.files + after.files,
        changed=before.changed or after.changed,
    )


def _add_up(known: RuleResult | None, result: RuleResult) -> RuleResult:
    """Return the verdict over both."""
    if known is None:
        return result
    failed, total = known.failed + result.failed, known.total + result.total
    passed = known.passed and result.passed
    return replace(
        result, passed=passed, failed=failed, total=total,
        sample=[*known.sample, *result.sample][:5], reason=result.reason or known.reason,
    )  # fmt: skip
