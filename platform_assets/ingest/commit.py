"""The one commit of an ingest: quarantine, table, log, in this order, under one number.

    1. envelopes of refused rows; valid rows that newer ones overtake
    2. the table
    3. what the first two made obsolete goes; the places that changed are measured anew
    4. the log

A process that dies between two of them leaves a row in two places at most, and never in none; its inputs are not logged
and come again. The same commit made again changes nothing, for each table remembers its number. One that was decided on
a position where the tables are no more is refused, because another writer was first. No Dagster is needed to call it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from platform_assets.ingest.ingest_log import StreamLog, recounted, shifted, unread_rows
from platform_assets.ingest.quarantine import QuarantinePlan
from platform_assets.ingest.rereads import recount_waiting
from platform_assets.ingest.state import IngestState
from platform_assets.ingest.superseded import SupersededRows
from platform_assets.ingest.table_plan import TablePlan
from platform_assets.ingest.tables import ingests_spec, quarantine_spec, table_spec
from platform_assets.ingest.verdicts import WARNED, TableVerdicts
from platform_resources.storage import Commit

_BITS = 31


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a judged run changes.

    Attributes:
        run_id: Of the run, for the commit's words.
        quarantine: What becomes of the envelopes.
        table: What becomes of the rows.
        ingests: The log's rows of the inputs, in their order.
        unreadable: The inputs of which nothing could be read.
        replay: Of a replay, what becomes of its envelopes; None for an ingest.
        partitions: Those that a run is about; an overwrite replaces exactly these.
        references: By rule id, the values that rules over the table look up.
        warned: By rule and source, how many rows break a rule of severity `warn`.
        sources: The inputs that were read as a whole.
        number: Of a micro-batch, the offset behind it, which is the number of its commit. Its log row is added to the
            one that is there, and the verdicts are renewed by the worker, some micro-batches at once.
    """

    run_id: str
    quarantine: QuarantinePlan
    table: TablePlan
    ingests: pl.DataFrame
    unreadable: tuple[str, ...] = ()
    replay: "ReplayedEnvelopes | None" = None
    partitions: tuple[str, ...] | None = None
    references: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    warned: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=WARNED))
    sources: tuple[str, ...] = ()
    number: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReplayedEnvelopes:
    """Envelopes as a replay leaves them, closed or with the reason why not, and by source where their rows went."""

    envelopes: pl.DataFrame
    partitions: Mapping[str, set[str]] = field(default_factory=dict)


def commit(state: IngestState, outcome: Outcome) -> Commit | None:
    """Commit what was decided on a state; None where the table has all of it already.

    Raises:
        PositionMoved: Another writer was first. Read the state again, and decide anew.
    """
    number = _number(state, outcome) if outcome.number is None else outcome.number
    _set_aside(state, outcome, number)
    written = _write(state, outcome, number)
    SupersededRows(state.lake, state.dataset).remove(outcome.table.dropped)
    state.clear(outcome.quarantine)
    if outcome.number is None:
        TableVerdicts(state.lake, state.dataset).renew(
            outcome.references,
            partitions=_places(state, outcome),
            warned=outcome.warned,
            places=outcome.sources,
        )
    _log(state, outcome, number, in_table=number if written is not None else state.position.table)
    if outcome.replay is not None and not outcome.replay.envelopes.is_empty():
        state.lake.write(quarantine_spec(state.dataset), outcome.replay.envelopes)
    return written


def _places(state: IngestState, outcome: Outcome) -> list[str] | None:
    """Return the partitions that the run covered, and those whose rows it changed; None for a table without any."""
    if state.dataset.partitions is None:
        return None
    written = outcome.table.written[state.dataset.partitions.column].unique().to_list()
    source = state.dataset.source
    covered = outcome.partitions or () if source is None or source.fills_partitions else ()
    return sorted({*covered, *outcome.table.partitions, *written})


def _number(state: IngestState, outcome: Outcome) -> int:
    """Return the number of a commit: above all others there were, and another one for another run or other inputs."""
    identifying_texts = [outcome.run_id, *(f"{source}\0{content}" for source, content in
                                            outcome.ingests.select("source", "ingest_id").iter_rows())]  # fmt: skip
    print_ = int.from_bytes(hashlib.blake2b("\n".join(identifying_texts).encode(), digest_size=8).digest()) >> (
        64 - _BITS
    )
    return (((state.latest >> _BITS) + 1) << _BITS) | print_


def _set_aside(state: IngestState, outcome: Outcome, number: int) -> None:
    if state.dataset.quarantine is not None and outcome.number is not None:  # the table's position is what counts
        state.add(outcome.quarantine, transaction=(state.stream, number))
    elif state.dataset.quarantine is not None:
        state.add(
            outcome.quarantine,
            transaction=(state.stream, number),
            expected_position=state.position.quarantine,
            expected_version=state.position.quarantine_version,
        )
    SupersededRows(state.lake, state.dataset).keep(outcome.table.overtaken, transaction=(state.stream, number))


def _write(state: IngestState, outcome: Outcome, number: int) -> Commit | None:
    plan = outcome.table
    if not plan.is_changed:
        return None
    return state.lake.write(
        table_spec(state.dataset),
        plan.frames,
        partitions=outcome.partitions if table_spec(state.dataset).mode == "overwrite" else None,
        transaction=(state.stream, number),
        expected_position=state.position.table,
        note=state.note,
        replace_values=plan.replaced,
        deleted_keys=plan.deleted,
        commit_metadata={"run_id": outcome.run_id},
    )


def _log(state: IngestState, outcome: Outcome, number: int, *, in_table: int | None) -> None:
    if state.dataset.source is not None and state.dataset.source.is_stream:
        log = state.stream_log or StreamLog(state.lake, state.dataset)
        if outcome.replay is not None:
            log.count_replayed(outcome.replay.envelopes, outcome.replay.partitions, commit=in_table)
        else:
            log.add(outcome.ingests, before=state.position.table, given_way=outcome.table.given_way)
        return
    rows = _log_rows(state, outcome).with_columns(commit=pl.lit(in_table, dtype=pl.Int64))
    if not rows.is_empty():
        state.lake.write(
            ingests_spec(state.dataset), rows, transaction=(state.stream, number), expected_position=state.position.log
        )


def _log_rows(state: IngestState, outcome: Outcome) -> pl.DataFrame:
    """Return the rows of the log that change.

    Those of the inputs, and those of sources whose rows gave way or came back.

    After a run that died before its log, all sources are counted anew, for nobody knows what it did to which.
    """
    log, plan = state.ingests(), outcome.table
    if outcome.replay is not None:
        mine = _replayed(log, state.envelopes(), outcome.replay)
    else:
        unread = pl.col("source").is_in(list(outcome.unreadable))
        mine = pl.concat([outcome.ingests.filter(~unread), unread_rows(log, outcome.ingests.filter(unread))])
    logged = log.join(mine, on="source", how="anti", maintain_order="left")
    rereads = outcome.replay is None and state.dataset.source is not None and state.dataset.source.rereads
    others = recount_waiting(logged, state, outcome.quarantine) if rereads else logged
    if outcome.replay is not None or not state.is_settled:
        concerned = pl.concat([plan.given_way, plan.restored]).unique().to_list()
        others = others if not state.is_settled else others.filter(pl.col("source").is_in(concerned))
        return recounted(pl.concat([mine, others]), state.lake, state.dataset)
    standing = mine.filter(pl.col("source").is_in(list(outcome.unreadable)))  # earlier rows give way as others do
    moved = shifted(pl.concat([others, standing]), overtaken=plan.given_way, restored=plan.restored)
    released = others.join(logged, on=["source", "quarantined"], how="anti", maintain_order="left")
    mine = mine.join(moved, on="source", how="anti", maintain_order="left")
    return pl.concat([mine, moved, released.join(moved, on="source", how="anti", maintain_order="left")])


def _replayed(log: pl.DataFrame, envelopes: pl.DataFrame, replay: ReplayedEnvelopes) -> pl.DataFrame:
    """Return the log's rows of replayed sources.

    Their open envelopes counted again, and the partitions that rows went to.
    """
    judged = replay.envelopes
    others = envelopes.filter(~pl.col("quarantine_id").is_in(judged["quarantine_id"].to_list()))
    waiting = (
        pl.concat([others, judged])
        .filter(pl.col("decision") != "replayed", pl.col("position").is_not_null())
        .group_by("source", "ingest_id")
        .agg(pl.len().cast(pl.Int64).alias("_waiting"))
    )
    logged = log.filter(pl.col("source").is_in(judged["source"].unique().to_list()))
    quarantined = pl.col("_waiting").fill_null(0)
    return (
        logged.join(waiting, on=["source", "ingest_id"], how="left", maintain_order="left")
        .with_columns(
            quarantined.alias("quarantined"),
            (pl.col("rows") - pl.col("superseded") - quarantined).alias("valid"),
            pl.Series(
                "partitions",
                [
                    sorted({*(known or ()), *replay.partitions.get(source, ())})
                    for source, known in logged.select("source", "partitions").iter_rows()
                ],
                dtype=pl.List(pl.String),
            ),
        )
        .select(log.columns)
    )


def concerned_sources(plan: TablePlan) -> Sequence[str]:
    """List the sources whose rows gave way or came back."""
    return pl.concat([plan.given_way, plan.restored]).unique().sort().to_list()
