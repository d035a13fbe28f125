"""Every Polars type that a table may have comes back as it went in."""

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from platform_resources.errors import UnsupportedType
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.columns import decode, encode, fit, to_logical
from platform_resources.storage.table import Format

AMSTERDAM = "Europe/Amsterdam"
MOMENT = dt.datetime(2024, 2, 29, 23, 59, 59, 999999)  # noqa: DTZ001 - naive on purpose
SERIES = {
    **{str(kind): pl.Series([1, None, 100], dtype=kind) for kind in (pl.Int8, pl.Int16, pl.Int32, pl.Int64)},
    **{str(kind): pl.Series([1, None, 200], dtype=kind) for kind in (pl.UInt8, pl.UInt16, pl.UInt32)},
    "UInt64": pl.Series([0, None, 2**64 - 1], dtype=pl.UInt64),
    "Float32": pl.Series([1.5, None, float("nan")], dtype=pl.Float32),
    "Float64": pl.Series([1.5, None, float("inf")]),
    "String": pl.Series(["a", None, "é\n"]),
    "Boolean": pl.Series([True, None, False]),
    "Binary": pl.Series([b"\x00\xff", None, b""]),
    "Date": pl.Series([dt.date(1970, 1, 1), None, dt.date(9999, 12, 31)]),
    "Time": pl.Series([dt.time(23, 59, 59, 999999), None, dt.time(0)]),
    "naive": pl.Series([MOMENT, None, dt.datetime(1900, 1, 1)]),  # noqa: DTZ001
    "utc": pl.Series([MOMENT, None, MOMENT]).dt.replace_time_zone("UTC"),
    "zoned": pl.Series([MOMENT, None, MOMENT]).dt.replace_time_zone(AMSTERDAM),
    "ms": pl.Series([MOMENT, None, MOMENT]).cast(pl.Datetime("ms", "UTC")),
    "ns": pl.Series([MOMENT, None, MOMENT]).cast(pl.Datetime("ns")),
    "Decimal": pl.Series([Decimal("12.34"), None, Decimal("-0.01")], dtype=pl.Decimal(38, 2)),
    "List": pl.Series([[1, None], None, []], dtype=pl.List(pl.Int64)),
    "Struct": pl.Series([{"a": 1, "b": "x"}, None, {"a": None, "b": None}]),
    "List(Struct)": pl.Series(
        [[{"at": dt.time(1), "n": 1}], [], None], dtype=pl.List(pl.Struct({"at": pl.Time, "n": pl.UInt8}))
    ),
    "Array": pl.Series([[1.0, 2.0], None, [3.0, 4.0]], dtype=pl.Array(pl.Float64, 2)),
    **{f"Duration({u})": pl.Series([1, None, -(10**12)], dtype=pl.Duration(u)) for u in ("ms", "us", "ns")},  # type: ignore[arg-type]
}
STORABLE = [
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64),
    *(
        pl.Boolean,
        pl.String,
        pl.Binary,
        pl.Date,
        pl.Time,
        pl.Datetime("us"),
        pl.Datetime("us", "UTC"),
        pl.Duration("us"),
    ),
]


@pytest.fixture(params=["delta", "iceberg", "parquet"])
def table(request: pytest.FixtureRequest) -> TableSpec:
    return TableSpec(path="all/types/v1", format=request.param, schema_evolution="add")


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("place", ["disk"])
def test_a_type_comes_back(lake: Lake, table: TableSpec, name: str) -> None:
    frame = pl.DataFrame({"key": [1, 2, 3], "value": SERIES[name]})
    lake.write(table, frame)
    assert_frame_equal(lake.scan(table).collect(), frame)


def test_all_types_come_back_together(lake: Lake, table: TableSpec) -> None:
    frame = pl.DataFrame(SERIES)
    lake.write(table, frame)
    assert_frame_equal(lake.scan(table).collect(), frame)
    lake.write(table, frame)
    assert_frame_equal(lake.scan(table, columns=["Time", "utc"]).collect(), frame.select("Time", "utc"))


@pytest.mark.parametrize("place", ["disk"])
@pytest.mark.parametrize("format_name", ["delta", "iceberg"])
def test_all_types_survive_a_merge_and_an_update(lake: Lake, format_name: Format) -> None:
    spec = TableSpec(path="all/types/v1", format=format_name, mode="merge", key=("key",))
    frame = pl.DataFrame({"key": [1, 2, 3], **SERIES})
    lake.write(spec, frame.head(1))
    lake.write(spec, frame)
    assert not lake.write(spec, frame).changed
    assert_frame_equal(lake.scan(spec).sort("key").collect().select(frame.columns), frame)
    lake.update(spec, "key", [2], {"Time": dt.time(5), "UInt64": 2**64 - 1})
    changed = lake.scan(spec).filter(pl.col("key") == 2).select("Time", "UInt64").collect()
    assert changed.row(0) == (dt.time(5), 2**64 - 1)


@pytest.mark.parametrize("dtype", [pl.Categorical(), pl.Enum(["a", "b"])])
def test_an_enumeration_is_kept_as_text(lake: Lake, table: TableSpec, dtype: pl.DataType) -> None:
    frame = pl.DataFrame({"value": pl.Series(["a", "b", None], dtype=dtype), "list": [["a"], [], None]})
    lake.write(table, frame.cast({"list": pl.List(dtype)}))
    assert_frame_equal(lake.scan(table).collect(), frame.cast({"value": pl.String, "list": pl.List(pl.String)}))


@pytest.mark.parametrize("dtype", [pl.Int128, pl.Null])
def test_a_type_that_no_table_keeps_is_refused_with_a_fix(lake: Lake, table: TableSpec, dtype: pl.DataType) -> None:
    with pytest.raises(UnsupportedType, match=r"column value is .* Fix: cast it"):
        lake.write(table, pl.DataFrame({"value": pl.Series([None], dtype=dtype)}))
    assert not lake.exists(table)


@pytest.mark.parametrize("place", ["disk"])
@pytest.mark.parametrize("format_name", ["delta", "iceberg"])
@pytest.mark.parametrize(
    "at",
    [
        pl.Series([None, 1], dtype=pl.Datetime("ns")),
        pl.Series([[1000, 1], None], dtype=pl.List(pl.Datetime("ns"))),
        pl.Series([[[1, 1]]], dtype=pl.List(pl.Array(pl.Datetime("ns"), 2))),
        pl.Series([{"x": 1}], dtype=pl.Struct({"x": pl.Datetime("ns", "UTC")})),
    ],
    ids=["flat", "list", "deep", "struct"],
)
def test_nanoseconds_that_the_format_would_lose_are_refused(lake: Lake, format_name: Format, at: pl.Series) -> None:
    frame = pl.DataFrame({"at": at})
    with pytest.raises(UnsupportedType, match="no whole microseconds"):
        lake.write(TableSpec(path="a/b/v1", format=format_name), frame)


def test_a_column_name_that_would_abort_the_process_is_refused(lake: Lake, table: TableSpec) -> None:
    with pytest.raises(UnsupportedType, match="without a proper name"):
        lake.write(table, pl.DataFrame({"a\0b": [1]}))


@given(
    st.recursive(
        st.sampled_from(STORABLE),
        lambda inner: (
            st.builds(pl.List, inner)
            | st.builds(pl.Array, inner, st.integers(1, 3))
            | st.builds(pl.Struct, st.dictionaries(st.text("abc", min_size=1), inner, min_size=1))
        ),
    )
)
def test_a_type_written_as_text_is_read_back(dtype: pl.DataType) -> None:
    kind = dtype() if isinstance(dtype, type) else dtype
    encoded = encode(kind)
    assert encoded is not None
    assert decode(encoded) == kind


@pytest.mark.parametrize("place", ["disk"])
@given(frame=dataframes(allowed_dtypes=STORABLE, min_cols=1, max_cols=5, max_size=8))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_frame_comes_back(lake: Lake, table: TableSpec, frame: pl.DataFrame) -> None:
    lake.write(table, frame)
    assert_frame_equal(lake.scan(table).collect(), frame)


def test_columns_that_have_their_type_are_not_copied_on_the_way() -> None:
    """Polars' own cast puts the pieces of all columns together, anew, even where it has nothing to cast."""
    frame = pl.concat([pl.DataFrame({"a": range(100_000), "b": ["x"] * 100_000})] * 2, rechunk=False)
    assert frame.n_chunks("all") == [2, 2]
    assert fit("t", to_logical("t", frame), frame.schema, "refuse").n_chunks("all") == [2, 2]
