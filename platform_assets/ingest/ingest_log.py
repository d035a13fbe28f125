"""The log of inputs: for each, its latest version, its place in the order of arrival, and counts that add up."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import inf

import polars as pl

from platform_assets.ingest.inputs import Input
from platform_assets.ingest.quarantine import INGESTS, QuarantineStore
from platform_assets.ingest.tables import INGEST, SOURCE, ingests_spec, table_spec
from platform_core.contracts import Dataset
from platform_core.quality.envelope import ENVELOPE
from platform_resources.errors import PositionMoved
from platform_resources.storage import Lake

_ATTEMPTS = 20


def log_of(
    inputs: Sequence[Input],
    counts: Mapping[str, Mapping[str, int]],
    *,
    arrivals: Mapping[str, int],
    partitions: Mapping[str, Sequence[str]],
    run_id: str,
    at: datetime,
) -> pl.DataFrame:
    """One row an input, in their order.

    Args:
        inputs: What came in.
        counts: By source, the rows that came (`rows`), that are written (`valid`) and that are `quarantined`; the
            others are superseded.
        arrivals: By source, the place of its content in the order of arrival.
        partitions: By source, those that its valid rows lie in.
        run_id: Of the Dagster run.
        at: The instant of the run, in UTC.
    """
    numbers = {
        name: [counts[name].get(input_.source, 0) for input_ in inputs] for name in ("rows", "valid", "quarantined")
    }
    return pl.DataFrame(
        {
            "source": [input_.source for input_ in inputs],
            "ingest_id": [input_.ingest_id for input_ in inputs],
            "stamp": [input_.stamp for input_ in inputs],
            "position": [input_.position or None for input_ in inputs],
            "arrival": [arrivals.get(input_.source) for input_ in inputs],
            "partitions": [partitions.get(input_.source) for input_ in inputs],
            **numbers,
        },
        schema={name: INGESTS[name] for name in
                ("source", "ingest_id", "stamp", "position", "arrival", "partitions", *numbers)},
    ).with_columns(
        (pl.col("rows") - pl.col("valid") - pl.col("quarantined")).alias("superseded"),
        pl.lit(run_id).alias("run_id"),
        pl.lit(at).cast(INGESTS["ingested_at"]).alias("ingested_at"),
        unreadable_id=None,
        commit=None,
    ).select(pl.col(name).cast(dtype) for name, dtype in INGESTS.items())  # fmt: skip


def unread_rows(log: pl.DataFrame, unread: pl.DataFrame) -> pl.DataFrame:
    """Give the log's rows of sources that cannot be read now: their earlier versions, or 0 rows where there is none."""
    now = unread.select("source", pl.col("stamp").alias("_stamp"), pl.col("ingest_id").alias("_unreadable"))
    earlier = log.join(now, on="source", maintain_order="right")
    standing = earlier.with_columns(stamp=pl.col("_stamp"), unreadable_id=pl.col("_unreadable"))
    first = unread.join(earlier, on="source", how="anti", maintain_order="left")
    return pl.concat([standing.select(list(INGESTS)), first.with_columns(unreadable_id="ingest_id")])


def shifted(log: pl.DataFrame, *, overtaken: pl.Series, restored: pl.Series) -> pl.DataFrame:
    """Give the log's rows of sources that lost rows to newer inputs, or have some back, with the counts they have now.

    Args:
        log: The log's rows.
        overtaken: The source of each row that gave way.
        restored: The source of each row that stands again.
    """
    moves = pl.concat([
        pl.DataFrame({"source": sources}, schema={"source": pl.String}).with_columns(pl.lit(step).alias("_lost"))
        for sources, step in ((overtaken, 1), (restored, -1))
    ])  # fmt: skip
    lost = moves.group_by("source").agg(pl.col("_lost").sum().cast(pl.Int64)).filter(pl.col("_lost") != 0)
    return log.join(lost, on="source", maintain_order="left").with_columns(
        valid=pl.col("valid") - pl.col("_lost"), superseded=pl.col("superseded") + pl.col("_lost")
    ).select(list(INGESTS))  # fmt: skip


def recounted(log: pl.DataFrame, lake: Lake, dataset: Dataset) -> pl.DataFrame:
    """Give the log's rows with the rows that the table has of each source; the other valid ones are superseded."""
    spec = table_spec(dataset)
    moves_keys = spec.replaces is not None or (dataset.source is not None and dataset.source.rereads)
    if log.is_empty() or not moves_keys or not lake.exists(spec):
        return log
    mine = lake.scan(spec, columns=[SOURCE]).filter(pl.col(SOURCE).is_in(log["source"].to_list()))
    stored = mine.group_by(pl.col(SOURCE).alias("source")).agg(pl.len().cast(pl.Int64).alias("_stored")).collect()
    valid = pl.min_horizontal(pl.col("_stored").fill_null(0), pl.col("rows") - pl.col("quarantined"))
    return (
        log.join(stored, on="source", how="left", maintain_order="left")
        .with_columns(valid=valid, superseded=pl.col("rows") - pl.col("quarantined") - valid)
        .select(list(INGESTS))
    )


class StreamLog:
    """The log of a topic: one row a partition, whose counts add up over its micro-batches.

    A row counts the messages before its `position`. Where that is not where the table was before a micro-batch, a
    worker died between the two, or another writer was there: the row is counted anew from table and quarantine.
    A commit of the log costs as much as one of the table, so that a worker sums its micro-batches up, and writes them
    with its reports: what waits for a micro-batch does not wait for its log.
    """

    def __init__(self, lake: Lake, dataset: Dataset, *, least_pause_seconds: float = 0.0) -> None:
        """Read nothing yet; a log with a pause must be flushed in the end."""
        self._lake, self._dataset = lake, dataset
        self._pause, self._flushed_at = least_pause_seconds, -inf
        self._pending: dict[str, list[tuple[pl.DataFrame, int | None, pl.Series]]] = {}
        self._version: str | None = None
        self._rows = pl.DataFrame(schema=INGESTS)

    def add(self, batch: pl.DataFrame, *, before: int | None, given_way: pl.Series) -> None:
        """Add what a micro-batch brought.

        Args:
            batch: Its row, as `log_of` makes it.
            before: The offset where the table was before; None for a table that had no message of the partition.
            given_way: The source of each row of the table that gave way.
        """
        self._pending.setdefault(batch["source"][0], []).append((batch, before, given_way))
        if time.monotonic() - self._flushed_at >= self._pause:
            self.flush()

    def flush(self) -> None:
        """Write what was added since this was last done."""
        pending, self._pending = self._pending, {}
        for parts in pending.values():
            batches, befores, ways = zip(*parts, strict=True)
            total = batches[0]
            for batch in batches[1:]:
                total = _summed(total, batch)
            self._add(total, before=befores[0], given_way=pl.concat(ways))
        self._flushed_at = time.monotonic()

    def _add(self, batch: pl.DataFrame, *, before: int | None, given_way: pl.Series) -> None:
        def advanced(log: pl.DataFrame) -> pl.DataFrame:
            settled = log if before is None or _is_at(log, batch, before) else self._settled(log, batch, before)
            rows = _summed(settled, batch)
            moved = shifted(rows, overtaken=given_way, restored=pl.Series(dtype=pl.String))
            return pl.concat([rows.join(moved, on="source", how="anti", maintain_order="left"), moved])

        self._change(advanced)

    def settle(self, nothing: pl.DataFrame, *, position: int) -> None:
        """Count a partition anew where its row is not where the table is: a worker died between the two.

        Args:
            nothing: The row of a micro-batch without messages.
            position: The offset where the table is.
        """
        self.flush()
        self._change(
            lambda log: log.clear() if _is_at(log, nothing, position) else self._settled(log, nothing, position)
        )

    def _settled(self, log: pl.DataFrame, batch: pl.DataFrame, position: int) -> pl.DataFrame:
        is_topic = self._dataset.source is not None and self._dataset.source.stream is not None
        merges = is_topic and table_spec(self._dataset).mode == "merge"
        return self._recounted(_moved_to(log, batch, position, counts_offsets=merges))

    def count_replayed(
        self, envelopes: pl.DataFrame, partitions: Mapping[str, set[str]], *, commit: int | None
    ) -> None:
        """Count the sources of replayed envelopes anew.

        Args:
            envelopes: As the replay leaves them; they are not committed yet.
            partitions: By source, those that the rows went to.
            commit: The number of the table's commit.
        """
        sources = envelopes["source"].unique().to_list()

        def recounted_rows(log: pl.DataFrame) -> pl.DataFrame:
            rows = self._recounted(log.filter(pl.col("source").is_in(sources)), decided=envelopes)
            unions = [
                sorted({*(known or ()), *partitions.get(source, ())})
                for source, known in rows.select("source", "partitions").iter_rows()
            ]
            return rows.with_columns(
                pl.Series("partitions", unions, dtype=pl.List(pl.String)), commit=pl.lit(commit, dtype=pl.Int64)
            )

        self._change(recounted_rows)

    def _change(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Commit changed rows, and again where another writer was first."""
        spec = ingests_spec(self._dataset)
        for attempt in range(1, _ATTEMPTS + 1):
            version = self._lake.version(spec)
            if version != self._version or version is None:
                self._rows = QuarantineStore(self._lake, self._dataset).ingests()
                self._version = version
            rows = change(self._rows)
            if rows.is_empty():
                return
            try:
                written = self._lake.write(spec, rows, expected_version=version)
            except PositionMoved:
                if attempt == _ATTEMPTS:
                    raise
                continue
            others = self._rows.join(rows, on="source", how="anti", maintain_order="left")
            self._rows, self._version = pl.concat([others, rows]), written.version
            return

    def _recounted(self, log: pl.DataFrame, *, decided: pl.DataFrame | None = None) -> pl.DataFrame:
        """Count the rows of the table and the envelopes that lie before each position.

        An appended row stays, so that there are at least as many messages; where rows are merged the others gave way.
        """
        store = QuarantineStore(self._lake, self._dataset)
        places = log.select("source", pl.col("position").cast(pl.Int64).alias("_end"))
        rows = pl.DataFrame(schema={"source": pl.String, "offset": pl.Int64})
        if self._lake.exists(table_spec(self._dataset)):
            offset = pl.col(INGEST).cast(pl.Int64, strict=False).alias("offset")
            stored = self._lake.scan(table_spec(self._dataset), columns=[SOURCE, INGEST])
            rows = stored.select(pl.col(SOURCE).alias("source"), offset).collect()
        envelopes = store.envelopes() if self._dataset.quarantine else pl.DataFrame(schema=ENVELOPE)
        if decided is not None:
            ids = decided["quarantine_id"].to_list()
            envelopes = pl.concat([envelopes.filter(~pl.col("quarantine_id").is_in(ids)), decided])
        waiting = envelopes.filter(pl.col("decision") != "replayed").select(
            "source", pl.col("position").alias("offset")
        )
        counted = log
        for name, located_rows in (("_valid", rows), ("_waiting", waiting)):
            before = located_rows.join(places, on="source").filter(pl.col("offset") < pl.col("_end"))
            count = before.group_by("source").agg(pl.len().cast(pl.Int64).alias(name))
            counted = counted.join(count, on="source", how="left", maintain_order="left")
        valid, quarantined = pl.col("_valid").fill_null(0), pl.col("_waiting").fill_null(0)
        return (
            counted.with_columns(
                rows=pl.max_horizontal("rows", valid + quarantined), valid=valid, quarantined=quarantined
            )
            .with_columns(superseded=pl.col("rows") - pl.col("valid") - pl.col("quarantined"))
            .select(list(INGESTS))
        )


def _is_at(log: pl.DataFrame, batch: pl.DataFrame, position: int) -> bool:
    return log.filter(pl.col("source") == batch["source"][0])["position"].to_list() == [str(position)]


def _moved_to(log: pl.DataFrame, batch: pl.DataFrame, position: int, *, counts_offsets: bool) -> pl.DataFrame:
    """Give the log with the batch's source at a position, its rows not counted yet.

    Of merged messages nobody knows afterwards how many there were: as many as offsets, where the broker left none out.
    """
    mine = log.filter(pl.col("source") == batch["source"][0])
    others = log.filter(pl.col("source") != batch["source"][0])
    if mine.is_empty():
        mine = batch.with_columns(rows=pl.lit(0, pl.Int64), partitions=pl.lit(None, INGESTS["partitions"]))
    elif counts_offsets:
        passed = pl.lit(position, pl.Int64) - pl.col("position").cast(pl.Int64)
        mine = mine.with_columns(rows=pl.col("rows") + pl.max_horizontal(pl.lit(0, pl.Int64), passed))
    return pl.concat([others, mine.with_columns(position=pl.lit(str(position)))])


def _summed(log: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
    """Add a batch's counts to the row of its source; what else the row says is the batch's."""
    mine = log.filter(pl.col("source") == batch["source"][0])
    if mine.is_empty():
        return pl.concat([log, batch])
    both = pl.concat([mine, batch])
    counts = [both[name].sum() for name in ("rows", "valid", "quarantined", "superseded")]
    partitions = both["partitions"].explode().drop_nulls().unique().sort()
    row = batch.with_columns(
        *(pl.lit(count, pl.Int64).alias(name) for name, count in
          zip(("rows", "valid", "quarantined", "superseded"), counts, strict=True)),
        pl.Series("partitions", [partitions.to_list()], dtype=pl.List(pl.String)),
        arrival=mine["arrival"],
        commit=mine["commit"],
    )  # fmt: skip
    return pl.concat([log.filter(pl.col("source") != batch["source"][0]), row.select(list(INGESTS))])
