"""A load's receipt: what the source counts of its rows, against what the lake has of them, counted anew.

The source counts in its own words (SQL), in the snapshot that it sent the rows from. The lake's side is read back from
what was stored: the table's rows under the load's keys, and the payloads in quarantine. Of the rows that passed through
the run only keys are looked at, so what is lost or altered on the way shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from platform_assets.ingest.inputs import Input
from platform_assets.ingest.intake import Intake
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.state import IngestState
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import INGEST, SOURCE, table_spec
from platform_core.contracts import Dataset
from platform_core.quality.conform import conform_column
from platform_core.quality.envelope import payloads
from platform_core.quality.tallies import ColumnTotal, TextSum, add_totals, total_columns
from platform_resources.engines.duckdb import text_sums
from platform_resources.sources import Tally
from platform_resources.storage import Lake

RECEIPT = "receipt"
"""The name of the asset check."""

_PIECE = 200_000


@dataclass(frozen=True)
class Receipt:
    """How a load's rows at the source stand to those in the lake.

    Attributes:
        source: The load.
        sent: Rows that the source counts.
        stored: Rows of the load in the table.
        waiting: Rows of the load that wait in quarantine, those included that an earlier load set aside.
        differing: Columns that come to something else, with both totals in words.
        summed: Columns whose totals were compared; of the others values were counted.
        is_fixed: Whether people's fixes changed rows of the load, so that only rows were counted.
    """

    source: str
    sent: int
    stored: int
    waiting: int
    differing: Mapping[str, str]
    summed: tuple[str, ...]
    is_fixed: bool = False

    @property
    def holds(self) -> bool:
        """Whether every row and every value is accounted for."""
        return self.sent == self.stored + self.waiting and not self.differing

    @property
    def words(self) -> str:
        """Say it in one sentence."""
        counted = (
            f"{self.source}: the source has {self.sent:,} rows; {self.stored:,} of them are in the table and "
            f"{self.waiting:,} in quarantine"
        )
        if self.differing:
            return (
                f"{counted}; not alike: {'; '.join(f'{name} ({reason})' for name, reason in self.differing.items())}."
            )
        if self.is_fixed:
            return f"{counted}; columns are not compared, for fixes changed some."
        return f"{counted}; {len(self.summed)} columns come to the same."


def receipts(state: IngestState, inputs: Sequence[Input], intake: Intake, valid: pl.LazyFrame) -> tuple[Receipt, ...]:
    """Draw up the receipt of each load that was committed and that its source counted by itself.

    Args:
        state: What the commit was decided on.
        inputs: What came in.
        intake: The verdict on it.
        valid: The valid rows.
    """
    counted_inputs = [
        (input_, tally)
        for input_ in inputs
        if input_.source in intake.sources and (tally := input_.tally()) is not None
    ]
    if not counted_inputs:
        return ()
    with text_sums() as sum_texts:
        return tuple(_receipt(state, input_, tally, intake, valid, sum_texts) for input_, tally in counted_inputs)


def _receipt(
    state: IngestState, input_: Input, tally: Tally, intake: Intake, valid: pl.LazyFrame, sum_texts: TextSum
) -> Receipt:
    dataset = state.dataset
    names = [column.name for column in dataset.columns if column.name in tally.columns]
    stored, totals = _in_table(state.lake, dataset, input_, valid, names, sum_texts)
    waiting = _in_quarantine(QuarantineStore(state.lake, dataset), intake, input_)
    totals = add_totals(totals, _payload_totals(dataset, waiting, names, sum_texts))
    differing, summed = dict[str, str](), list[str]()
    is_fixed = input_.is_fixed or (input_.batches is not None and not state.envelopes()["fix"].is_null().all())
    for name in names if not is_fixed else ():
        if dataset.source is not None and dataset.source.null_words(name):  # a text of it stands for null
            continue
        at_source, in_lake = tally.columns[name], totals[name]
        counted = ColumnTotal(at_source.filled, at_source.kind, at_source.total)
        if not counted.agrees(in_lake):
            differing[name] = _difference(dataset, name, counted, in_lake)
        elif counted.is_summed_like(in_lake):
            summed.append(name)
    return Receipt(input_.source, tally.rows, stored, waiting.height, differing, tuple(summed), is_fixed)


def _difference(dataset: Dataset, name: str, at_source: ColumnTotal, in_lake: ColumnTotal) -> str:
    """Say how two totals differ; of personal values only that they do."""
    column = dataset.column(name)
    if at_source.filled != in_lake.filled:
        return f"{at_source.filled:,} values at the source, {in_lake.filled:,} in the lake"
    if (column is not None and column.pii) or at_source.kind == "text":
        return "the checksums differ"
    return f"its {at_source.kind}s come to {at_source.total} at the source, {in_lake.total} in the lake"


def _in_table(
    lake: Lake, dataset: Dataset, input_: Input, valid: pl.LazyFrame, names: Sequence[str], sum_texts: TextSum
) -> tuple[int, dict[str, ColumnTotal]]:
    """Count and add up the table's rows of a load, piece by piece.

    Those are the rows under its keys; without a key, or where the table has no other rows, those that name it.
    """
    count, totals = 0, {name: ColumnTotal(0) for name in names}
    if not lake.exists(table_spec(dataset)):
        return count, totals
    rows = as_declared(lake.scan(table_spec(dataset)), dataset, beside=[SOURCE, INGEST])
    names_it = (pl.col(SOURCE) == input_.source) & (pl.col(INGEST) == input_.ingest_id)
    if dataset.key and rows.filter(~names_it).head(1).select(SOURCE).collect().height:
        key = list(dataset.key)
        mine = rows.join(valid.select(key).unique(), on=key, how="semi")
    else:
        mine = rows.filter(names_it)
    for piece in mine.select(names).collect_batches(chunk_size=_PIECE, engine="streaming"):
        count += piece.height
        totals = add_totals(totals, total_columns(piece, names, sum_texts))
    return count, totals


def _in_quarantine(store: QuarantineStore, intake: Intake, input_: Input) -> pl.DataFrame:
    """Return the stored envelopes of the load's refused rows.

    Its own, and those of rows that earlier loads set aside.
    """
    envelopes = store.envelopes() if store.dataset.quarantine else intake.refused.clear()
    envelopes = envelopes.filter(pl.col("position").is_not_null())
    own = envelopes.filter(
        pl.col("source") == input_.source, pl.col("ingest_id") == input_.ingest_id, pl.col("decision") != "replayed"
    )
    refused = intake.refused.filter(pl.col("source") == input_.source, pl.col("position").is_not_null())
    again = refused.join(own, on="quarantine_id", how="anti").select("payload").with_columns(_rank("payload"))
    text = pl.when(decision="open").then(pl.coalesce("fix", "payload")).otherwise("payload")
    others = envelopes.filter(pl.col("source") != input_.source).with_columns(text.alias("\0text"))
    others = others.with_columns(_rank("\0text"))
    known = others.join(again, left_on=["\0text", "\0rank"], right_on=["payload", "\0rank"], how="semi")
    return pl.concat([own, known.select(own.columns)])


def _rank(text: str) -> pl.Expr:
    return pl.int_range(pl.len()).over(text).alias("\0rank")


def _payload_totals(
    dataset: Dataset, envelopes: pl.DataFrame, names: Sequence[str], sum_texts: TextSum
) -> dict[str, ColumnTotal]:
    """Add the payloads up in the contract's types; a column with a text that cannot be typed is only counted."""
    texts = payloads(envelopes.with_columns(fix=pl.lit(None, pl.String)), names).with_columns(
        pl.col(name).replace({"NaN": None})  # which the table has as null, and no source counts
        for name in names
        if (column := dataset.column(name)) is not None and column.dtype.is_numeric()
    )
    typed = {name: conform_column(texts, dataset, name) for name in names}
    totals = total_columns(pl.DataFrame(typed), names, sum_texts)
    return {
        name: total if total.filled == len(texts) - texts[name].null_count()
        else ColumnTotal(len(texts) - texts[name].null_count())
        for name, total in totals.items()
    }  # fmt: skip
