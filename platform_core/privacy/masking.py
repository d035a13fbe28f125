"""Masking by PII class, for anything a person may see: samples, previews, quarantine listings."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from platform_core.contracts.columns import Column

MASK = "•••"


def masked(frame: pl.DataFrame, columns: Iterable[Column]) -> pl.DataFrame:
    """Return the frame with every non-null value of a PII column replaced by `MASK`; such columns become text."""
    hidden = {column.name for column in columns if column.pii is not None}
    return frame.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.lit(MASK)).alias(name) for name in frame.columns if name in hidden
    )


def masked_record(record: Mapping[str, Any], columns: Iterable[Column]) -> dict[str, Any]:
    """Return the record with every non-null value of a PII column, and of a column no contract names.

    Replaced by `MASK`.
    """
    shown = {column.name for column in columns if column.pii is None}
    return {name: value if name in shown or value is None else MASK for name, value in record.items()}
