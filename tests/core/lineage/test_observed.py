from collections.abc import Callable, Mapping

import polars as pl
import pytest

from platform_core.lineage.fingerprint import code_version
from platform_core.lineage.observed import NotObservable, agreed, observe
from tests.core.lineage.planted import Edge, Planted, planted, tables

CONSTANTS = ("paid", "sent", "void", 3, 4, 5, 9, 40, 60)
PLANTED = {each.name: each for each in planted()}
_WORTH = pl.col("price") * pl.col("quantity")
EACH_KIND = ("equal inner of customer", "all semi by customer", "all alone largest")


def observed(transform: Planted) -> set[Edge]:
    seen = []
    for seed in (1, 2):
        frames = {name: frame for name, frame in tables(seed).items() if name in transform.inputs}
        try:
            seen.append(observe(transform, frames, "made", constants=CONSTANTS))
        except NotObservable:
            continue  # no row passes; the other seed's do
    return {(edge.source, edge.source_column, edge.target_column, edge.how) for edge in agreed(seen)}


@pytest.mark.parametrize("name", EACH_KIND)
def test_what_was_planted_is_observed(name: str) -> None:
    assert observed(PLANTED[name]) == PLANTED[name].edges


@pytest.mark.lane
def test_no_edge_of_planted_transforms_is_wrong_and_few_are_missed() -> None:
    wrong, missed, right = [], [], 0
    for name, transform in list(PLANTED.items())[::6]:  # all 324 take eighteen minutes
        edges = observed(transform)
        wrong += [(name, *edge) for edge in edges - transform.edges]
        missed += [(name, *edge) for edge in transform.edges - edges]
        right += len(edges & transform.edges)
    assert not wrong
    assert right / (right + len(missed)) >= 0.95, missed


def test_a_function_that_rolls_dice_is_not_observed() -> None:
    def rolled(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        return frames["orders"].sample(3)

    with pytest.raises(NotObservable, match="another result each time"):
        observe(rolled, {"orders": tables()["orders"]}, "made")


def test_a_function_of_one_input_alone_leads_to_no_other() -> None:
    def counted(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        return frames["customers"].select(n=pl.len())

    assert observe(counted, tables(), "made").columns == frozenset()


@pytest.mark.parametrize(
    ("make", "edges"),
    [
        (lambda orders: orders.select("order_id", "channel", place=pl.col("price").rank().over("channel")),
         {("order_id", "order_id", "value"), ("channel", "channel", "value"), ("channel", "place", "value"),
          ("price", "place", "value")}),
        (lambda orders: orders.select("order_id", worth=_WORTH).sort("worth", descending=True).head(3),
         {("order_id", "order_id", "value"), ("price", "worth", "value"), ("quantity", "worth", "value"),
          ("price", "*", "filter"), ("quantity", "*", "filter")}),
    ],
)  # fmt: skip
def test_rows_are_matched_by_the_column_that_names_them(
    make: Callable[[pl.DataFrame], pl.DataFrame], edges: set[tuple[str, str, str]]
) -> None:
    frames = {"orders": tables()["orders"].select("order_id", "channel", "quantity", "price")}
    seen = observe(lambda frames: make(frames["orders"]), frames, "made", constants=CONSTANTS).columns
    assert {(edge.source_column, edge.target_column, edge.how) for edge in seen} == edges


def test_a_version_changes_with_what_is_called_and_not_with_how_it_is_written() -> None:
    def build(factor: int) -> int:
        return factor * limit

    limit = 3
    first = code_version(build)
    limit = 4
    assert code_version(build) != first
    limit = 3
    assert code_version(build) == first
