"""Pandera passes every value rule on a lazy frame without a word; our path does not."""

import polars as pl
import pytest

from platform_core.contracts import DataFrameModel, Dataset, Field
from platform_core.errors import ShapeError
from platform_core.quality import conform, judge


class Speeds(DataFrameModel):
    """One row per gust."""

    wind: float = Field(ge=0, le=250)


SPEEDS = Dataset("weather/speeds", Speeds, owner="team:test", version="1.0.0")
IMPOSSIBLE = pl.LazyFrame({"wind": [12.0, 1048.0]})


def test_pandera_alone_lets_a_bad_value_in_a_lazy_frame_pass():
    assert Speeds.validate(IMPOSSIBLE).collect().height == 2


def test_a_bad_value_that_came_lazily_is_refused_by_the_judge():
    verdict = judge(conform(IMPOSSIBLE.collect(), SPEEDS).frame, SPEEDS, {})
    assert verdict.refused.to_list() == [False, True]


@pytest.mark.filterwarnings("ignore::polars.exceptions.PerformanceWarning")
@pytest.mark.parametrize("entry", [lambda frame: judge(frame, SPEEDS, {}), lambda frame: conform(frame, SPEEDS)])
def test_a_lazy_frame_is_never_judged_in_silence(entry):
    with pytest.raises((ShapeError, TypeError, AttributeError)):
        entry(IMPOSSIBLE)
