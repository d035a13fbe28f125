"""A stream taken in without Dagster: micro-batches through the rules of a contract, each message once.

A micro-batch is what one partition of the topic has. Its refused rows are committed to the quarantine first, under ids
made of partition and offset; then its valid rows, with the offset behind it in the same commit. A worker that dies
between the two reads the messages again, writes the same envelopes, and then the rows. Where another worker was first,
the table refuses the commit, and the position is read again.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from platform_assets.ingest.references import load_references
from platform_assets.ingest.tables import HASH, INGEST, INGESTED_AT, SOURCE, quarantine_spec, table_spec
from platform_core.contracts import Catalog, Dataset, rules_of
from platform_core.contracts.sources import Topic
from platform_core.errors import CoreError
from platform_core.ingest import row_hash
from platform_core.quality import RuleResult, conform, envelopes, judge
from platform_core.quality.envelope import ENVELOPE
from platform_resources.brokers import Batch, Broker, Consumer, TopicSettings
from platform_resources.brokers.decoding import Decoded, decode_json
from platform_resources.brokers.errors import PartitionLost
from platform_resources.errors import PositionMoved
from platform_resources.sources import digest
from platform_resources.sources.topic import group_of
from platform_resources.storage import Lake

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
        rows: Valid rows with provenance; where the table merges, on one key the last message's.
        refused: Envelopes, whose positions are offsets.
        results: What each rule found.
        read: Messages that came.
        superseded: Valid rows that a later message of the batch writes anew.
    """

    rows: pl.DataFrame
    refused: pl.DataFrame
    results: tuple[RuleResult, ...]
    read: int
    superseded: int


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
    """

    read: int = 0
    valid: int = 0
    quarantined: int = 0
    superseded: int = 0
    commits: int = 0
    partitions: set[str] = field(default_factory=set)
    results: dict[str, RuleResult] = field(default_factory=dict)

    def add(self, batch: MicroBatch, partition_column: str | None) -> None:
        """Count a micro-batch that was committed."""
        self.read += batch.read
        self.valid += batch.rows.height
        self.quarantined += batch.refused.height
        self.superseded += batch.superseded
        self.commits += 1
        if partition_column is not None:
            self.partitions |= set(batch.rows[partition_column].unique())
        for result in batch.results:
            self.results[result.rule.id] = _add_up(self.results.get(result.rule.id), result)


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
    ) -> None:
        """Create the topic where it is missing, and join the dataset's group."""
        self._lake, self._catalog, self._dataset, self._broker = lake, catalog, dataset, broker
        self._run_id, self._clock = run_id, clock
        self.topic = topic_name(lake, dataset)
        self.tally = Tally()
        self._references: tuple[datetime, Mapping[str, pl.DataFrame]] | None = None
        self._positions: dict[int, int | None] = {}
        self._unannounced: set[int] = set()
        create_topic(broker, lake, dataset)
        self._consumer: Consumer = broker.consumer(group_of(dataset.name), self.topic, start=self._start)

    def step(self, *, max_messages: int = 100_000, timeout: timedelta = timedelta(0)) -> int:
        """Take in what is there, and return how many messages that was; waits for the first until the time-out.

        Raises:
            StreamRefused: A message was refused, and there is no quarantine.
        """
        batches = self._consumer.poll(max_messages=max_messages, timeout=timeout)
        self._announce()
        return sum(self._take_in(batch) for batch in batches)

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

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _start(self, topic: str, partition: int) -> int | None:
        del topic
        position = self._lake.position(table_spec(self._dataset), _stream_id(self.topic, partition))
        self._positions[partition] = position
        self._unannounced.add(partition)
        return position

    def _announce(self) -> None:
        """Bring the group's position to the table's, which is ahead where a worker died between the two."""
        owned = {partition for _, partition in self._consumer.assignment()}
        for partition in sorted(self._unannounced & owned):
            position = self._positions[partition]
            if position is not None:
                self._commit(partition, position)
        self._unannounced -= owned

    def _commit(self, partition: int, position: int) -> None:
        with suppress(PartitionLost):  # another worker has it now; it begins where the table is
            self._consumer.commit(self.topic, {partition: position})

    def _take_in(self, batch: Batch) -> int:
        micro = judge_messages(self._dataset, batch, self._load_references(), run_id=self._run_id, at=self._clock())
        spec, stream = table_spec(self._dataset), _stream_id(self.topic, batch.partition)
        if self._dataset.quarantine is None and micro.refused.height:
            first = micro.refused.row(0, named=True)
            raise StreamRefused(self._dataset.name, self.topic, batch.partition, first["position"], first["reason"])
        if micro.refused.height:
            self._lake.write(quarantine_spec(self._dataset), micro.refused, transaction=(stream, batch.next_offset))
        try:
            self._lake.write(
                spec,
                micro.rows,
                transaction=(stream, batch.next_offset),
                expected_position=self._positions.get(batch.partition),
                commit_metadata={"run_id": self._run_id, "topic": f"{self.topic}/{batch.partition}"},
            )
        except PositionMoved:
            position = self._start(self.topic, batch.partition)
            first_kept = self._broker.bounds(self.topic)[batch.partition][0]
            self._consumer.seek(self.topic, batch.partition, first_kept if position is None else position)
            return 0
        self._positions[batch.partition] = self._lake.position(spec, stream)
        self.tally.add(micro, spec.partition_column)
        self._commit(batch.partition, batch.next_offset)
        return len(batch)

    def _load_references(self) -> Mapping[str, pl.DataFrame]:
        """Return the values that rules look up, as they were at most ten seconds ago."""
        now = self._clock()
        if self._references is None or now - self._references[0] > timedelta(seconds=10):
            self._references = now, load_references(self._lake, self._catalog, self._dataset)
        return self._references[1]


def topic_of(dataset: Dataset) -> Topic:
    """Return the topic that the dataset declares.

    Raises:
        TypeError: Its source is none.
    """
    if not isinstance(dataset.source, Topic):
        raise TypeError(f"{dataset.name} is no stream")
    return dataset.source


def topic_name(lake: Lake, dataset: Dataset) -> str:
    """Return the topic's name at the broker: the declared one behind the environment's prefix."""
    return lake.settings.topic_prefix + topic_of(dataset).topic


def create_topic(broker: Broker, lake: Lake, dataset: Dataset) -> None:
    """Create the topic, unless it is there in whatever shape."""
    name = topic_name(lake, dataset)
    if name not in broker.topics():
        broker.create_topic(name, TopicSettings(partitions=topic_of(dataset).topic_partitions))


def read_positions(lake: Lake, dataset: Dataset, partitions: Sequence[int]) -> dict[int, int | None]:
    """Return, by partition, the offset behind the last message that the table has; None where it has none."""
    spec, topic = table_spec(dataset), topic_name(lake, dataset)
    if not lake.exists(spec):
        return dict.fromkeys(partitions)
    return {partition: lake.position(spec, _stream_id(topic, partition)) for partition in partitions}


def judge_messages(
    dataset: Dataset, batch: Batch, references: Mapping[str, pl.DataFrame], *, run_id: str, at: datetime
) -> MicroBatch:
    """Decode, conform and judge messages; nothing is written.

    Where the rules cannot be computed on the batch, it is halved until the message that is to blame stands alone.
    """
    source = topic_of(dataset)
    decoded = decode_json(batch, [column.name for column in dataset.columns], extra=source.extra_columns)
    parts = [_poison(dataset, batch, decoded.poison, run_id=run_id, at=at)] if decoded.poison else []
    parts += _judge_or_halve(dataset, batch, decoded, references, run_id=run_id, at=at)
    results: dict[str, RuleResult] = {}
    for part in parts:
        for result in part.results:
            results[result.rule.id] = _add_up(results.get(result.rule.id), result)
    rows = pl.concat([part.rows for part in parts if part.rows.width])
    # An append keeps each message: which of them share a micro-batch is chance, and must not show in the table.
    is_merged = bool(dataset.key) and dataset.store.mode == "merge"
    unique = rows.unique(list(dataset.key), keep="last", maintain_order=True) if is_merged else rows
    refused = pl.concat([part.refused for part in parts])
    return MicroBatch(unique, refused, tuple(results.values()), len(batch), rows.height - unique.height)


def _judge_or_halve(
    dataset: Dataset,
    batch: Batch,
    decoded: Decoded,
    references: Mapping[str, pl.DataFrame],
    *,
    run_id: str,
    at: datetime,
) -> list[MicroBatch]:
    try:
        return [_judge(dataset, batch, decoded, references, run_id=run_id, at=at)]
    except CoreError as error:
        height = decoded.rows.height
        if height == 0:
            raise
        if height == 1:
            poison = {int(decoded.offsets[0]): f"no rule can be computed on it: {type(error).__name__}"}
            nothing = replace(decoded, rows=decoded.rows.clear(), offsets=decoded.offsets.clear())
            alone = _judge(dataset, batch, nothing, references, run_id=run_id, at=at)
            return [_poison(dataset, batch, poison, run_id=run_id, at=at), alone]
        middle = height // 2
        halves = [
            replace(decoded, rows=decoded.rows[part], offsets=decoded.offsets[part])
            for part in (slice(0, middle), slice(middle, height))
        ]
        return [
            judged
            for half in halves
            for judged in _judge_or_halve(dataset, batch, half, references, run_id=run_id, at=at)
        ]


def _judge(
    dataset: Dataset,
    batch: Batch,
    decoded: Decoded,
    references: Mapping[str, pl.DataFrame],
    *,
    run_id: str,
    at: datetime,
) -> MicroBatch:
    typed = conform(decoded.rows, dataset)
    # Each message is an input of its own: a key may come again, and the last one stands.
    within = decoded.offsets.cast(pl.String).alias(SOURCE)
    verdict = judge(typed.frame, dataset, references, unreadable=typed.unreadable, within=within)
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
    return MicroBatch(stamped, refused, verdict.results, decoded.rows.height, 0)


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
    return MicroBatch(pl.DataFrame(), refused.select(list(ENVELOPE)), (result,), 0, 0)


def _row_hash(dataset: Dataset) -> pl.Expr:
    return row_hash([column.name for column in dataset.columns]).alias(HASH)


def _source(batch: Batch) -> str:
    return f"{batch.topic}/{batch.partition}"


def _ingest_id(batch: Batch) -> str:
    """Return what makes an envelope's id with the offset: the same whenever the message is read."""
    return digest(_source(batch), b"")


def _stream_id(topic: str, partition: int) -> str:
    return f"stream:{topic}/{partition}"


def _add_up(known: RuleResult | None, result: RuleResult) -> RuleResult:
    """Return the verdict over both; of a rule that measures, the later."""
    if known is None or result.value is not None:
        return result
    failed, total = known.failed + result.failed, known.total + result.total
    passed = known.passed and result.passed
    return replace(
        result, passed=passed, failed=failed, total=total,
        sample=[*known.sample, *result.sample][:5], reason=result.reason or known.reason,
    )  # fmt: skip
