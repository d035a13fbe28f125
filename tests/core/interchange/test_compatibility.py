"""Each change of a contract has a level, a direction and a version that it asks for."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.discovery import discover
from platform_assets.operations.contracts import Registry, comparisons
from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Day,
    Field,
    Files,
    Parquet,
    Sla,
    UtcTimestamp,
    complete,
    monthly,
    volume,
)
from platform_core.interchange.compatibility import bumped, compare, is_wider
from platform_core.quality import conform

ROOT = Path(__file__).parents[3]


def declared(version: str = "1.0.0", model: dict[str, Any] | None = None, **terms: Any) -> Dataset:
    columns = {
        "x": (int, {"ge": 1}), "s": (str, {"isin": ["a", "b"], "nullable": True}), "d": (Day, {}), **(model or {})
    }  # fmt: skip
    kept = {name: column for name, column in columns.items() if column is not None}
    body = {name: Field(**words) for name, (_, words) in kept.items()}
    made = type("Rows", (DataFrameModel,), {**body, "__annotations__": {name: kind for name, (kind, _) in kept.items()},
                                            "__module__": __name__})  # fmt: skip
    return Dataset("a/rows", made, owner="team:a", version=version, **terms)


BASE = declared(rules=[volume(at_least=5, severity="error")], freshness=timedelta(hours=24), sla=Sla(availability=0.9))
SAME: dict[str, Any] = {"rules": BASE.rules, "freshness": BASE.freshness, "sla": BASE.sla}

CHANGES = [
    ({"model": {"new": (str, {"nullable": True})}}, "column_added", "compatible", "neutral"),
    ({"model": {"s": None}}, "column_removed", "incompatible", "neutral"),
    ({"model": {"x": (pl.Float64, {"ge": 1})}}, "type_changed", "incompatible", "neutral"),
    ({"model": {"x": (pl.Int128, {"ge": 1})}}, "type_widened", "convertible", "loosens"),
    ({"model": {"d": (UtcTimestamp, {})}}, "type_widened", "convertible", "loosens"),
    ({"model": {"x": (pl.Int32, {"ge": 1})}}, "type_narrowed", "incompatible", "tightens"),
    ({"model": {"x": (int, {"ge": 1, "nullable": True})}}, "null_allowed", "incompatible", "loosens"),
    ({"model": {"s": (str, {"isin": ["a", "b"]})}}, "null_refused", "compatible", "tightens"),
    ({"model": {"x": (int, {"ge": 2})}}, "rule_tightened", "compatible", "tightens"),
    ({"model": {"x": (int, {"ge": 0})}}, "rule_loosened", "incompatible", "loosens"),
    ({"model": {"x": (int, {})}}, "rule_removed", "incompatible", "loosens"),
    ({"model": {"x": (int, {"ge": 1, "le": 9})}}, "rule_added", "compatible", "tightens"),
    ({"model": {"x": (int, {"ge": 1, "severity": "warn"})}}, "severity_lowered", "incompatible", "loosens"),
    ({"model": {"s": (str, {"isin": ["a"], "nullable": True})}}, "set_narrowed", "compatible", "tightens"),
    ({"model": {"s": (str, {"isin": ["a", "b", "c"], "nullable": True})}}, "set_widened", "incompatible", "loosens"),
    ({"model": {"x": (int, {"ge": 1, "unit": "miles"})}}, "unit_changed", "incompatible", "neutral"),
    ({"model": {"x": (int, {"ge": 1, "pii": "card"})}}, "personal_data_changed", "compatible", "neutral"),
    ({"model": {"x": (int, {"ge": 1, "description": "new"})}}, "text_changed", "strict", "neutral"),
    ({"key": ("x",)}, "key_changed", "incompatible", "neutral"),
    ({"source": Files("*.csv", encoding="cp1252")}, "encoding_changed", "convertible", "neutral"),
    ({"store": Parquet()}, "format_changed", "convertible", "neutral"),
    ({"rules": [*BASE.rules, complete("s", at_least=0.5)]}, "warning_changed", "strict", "neutral"),
    ({"rules": [volume(at_least=9, severity="error")]}, "rule_tightened", "compatible", "tightens"),
    ({"freshness": timedelta(hours=48)}, "promise_loosened", "compatible", "loosens"),
    ({"freshness": None}, "promise_removed", "incompatible", "loosens"),
    ({"sla": Sla(availability=0.99)}, "promise_tightened", "compatible", "tightens"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "kind", "level", "direction"), CHANGES, ids=[f"{c[1]}-{i}" for i, c in enumerate(CHANGES)]
)
def test_a_change_is_the_one_that_was_made_and_no_other(
    terms: dict[str, Any], kind: str, level: str, direction: str
) -> None:
    found = compare(BASE, declared(**{**SAME, **terms}))
    assert [(change.kind, change.level, change.direction) for change in found.changes] == [(kind, level, direction)]


ENDS: dict[pl.DataType, list[Any]] = {
    **{dtype(): [2 ** (bits - 1) - 1, -(2 ** (bits - 1)), 0] for dtype, bits in
       ((pl.Int8, 8), (pl.Int16, 16), (pl.Int32, 32), (pl.Int64, 64))},
    **{dtype(): [2**bits - 1, 0] for dtype, bits in ((pl.UInt8, 8), (pl.UInt16, 16), (pl.UInt32, 32), (pl.UInt64, 64))},
    pl.Float32(): [1.5, float("inf"), 1e-40], pl.Float64(): [0.1, 1e308], pl.Boolean(): [True, False],
    pl.Decimal(10, 2): [Decimal("99999999.99")], pl.Decimal(12, 3): [Decimal("-0.001")], pl.Decimal(38, 0): [10**37],
    pl.Date(): [date(1, 1, 2), date(9999, 12, 30)], pl.Datetime("ms", "UTC"): [datetime(1969, 1, 1, tzinfo=UTC)],
    pl.Datetime("us", "UTC"): [datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)], pl.String(): ["", "a"],
    pl.Enum(["a"]): ["a"], pl.Enum(["a", "b"]): ["a", "b"], pl.Time(): [time(1)], pl.Duration("us"): [timedelta(1)],
}  # fmt: skip
"""Types and the values at their ends."""


def test_what_is_called_convertible_is_converted_where_rows_come_in_and_nothing_is_lost() -> None:
    widened = [(narrow, wide) for narrow in ENDS for wide in ENDS if narrow != wide and is_wider(wide, narrow)]
    assert len(widened) > 30
    for narrow, wide in widened:
        made = type("Rows", (DataFrameModel,), {"x": Field(nullable=True), "__annotations__": {"x": wide}})
        done = conform(pl.DataFrame({"x": pl.Series([*ENDS[narrow], None], dtype=narrow)}),
                       Dataset("a/rows", made, owner="team:a", version="1.0.0"))  # fmt: skip
        assert (done.unreadable["x"].any(), sum(each.lost for each in done.conversions)) == (False, 0), (narrow, wide)


def test_a_number_that_becomes_a_text_is_another_type_with_another_bound() -> None:
    found = compare(BASE, declared(**{**SAME, "model": {"x": (str, {"ge": "1"})}}))
    assert [(change.kind, change.level) for change in found.changes] == [
        ("type_changed", "incompatible"), ("rule_changed", "incompatible"),
    ]  # fmt: skip


def test_nothing_changed_asks_for_nothing() -> None:
    found = compare(BASE, declared(**SAME))
    assert (found.changes, found.bump, found.is_versioned) == ((), "none", True)


@pytest.mark.parametrize(
    ("terms", "version", "versioned"),
    [
        ({"model": {"s": None}}, "1.9.0", False),
        ({"model": {"s": None}}, "2.0.0", True),
        ({"model": {"new": (str, {"nullable": True})}}, "1.0.1", False),
        ({"model": {"new": (str, {"nullable": True})}}, "1.1.0", True),
        ({"description": "other"}, "1.0.0", False),
        ({"description": "other"}, "1.0.1", True),
        ({"description": "other"}, "0.9.0", False),
    ],
)
def test_a_version_must_move_as_much_as_its_changes_ask(terms: dict[str, Any], version: str, versioned: bool) -> None:
    assert compare(BASE, declared(version, **{**SAME, **terms})).is_versioned is versioned


def test_users_say_what_a_change_means_to_them() -> None:
    wider = declared(**{**SAME, "model": {"s": (str, {"isin": ["a", "b", "c"], "nullable": True})}})
    assert compare(BASE, wider, levels={"set_widened": "compatible"}).bump == "minor"
    with pytest.raises(ValueError, match="'set_wider' is no kind of change"):
        compare(BASE, wider, levels={"set_wider": "compatible"})


def test_partitions_and_the_next_version() -> None:
    parted = replace(BASE, partitions=monthly("2024-01", on="x"))
    assert {change.kind for change in compare(BASE, parted).changes} == {"partitions_changed"}
    assert [bumped("1.2.3", bump) for bump in ("none", "patch", "minor", "major")] == [
        "1.2.3",
        "1.2.4",
        "1.3.0",
        "2.0.0",
    ]


def test_no_declared_contract_changed_without_its_version() -> None:
    """What is published never changes: raise the version, then `platform contracts export --publish`."""
    found = list(comparisons(discover("platform_assets.domains"), Registry(ROOT / "contracts")))
    assert [(each.name, each.proposed_version, each.changes) for each in found if not each.is_versioned] == []
    assert [each.name for each in found if each.old_version is None or each.new_version is None] == []
