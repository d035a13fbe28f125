"""Intervals are an algebra: a set and its complement share nothing and miss nothing."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_core.rules.intervals import Intervals, between, everything, line_of, points

INTS = line_of(pl.Int16())
FLOATS = line_of(pl.Float64())


def sets(line, value):
    pairs = st.tuples(value, value).map(lambda pair: between(line, *sorted(pair)))
    lone = st.lists(value, max_size=4).map(lambda values: points(line, values))
    return st.lists(st.one_of(pairs, lone, pairs.map(lambda each: ~each)), min_size=1, max_size=3).map(
        lambda each: each[0] if len(each) == 1 else each[0] & each[-1]
    )


WHOLE = sets(INTS, st.integers(INTS.least, INTS.greatest))
REAL = sets(FLOATS, st.floats(-1e6, 1e6))


@settings(deadline=None)
@given(st.one_of(WHOLE, REAL))
def test_the_complement_of_the_complement_is_the_set(some):
    assert set(range_of(~~some)) == set(range_of(some))


def range_of(some: Intervals):
    """The pieces with neighbours joined, as two spellings of one set may differ there."""
    joined: list[list[float]] = []
    for low, high in some.pieces:
        if joined and some.line.after(joined[-1][1]) >= low:
            joined[-1][1] = max(high, joined[-1][1])
        else:
            joined.append([low, high])
    return [tuple(piece) for piece in joined]


@settings(deadline=None)
@given(st.one_of(WHOLE, REAL))
def test_a_set_and_its_complement_have_nothing_in_common(some):
    assert not some & ~some


@settings(deadline=None)
@given(WHOLE)
def test_a_set_and_its_complement_are_everything_together(some):
    assert some.size + (~some).size == everything(INTS).size


@settings(deadline=None)
@given(WHOLE, st.integers(0, 2**32))
def test_what_is_drawn_lies_in_the_set(some, seed):
    if some:
        drawn = some.draw(np.random.default_rng(seed), 50)
        assert drawn.is_in(some.every().implode()).all()


@settings(deadline=None)
@given(REAL, st.integers(0, 2**32))
def test_floats_are_drawn_from_the_set_too(some, seed):
    for value in some.draw(np.random.default_rng(seed), 20) if some else ():
        assert any(low <= value <= high for low, high in some.pieces)


@pytest.mark.parametrize(
    ("dtype", "bound", "least", "before"),
    [
        (pl.Int64(), 0.5, 1, 0),
        (pl.Decimal(10, 2), 1.5, Decimal("1.50"), Decimal("1.49")),
        (pl.Date(), date(2024, 3, 1), date(2024, 3, 1), date(2024, 2, 29)),
        (pl.Date(), datetime(2024, 3, 1, 12, tzinfo=UTC), date(2024, 3, 2), date(2024, 3, 1)),
    ],
)
def test_a_bound_falls_on_the_ordinals_of_its_type(dtype, bound, least, before):
    line = line_of(dtype)
    allowed = between(line, line.up(bound), line.up(bound) + 10)
    assert line.series(np.array([allowed.pieces[0][0], (~allowed).pieces[0][1]])).to_list() == [least, before]


def test_an_open_float_bound_is_the_next_float():
    above_zero = between(FLOATS, FLOATS.after(0.0), 1.0)
    assert above_zero.pieces[0][0] == 5e-324


def test_text_has_no_line():
    assert line_of(pl.String()) is None
