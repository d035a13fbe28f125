"""NumPy and back: dtypes, nulls and shape survive."""

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
