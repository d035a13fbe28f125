"""New columns of inputs that a table takes, where the source says `extra_columns="add"`.

The table's own columns are the record of what was added before: they are found there, and are part of every later
run's rows. So an older file, which lacks them, has nulls; and a column keeps the type that it was added with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from platform_assets.ingest.inputs import Input
from platform_assets.ingest.intake import Intake
from platform_assets.ingest.state import IngestState
from platform_assets.ingest.tables import PROVENANCE, table_spec
from platform_core.contracts import Dataset, rules_of
from platform_core.quality.added_columns import describe_added, joint_types, new_columns, with_columns_added
from platform_core.quality.source_texts import with_contract_names
from platform_resources.sources import Batch, UnreadableUnit
from platform_resources.storage import Lake


def adds_columns(dataset: Dataset) -> bool:
    """Tell whether the dataset's table takes columns that the contract lacks."""
    return dataset.source is not None and dataset.source.extra_columns == "add"


def added_before(lake: Lake, dataset: Dataset) -> dict[str, pl.DataType]:
    """Return the columns that the table has and the contract lacks, with their types."""
    spec = table_spec(dataset)
    if not lake.exists(spec):
        return {}
    known = {*PROVENANCE, spec.partition_column, *(column.name for column in dataset.columns)}
    return {name: dtype for name, dtype in lake.scan(spec).collect_schema().items() if name not in known}


def with_columns_of_table(state: IngestState) -> IngestState:
    """Return the state with the contract widened by what was added before; as it is where nothing may be."""
    if not adds_columns(state.dataset):
        return state
    return replace(state, dataset=with_columns_added(state.dataset, added_before(state.lake, state.dataset)))


def with_columns_of_inputs(
    state: IngestState, inputs: Sequence[Input], declared: Dataset
) -> tuple[IngestState, list[Input], dict[str, pl.DataType]]:
    """Return the state and the inputs widened by each other's new columns, and what is new.

    An input that lacks one of them has nulls there. One that lacks a column of the contract itself adds none.

    Args:
        state: With what was added before.
        inputs: What came in, as it came.
        declared: The contract itself.
    """
    if not adds_columns(state.dataset):
        return state, list(inputs), {}
    needed = [column.name for column in declared.columns]
    new_types = (new_columns(raw, state.dataset, needed=needed) for input_ in inputs for raw in _pieces(input_))
    added = joint_types(new_types)
    dataset = with_columns_added(state.dataset, added)
    beside = [column.name for column in dataset.columns if column.name not in needed]
    return replace(state, dataset=dataset), [_completed(input_, dataset, beside) for input_ in inputs], added


def as_of_contract(declared: Dataset, intake: Intake, added: Mapping[str, pl.DataType]) -> Intake:
    """Return the verdict with the results of the declared contract's rules; the one on columns names what is new.

    What was left out beside it, such as a column that begins with `_`, the result names already.
    """
    known = {rule.id for rule in rules_of(declared)}
    note = describe_added(added)
    results = tuple(
        replace(result, reason=f"{note.removesuffix('.')}; {result.reason}" if result.reason else note)
        if note and result.rule.id == "schema" and result.passed
        else result
        for result in intake.results
        if result.rule.id in known
    )
    return replace(intake, results=results)


def _pieces(input_: Input) -> Iterator[pl.DataFrame]:
    """Yield the rows of an input, those of a large one batch by batch; nothing of one that cannot be read."""
    if input_.raw is not None:
        yield input_.raw
    elif input_.batches is not None:
        try:
            yield from (batch.rows for batch in input_.batches())
        except UnreadableUnit:
            return


def _completed(input_: Input, dataset: Dataset, beside: Sequence[str]) -> Input:
    if input_.raw is not None:
        return replace(input_, raw=_with_nulls(input_.raw, dataset, beside))
    if input_.batches is not None:
        return replace(input_, batches=_completed_batches(input_.batches, dataset, beside))
    return input_


def _completed_batches(
    read: Callable[[], Iterator[Batch]], dataset: Dataset, beside: Sequence[str]
) -> Callable[[], Iterator[Batch]]:
    return lambda: (replace(batch, rows=_with_nulls(batch.rows, dataset, beside)) for batch in read())


def _with_nulls(raw: pl.DataFrame, dataset: Dataset, beside: Sequence[str]) -> pl.DataFrame:
    """Return the rows with nulls in the columns beside the contract's that they lack."""
    names = with_contract_names(raw, dataset).columns
    if any(column.name not in names and column.name not in beside for column in dataset.columns):
        return raw  # it is told what it lacks
    return raw.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in beside if name not in names)
