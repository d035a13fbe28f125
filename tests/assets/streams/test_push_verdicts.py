"""A single pushed record is judged without a frame where that is sure; the verdict is that of frames."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.ingest.stream import judge_messages
from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Partitions, Quarantine, Topic, UtcTimestamp
from platform_core.quality import compile_record_test
from platform_core.rules import compare, expression, not_future, references, unique
from platform_resources.brokers import Batch
from platform_resources.brokers.base import build_rows
from platform_resources.brokers.decoding import parse_message

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


class Readings(DataFrameModel):
    """One row per reading."""

    id: str = Field(str_length={"min_value": 1, "max_value": 8})
    kind: str = Field(isin=["a", "é"], nullable=True)
    small: pl.Int16 = Field(ge=-5, nullable=True)
    large: int = Field(lt=1 << 62, nullable=True)
    share: float = Field(in_range={"min_value": 0, "max_value": 1}, nullable=True)
    is_late: bool = Field(nullable=True)
    day: pl.Date = Field(nullable=True)
    at: UtcTimestamp


def readings(*rules, **words):
    return Dataset(
        "lab/readings", Readings, owner="team:lab", version="1.0.0", key=("id",), source=Topic("readings"),
        store=Delta(mode="merge"), partitions=Partitions("daily", on="at", start="2024-01-01"),
        quarantine=Quarantine(), rules=rules, **words,
    )  # fmt: skip


DATASET = readings(
    not_future("at"), compare("small", "<=", "large"), unique("large"), references(["kind"], "lab/kinds")
)
KINDS = {rule.id: pl.DataFrame({"kind": ["a", None]}, schema={"kind": pl.String})
         for rule in DATASET.rules if hasattr(rule, "dataset")}  # fmt: skip


def is_good_by_frame(value, dataset=DATASET, known=KINDS):
    rows = build_rows(range(1), [int(NOW.timestamp() * 1_000_000)], [None], [value])
    return judge_messages(dataset, Batch("t", 0, rows, 1), known, run_id="t", at=NOW).refused.height == 0


def is_sure(value, dataset=DATASET, known=KINDS):
    document = parse_message(value)
    return isinstance(document, dict) and compile_record_test(dataset, known)(document, NOW)


INSTANTS = st.datetimes(datetime(2023, 12, 30), datetime(2024, 3, 3)).map(lambda at: f"{at.isoformat()}Z")  # noqa: DTZ001
USUAL = {
    "id": st.text(max_size=9),
    "kind": st.sampled_from(["a", "é", "b", None]),
    "small": st.integers(-7, 9) | st.sampled_from([None, 32767, 32768, -32769]),
    "large": st.integers(-1, 9) | st.sampled_from([None, 1 << 62, 1 << 63, (1 << 62) - 1]),
    "share": st.floats(-0.5, 1.5) | st.sampled_from([None, 0, 1, 2, 1e308]),
    "is_late": st.sampled_from([None, True, False]),
    "day": st.dates().map(str) | st.none(),
    "at": INSTANTS | st.none(),
}
ODD = st.sampled_from([
    "", " ", "a ", "1", "1.0", " 1", "true", 1, 0, True, 1.5, -0.0, 1 << 70, 1e400, [], {}, "2024-02-30", "2024-3-1",
    "2024-03-01", "0000-01-01", "2024-03-01T09:00:60Z", "2024-03-01T24:00:00Z", "2024-03-01T09:00:00.5Z",
    "2024-03-01T09:00:00.1234567Z", "2024-03-01T09:00:00+01:00", "2024-03-01T09:00:00", "2024-03-01t09:00:00z",
    "0000-03-01T09:00:00Z", "٢٠٢٤-03-01", "nan", "\x00", "\u2028",
])  # fmt: skip
CALM = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@CALM
@given(st.fixed_dictionaries({}, optional=USUAL))
def test_a_record_in_the_usual_spelling_is_sure_where_frames_find_it_good(record):
    value = json.dumps(record).encode()
    assert is_sure(value) == is_good_by_frame(value)


@CALM
@given(st.fixed_dictionaries({name: usual | ODD for name, usual in USUAL.items()}), st.booleans())
def test_whatever_is_sure_is_good_by_frame(record, has_more):
    value = json.dumps({**record, "more": 1} if has_more else record).encode()
    assert not is_sure(value) or is_good_by_frame(value)


@pytest.mark.parametrize("spelling", ["2024-03-01T09:00:00Z", "2024-03-01T09:00:00.123Z", "2024-03-01T09:00:00+00:00"])
def test_a_good_record_is_sure_and_one_of_the_future_is_not(spelling):
    record = {"id": "1", "at": spelling}
    assert is_sure(json.dumps(record).encode())
    assert not is_sure(json.dumps({**record, "at": f"{(NOW + timedelta(seconds=1)).isoformat()}"}).encode())


def test_a_rule_that_only_frames_compute_leaves_all_records_to_frames():
    assert compile_record_test(readings(expression("e", "small + 1 > 0")), {}) is None
