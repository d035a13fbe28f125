"""Replaying quarantined rows: the same split again, merged by key, so that a second replay changes nothing."""

import json
from collections.abc import Sequence

import polars as pl

from platform_assets.ingest.commit import ReplayedEnvelopes
from platform_assets.ingest.inputs import Input
from platform_assets.ingest.intake import Intake
from platform_assets.ingest.quarantine import QuarantineStore, homes
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import INGEST, SOURCE, table_spec
from platform_core.contracts.sources import Replayed
from platform_core.quality.envelope import PLACE

REPLAY_TAG = "platform/replay"
"""A run with this tag takes its rows from the quarantine: `all`, or a JSON list of quarantine ids."""


def replay_tag(ids: Sequence[str] | None) -> dict[str, str]:
    """Return the tag of a run that replays the given envelopes, or all open ones."""
    return {REPLAY_TAG: "all" if ids is None else json.dumps(list(ids))}


def replayed_source(tag: str) -> Replayed:
    """Return the source that stands in for the declared one in a run with that tag."""
    return Replayed(ids=None if tag == "all" else json.loads(tag))


def close_replayed(store: QuarantineStore, inputs: Sequence[Input], refused: pl.DataFrame) -> ReplayedEnvelopes:
    """Close the envelopes whose rows will be in the table; those refused again stay open and say why."""
    places = _places(inputs)
    again = refused.drop("quarantine_id").join(places, on=["source", "ingest_id", "position"])
    verdicts = again.select("quarantine_id", *(pl.col(name).alias(f"_{name}") for name in _VERDICT))
    known = pl.concat_str(pl.col("reason").str.extract(PLACE), pl.lit(": "))
    place = pl.when(pl.col("_reason").str.contains(PLACE)).then(pl.lit("")).otherwise(known.fill_null(""))
    judged = (
        store.envelopes(ids=places["quarantine_id"].to_list())
        .join(verdicts, on="quarantine_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("_run_id").is_null()).then(pl.lit("replayed")).otherwise("decision").alias("decision"),
            *(pl.coalesce(f"_{name}", name).alias(name) for name in _VERDICT if name != "reason"),
            pl.coalesce(place + pl.col("_reason"), "reason").alias("reason"),
        )
        .drop(f"_{name}" for name in _VERDICT)
    )
    merged = judged.filter(pl.col("decision") == "replayed")
    went = merged.select("source", homes(store.dataset, merged).alias("home")).drop_nulls()
    return ReplayedEnvelopes(
        envelopes=judged,
        partitions={source: set(rows["home"]) for (source,), rows in went.partition_by("source", as_dict=True).items()},
    )


def replayed_messages(store: QuarantineStore, inputs: Sequence[Input], intake: Intake) -> pl.DataFrame:
    """Give valid rows that were messages their offset, as the worker does; an append leaves out those that it has.

    So a replay that died before it closed its envelopes can be made again.
    """
    places = _places(inputs)
    offsets = store.envelopes(ids=places["quarantine_id"].to_list()).select(
        "quarantine_id", pl.col("position").alias("_at")
    )
    rows = (
        intake.valid.with_columns(intake.positions.alias("_place"))
        .join(
            places.join(offsets, on="quarantine_id"),
            left_on=[SOURCE, INGEST, "_place"],
            right_on=["source", "ingest_id", "position"],
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.col("_at").cast(pl.String).alias(INGEST))
        .select(intake.valid.columns)
    )
    spec = table_spec(store.dataset)
    if spec.mode != "append" or not store.lake.exists(spec):
        return rows
    place = [SOURCE, INGEST]
    sources = rows[SOURCE].unique().to_list()
    stored = as_declared(store.lake.scan(spec), store.dataset, beside=place).select(place)
    standing = stored.filter(pl.col(SOURCE).is_in(sources)).join(rows.lazy().select(place), on=place, how="semi")
    return rows.join(standing.collect(), on=place, how="anti", maintain_order="left")


def _places(inputs: Sequence[Input]) -> pl.DataFrame:
    """Which envelope each row of the inputs was, by its number in its input, from 1."""
    return pl.DataFrame(
        [
            (input_.source, input_.ingest_id, place, quarantine_id)
            for input_ in inputs
            for place, quarantine_id in enumerate(input_.ids, start=1)
        ],
        schema={"source": pl.String, "ingest_id": pl.String, "position": pl.Int64, "quarantine_id": pl.String},
        orient="row",
    )


_VERDICT = ("rules", "reason", "run_id")
