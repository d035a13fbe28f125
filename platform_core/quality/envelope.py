"""The quarantine's envelope: the raw payload as text, so that a row which cannot be typed fits, with rule and reason.

An envelope's id comes from where the row stood, so that a retry writes the same envelopes again and not others.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import polars as pl

RECORD = "_record"
"""The key of a payload under which the text of a malformed record stands."""

MALFORMED = "malformed: "
"""Begins the reason of an envelope that holds a record which is none."""

PLACE = f"^(?:{MALFORMED})?((?:line|row|offset) [0-9,]+): "
"""Finds at the beginning of a reason the place that a person looks for: `line 4`."""

Decision = Literal["open", "replayed", "discarded"]

ENVELOPE: dict[str, pl.DataType | type[pl.DataType]] = {
    "quarantine_id": pl.String,
    "source": pl.String,
    "ingest_id": pl.String,
    "position": pl.Int64,
    "payload": pl.String,
    "fix": pl.String,
    "rules": pl.List(pl.String),
    "reason": pl.String,
    "run_id": pl.String,
    "quarantined_at": pl.Datetime("us", "UTC"),
    "partition": pl.String,
    "decision": pl.String,
    "note": pl.String,
}  # fmt: skip
"""One row a refused row. A whole file that cannot be read is one envelope without position and payload."""


def envelopes(  # noqa: PLR0913 - one keyword per fact about the ingest
    raw: pl.DataFrame,
    rules: Sequence[Sequence[str]],
    reasons: Sequence[str],
    *,
    source: str,
    ingest_id: str,
    positions: Sequence[int],
    run_id: str,
    at: datetime,
    partitions: Sequence[str | None],
) -> pl.DataFrame:
    """One envelope for each raw row, in its order, open to a decision."""
    payload = raw.select(as_text(raw).alias("payload")).to_series() if raw.width else pl.Series([None] * raw.height)
    return pl.DataFrame(
        {
            "quarantine_id": [f"{ingest_id[:12]}-{position}" for position in positions],
            "source": source,
            "ingest_id": ingest_id,
            "position": positions,
            "payload": payload,
            "fix": None,
            "rules": rules,
            "reason": reasons,
            "run_id": run_id,
            "quarantined_at": at,
            "partition": partitions,
            "decision": "open",
            "note": None,
        },
        schema=ENVELOPE,
    )


def with_malformed(envelopes: pl.DataFrame, malformed: Mapping[int, tuple[str, str]]) -> pl.DataFrame:
    """Put the text of malformed records into their envelopes, for they have no values by column, and the reason.

    Args:
        envelopes: Some of which stand for malformed records.
        malformed: By position, why the record is none, and its text as it stands.
    """
    if not malformed:
        return envelopes
    texts = pl.DataFrame(
        {
            "position": list(malformed),
            "_reason": [f"{MALFORMED}{reason}" for reason, _ in malformed.values()],
            "_payload": [json.dumps({RECORD: text}, ensure_ascii=False) for _, text in malformed.values()],
        },
        schema={"position": pl.Int64, "_reason": pl.String, "_payload": pl.String},
    )
    joined = envelopes.join(texts, on="position", how="left", maintain_order="left")
    texts_first = joined.with_columns(
        pl.coalesce("_reason", "reason").alias("reason"), pl.coalesce("_payload", "payload").alias("payload")
    )
    return texts_first.select(list(ENVELOPE))


def whole_input(*, source: str, ingest_id: str, rule: str, reason: str, run_id: str, at: datetime) -> pl.DataFrame:
    """One envelope for an input that could not be read at all."""
    return pl.DataFrame(
        {
            "quarantine_id": [f"{ingest_id[:12]}-all"],
            "source": source,
            "ingest_id": ingest_id,
            "position": None,
            "payload": None,
            "fix": None,
            "rules": [[rule]],
            "reason": reason,
            "run_id": run_id,
            "quarantined_at": at,
            "partition": None,
            "decision": "open",
            "note": None,
        },
        schema=ENVELOPE,
    )


def as_text(frame: pl.DataFrame) -> pl.Expr:
    """Each row as a JSON object of texts, from which `conform` reads the same row; a null stays null.

    Instants are ISO 8601 with their zone, durations whole units of their type, bytes Base64, nested values JSON.
    """
    return pl.struct(_text(name, dtype) for name, dtype in frame.schema.items()).struct.json_encode()


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return value.dt.to_string("iso:strict")
    if isinstance(dtype, pl.Duration):
        return value.cast(pl.Int64).cast(pl.String)
    if dtype.is_nested():
        wrapped = pl.struct(value.alias("v")).struct.json_encode()
        bare = wrapped.str.strip_prefix('{"v":').str.strip_suffix("}")
        return pl.when(value.is_not_null()).then(bare).alias(name)
    if dtype == pl.Binary:
        return value.bin.encode("base64")
    return value.cast(pl.String)


def payloads(quarantined: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the raw rows in the envelopes as text columns, fixes applied, in the envelopes' order."""
    row_type = pl.Struct(dict.fromkeys(columns, pl.String()))
    return quarantined.select(
        pl.coalesce("fix", "payload").str.json_decode(row_type).alias("row")
    ).unnest("row")  # fmt: skip
