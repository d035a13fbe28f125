"""The content hash: blind to order and pieces, and to nothing else."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from platform_resources.conversion import fingerprint, fingerprint_of

FRAMES = dataframes(
    allowed_dtypes=[pl.Int64, pl.Float64, pl.String, pl.Boolean, pl.Date, pl.List(pl.Int64)], min_size=1, max_size=12,
    min_cols=1, max_cols=4, allow_null=True,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(FRAMES, st.integers(0, 12), st.randoms())
def test_neither_order_nor_pieces_matter(frame: pl.DataFrame, cut: int, chance: st.DataObject) -> None:
    order = list(range(frame.height))
    chance.shuffle(order)  # type: ignore[attr-defined]
    shuffled = frame[order]
    assert fingerprint_of([shuffled[:cut], shuffled[cut:]]) == fingerprint(frame)


@settings(max_examples=60, deadline=None)
@given(FRAMES)
def test_a_row_more_or_less_matters(frame: pl.DataFrame) -> None:
    assert fingerprint(pl.concat([frame, frame[:1]])).total != fingerprint(frame).total
    assert fingerprint(frame[1:]) != fingerprint(frame)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pl.Float64, [0.0, -0.0, float("nan"), None, float("inf"), 1.0]),
        (pl.String, ["", None, "NaN", "null", " ", "\x00"]),
        (pl.Binary, [b"", None, b"\x00"]),
        (pl.List(pl.Int64), [[], None, [None], [0], [0, None]]),
        (
            pl.Struct({"a": pl.Int64, "b": pl.String}),
            [{"a": 1, "b": ""}, {"a": 1, "b": None}, {"a": None, "b": None}, None],
        ),
        (pl.Boolean, [True, False, None]),
        (pl.Datetime("ns"), [0, 1, None]),
    ],
)
def test_every_value_is_told_from_every_other(kind: pl.DataType, values: list[object]) -> None:
    totals = {fingerprint(pl.DataFrame({"v": pl.Series([value], dtype=kind, strict=False)})).total for value in values}
    assert len(totals) == len(values)


def test_columns_do_not_change_places() -> None:
    one, two = pl.DataFrame({"a": [1], "b": [2]}), pl.DataFrame({"a": [2], "b": [1]})
    assert fingerprint(one) != fingerprint(two)
