"""Logical types: a column's annotation says width, zone and scale, so that nothing is guessed later."""

from typing import Annotated, Literal, get_args

import polars as pl

UtcTimestamp = Annotated[pl.Datetime, "us", "UTC"]
"""An instant, in microseconds, in UTC. A naive timestamp is refused rather than taken for UTC."""

Day = pl.Date
"""A calendar day without a zone."""

PiiClass = Literal[
    "name", "email", "phone", "address", "national_id", "card", "ip_address", "birth_date", "location", "free_text"
]
"""The closed list of personal-data classes; masking, erasure and access are decided by class, never by column."""

PII_CLASSES: tuple[str, ...] = get_args(PiiClass)
