"""Totals of columns say the same of the same values in whatever order, and another of others."""

import polars as pl
import pytest

from platform_core.quality.tallies import ColumnTotal, total_columns

BALANCED = [0.1, -1e9, 3e8 + 0.7, 7e8 - 0.7, 0.2, -0.3] * 50


def total(*values):
    return total_columns(pl.DataFrame({"v": pl.Series(values, dtype=pl.Float64)}), ["v"], lambda _: 0)["v"]


def test_a_ledger_that_comes_to_nothing_agrees_with_itself_in_another_order():
    at_source = ColumnTotal(len(BALANCED), "number", sum(sorted(BALANCED)))
    in_lake = total(*BALANCED[:100]) + total(*BALANCED[100:])
    assert abs(at_source.total - in_lake.total) > 1e-9, "or the order would not matter"
    assert at_source.agrees(in_lake)
    assert not at_source.agrees(total(*BALANCED[:-1], 1000.0))


@pytest.mark.parametrize("values", [(float("inf"), float("-inf")), (1e308, 1e308)])
def test_numbers_without_a_finite_sum_are_only_counted(values):
    assert total(*values) == ColumnTotal(2)
    assert ColumnTotal(2, "number", 0.0).agrees(total(*values))
