"""An ingest from inputs to commit, free of Dagster: an asset's step, a stream's worker and a script call it alike.

    state = read_state(lake, dataset)
    judged = judge_inputs(state, inputs, references, run_id=..., at=...)
    commit(state, judged.outcome)

`ingest` does this for all that a run takes in, and again where another writer was first. Whether a verdict lets rows be
written is the caller's to say.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from platform_assets.ingest.added_columns import as_of_contract, with_columns_of_inputs, with_columns_of_table
from platform_assets.ingest.changes import insert_late, keeps_history
from platform_assets.ingest.commit import Outcome, commit
from platform_assets.ingest.existing_rows import after_ingest, after_replay
from platform_assets.ingest.ingest_log import log_of
from platform_assets.ingest.inputs import Input
from platform_assets.ingest.intake import Intake, rows_by_source, take_in
from platform_assets.ingest.large import SHARE, can_be_judged_in_batches, take_in_batches
from platform_assets.ingest.quarantine import QuarantinePlan, homes
from platform_assets.ingest.receipts import Receipt, receipts
from platform_assets.ingest.replay import close_replayed, replayed_messages
from platform_assets.ingest.rereads import Load, plan_reread_rows
from platform_assets.ingest.state import IngestState, read_state
from platform_assets.ingest.table_plan import TablePlan, plan_large_table, plan_table, without_dropped_rows
from platform_assets.ingest.tables import SOURCE
from platform_assets.ingest.verdicts import stopping_rules
from platform_assets.ingest.wider_types import widen_stored_types
from platform_core.contracts import Dataset
from platform_core.ingest import number_arrivals
from platform_core.quality.envelope import ENVELOPE
from platform_resources.errors import PositionMoved
from platform_resources.storage import Commit, Lake

ATTEMPTS = 5
"""How often an ingest is decided anew because another writer was first."""


@dataclass(frozen=True)
class Ingest:
    """A judged run: the verdict on its inputs, and what it would commit.

    Attributes:
        state: What it was decided on.
        inputs: What came in, in the order of arrival.
        intake: The verdict.
        outcome: What `commit` is to do.
        valid: The valid rows.
        commit: What was committed; None before, and where the table had all of it already.
        receipts: Of its loads, drawn up behind the commit.
    """

    state: IngestState
    inputs: Sequence[Input]
    intake: Intake
    outcome: Outcome
    valid: pl.LazyFrame
    commit: Commit | None = None
    receipts: Sequence[Receipt] = ()

    @property
    def table(self) -> TablePlan:
        """What becomes of the table's rows."""
        return self.outcome.table


def judge_inputs(
    state: IngestState,
    inputs: Sequence[Input],
    references: Mapping[str, pl.DataFrame],
    *,
    run_id: str,
    at: datetime,
    replays: bool = False,
    partitions: Sequence[str] | None = None,
) -> Ingest:
    """Judge what came in and decide what it changes; nothing is written.

    Args:
        state: The dataset's quarantine and log.
        inputs: What came in, in the order in which it was noticed.
        references: By rule id, as `judge` takes them.
        run_id: Of the run.
        at: The instant of the run, in UTC.
        replays: Whether the inputs are rows from the quarantine, which add to what their sources brought.
        partitions: Those that the run is about; None for all.
    """
    dataset, lake = state.dataset, state.lake
    arrivals = number_arrivals([(input_.source, input_.ingest_id) for input_ in inputs], state.logged)
    ordered = sorted(inputs, key=lambda input_: arrivals[input_.source])
    existing = after_replay(lake, dataset) if replays else after_ingest(lake, dataset)
    intake = take_in(
        dataset, ordered, references, run_id=run_id, at=at, residents=existing, measures=stopping_rules(dataset)
    )
    is_stream = dataset.source is not None and dataset.source.is_stream
    arrived_rows = replayed_messages(state, ordered, intake) if replays and is_stream else intake.valid
    late = insert_late(state, arrived_rows) if replays and keeps_history(dataset) else arrived_rows
    valid = without_dropped_rows(state, late, at)
    # what cannot be read replaces nothing, and lends its number to no earlier row of its file
    read = {source: number for source, number in arrivals.items() if source not in intake.unreadable}
    table = plan_table(state, valid, replaced=() if replays else intake.sources, arrivals=read)
    column = dataset.partitions.column if dataset.partitions else None
    quarantine = _quarantine_plan(state, intake, intake.valid.lazy(), replays=replays)
    quarantined = _set_aside(state, intake, quarantine, replays=replays)
    outcome = Outcome(
        run_id=run_id,
        quarantine=quarantine,
        table=table,
        ingests=log_of(
            ordered,
            {"rows": intake.came, "valid": rows_by_source(table.written), "quarantined": quarantined},
            arrivals={source: number for source, number in arrivals.items() if source in intake.sources},
            partitions=dict(
                intake.valid.group_by(SOURCE).agg(pl.col(column).unique().sort()).iter_rows() if column else ()
            ),
            run_id=run_id,
            at=at,
        ),
        unreadable=intake.unreadable,
        replay=close_replayed(state, ordered, intake.refused) if replays else None,
        partitions=None if partitions is None else tuple(partitions),
        references=references,
        warned=intake.warned,
        sources=() if replays else intake.sources,
    )
    return Ingest(state, ordered, intake, outcome, intake.valid.lazy())


def judge_large_input(
    state: IngestState,
    given: Input,
    references: Mapping[str, pl.DataFrame],
    *,
    run_id: str,
    at: datetime,
    scratch: Path,
    partitions: Sequence[str] | None = None,
) -> Ingest:
    """Judge one input in batches, and decide what it changes; `judge_inputs` says the rest.

    Args:
        state: The dataset's quarantine and log.
        given: The input, with its batches.
        references: By rule id, as `judge` takes them.
        run_id: Of the run.
        at: The instant of the run, in UTC.
        scratch: A folder for its valid rows, which must outlive the commit.
        partitions: Those that the run is about; None for all.
    """
    arrivals = number_arrivals([(given.source, given.ingest_id)], state.logged)
    large = take_in_batches(state, given, references, run_id=run_id, at=at, scratch=scratch)
    intake = large.intake
    if intake.unreadable:
        return judge_inputs(
            state, [replace(given, batches=None, reason=intake.refused["reason"][0])], references,
            run_id=run_id, at=at, partitions=partitions,
        )  # fmt: skip
    table, valid = plan_large_table(state, large.rows, intake.valid, source=given.source, arrivals=arrivals)
    quarantine = _quarantine_plan(state, intake, large.rows.lazy(), replays=False)
    quarantined = _set_aside(state, intake, quarantine, replays=False)
    outcome = Outcome(
        run_id=run_id,
        quarantine=quarantine,
        table=table,
        ingests=log_of(
            [given],
            {"rows": intake.came, "valid": {given.source: valid}, "quarantined": quarantined},
            arrivals=arrivals,
            partitions={given.source: list(table.partition_counts)} if state.dataset.partitions else {},
            run_id=run_id,
            at=at,
        ),
        partitions=None if partitions is None else tuple(partitions),
        references=references,
        warned=intake.warned,
        sources=intake.sources,
    )
    return Ingest(state, [given], intake, outcome, large.rows.lazy())


def _lies_nowhere(dataset: Dataset, intake: Intake) -> bool:
    """Whether no row that came lies in a partition; an overwrite replaces those that its run names all the same."""
    if dataset.partitions is None or dataset.store.mode == "overwrite" or not intake.valid.is_empty():
        return False
    rows = intake.refused.filter(pl.col("position").is_not_null())
    return not homes(dataset, rows).is_not_null().any()


def _quarantine_plan(state: IngestState, intake: Intake, valid: pl.LazyFrame, *, replays: bool) -> QuarantinePlan:
    source = state.dataset.source
    if replays or state.dataset.quarantine is None:
        return QuarantinePlan(pl.DataFrame(schema=ENVELOPE))
    if source is None or not source.rereads:
        return state.plan(intake.refused, intake.sources, intake.unreadable)
    load = Load(intake.sources, intake.unreadable, intake.refused, valid, reads_all=source.reads_all)
    return plan_reread_rows(state, load)


def _set_aside(state: IngestState, intake: Intake, plan: QuarantinePlan, *, replays: bool) -> Mapping[str, int]:
    """Count the refused rows of each source, without those that an earlier load has set aside already."""
    if replays or state.dataset.source is None or not state.dataset.source.rereads:
        return intake.quarantined
    rows = plan.envelopes.filter(pl.col("position").is_not_null())
    return dict(rows.group_by("source").agg(pl.len()).iter_rows())


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run is: its id, its instant in UTC, and what it is about.

    Attributes:
        run_id: Of the run.
        at: Its instant, in UTC.
        partitions: Those that it is about; None for all.
        replays: Whether its inputs are rows from the quarantine.
        is_named: Whether it was started for inputs by their names.
    """

    run_id: str
    at: datetime
    partitions: Sequence[str] | None = None
    replays: bool = False
    is_named: bool = False


def ingest(
    lake: Lake,
    dataset: Dataset,
    read_inputs: Callable[[IngestState], Sequence[Input]],
    references: Mapping[str, pl.DataFrame],
    *,
    run: Run,
    admits: Callable[[Intake], bool],
) -> list[Ingest]:
    """Judge and commit what came in: small inputs at once, each large one by itself, in their order.

    Where another writer was first, the inputs are read and judged again on what is there now.

    Args:
        lake: Where the tables lie.
        dataset: The contract.
        read_inputs: Reads what came in, on a state.
        references: By rule id, as `judge` takes them.
        run: What the run is.
        admits: Whether a verdict lets the rows be written; where it does not, nothing of it is, and nothing after it.

    Raises:
        PositionMoved: Other writers were first every time.
    """
    done: list[Ingest] = []
    state = with_columns_of_table(read_state(lake, dataset))
    for number, group in enumerate(_groups(read_inputs(state))):
        with ExitStack() as stack:
            judged = _committed(
                with_columns_of_table(read_state(lake, dataset)) if number else state,
                dataset, group, read_inputs, references, run, admits, stack,
            )  # fmt: skip
        done.append(judged)
        if not admits(judged.intake):
            return done
    return done


def _committed(  # noqa: PLR0913, PLR0917 - what `ingest` was given, and where it stands
    state: IngestState,
    declared: Dataset,
    group: Sequence[Input],
    read_inputs: Callable[[IngestState], Sequence[Input]],
    references: Mapping[str, pl.DataFrame],
    run: Run,
    admits: Callable[[Intake], bool],
    stack: ExitStack,
) -> Ingest:
    sources = {input_.source for input_ in group}
    for attempt in range(1, ATTEMPTS + 1):
        try:
            widen_stored_types(state.lake, state.dataset)
            wide, inputs, added = with_columns_of_inputs(state, group, declared)
            judged = _judged(wide, inputs, references, run, stack)
            if run.is_named and _lies_nowhere(declared, judged.intake):  # Dagster has it name a partition nevertheless
                judged = replace(judged, outcome=replace(judged.outcome, partitions=()))
            judged = replace(judged, intake=as_of_contract(declared, judged.intake, added))
            if not admits(judged.intake):
                return judged
            written = commit(judged.state, judged.outcome)
            drawn_up = receipts(judged.state, judged.inputs, judged.intake, judged.valid)
            return replace(judged, commit=written, receipts=drawn_up)
        except PositionMoved:
            if attempt == ATTEMPTS:
                raise
        state = with_columns_of_table(read_state(state.lake, declared))
        group = [input_ for input_ in read_inputs(state) if input_.source in sources]
    raise AssertionError("unreachable")


def _judged(
    state: IngestState, group: Sequence[Input], references: Mapping[str, pl.DataFrame], run: Run, stack: ExitStack
) -> Ingest:
    if group and group[0].batches is not None:
        from platform_resources.scratch import naming_full_scratch, scratch_folder  # noqa: PLC0415 - large ones

        scratch = stack.enter_context(scratch_folder())
        with naming_full_scratch(group[0].source):
            return judge_large_input(
                state, group[0], references, run_id=run.run_id, at=run.at, scratch=scratch, partitions=run.partitions
            )
    return judge_inputs(
        state, group, references, run_id=run.run_id, at=run.at, replays=run.replays, partitions=run.partitions
    )


def _groups(inputs: Sequence[Input]) -> list[list[Input]]:
    """Return the inputs that are committed together, in their order: a large one by itself.

    One empty group for none.
    """
    groups: list[list[Input]] = []
    for input_ in inputs:
        alone = input_.batches is not None or not groups or groups[-1][0].batches is not None
        if alone:
            groups.append([input_])
        else:
            groups[-1].append(input_)
    return groups or [[]]


def large_bytes(lake: Lake, dataset: Dataset) -> float:
    """Give the size in bytes from which on a unit of the dataset is judged in batches."""
    return lake.settings.memory_bytes // SHARE if can_be_judged_in_batches(dataset) else float("inf")
