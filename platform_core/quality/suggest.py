"""Rules that rows suggest, each with the evidence beside it, as code that runs.

A suggestion is a guess from a sample about rows that nobody has seen. So each leaves room around what was measured, as
much as the sample leaves open, and where a sample is too small to say anything nothing is suggested. All are warnings:
a person accepts a rule by raising its severity.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from itertools import combinations, groupby
from typing import Any

import polars as pl

from platform_core.quality.profile import ColumnProfile, PartitionProfile, Profile

FEWEST_ROWS = 50
"""Of fewer rows nothing but the types is said: without a null in n rows, up to 3 in n may still be null."""

SEEN_PER_VALUE = 5
"""How often each of them must occur: by Good and Turing the share of values unseen is the share that occur once."""

ROOM = 0.5
"""By how much of its own span a range is widened on each side."""

_HEAVY = 4
"""A span so many times what 98 % of the rows take up has a heavy tail: the next extreme may be far beyond the last."""

_SEASONS = 12
"""Of so many partitions a mean is taken to have shown its seasons."""

_COMPARED_COLUMNS = 12


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A rule that the rows suggest.

    Attributes:
        id: The rule's id.
        columns: That it speaks of.
        code: The rule as a Python expression in the words of `platform_core.contracts`.
        evidence: What was measured, in words, without any value of personal data.
    """

    id: str
    columns: tuple[str, ...]
    code: str
    evidence: str


def suggest(profile: Profile, frame: pl.LazyFrame | pl.DataFrame) -> tuple[Suggestion, ...]:
    """Suggest rules for a table.

    Args:
        profile: The table as measured; with partitions, what differs between them is left room for.
        frame: The same rows; read once more where columns are compared with one another.

    Returns:
        Rules on columns in the table's order, then between columns, then on the table.
    """
    if profile.rows < FEWEST_ROWS:
        return ()
    single = [column_rule for column in profile.columns for column_rule in _column_rules(profile, column, frame.lazy())]
    return (*single, *_orders(profile, frame.lazy()), *_products(profile, frame.lazy()), *_volume(profile))


def _column_rules(profile: Profile, column: ColumnProfile, frame: pl.LazyFrame) -> Iterator[Suggestion]:
    if column.filled == 0:
        return
    yield from _completeness(profile, column)
    yield from _uniqueness(profile, column)
    if column.pii is not None or column.filled < FEWEST_ROWS:
        return
    values = _allowed_values(profile, column)
    if values is not None:
        shown = ", ".join(literal(value) for value in values)
        least = min(count for _, count in column.top)
        yield Suggestion(
            id=rule_id(column.name, "known"),
            columns=(column.name,),
            code=expression_code(column.name, "known", f"{reference(column.name)}.is_in([{shown}])"),
            evidence=f"{len(values)} values in {column.filled:,} rows, the rarest in {least:,}",
        )
    elif column.patterns:
        yield from _text_rules(column, frame)
    if column.quantiles and values is None:
        yield from _range(profile, column)
    if column.quantiles and column.mean is not None:
        yield from _mean(profile, column)


def _completeness(profile: Profile, column: ColumnProfile) -> Iterator[Suggestion]:
    """Suggest the share of rows that is filled; below a half filled, nulls say nothing."""
    least = _least_filled(profile, column)
    if least <= 0:
        return
    scope = f"in the emptiest of {len(profile.partitions)} partitions" if len(profile.partitions) > 1 else "of rows"
    yield Suggestion(
        id=rule_id(column.name, "complete"),
        columns=(column.name,),
        code=f"complete({literal(column.name)}, at_least={least:g})",
        evidence=f"{column.nulls:,} null of {column.rows:,}; filled in {_emptiest(profile, column):.1%} {scope}",
    )


def _emptiest(profile: Profile, column: ColumnProfile) -> float:
    shares = [1 - part.null_shares[column.name] for part in profile.partitions.values()]
    return min([1 - column.null_share, *shares])


def _least_filled(profile: Profile, column: ColumnProfile) -> float:
    """Return the share of rows to ask for: that of the emptiest partition, less what chance and a drift may take."""
    if column.nulls == 0:
        return 0.99 if column.rows >= 10 * FEWEST_ROWS else 0.95
    filled = _emptiest(profile, column)
    size = column.rows / max(len(profile.partitions), 1)
    chance = 4 * math.sqrt(filled * (1 - filled) / max(size, 1))
    drift = 0.5 * (1 - filled)
    return math.floor(100 * max(filled - chance - drift - 0.01, 0)) / 100 if filled > 0.5 else 0.0  # noqa: PLR2004


def _uniqueness(profile: Profile, column: ColumnProfile) -> Iterator[Suggestion]:
    """Suggest uniqueness of a column that is a key; numbers with fractions and instants differ by chance."""
    differs_by_chance = column.type.startswith(("Float", "Datetime", "Date", "Time", "Duration", "Decimal"))
    if (column.name,) in profile.keys and not differs_by_chance:
        yield Suggestion(
            id=rule_id(column.name, "unique"),
            columns=(column.name,),
            code=f'unique({literal(column.name)}, severity="warn")',
            evidence=f"{column.distinct:,} different values in {column.rows:,} rows",
        )


def _allowed_values(profile: Profile, column: ColumnProfile) -> list[Any] | None:
    """Return the values of a closed set, sorted; None where more may come."""
    if not column.exact or not column.distinct or column.distinct > len(column.top):
        return None
    if not column.patterns or _moves(profile, column) or column.distinct == column.filled:
        return None
    rare = [count for _, count in column.top if count < SEEN_PER_VALUE]
    constant = column.distinct == 1 and len(profile.partitions) <= 1
    return None if rare or constant else sorted(value for value, _ in column.top)


def _moves(profile: Profile, column: ColumnProfile) -> bool:
    """Return whether partitions have values of their own, as a month's number has.

    Numbers move where no partition spans half of what the table spans; texts where most values come with partitions.
    """
    parts = _whole_partitions(profile)
    if len(parts) < 2:  # noqa: PLR2004
        return False
    ends = [part.ends[column.name] for part in parts if column.name in part.ends]
    if ends:
        known = [(low, high) for low, high in ends if low is not None and high is not None]
        spans = [high - low for low, high in known]
        whole = max((high for _, high in known), default=0.0) - min((low for low, _ in known), default=0.0)
        return whole > 0 and max(spans) < whole / 2
    return (column.distinct or 0) > 1.5 * max(part.distinct.get(column.name, 0) for part in parts)


def _text_rules(column: ColumnProfile, frame: pl.LazyFrame) -> Iterator[Suggestion]:
    """Suggest a pattern where all shapes are known, and a length in any case."""
    covered = sum(count for _, count in column.patterns)
    shapes = [shape for shape, _ in column.patterns]
    pattern = pattern_of(shapes) if covered == column.filled else None
    if pattern is not None and not _holds(frame, column.name, pattern):
        pattern = pattern_of(shapes, ascii_only=False)
    if covered == column.filled and pattern is not None:
        yield Suggestion(
            id=rule_id(column.name, "shape"),
            columns=(column.name,),
            code=expression_code(column.name, "shape", f"{reference(column.name)}.str.contains({literal(pattern)})"),
            evidence=f"all {column.filled:,} texts have the shape {' or '.join(shape for shape, _ in column.patterns)}",
        )
        return
    shortest, longest = column.shortest or 0, column.longest or 0
    least, most = (shortest if shortest <= 1 else max(1, shortest // 2)), 2 * longest + 10
    length = f"{reference(column.name)}.str.len_chars()"
    yield Suggestion(
        id=rule_id(column.name, "length"),
        columns=(column.name,),
        code=expression_code(column.name, "length", f"{length}.is_between({least}, {most})"),
        evidence=f"{shortest} to {longest} characters",
    )


def _holds(frame: pl.LazyFrame, name: str, pattern: str) -> bool:
    return bool(frame.select(pl.col(name).cast(pl.String).str.contains(pattern).all()).collect().item())


def pattern_of(shapes: Sequence[str], *, ascii_only: bool = True) -> str | None:
    """Return a regular expression that every text of these shapes matches, or None where they have no common form.

    A letter or digit is one of ASCII's, or any that Unicode knows.

    Shapes must have the same runs of characters; runs may differ in length by what was measured.

    >>> pattern_of(["A999", "A99"])
    '^[A-Z][0-9]{2,3}$'
    """
    runs = [[(char, len(list(same))) for char, same in groupby(shape)] for shape in shapes]
    if not runs or any([char for char, _ in run] != [char for char, _ in runs[0]] for run in runs) or not runs[0]:
        return None
    if not any(char in "9A" or not char.isalnum() for char, _ in runs[0]):
        return None
    pieces = []
    for place, (char, _) in enumerate(runs[0]):
        lengths = [run[place][1] for run in runs]
        pieces.append(
            (_CLASSES if ascii_only else _WIDE_CLASSES).get(char, re.escape(char)) + _times(min(lengths), max(lengths))
        )
    return f"^{''.join(pieces)}$" if _is_code(runs) else None


def _is_code(runs: Sequence[Sequence[tuple[str, int]]]) -> bool:
    """Return whether the shapes are those of a code rather than of words: digits, or capitals of one length alone."""
    characters = {char for run in runs for char, _ in run}
    return "9" in characters or (len(runs) == 1 and "a" not in characters and "A" in characters)


_CLASSES = {"9": "[0-9]", "A": "[A-Z]", "a": "[a-z]"}
_WIDE_CLASSES = {"9": r"\p{Nd}", "A": r"\p{Lu}", "a": r"[\p{L}--\p{Lu}]"}
"""Of texts with other letters or digits than ASCII's: as shapes are measured."""


def _times(least: int, most: int) -> str:
    if least == most:
        return "" if least == 1 else f"{{{least}}}"
    return f"{{{least},{most}}}"


def _range(profile: Profile, column: ColumnProfile) -> Iterator[Suggestion]:
    """Suggest a range with room around what was measured; a column that only grows has a lower end alone."""
    low, high = column.minimum, column.maximum
    if low is None or low == high or column.type == "Time":
        return
    if isinstance(low, date | datetime | timedelta):
        return
    grows = (column.name,) in profile.keys or _moves(profile, column)
    span = float(high) - float(low)
    reach = float(column.quantiles["p99"]) - float(column.quantiles["p01"])
    room = max(ROOM * span, reach) if span <= _HEAVY * reach else _HEAVY * span
    least = 0.0 if float(low) >= 0 and float(low) - room < 0 else float(low) - room
    if not all(map(math.isfinite, (least, float(high) + room))):
        return
    whole = column.type.startswith(("Int", "UInt"))
    ends = (_rounded(least, down=True, whole=whole), _rounded(float(high) + room, down=False, whole=whole))
    value = reference(column.name)
    holds = f"{value} >= {ends[0]}" if grows else f"{value}.is_between({ends[0]}, {ends[1]})"
    yield Suggestion(
        id=rule_id(column.name, "range"),
        columns=(column.name,),
        code=expression_code(column.name, "range", holds),
        evidence=f"{low:g} to {high:g} in {column.filled:,} rows, 98 % of them from "
        f"{column.quantiles['p01']:g} to {column.quantiles['p99']:g}",
    )


def _rounded(value: float, *, down: bool, whole: bool) -> str:
    """Return a bound as code, to two significant digits away from what was measured."""
    if value == 0:
        return "0"
    digits = Context(prec=2, rounding=ROUND_FLOOR if down else ROUND_CEILING)
    bound = digits.create_decimal(f"{value:.12g}")  # without what floats add beyond
    return repr(int(bound)) if whole else repr(float(bound))


def _mean(profile: Profile, column: ColumnProfile) -> Iterator[Suggestion]:
    """Suggest where a partition's mean lies: it moves when a unit changes or a share of rows is inflated."""
    if column.mean is None or column.deviation is None or (column.name,) in profile.keys or _moves(profile, column):
        return
    whole = _whole_partitions(profile)
    means = [mean for part in whole if (mean := part.means.get(column.name)) is not None]
    smallest = min((part.rows for part in whole), default=profile.rows)
    if smallest < FEWEST_ROWS:
        return
    chance = 5 * column.deviation / math.sqrt(smallest)
    spread = 2 * (max(means) - min(means)) if len(means) > 1 else column.deviation / 2
    if len(means) < _SEASONS and spread > column.deviation / 2:
        return  # the parts of a year that were not seen may be as far away again
    low, high = (min(means), max(means)) if means else (column.mean, column.mean)
    least, most = low - chance - spread, high + chance + spread
    if not (math.isfinite(least) and math.isfinite(most)) or least == most:
        return
    yield Suggestion(
        id=rule_id(column.name, "mean"),
        columns=(column.name,),
        code=f"measure({literal(rule_id(column.name, 'mean'))}, {reference(column.name)}.mean(), "
        f"at_least={_rounded(least, down=True, whole=False)}, at_most={_rounded(most, down=False, whole=False)})",
        evidence=f"mean {column.mean:.4g}"
        + (f", from {low:.4g} to {high:.4g} in {len(means)} partitions" if len(means) > 1 else ""),
    )


def _whole_partitions(profile: Profile) -> list[PartitionProfile]:
    """Return the partitions that a window did not cut off: those with a quarter of the usual rows or more."""
    parts = list(profile.partitions.values())
    usual = sorted(part.rows for part in parts)[len(parts) // 2] if parts else 0
    return [part for part in parts if 4 * part.rows >= usual]


def _orders(profile: Profile, frame: pl.LazyFrame) -> Iterator[Suggestion]:
    """Suggest which of two dates or instants is never after the other, where some rows tell them apart."""
    columns = [
        column.name
        for column in profile.columns
        if column.type.startswith(("Datetime", "Date")) and column.filled >= FEWEST_ROWS
    ][:_COMPARED_COLUMNS]
    pairs = [pair for pair in combinations(columns, 2) if profile.column(pair[0]).type == profile.column(pair[1]).type]
    if not pairs:
        return
    counts = frame.select(
        pl.struct(
            (pl.col(one) < pl.col(other)).sum().alias("less"),
            (pl.col(one) > pl.col(other)).sum().alias("greater"),
            (pl.col(one).is_not_null() & pl.col(other).is_not_null()).sum().alias("rows"),
        ).alias(str(place))
        for place, (one, other) in enumerate(pairs)
    ).collect()
    for place, (one, other) in enumerate(pairs):
        order_counts: Mapping[str, int] = counts[str(place)][0]
        if order_counts["rows"] < FEWEST_ROWS or (order_counts["less"] > 0) == (order_counts["greater"] > 0):
            continue
        first, second = (one, other) if order_counts["greater"] == 0 else (other, one)
        yield Suggestion(
            id=rule_id(first, f"until_{second}"),
            columns=(first, second),
            code=expression_code(first, f"until_{second}", f"{reference(first)} <= {reference(second)}"),
            evidence=f"{order_counts['rows']:,} rows have both, none with {first} after {second}",
        )


def _products(profile: Profile, frame: pl.LazyFrame) -> Iterator[Suggestion]:
    """Suggest that a whole number is the product, or the sum, of two others, where that holds in every row."""
    columns = [
        column.name
        for column in profile.columns
        if column.type.startswith(("Int", "UInt")) and (column.distinct or 0) > 1 and column.pii is None
    ][:_COMPARED_COLUMNS]
    triples = [
        (whole, sign, one, other)
        for whole in columns
        for one, other in combinations([column for column in columns if column != whole], 2)
        for sign in "*+"
    ]
    if not triples:
        return
    wide = [pl.col(name).cast(pl.Float64) for name in columns]
    sample = frame.select(wide).head(1_000).collect()
    likely = _holding(sample, triples)
    if not likely:
        return
    whole_frame = frame.select(wide).collect()
    for whole, sign, one, other in _holding(whole_frame, likely):
        yield Suggestion(
            id=rule_id(whole, f"of_{one}_{other}"),
            columns=(whole, one, other),
            code=expression_code(
                whole, f"of_{one}_{other}", f"{reference(whole)} == {reference(one)} {sign} {reference(other)}"
            ),
            evidence=f"holds in all {profile.rows:,} rows",
        )


def _holding(frame: pl.DataFrame, triples: Sequence[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    """Return the equations that hold in every row in which they can be judged, of which there must be enough."""
    values = [
        pl.col(one) * pl.col(other) if sign == "*" else pl.col(one) + pl.col(other) for _, sign, one, other in triples
    ]
    checks = [
        pl.struct(
            (pl.col(triple[0]) == value).all().alias("holds"),
            ((pl.col(triple[0]) == value) & (pl.col(triple[0]) != 0)).sum().alias("rows"),
        ).alias(str(place))
        for place, (triple, value) in enumerate(zip(triples, values, strict=True))
    ]
    verdicts = frame.select(checks).row(0)
    return [
        triple
        for triple, verdict in zip(triples, verdicts, strict=True)
        if verdict["holds"] and verdict["rows"] >= min(FEWEST_ROWS, frame.height)
    ]


def _volume(profile: Profile) -> Iterator[Suggestion]:
    """Suggest how many rows a partition has: from half of the smallest to twice the largest."""
    counted = [part.rows for part in _whole_partitions(profile)]
    if not counted:
        return
    yield Suggestion(
        id="volume",
        columns=(),
        code=f"volume(at_least={min(counted) // 2}, at_most={2 * max(counted)})",
        evidence=f"{min(counted):,} to {max(counted):,} rows in {len(counted)} partitions",
    )


def rule_id(column: str, suffix: str) -> str:
    """Return the id of a rule on a column."""
    return re.sub(r"[^A-Za-z0-9_]", "_", f"{column}_{suffix}")


def reference(column: str) -> str:
    """Return a column as code."""
    return f"col({literal(column)})"


def expression_code(column: str, suffix: str, holds: str) -> str:
    """Return a row rule as code."""
    return f'expression({literal(rule_id(column, suffix))}, {holds}, severity="warn")'


def literal(value: Any) -> str:
    """Return a value as code; texts stand in double quotes, as the formatter leaves them."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
