"""A frame taken apart by partition is the same frame, whatever the order of its rows."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from platform_resources.storage.parts import by_partition, each_written


@given(st.lists(st.sampled_from(["jan", "feb", "é|/"]), max_size=12))
def test_the_parts_are_those_that_polars_makes(values: list[str]) -> None:
    frame = pl.DataFrame({"id": range(len(values)), "_month": values}, schema={"id": pl.Int64, "_month": pl.String})
    expected = frame.partition_by("_month", as_dict=True, maintain_order=True)
    found = dict(by_partition(frame, "_month"))
    assert list(found) == [key[0] for key in expected]
    for (value,), part in expected.items():
        assert_frame_equal(found[value], part)


def test_a_part_that_cannot_be_written_stops_the_rest() -> None:
    made = []

    def parts():
        for number in range(100):
            made.append(number)
            yield number

    with pytest.raises(ZeroDivisionError):
        each_written(parts(), lambda number: 1 // number)
    assert len(made) < 10
    assert each_written(iter(range(9)), str) == [str(number) for number in range(9)]
