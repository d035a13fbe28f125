"""Refused rows of loads that overlap: one that comes again is known by its content, an older version by its key.

A load of a database or an address begins where the last one ended, so it brings some rows again. A refused one among
them has its envelope already, in another load's name; it gets no second one. Where a load brings a key anew, valid or
refused, the envelope of the key's earlier version has nothing more to say.
"""

from dataclasses import dataclass

import polars as pl

from platform_assets.ingest.quarantine import INGESTS, QuarantinePlan, QuarantineStore
from platform_core.contracts import Dataset
from platform_core.quality.conform import conform_column
from platform_core.quality.envelope import payloads

_TEXT, _RANK = "\0text", "\0rank"


@dataclass(frozen=True)
class Load:
    """What one run takes in of a source whose loads overlap.

    Attributes:
        sources: Its inputs that were read.
        unreadable: Its inputs of which nothing could be read.
        refused: Envelopes of its refused rows.
        valid: Its valid rows, of which the key is read.
        reads_all: Whether it brought all rows that the source has.
    """

    sources: tuple[str, ...]
    unreadable: tuple[str, ...]
    refused: pl.DataFrame
    valid: pl.LazyFrame
    reads_all: bool


def plan_reread_rows(store: QuarantineStore, load: Load) -> QuarantinePlan:
    """Leave out refused rows that are set aside already, and let go of envelopes whose row came in another version.

    Rows that read the same are told apart by their number. A person's fix stays, for the row may come once more.
    """
    envelopes = store.envelopes()
    own = pl.col("source").is_in([*load.sources, *load.unreadable])
    earlier = envelopes.filter(~own, pl.col("position").is_not_null(), pl.col("decision") != "replayed")
    texts = earlier.with_columns(
        pl.when(decision="open").then(pl.coalesce("fix", "payload")).otherwise("payload").alias(_TEXT)
    ).with_columns(_rank(_TEXT))
    refused = load.refused.with_columns(pl.col("payload").alias(_TEXT)).with_columns(_rank(_TEXT))
    again = [_TEXT, _RANK]
    new = refused.join(texts, on=again, how="anti", maintain_order="left").select(load.refused.columns)
    known_ids = texts.join(refused, on=again, how="semi")["quarantine_id"]
    plan = store.plan(new, load.sources, load.unreadable)
    if not load.sources:  # a load that cannot be read says nothing of any row
        return plan
    past = earlier.filter(pl.col("decision") == "open", ~pl.col("quarantine_id").is_in(known_ids.implode()))
    outdated = past if load.reads_all else _with_keys_of(store.dataset, past, load)
    is_fixed = outdated["fix"].is_not_null()
    return QuarantinePlan(
        plan.envelopes,
        obsolete=[*plan.obsolete, *outdated.filter(~is_fixed)["quarantine_id"]],
        closed=[*plan.closed, *outdated.filter(is_fixed)["quarantine_id"]],
    )


def envelope_keys(dataset: Dataset, envelopes: pl.DataFrame) -> pl.DataFrame:
    """Read the key of the row in each envelope, its fix included; null where it cannot be typed."""
    key = list(dataset.key)
    texts = payloads(envelopes, key)
    return pl.DataFrame([conform_column(texts, dataset, name) for name in key])


def recount_waiting(log: pl.DataFrame, store: QuarantineStore, plan: QuarantinePlan) -> pl.DataFrame:
    """Give the log with the rows of each load that still wait once a plan is done; the others are superseded."""
    remaining = store.envelopes().filter(
        pl.col("position").is_not_null(),
        pl.col("decision") != "replayed",
        ~pl.col("quarantine_id").is_in([*plan.obsolete, *plan.closed]),
    )
    waiting = remaining.group_by("source", "ingest_id").agg(pl.len().cast(pl.Int64).alias("_waiting"))
    counted = log.join(waiting, on=["source", "ingest_id"], how="left", maintain_order="left")
    quarantined = pl.col("_waiting").fill_null(0)
    return counted.with_columns(
        quarantined.alias("quarantined"), (pl.col("rows") - pl.col("valid") - quarantined).alias("superseded")
    ).select(list(INGESTS))


def _rank(text: str) -> pl.Expr:
    return pl.int_range(pl.len()).over(text).alias(_RANK)


def _with_keys_of(dataset: Dataset, envelopes: pl.DataFrame, load: Load) -> pl.DataFrame:
    """Return the envelopes of rows whose key the load brings."""
    if not dataset.key or envelopes.is_empty():
        return envelopes.clear()
    key = list(dataset.key)
    keyed = envelopes.with_columns(envelope_keys(dataset, envelopes).rename({name: f"\0{name}" for name in key}))
    refused = envelope_keys(dataset, load.refused.filter(pl.col("position").is_not_null()))
    brought = pl.concat([load.valid.select(key), refused.lazy()])
    places = [f"\0{name}" for name in key]
    return (keyed.lazy().join(brought, left_on=places, right_on=key, how="semi").collect(engine="streaming")).select(
        envelopes.columns
    )
