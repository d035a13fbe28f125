"""Personal data that nobody declared: what a column's name and values suggest.

A file without a contract names no PII column, and a report on it must not show one all the same. Doubt masks: a column
taken for personal data by mistake costs a look, the other mistake cannot be taken back.
"""

import re
from collections.abc import Mapping

import polars as pl

from platform_core.contracts.types import PiiClass

NAMES: Mapping[PiiClass, str] = {
    "email": r"e[-_ ]?mail",
    "phone": r"phone|mobile|telefon|fax",
    "birth_date": r"birth|dob$|geburt",
    "national_id": r"ssn|passport|national_id|tax_id|social_security|insurance_n",
    "card": r"iban|card_?(no|num|number)|credit_?card|^pan$|account_?(no|num|number)",
    "ip_address": r"(^|_)ip(_?addr(ess)?)?$",
    "address": r"address|street|postcode|zip_?code|strasse",
    "name": r"^name$|(first|last|full|given|family|sur|middle|customer|contact|person|holder)_?name$",
    "location": r"^(geo_?location|home_lat|home_lon)",
}
"""What the name of a column of each class looks like, in lower case."""

VALUES: Mapping[PiiClass, str] = {
    "email": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$",
    "ip_address": r"^(?:\d{1,3}\.){3}\d{1,3}$|^(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{0,4}$",
    "phone": r"^(?:\+|00)\d[\d ()/\-]{6,18}$",
    "card": r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$|^(?:\d{4}[ \-]?){3}\d{4}$",
}
"""What the values of each class look like, as a regular expression over the whole text."""

SHARE = 0.3
"""The share of values that must look so: an e-mail address in a third of a column's rows is no accident."""

_TEXT = (pl.String, pl.Categorical, pl.Enum)


def suspected_by_name(name: str) -> PiiClass | None:
    """Return the class of personal data that a column's name suggests, or None."""
    lowered = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return next((pii for pii, pattern in NAMES.items() if re.search(pattern, lowered)), None)


def looks_like(name: str) -> pl.Expr:
    """Return a struct with, for each class in `VALUES`, the share of non-null texts that look like it."""
    text = pl.col(name).cast(pl.String).str.strip_chars()
    return pl.struct(text.str.contains(pattern).mean().alias(pii) for pii, pattern in VALUES.items())


def suspected_pii(frame: pl.LazyFrame, *, sampled_rows: int = 10_000) -> dict[str, PiiClass]:
    """Return the columns that look like personal data by name or by their first values, with the class of each."""
    schema = frame.collect_schema()
    by_name = {name: pii for name in schema if (pii := suspected_by_name(name)) is not None}
    texts = [name for name, dtype in schema.items() if isinstance(dtype, _TEXT) and name not in by_name]
    if not texts:
        return by_name
    shares = frame.select(texts).head(sampled_rows).select(looks_like(name).alias(name) for name in texts).collect()
    by_value = {name: pii for name in texts if (pii := _likeliest(shares[name][0])) is not None}
    return {name: (by_name | by_value)[name] for name in schema if name in by_name or name in by_value}


def _likeliest(shares: Mapping[PiiClass, float | None]) -> PiiClass | None:
    best = max(shares, key=lambda pii: shares[pii] or 0.0)
    return best if (shares[best] or 0.0) >= SHARE else None
