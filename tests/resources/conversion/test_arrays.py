"""NumPy and back: dtypes, nulls and shape survive."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from platform_resources.conversion import from_numpy, to_numpy
from platform_resources.errors import ConversionError

KINDS = [pl.Int8, pl.Int64, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time,
         pl.Datetime("ns"), pl.Datetime("us", "Europe/Berlin"), pl.Duration("ms"), pl.Decimal(20, 3), pl.List(pl.Int16),
         pl.Array(pl.Float64, 3), pl.Struct({"a": pl.String, "b": pl.Int8})]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_frame_comes_back_as_it_went(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    frame = data.draw(dataframes(allowed_dtypes=kinds, min_size=0, max_size=6, allow_null=True, min_cols=1, max_cols=4))
    array = to_numpy(frame)
    assert array.shape == (frame.height,)
    assert_frame_equal(from_numpy(array), frame, check_exact=True)


def test_nulls_are_masked_and_nan_is_a_value() -> None:
    array = to_numpy(pl.DataFrame({"x": [1.5, None, float("nan")], "n": pl.Series([1, None, 3], dtype=pl.Int8)}))
    assert array["x"].dtype == np.float64
    assert array["n"].dtype == np.int8
    assert array["x"].mask.tolist() == [False, True, False]
    assert np.isnan(array["x"][2])


def test_a_matrix_and_a_vector_become_columns() -> None:
    matrix = np.ma.masked_equal(np.arange(6, dtype=np.int16).reshape(3, 2), 3)
    frame = from_numpy(matrix, ["a", "b"])
    assert frame.to_dict(as_series=False) == {"a": [0, 2, 4], "b": [1, None, 5]}
    assert frame.dtypes == [pl.Int16, pl.Int16]
    assert from_numpy(np.array(["x", "y"])).to_dict(as_series=False) == {"column_1": ["x", "y"]}


def test_an_array_column_keeps_its_shape() -> None:
    frame = pl.DataFrame({"v": pl.Series([[[1, 2], [3, 4]]], dtype=pl.Array(pl.Int32, (2, 2)))})
    array = to_numpy(frame)
    assert array["v"].shape == (1, 2, 2)
    assert from_numpy(array).equals(frame)


def test_what_has_no_rows_and_columns_is_refused() -> None:
    with pytest.raises(ConversionError, match="has 3 dimensions and no fields"):
        from_numpy(np.zeros((2, 2, 2)))


NANOSECONDS = [1, 86_399_999_999_999, 123_456_789, None]


@pytest.mark.parametrize("kind", [pl.Time(), pl.Datetime("ns"), pl.Datetime("ns", "Europe/Berlin"), pl.Duration("ns")])
def test_no_digit_of_a_time_is_lost_wherever_it_stands(kind: pl.DataType) -> None:
    times = pl.Series("flat", NANOSECONDS, dtype=pl.Int64).cast(kind)
    frame = times.to_frame().with_columns(
        pl.col("flat").reshape((-1, 1)).cast(pl.List(kind)).alias("list"),
        pl.col("flat").reshape((-1, 1)).alias("array"),
        pl.struct(x=pl.concat_list("flat"), y=pl.lit("z")).alias("struct"),
    )
    frame = pl.concat([frame, pl.DataFrame({name: [None] for name in frame.columns}, schema=frame.schema)])
    back = from_numpy(to_numpy(frame))
    assert_frame_equal(back, frame, check_exact=True)
    assert back["list"].cast(pl.List(pl.Int64)).to_list()[:3] == [[1], [86_399_999_999_999], [123_456_789]]


def test_a_time_is_nanoseconds_since_midnight() -> None:
    array = to_numpy(pl.DataFrame({"t": pl.Series([1], dtype=pl.Int64).cast(pl.Time)}))
    assert (array["t"].dtype, array["t"][0]) == (np.int64, 1)


def test_arrays_without_width_stay_arrays_without_width() -> None:
    frame = pl.DataFrame({"w": pl.Series([[], [], None], dtype=pl.Array(pl.Int64, 0))})
    assert from_numpy(to_numpy(frame)).equals(frame)


def test_fields_of_arrays_made_elsewhere_keep_dtype_and_shape() -> None:
    array = np.array([([[1.5, 2], [3, 4]],)], dtype=[("m", "f4", (2, 2))])
    frame = from_numpy(array)
    assert frame.schema == {"m": pl.Array(pl.Float32, (2, 2))}
    assert frame["m"].to_list() == [[[1.5, 2.0], [3.0, 4.0]]]
    assert from_numpy(np.zeros(2, dtype=[("m", "i2", (0,))]))["m"].to_list() == [[], []]


@pytest.mark.parametrize(
    ("unit", "kind"),
    [("s", pl.Datetime("ms")), ("h", pl.Datetime("ms")), ("m", pl.Datetime("ms")), ("10us", pl.Datetime("ms")),
     ("D", pl.Date()), ("W", pl.Date()), ("M", pl.Date()), ("Y", pl.Date())],
)  # fmt: skip
def test_times_in_units_that_polars_lacks_say_the_same(unit: str, kind: pl.DataType) -> None:
    array = np.array(["2024-02-01", "NaT", "1601-01-01"], dtype=f"M8[{unit}]")
    frame = from_numpy(array, ["t"])
    assert frame.schema == {"t": kind}
    told = [None if np.isnat(each) else str(each.astype("M8[D]")) for each in array]
    assert frame["t"].cast(pl.Date).cast(pl.String).to_list() == told
    assert from_numpy(np.array([90], dtype="m8[m]"))["column_1"].dt.total_minutes().to_list() == [90]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(1, dtype=[("bad", [("x", "i4"), ("y", "f8")])]),
        np.array([(1,), ("a",), ({},)], dtype=[("bad", object)]),
        np.array([(object(),)], dtype=[("bad", object)]),
        np.array([(1,)], dtype=[("bad", "m8[M]")]),
        np.array([(1,)], dtype=[("bad", "m8")]),
        np.array([(1,)], dtype=[("bad", "M8[as]")]),
        np.array([(1j,)], dtype=[("bad", "c16")]),
        np.array([(2**62,)], dtype=[("bad", "M8[s]")]),
        np.array([(2**40,)], dtype=[("bad", "M8[D]")]),
    ],
    ids=["nested", "mixed", "object", "months", "generic", "attoseconds", "complex", "seconds too far", "days too far"],
)
def test_what_no_column_can_hold_is_refused_by_the_name_of_its_field(array: "np.ndarray[Any, Any]") -> None:
    with pytest.raises(ConversionError, match=r"field bad: .*Fix: "):
        from_numpy(array)


@pytest.mark.parametrize("kind", [pl.Categorical(), pl.Enum(["a"]), pl.Null(), pl.Int128(), pl.Float16()])
def test_types_that_numpy_cannot_give_back_are_refused(kind: pl.DataType) -> None:
    with pytest.raises(ConversionError, match="cannot be given back by NumPy"):
        to_numpy(pl.DataFrame({"x": pl.Series([None], dtype=kind)}))
