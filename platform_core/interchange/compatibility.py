"""What a change of a contract means to those who read the dataset, and which version it asks for.

Each change has a kind, a direction and a level. The levels are, from harmless to harmful: `strict` (readers see no
difference), `compatible` (readers go on as they are), `convertible` (a safe cast makes it so), `incompatible`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from platform_core.contracts import Column, Dataset, Rule, rules_of
from platform_core.rules.base import parameters_of
from platform_core.rules.sets import IsIn

Level = Literal["strict", "compatible", "convertible", "incompatible"]
Direction = Literal["tightens", "loosens", "neutral"]
Bump = Literal["none", "patch", "minor", "major"]

LEVELS: tuple[Level, ...] = ("strict", "compatible", "convertible", "incompatible")
_BUMPS: Mapping[Level, Bump] = {
    "strict": "patch",
    "compatible": "minor",
    "convertible": "minor",
    "incompatible": "major",
}
_ORDER: tuple[Bump, ...] = ("none", "patch", "minor", "major")

DEFAULTS: Mapping[str, Level] = {
    "text_changed": "strict",
    "owner_changed": "strict",
    "column_moved": "strict",
    "column_added": "compatible",
    "column_removed": "incompatible",
    "type_widened": "convertible",
    "type_narrowed": "incompatible",
    "type_changed": "incompatible",
    "null_allowed": "incompatible",
    "null_refused": "compatible",
    "key_changed": "incompatible",
    "unit_changed": "incompatible",
    "newest_changed": "incompatible",
    "personal_data_changed": "compatible",
    "set_widened": "incompatible",
    "set_narrowed": "compatible",
    "rule_added": "compatible",
    "rule_removed": "incompatible",
    "rule_tightened": "compatible",
    "rule_loosened": "incompatible",
    "rule_changed": "incompatible",
    "warning_changed": "strict",
    "severity_raised": "compatible",
    "severity_lowered": "incompatible",
    "partitions_changed": "convertible",
    "format_changed": "convertible",
    "encoding_changed": "convertible",
    "promise_tightened": "compatible",
    "promise_loosened": "compatible",
    "promise_removed": "incompatible",
}
"""The level of each kind of change; users override them by kind."""

_DIRECTIONS: Mapping[str, Direction] = {
    "null_allowed": "loosens", "null_refused": "tightens", "set_widened": "loosens", "set_narrowed": "tightens",
    "rule_added": "tightens", "rule_removed": "loosens", "rule_tightened": "tightens", "rule_loosened": "loosens",
    "type_widened": "loosens", "type_narrowed": "tightens", "severity_raised": "tightens",
    "severity_lowered": "loosens", "promise_tightened": "tightens", "promise_loosened": "loosens",
    "promise_removed": "loosens",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between two contracts.

    Attributes:
        kind: One of `DEFAULTS`.
        column: That it concerns; None for the dataset.
        before: As it was, in words.
        after: As it is.
        level: What it means to readers.
    """

    kind: str
    column: str | None
    before: str
    after: str
    level: Level

    @property
    def direction(self) -> Direction:
        """Whether fewer rows satisfy the new contract, more, or the same."""
        return _DIRECTIONS.get(self.kind, "neutral")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two contracts of a dataset compared.

    Attributes:
        name: Of the dataset.
        old_version: Of the earlier contract; None where there is none.
        new_version: Of the later one; None where it is gone.
        changes: The most harmful first.
    """

    name: str
    old_version: str | None
    new_version: str | None
    changes: Sequence[Change] = field(default_factory=tuple)

    @property
    def level(self) -> Level:
        """The most harmful of the changes; a dataset that is gone is incompatible."""
        if self.new_version is None:
            return "incompatible"
        return max((change.level for change in self.changes), key=LEVELS.index, default="strict")

    @property
    def bump(self) -> Bump:
        """How much the version must move."""
        if self.old_version is None or self.new_version is None or not self.changes:
            return "none"
        return _BUMPS[self.level]

    @property
    def proposed_version(self) -> str | None:
        """The least version that the changes allow."""
        return None if self.old_version is None else bumped(self.old_version, self.bump)

    @property
    def is_versioned(self) -> bool:
        """Whether the version moved as much as the changes ask for."""
        if self.old_version is None or self.new_version is None or self.bump == "none":
            return True
        return _ORDER.index(_moved(self.old_version, self.new_version)) >= _ORDER.index(self.bump)


def bumped(version: str, bump: Bump) -> str:
    """Return a version moved by one.

    >>> bumped("1.4.2", "minor")
    '1.5.0'
    """
    major, minor, patch = (int(part) for part in version.split("."))
    return {
        "none": version,
        "patch": f"{major}.{minor}.{patch + 1}",
        "minor": f"{major}.{minor + 1}.0",
        "major": f"{major + 1}.0.0",
    }[bump]


def _moved(old: str, new: str) -> Bump:
    before, after = (tuple(int(part) for part in version.split(".")) for version in (old, new))
    if after <= before:
        return "none"
    words: tuple[Bump, ...] = ("major", "minor", "patch")
    return next(word for word, was, now in zip(words, before, after, strict=True) if was != now)


def compare(old: Dataset, new: Dataset, *, levels: Mapping[str, Level] | None = None) -> Comparison:
    """Compare two contracts of a dataset; `levels` overrides what a kind of change means.

    Raises:
        ValueError: `levels` names a kind of change or a level that there is not.
    """
    known = {**DEFAULTS, **(levels or {})}
    strange = [*(known.keys() - DEFAULTS.keys()), *(set(known.values()) - set(LEVELS))]
    if strange:
        raise ValueError(f"{strange[0]!r} is no kind of change and no level. Fix: use {', '.join(DEFAULTS)}; "
                         f"{', '.join(LEVELS)}.")  # fmt: skip
    changes = [
        Change(kind=kind, column=column, before=before, after=after, level=known[kind])
        for kind, column, before, after in _changes(old, new)
    ]
    changes.sort(key=lambda change: -LEVELS.index(change.level))
    return Comparison(name=new.name, old_version=old.version, new_version=new.version, changes=tuple(changes))


Found = tuple[str, str | None, str, str]


def _changes(old: Dataset, new: Dataset) -> Iterator[Found]:
    yield from _texts(old, new)
    yield from _column_changes(old, new)
    if tuple(old.key) != tuple(new.key):
        yield "key_changed", None, ", ".join(old.key) or "none", ", ".join(new.key) or "none"
    if old.newest != new.newest:
        yield "newest_changed", None, old.newest or "none", new.newest or "none"
    if old.partitions != new.partitions:
        yield "partitions_changed", None, _partitions(old), _partitions(new)
    if old.store.format != new.store.format:
        yield "format_changed", None, old.store.format, new.store.format
    if _encoding(old) != _encoding(new):
        yield "encoding_changed", None, _encoding(old), _encoding(new)
    yield from _rule_changes(old, new)
    yield from _promise_changes(old, new)


def _partitions(dataset: Dataset) -> str:
    return dataset.partitions.described if dataset.partitions else "none"


def _encoding(dataset: Dataset) -> str:
    """Return how the inputs' texts are written; only suppliers notice, for tables are UTF-8."""
    return getattr(dataset.source, "encoding", None) or "UTF-8"


def _texts(old: Dataset, new: Dataset) -> Iterator[Found]:
    if old.about != new.about:
        yield "text_changed", None, old.about, new.about
    if sorted(old.tags) != sorted(new.tags):
        yield "text_changed", None, ", ".join(old.tags), ", ".join(new.tags)
    if old.owner != new.owner:
        yield "owner_changed", None, old.owner, new.owner


def _column_changes(old: Dataset, new: Dataset) -> Iterator[Found]:
    before, after = ({column.name: column for column in dataset.columns} for dataset in (old, new))
    for name in before.keys() - after.keys():
        yield "column_removed", name, str(before[name].dtype), ""
    for name in after.keys() - before.keys():
        yield "column_added", name, "", str(after[name].dtype)
    same = [name for name in before if name in after]
    if same != [name for name in after if name in before]:
        yield "column_moved", None, ", ".join(before), ", ".join(after)
    for name in same:
        yield from _one_column(before[name], after[name])


def _one_column(old: Column, new: Column) -> Iterator[Found]:
    name = new.name
    if old.dtype != new.dtype:
        yield _type_change(old.dtype, new.dtype), name, str(old.dtype), str(new.dtype)
    if old.nullable != new.nullable:
        kind = "null_allowed" if new.nullable else "null_refused"
        yield kind, name, _null_word(old), _null_word(new)
    if old.unit != new.unit:
        yield "unit_changed", name, old.unit or "none", new.unit or "none"
    if old.pii != new.pii:
        yield "personal_data_changed", name, old.pii or "none", new.pii or "none"
    if old.description != new.description:
        yield "text_changed", name, old.description, new.description


def _null_word(column: Column) -> str:
    return "nullable" if column.nullable else "never null"


def _type_change(old: pl.DataType, new: pl.DataType) -> str:
    """Return whether every value of the old type is one of the new (`type_widened`), the reverse, or neither."""
    if is_wider(new, old):
        return "type_widened"
    return "type_narrowed" if is_wider(old, new) else "type_changed"


_SIGNED = re.compile(r"(U?Int|Float)(\d+)")
_DECIMAL_DIGITS = 38
_DIGITS = {"Float32": 24, "Float64": 53}


def is_wider(wide: pl.DataType, narrow: pl.DataType) -> bool:
    """Return whether every value of a type is, unchanged, a value of another, and taken for one where rows come in.

    A number is no text: who adds up a column cannot go on with one.
    """
    if isinstance(wide, pl.String):
        return isinstance(narrow, pl.Enum | pl.Categorical)
    if isinstance(wide, pl.Decimal) and isinstance(narrow, pl.Decimal):
        whole = [(dtype.precision or _DECIMAL_DIGITS) - dtype.scale for dtype in (wide, narrow)]
        return wide.scale >= narrow.scale and whole[0] >= whole[1]
    if isinstance(wide, pl.Datetime) and isinstance(narrow, pl.Datetime):
        units = ("ms", "us", "ns")
        return wide.time_zone == narrow.time_zone and units.index(wide.time_unit) >= units.index(narrow.time_unit)
    if isinstance(wide, pl.Datetime) and narrow == pl.Date:
        return wide.time_zone == "UTC"  # a day is its midnight
    if isinstance(wide, pl.Enum) and isinstance(narrow, pl.Enum):
        return set(narrow.categories) <= set(wide.categories)
    one, other = (_SIGNED.fullmatch(type(dtype).__name__) for dtype in (wide, narrow))
    if one is None or other is None:
        return False
    return _number_holds((one[1], int(one[2])), (other[1], int(other[2])))


def _number_holds(wide: tuple[str, int], narrow: tuple[str, int]) -> bool:
    if wide[0] == narrow[0]:
        return wide[1] > narrow[1]
    bits = narrow[1] - (narrow[0] == "Int")
    if wide[0] == "Int":
        return narrow[0] == "UInt" and wide[1] - 1 >= bits
    return wide[0] == "Float" and narrow[0] != "Float" and _DIGITS[f"Float{wide[1]}"] >= bits


_DERIVED = frozenset({"columns", "schema", "types", "not_null", "partition"})
"""Kinds of rules that columns and partitions say already."""


def _rule_changes(old: Dataset, new: Dataset) -> Iterator[Found]:
    before, after = (_own_rules(dataset) for dataset in (old, new))
    for rule_id in before.keys() - after.keys():
        rule = before[rule_id]
        if all(new.column(name) is not None for name in rule.columns):
            yield "rule_removed" if rule.severity == "error" else "warning_changed", _at(rule), rule.label, ""
    for rule_id in after.keys() - before.keys():
        rule = after[rule_id]
        if all(old.column(name) is not None for name in rule.columns):
            yield "rule_added" if rule.severity == "error" else "warning_changed", _at(rule), "", rule.label
    for rule_id in before.keys() & after.keys():
        yield from _one_rule(before[rule_id], after[rule_id])


def _own_rules(dataset: Dataset) -> dict[str, Rule]:
    return {rule.id: rule for rule in rules_of(dataset) if rule.kind not in _DERIVED and rule.id != "key_unique"}


def _at(rule: Rule) -> str | None:
    return rule.columns[0] if len(rule.columns) == 1 else None


def _one_rule(old: Rule, new: Rule) -> Iterator[Found]:
    if old.severity != new.severity:
        kind = "severity_raised" if new.severity == "error" else "severity_lowered"
        yield kind, _at(new), f"{old.label}: {old.severity}", f"{new.label}: {new.severity}"
    if not _differ(old, new):
        return
    if new.severity == "warn" and old.severity == "warn":
        yield "warning_changed", _at(new), old.label, new.label
    elif isinstance(old, IsIn) and isinstance(new, IsIn):
        gained = set(new.allowed_values) - set(old.allowed_values)
        yield "set_widened" if gained else "set_narrowed", _at(new), old.label, new.label
    else:
        yield _bound_change(old, new), _at(new), old.label, new.label


def _differ(old: Rule, new: Rule) -> bool:
    if old.kind != new.kind:
        return True
    one, other = parameters_of(old), parameters_of(new)
    return any(not _alike(one[name], other.get(name)) for name in one)


def _alike(one: Any, other: Any) -> bool:
    """Return whether two parameters say the same; checks in Python are compared by name, for code cannot be."""
    if isinstance(one, pl.Expr) and isinstance(other, pl.Expr):
        return one.meta.eq(other)
    if hasattr(one, "statistics"):
        return getattr(one, "name", None) == getattr(other, "name", None)
    return bool(one == other)


_LOWER = ("at_least", "min_value", "coverage")
_UPPER = ("at_most", "max_value")


def _bound_change(old: Rule, new: Rule) -> str:
    """Return whether a rule on bounds asks for more or for less than before."""
    if old.kind != new.kind:
        return "rule_changed"
    one, other = parameters_of(old), parameters_of(new)
    moved = [name for name in one if not _alike(one[name], other.get(name))]
    if not set(moved) <= {*_LOWER, *_UPPER}:
        return "rule_changed"
    tighter = {_tighter(one[name], other[name], lower=name in _LOWER) for name in moved}
    if tighter == {True}:
        return "rule_tightened"
    return "rule_loosened" if tighter == {False} else "rule_changed"


def _tighter(old: Any, new: Any, *, lower: bool) -> bool | None:
    """Return whether a bound asks for more than before; None where the two are of types that have no order."""
    if old is None or new is None:
        return old is None
    try:
        return bool(new > old) if lower else bool(new < old)
    except TypeError:  # a column that was a number is a text now
        return None


def _promise_changes(old: Dataset, new: Dataset) -> Iterator[Found]:
    before, after = _promises(old), _promises(new)
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        if now is None:
            yield "promise_removed", None, f"{name} {was:g}", ""
        elif was is None:
            yield "promise_tightened", None, "", f"{name} {now:g}"
        else:
            stronger = now > was if name in ("availability", "throughput") else now < was
            yield "promise_tightened" if stronger else "promise_loosened", None, f"{name} {was:g}", f"{name} {now:g}"


def _promises(dataset: Dataset) -> dict[str, float]:
    """Return what is promised, as numbers: seconds, shares, rows a second."""
    sla = dataset.sla
    promised = {
        "freshness": dataset.freshness.total_seconds() if dataset.freshness else None,
        "availability": sla.availability if sla else None,
        "latency": sla.latency.total_seconds() if sla and sla.latency else None,
        "throughput": sla.throughput if sla else None,
    }
    return {name: value for name, value in promised.items() if value is not None}
