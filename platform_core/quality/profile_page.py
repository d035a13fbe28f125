"""A profile as a page with plots, and as plain values for JSON."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import escape
from typing import Any

from platform_core.privacy.masking import MASK
from platform_core.quality.html import document, grid, histogram, line, tiles
from platform_core.quality.profile import Bin, ColumnProfile, Profile

_CORRELATIONS = 15
_VALUES = 10
_LONGEST_TEXT = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def profile_page(profile: Profile) -> str:
    """Return the profile as one HTML page that opens from disk."""
    return document(f"Profile of {profile.name}", summary(profile), profile_sections(profile))


def summary(profile: Profile) -> str:
    """Return the profile in a sentence."""
    repeated = f", {profile.duplicates:,} repeat another in every column" if profile.duplicates else ""
    keys = " or ".join(" + ".join(names) for names in profile.keys[:3]) or "no key of up to four columns"
    return f"{profile.rows:,} rows{repeated}; {len(profile.columns)} columns; identified by {keys}."


def profile_sections(profile: Profile) -> Iterator[str]:
    """Yield the parts of the page."""
    yield "<h2>Columns</h2>"
    yield grid(
        ["column", "type", "nulls", "distinct", "least", "median", "greatest", "mean", "length"],
        [
            [column.name, column.type, f"{column.null_share:.1%}", distinct_text(column),
             masked_text(column, column.minimum), masked_text(column, column.quantiles.get("p50")),
             masked_text(column, column.maximum), text_of(column.mean),
             lengths_text(column)]
            for column in profile.columns
        ],
        numbers=(2, 3),
    )  # fmt: skip
    if profile.correlations:
        yield "<h2>Correlations</h2>"
        yield grid(["column", "with", "coefficient"], [
            [one, other, f"{value:+.3f}"] for one, other, value in profile.correlations[:_CORRELATIONS]
        ], numbers=(2,))  # fmt: skip
    yield from _partitions(profile)
    for column in profile.columns:
        yield from _details(column)


def _partitions(profile: Profile) -> Iterator[str]:
    if not profile.partitions:
        return
    keys, parts = list(profile.partitions), list(profile.partitions.values())
    yield "<h2>Partitions</h2>"
    rows = line([float(part.rows) for part in parts], keys[0], keys[-1], label="rows by partition")
    shares = {column.name: [part.null_shares[column.name] for part in parts] for column in profile.columns}
    nulls = [
        (f"Share of nulls in {name}", line(list(share), keys[0], keys[-1], label=f"nulls of {name} by partition"))
        for name, share in shares.items() if max(share) != min(share)
    ]  # fmt: skip
    yield tiles([("Rows", rows), *nulls])


def _details(column: ColumnProfile) -> Iterator[str]:
    personal = f", personal data ({column.pii}): values are not shown" if column.pii else ""
    yield f"<h2 id={_anchor(column.name)}>{escape(column.name)}</h2>"
    yield f'<p class="lead">{escape(column.type + personal)}; {column.nulls:,} null of {column.rows:,}</p>'
    if column.histogram:
        low, high = (_edge(column, edge) for edge in (column.histogram[0].low, column.histogram[-1].high))
        counts = [bar.count for bar in column.histogram]
        yield histogram(counts, low, high, label=f"histogram of {column.name}")
    if column.quantiles:
        yield grid(list(column.quantiles), [[text_of(value) for value in column.quantiles.values()]], narrow=True)
    if column.top:
        yield grid(
            ["value", "rows"], [[text_of(value), f"{count:,}"] for value, count in column.top[:_VALUES]],
            numbers=(1,), narrow=True,
        )  # fmt: skip
    if column.patterns:
        rows = [[text_of(pattern), f"{count:,}"] for pattern, count in column.patterns]
        yield grid(["shape", "rows"], rows, numbers=(1,), narrow=True)


def _anchor(name: str) -> str:
    return f'"{escape(name, quote=True)}"'


def _edge(column: ColumnProfile, value: float) -> str:
    """Return the end of a histogram's axis in the column's own terms."""
    if column.type.startswith(("Datetime", "Date")):
        instant = _EPOCH + timedelta(seconds=value)
        return f"{instant:%Y-%m-%d}"
    return f"{value:,.6g}"


def distinct_text(column: ColumnProfile) -> str:
    """Return how many values differ, with a tilde where it is an estimate."""
    if column.distinct is None:
        return "-"
    return f"{'' if column.exact else '~'}{column.distinct:,}"


def lengths_text(column: ColumnProfile) -> str:
    """Return the shortest and longest length, or a dash."""
    return "-" if column.shortest is None else f"{column.shortest}-{column.longest}"


def masked_text(column: ColumnProfile, value: Any) -> str:
    """Return a value as text, masked where the column holds personal data."""
    return MASK if column.pii and column.filled else text_of(value)


def text_of(value: Any) -> str:
    """Return a value as a short text; a null is a dash."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    text = str(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def plain_profile(profile: Profile) -> dict[str, Any]:
    """Return the profile as values that JSON has; instants and decimals are texts."""
    return {
        "name": profile.name,
        "rows": profile.rows,
        "duplicates": profile.duplicates,
        "keys": [list(names) for names in profile.keys],
        "correlations": [{"columns": [one, other], "value": value} for one, other, value in profile.correlations],
        "columns": [_plain_column(column) for column in profile.columns],
        "partitions": {
            key: {"rows": part.rows, "null_shares": dict(part.null_shares), "means": dict(part.means)}
            for key, part in profile.partitions.items()
        },
    }


def _plain_column(column: ColumnProfile) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "pii": column.pii,
        "nulls": column.nulls,
        "null_share": column.null_share,
        "distinct": column.distinct,
        "exact": column.exact,
        "minimum": _plain(column.minimum),
        "maximum": _plain(column.maximum),
        "mean": column.mean,
        "deviation": column.deviation,
        "quantiles": {name: _plain(value) for name, value in column.quantiles.items()},
        "histogram": [_plain_bin(bar) for bar in column.histogram],
        "top": [{"value": _plain(value), "rows": count} for value, count in column.top[:_VALUES]],
        "patterns": [{"shape": pattern, "rows": count} for pattern, count in column.patterns],
        "shortest": column.shortest,
        "longest": column.longest,
        "zeros": column.zeros,
        "negatives": column.negatives,
    }


def _plain_bin(bar: Bin) -> dict[str, float | int]:
    return {"low": bar.low, "high": bar.high, "count": bar.count}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | date | timedelta):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
