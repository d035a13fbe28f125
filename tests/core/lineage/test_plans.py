"""Columns of lazy Polars plans are traced where that is sure."""

from collections.abc import Callable

import polars as pl
import pytest

from platform_core.lineage.graph import WHOLE
from platform_core.lineage.plans import UnreadablePlan, plan_columns

A = {"k": pl.Int64(), "x": pl.Int64(), "y": pl.String()}
B = {"k": pl.Int64(), "z": pl.Int64(), "x": pl.Int64()}


def traced(function: Callable[..., pl.LazyFrame]) -> dict[str, set[str]]:
    found = plan_columns(function, {"a": A, "b": B}).origins
    return {name: {f"{source}.{column}:{how}" for source, column, how in each} for name, each in found.items()}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda a, b: a.select("y", k2=pl.col("k") + pl.col("x")),  # noqa: ARG005
         {"y": {"a.y:value"}, "k2": {"a.k:value", "a.x:value"}, WHOLE: set()}),
        (lambda a, b: a.join(b, on="k").filter(pl.col("z") > 1).select("k", "x_right"),
         {"k": {"a.k:value"}, "x_right": {"b.x:value"}, WHOLE: {"a.k:join", "b.k:join", "b.z:filter"}}),
        (lambda a, b: a.join(b, on="k", how="semi"),
         {"k": {"a.k:value"}, "x": {"a.x:value"}, "y": {"a.y:value"}, WHOLE: {"a.k:join", "b.k:join"}}),
        (lambda a, b: a.group_by("y").agg(pl.len(), pl.col("x").filter(pl.col("k") > 1).mean()),  # noqa: ARG005
         {"y": {"a.y:value"}, "len": set(), "x": {"a.x:value", "a.k:value"}, WHOLE: {"a.y:group"}}),
        (lambda a, b: a.sort("x").head(3).select("y"), {"y": {"a.y:value"}, WHOLE: {"a.x:filter"}}),  # noqa: ARG005
        (lambda a, b: pl.concat([a.select("k"), b.select("k")]), {"k": {"a.k:value", "b.k:value"}, WHOLE: set()}),
        (lambda a, b: b.with_columns(a["x"] if False else pl.lit(1).alias("one")).select("one"),
         {"one": set(), WHOLE: set()}),
        (lambda a, b: a.select(w=pl.when(pl.col("x") > 1).then("y").otherwise(None)),  # noqa: ARG005
         {"w": {"a.x:value", "a.y:value"}, WHOLE: set()}),
        (lambda a, b: a.select(s=pl.col("x").sum().over("k")),  # noqa: ARG005
         {"s": {"a.x:value", "a.k:value"}, WHOLE: set()}),
    ],
)  # fmt: skip
def test_a_plan_is_traced(function: Callable[..., pl.LazyFrame], expected: dict[str, set[str]]) -> None:
    assert traced(function) == expected


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: a.map_batches(lambda frame: frame),  # noqa: ARG005
        lambda a, b: a.with_columns(pl.col("x").map_elements(lambda value: value, return_dtype=pl.Int64)),  # noqa: ARG005
        lambda a, b: a.with_columns(pl.all().fill_null(0)),  # noqa: ARG005
        lambda a, b: a.join(b, on="k", how="full"),
        lambda a, b: a.join(pl.LazyFrame({"k": [1]}), on="k"),  # noqa: ARG005
        lambda a, b: a.collect(),  # noqa: ARG005
    ],
)
def test_a_plan_with_a_part_that_is_not_known_is_refused_whole(function: Callable[..., pl.LazyFrame]) -> None:
    with pytest.raises(UnreadablePlan):
        traced(function)


def test_inputs_of_the_same_columns_are_told_apart() -> None:
    def join(one: pl.LazyFrame, other: pl.LazyFrame) -> pl.LazyFrame:
        return one.join(other, on="k").select("x", z=pl.col("x_right"))

    found = plan_columns(join, {"one": A, "other": A}).origins
    assert (set(found["x"]), set(found["z"])) == ({("one", "x", "value")}, {("other", "x", "value")})
