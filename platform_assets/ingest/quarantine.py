"""A dataset's quarantine in the lake: its envelopes, the decisions people took on them, the log of what came in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from platform_assets.ingest.tables import ingests_spec, quarantine_spec
from platform_core.contracts import Dataset
from platform_core.quality.conform import conform
from platform_core.quality.envelope import ENVELOPE, Decision, as_text, payloads
from platform_resources.storage import Lake

INGESTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "source": pl.String,
    "ingest_id": pl.String,
    "stamp": pl.String,
    "rows": pl.Int64,
    "valid": pl.Int64,
    "quarantined": pl.Int64,
    "superseded": pl.Int64,
    "partitions": pl.List(pl.String),
    "run_id": pl.String,
    "ingested_at": pl.Datetime("us", "UTC"),
    "unreadable_id": pl.String,
    "position": pl.String,
    "arrival": pl.Int64,
    "commit": pl.Int64,
}
"""One row an input: its latest version that could be read. rows = valid + quarantined + superseded.

`position` is where a source that has positions goes on.
`arrival` is the place of its content in the order of arrival; null where it was logged before there was one. `commit`
is the number of the table's commit that brought it.
`unreadable_id` is the ingest id of a later version that cannot be read; an input that never could be counts 0 rows.
"""

RETAKEN = "its source was taken in again with the fix"

_from_the_end = pl.int_range(pl.len()).reverse().over("payload").alias("_rank")


@dataclass(frozen=True)
class QuarantinePlan:
    """What a run changes in the quarantine.

    Attributes:
        envelopes: To be committed before the table.
        obsolete: Ids of envelopes to be removed behind it.
        closed: Ids of envelopes whose fix took effect.
    """

    envelopes: pl.DataFrame
    obsolete: Sequence[str] = ()
    closed: Sequence[str] = ()


@dataclass(frozen=True)
class QuarantineStore:
    """The quarantine and the ingest log of one dataset."""

    lake: Lake
    dataset: Dataset

    def envelopes(self, *, ids: Sequence[str] | None = None, decision: str | None = None) -> pl.DataFrame:
        """Return the envelopes, oldest first; empty where none was ever written."""
        frame = self._read("quarantine", ENVELOPE)
        if ids is not None:
            frame = frame.filter(pl.col("quarantine_id").is_in(list(ids)))
        if decision is not None:
            frame = frame.filter(pl.col("decision") == decision)
        return frame.sort("quarantined_at", "source", "position")

    def add(self, plan: "QuarantinePlan", **guard: Any) -> None:
        """Commit the envelopes of a run; what they make obsolete is removed once the table's commit stands."""
        if not plan.envelopes.is_empty():
            self.lake.write(quarantine_spec(self.dataset), plan.envelopes, **guard)

    def clear(self, plan: "QuarantinePlan") -> None:
        """Close the envelopes whose fix took effect, and remove those that later ones, or valid rows, stand for."""
        self.decide(plan.closed, "replayed", RETAKEN)
        if plan.obsolete:
            self.lake.delete(quarantine_spec(self.dataset), "quarantine_id", plan.obsolete)

    def plan(self, envelopes: pl.DataFrame, sources: Sequence[str], unreadable: Sequence[str] = ()) -> "QuarantinePlan":
        """Decide what the envelopes of the given sources change.

        A run that dies between the commit of envelopes and the removal of obsolete ones leaves a row in two places,
        which the next run mends, and never in none.

        Of an unreadable source the earlier version's rows stay, in the table and here. What people decided stays:
        fixes, and discards of the same row. A fixed row that is not refused again keeps its envelope, because the next
        ingest of its source needs the fix.
        """
        earlier = self.envelopes().filter(pl.col("source").is_in([*sources, *unreadable]))
        succeeding, succeeded = succession(envelopes, earlier)
        stands = pl.col("source").is_in(list(unreadable)) & pl.col("position").is_not_null()
        standing = pl.col("quarantine_id").is_in(succeeding["quarantine_id"].to_list())
        is_kept = (
            ~standing & ~pl.col("quarantine_id").is_in(succeeded.to_list()) & (pl.col("fix").is_not_null() | stands)
        )
        took_effect = is_kept & ~stands & (pl.col("decision") == "open")
        return QuarantinePlan(
            envelopes=succeeding,
            obsolete=earlier.filter(~standing & ~is_kept)["quarantine_id"].to_list(),
            closed=earlier.filter(took_effect)["quarantine_id"].to_list(),
        )

    def plan_messages(self, envelopes: pl.DataFrame) -> "QuarantinePlan":
        """Decide the same for messages: they replace none, and one that comes again is known by its offset."""
        again = self.envelopes(ids=envelopes["quarantine_id"].to_list())
        return QuarantinePlan(succession(envelopes, again)[0])

    def with_fixes(self, raw: pl.DataFrame, source: str, ingest_id: str, *, first: int = 1) -> pl.DataFrame:
        """Return the raw rows of a source with people's fixes of refused rows; all columns become text if one applies.

        In the same content a fix belongs to its row; in another, to rows that read the same. Of several such rows it
        belongs to the last ones, because among equals the first is the one that was not refused. `first` is the number
        of the first of the rows in the source. Where loads overlap, a fix holds for the same row of any later load.
        """
        rereads = self.dataset.source is not None and self.dataset.source.rereads
        mine = pl.lit(rereads) | (pl.col("source") == source)
        fixed = self.envelopes().filter(pl.col("fix").is_not_null(), mine, pl.col("decision") != "discarded")
        if fixed.is_empty():
            return raw
        same = pl.col("ingest_id") == ingest_id
        here = fixed.filter(same).select("position", pl.col("fix").alias("_here"))
        moved = fixed.filter(~same).select("payload", pl.col("fix").alias("_moved"), _from_the_end)
        texts = (
            raw.select(as_text(raw).alias("payload"))
            .with_columns(pl.int_range(first, first + pl.len()).alias("position"), _from_the_end)
            .join(here, on="position", how="left", maintain_order="left")
            .join(moved, on=["payload", "_rank"], how="left", maintain_order="left")
            .select("payload", pl.coalesce("_here", "_moved").alias("fix"))
        )
        return raw if texts["fix"].is_null().all() else payloads(texts, raw.columns)

    def decide(self, ids: Sequence[str], decision: Decision, note: str | None = None) -> None:
        """Record a decision on envelopes."""
        if ids:
            values = {"decision": decision, **({"note": note} if note is not None else {})}
            self.lake.update(quarantine_spec(self.dataset), "quarantine_id", ids, values)

    def fix(self, quarantine_id: str, payload: str) -> None:
        """Record the payload that a replay reads instead of the original; a discarded envelope is open again."""
        values = {"fix": payload, "decision": "open"}
        self.lake.update(quarantine_spec(self.dataset), "quarantine_id", [quarantine_id], values)

    def ingests(self, sources: Sequence[str] | None = None) -> pl.DataFrame:
        """Read the log of inputs, their latest versions; all, or those of the given sources."""
        return self._read("ingests", INGESTS, sources).sort("source")

    def _read(
        self, which: str, schema: dict[str, pl.DataType | type[pl.DataType]], sources: Sequence[str] | None = None
    ) -> pl.DataFrame:
        spec = quarantine_spec(self.dataset) if which == "quarantine" else ingests_spec(self.dataset)
        if not self.lake.exists(spec):
            return pl.DataFrame(schema=schema)
        stored = self.lake.scan(spec)
        if sources is not None:
            stored = stored.filter(pl.col("source").is_in(list(sources)))
        known = stored.collect_schema()
        columns = [pl.col(name) if name in known else pl.lit(None, dtype).alias(name) for name, dtype in schema.items()]
        return stored.select(columns).collect()


def homes(dataset: Dataset, envelopes: pl.DataFrame) -> pl.Series:
    """Return the partition of the graph that each envelope's row lies in, its fix included.

    Null where it lies in none.
    """
    if dataset.partitions is None or envelopes.is_empty():
        return pl.repeat(None, envelopes.height, dtype=pl.String, eager=True).alias("home")
    rows = conform(payloads(envelopes, [column.name for column in dataset.columns]), dataset).frame
    exists, key = dataset.partitions.holds(datetime.now(UTC)), dataset.partitions.key()
    return rows.select(pl.when(exists).then(key).alias("home")).to_series()


def succession(envelopes: pl.DataFrame, earlier: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Return new envelopes with what people decided on the earlier ones, and the ids of those whose place they take.

    An envelope follows the one of the same id. Where the content is another, so that no id is the same, it follows one
    whose payload, or fixed payload, reads the same. A file that cannot be read at all is known by its content alone.
    """
    decisions = earlier.select("quarantine_id", "source", *(pl.col(name).alias(f"_{name}") for name in _KEPT))
    by_id = envelopes.join(decisions.drop("source"), on="quarantine_id", maintain_order="left")
    new = envelopes.join(by_id, on="quarantine_id", how="anti", maintain_order="left")
    known = decisions.filter(~pl.col("quarantine_id").is_in(by_id["quarantine_id"].to_list()))
    discarded = pl.col("_decision") == "discarded"
    by_payload = _alike(new, known.filter(discarded), "_payload").vstack(_alike(new, known.filter(~discarded), "_fix"))
    by_payload = by_payload.unique("quarantine_id", keep="first", maintain_order=True)
    rest = new.join(by_payload, on="quarantine_id", how="anti", maintain_order="left")
    carried = pl.concat([by_id, by_payload.drop("_succeeded")]).with_columns(
        *(pl.col(f"_{name}").alias(name) for name in _KEPT if name != "decision"),
        pl.when(discarded).then(pl.lit("discarded")).otherwise(pl.lit("open")).alias("decision"),
    )
    succeeded = pl.concat([by_id["quarantine_id"], by_payload["_succeeded"]])
    return pl.concat([carried.select(list(ENVELOPE)), rest]), succeeded


_KEPT = ("payload", "fix", "decision", "note", "quarantined_at")


def _alike(envelopes: pl.DataFrame, earlier: pl.DataFrame, text: str) -> pl.DataFrame:
    """Return the envelopes whose payload is the `text` of an earlier one of the same source.

    Beside that one's facts.
    """
    known = earlier.filter(pl.col(text).is_not_null()).unique(["source", text], maintain_order=True)
    known = known.rename({"quarantine_id": "_succeeded"}).with_columns(pl.col(text).alias("payload"))
    return envelopes.join(known, on=["source", "payload"], maintain_order="left")
