"""A table compared with the database that it is loaded from; rows that are gone there swept away, or all read again.

Both are read anew and added up by hashed key buckets, so memory does not grow with them; only keys of buckets that
differ are looked at one by one. What waits in quarantine is told apart from what is missing.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from platform_assets.factory.checks import last_receipt
from platform_assets.ingest.commit import Outcome, commit
from platform_assets.ingest.ingest_log import log_of, recounted
from platform_assets.ingest.inputs import Input, adapter_for, cursor_of
from platform_assets.ingest.quarantine import QuarantinePlan, QuarantineStore
from platform_assets.ingest.rereads import envelope_keys
from platform_assets.ingest.state import IngestState, read_state
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.table_plan import TablePlan
from platform_assets.ingest.tables import SOURCE, table_spec
from platform_assets.location import CodeLocation
from platform_assets.operations.datasets import find_dataset
from platform_assets.operations.errors import RequestError
from platform_core.contracts import Dataset
from platform_core.quality.conform import conform, conform_column
from platform_core.quality.envelope import ENVELOPE
from platform_core.quality.receipts import BUCKETS, add_receipts, buckets_of, compare_receipts, receipt_of
from platform_resources.sources import Cursor, SourceAdapter
from platform_resources.sources.base import RepeatedSource

_PIECE = 100_000


@dataclass(frozen=True)
class Reconciliation:
    """How a table stands to its database.

    Attributes:
        dataset: Its name.
        source_rows: Rows of the database's table.
        table_rows: Rows of the dataset's table.
        missing: Keys that only the database has, without those that wait.
        waiting: Keys that only the database has, and that wait in quarantine.
        gone: Keys that only the dataset has.
        differing: Columns that differ under keys that both have, with the number of buckets (of 4096).
        swept: Rows that were deleted because the database has them no more.
    """

    dataset: str
    source_rows: int
    table_rows: int
    missing: int
    waiting: int
    gone: int
    differing: dict[str, int]
    swept: int = 0

    @property
    def holds(self) -> bool:
        """Whether the table is what the database has, but for what waits in quarantine."""
        return not (self.missing or self.differing or self.gone - self.swept)


def reconcile(location: CodeLocation, name: str, *, sweep: bool, most_share: float = 0.1) -> Reconciliation:
    """Compare a dataset with its database, and delete rows that are gone there.

    Args:
        location: Whose dataset.
        name: The dataset.
        sweep: Whether rows that the database has no more are deleted.
        most_share: The share of rows above which a sweep is refused, for a table that was emptied by mistake.

    Raises:
        RequestError: There is no such dataset; it has no database, key or table; or too much would go.
    """
    dataset = find_dataset(location.catalog, name)
    if dataset.source is None or not dataset.source.is_comparable or not dataset.key:
        raise RequestError(f"{name}: it has no database and key to be compared by. Fix: declare both.")
    if not location.lake.exists(table_spec(dataset)):
        raise RequestError(f"{name}: it has no table yet. Fix: platform catch-up.")
    key = list(dataset.key)
    state = read_state(location.lake, dataset)
    adapter = adapter_for(dataset, location.settings)
    columns = [column.name for column in dataset.columns]
    source = add_receipts([_nothing(dataset), *(receipt_of(rows, key) for rows in _source_rows(dataset, adapter))])
    table = add_receipts(
        [_nothing(dataset), *(receipt_of(rows, key) for rows in _table_rows(location, dataset, columns))]
    )
    compared = compare_receipts(source, table)
    source_keys, table_keys = _keys_in(compared.buckets, location, dataset, adapter)
    lacking, gone_keys = (
        source_keys.join(table_keys, on=key, how="anti"),
        table_keys.join(source_keys, on=key, how="anti"),
    )
    waiting = lacking.join(_waiting_keys(state), on=key, how="semi").height
    result = Reconciliation(
        name,
        compared.source_rows,
        compared.table_rows,
        lacking.height - waiting,
        waiting,
        gone_keys.height,
        compared.columns,
    )
    if not sweep or gone_keys.is_empty():
        return result
    if gone_keys.height > most_share * compared.table_rows:
        raise RequestError(
            f"{name}: {gone_keys.height:,} of {compared.table_rows:,} rows are gone from the database, and more than "
            f"{most_share:.0%} is not swept away. Fix: look at the database, or give --most-share 1."
        )
    _delete(state, gone_keys)
    return Reconciliation(**{**vars(result), "swept": gone_keys.height})


def reload(location: CodeLocation, name: str) -> None:
    """Have the next load read all rows again, and merge what differs; nothing is read yet.

    Rows that the table has no more without the platform's doing count as superseded from now on.

    Raises:
        RequestError: There is no such dataset, it was never loaded, or its source has no position to go back from.
    """
    dataset = find_dataset(location.catalog, name)
    adapter = None if dataset.source is None else adapter_for(dataset, location.settings)
    if not isinstance(adapter, RepeatedSource):
        raise RequestError(f"{name}: it is not loaded from a database. Fix: name a dataset with source=Database(...).")
    if not location.lake.exists(table_spec(dataset)):
        raise RequestError(f"{name}: it has not been loaded, so that the next load reads all rows anyway.")
    state = read_state(location.lake, dataset)
    unit = adapter.begin_anew(cursor_of(QuarantineStore(location.lake, dataset)))
    input_ = Input(unit.source, unit.ingest_id, position=unit.position)
    _commit(state, "reload", [input_], TablePlan(written=_no_rows(state), given_way=_lost(state), is_changed=False))


def _lost(state: IngestState) -> pl.Series:
    """Give the source of each row that the log counts as valid and the table does not have."""
    log = state.ingests()
    counted = recounted(log, state.lake, state.dataset).select("source", _now="valid")
    lost = log.join(counted, on="source").select("source", times=(pl.col("valid") - pl.col("_now")).clip(lower_bound=0))
    return lost.select(pl.col("source").repeat_by("times").explode(empty_as_null=False))["source"]


def report_receipt(instance: dg.DagsterInstance, name: str, result: Reconciliation) -> None:
    """Tell the check of receipts that nothing is missing any more, where it was red."""
    last = last_receipt(instance, name)
    if last is None or last.passed or not result.holds:
        return
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=last.asset_key,
            check_name=last.check_name,
            passed=True,
            metadata={},
            description=f"reconciled: {result.source_rows:,} rows in the database, none of them missing or different",
        )
    )


def _nothing(dataset: Dataset) -> pl.DataFrame:
    empty = pl.DataFrame(schema={column.name: column.dtype for column in dataset.columns})
    return receipt_of(empty, list(dataset.key))


def _source_rows(dataset: Dataset, adapter: SourceAdapter, only: Sequence[str] = ()) -> Iterator[pl.DataFrame]:
    """Yield all rows of the database, in the contract's types; those that cannot be typed are not comparable."""
    for unit in adapter.pending(Cursor()):
        for batch in adapter.read(unit, columns=list(only) or None):
            if only:
                yield pl.DataFrame([conform_column(batch.rows, dataset, name) for name in only])
            else:
                yield conform(batch.rows, dataset).frame


def _table_rows(location: CodeLocation, dataset: Dataset, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    rows = as_declared(location.lake.scan(table_spec(dataset)), dataset).select(columns)
    yield from rows.collect_batches(chunk_size=_PIECE)


def _keys_in(
    buckets: Sequence[int], location: CodeLocation, dataset: Dataset, adapter: SourceAdapter
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the keys of some buckets, of the database and of the table."""
    key = list(dataset.key)
    empty = pl.DataFrame(schema={column.name: column.dtype for column in dataset.columns if column.name in key})
    if not buckets:
        return empty.select(key), empty.select(key)
    chosen_buckets = pl.Series(list(buckets), dtype=pl.UInt16)

    def within(frames: Iterator[pl.DataFrame]) -> pl.DataFrame:
        parts = (frame.select(key) for frame in frames)
        return pl.concat(
            [empty.select(key), *(part.filter(buckets_of(part, key).is_in(chosen_buckets)) for part in parts)]
        )

    return within(_source_rows(dataset, adapter, key)), within(_table_rows(location, dataset, key))


def _waiting_keys(state: IngestState) -> pl.DataFrame:
    """Return the keys of the rows that wait in quarantine, as far as they can be typed."""
    envelopes = state.envelopes(decision="open").filter(pl.col("position").is_not_null())
    return envelope_keys(state.dataset, envelopes)


def _delete(state: IngestState, keys: pl.DataFrame) -> None:
    """Delete rows by key in one commit, and count them in the log as superseded."""
    dataset, spec = state.dataset, table_spec(state.dataset)
    stored = state.lake.scan(spec)
    doomed = stored.join(keys.lazy(), on=list(dataset.key), how="semi").select(
        SOURCE, *([spec.partition_column] if spec.partition_column else [])
    )
    rows = doomed.collect()
    touched = frozenset(rows[spec.partition_column]) if spec.partition_column else frozenset[str]()
    plan = TablePlan(written=_no_rows(state), deleted=keys, given_way=rows[SOURCE], partitions=touched)
    _commit(state, "sweep", [], plan)


def _no_rows(state: IngestState) -> pl.DataFrame:
    return state.lake.scan(table_spec(state.dataset)).head(0).collect()


def _commit(state: IngestState, work: str, inputs: Sequence[Input], plan: TablePlan) -> None:
    """Commit what becomes of the table without a row that comes in."""
    run_id = f"{work}-{uuid.uuid4().hex[:12]}"
    nothing: dict[str, dict[str, int]] = {"rows": {}, "valid": {}, "quarantined": {}}
    at = datetime.now(UTC)
    commit(
        state,
        Outcome(
            run_id=run_id,
            quarantine=QuarantinePlan(pl.DataFrame(schema=ENVELOPE)),
            table=plan,
            ingests=log_of(inputs, nothing, arrivals={}, partitions={}, run_id=run_id, at=at),
        ),
    )


__all__ = ["BUCKETS", "Reconciliation", "reconcile", "reload"]
