"""Whatever people and files do, in any order, every row that came in is accounted for; a retry changes nothing."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.ingest import table_spec
from platform_assets.ingest.replay import replay_tag
from tests.world import World, sales, world

S = "shop/sales"
SKUS = st.sampled_from(["apple", "pear", "plum"])
FILES = st.tuples(st.sampled_from(["a", "b"]), st.lists(SKUS, min_size=1, max_size=4))
ACTIONS = st.one_of(
    st.tuples(st.just("land"), FILES),
    st.tuples(st.just("fix"), st.sampled_from(["apple", "plum"])),
    st.tuples(st.sampled_from(["discard", "replay", "again"]), st.none()),
)


def _land(shop: World, what: tuple[str, list[str]]) -> None:
    name, skus = what
    first = 1 if name == "a" else 100
    rows = sales(*((first + place, sku, 1.0) for place, sku in enumerate(skus)))
    shop.land(f"shop/sales-{name}.parquet", rows)
    shop.catch_up()


def _fix(shop: World, sku: str) -> None:
    for row in shop.store(S).envelopes(decision="open").head(1).to_dicts():
        came = row["payload"]
        shop.store(S).fix(row["quarantine_id"], came.replace('"plum"', f'"{sku}"'))


def _discard(shop: World, _: None) -> None:
    shop.store(S).decide(shop.store(S).envelopes(decision="open")["quarantine_id"].to_list()[:1], "discarded", "no")


def _replay(shop: World, _: None) -> None:
    assert shop.materialise(S, partitions=["2024-01"], tags=replay_tag(None)).success


def _again(shop: World, _: None) -> None:
    if shop.store(S).ingests().height:
        assert shop.materialise(S, partitions=["2024-01"]).success


DO: dict[str, Callable[..., None]] = {
    "land": _land, "fix": _fix, "discard": _discard, "replay": _replay, "again": _again,
}  # fmt: skip


@settings(max_examples=4, deadline=None, derandomize=True)
@given(st.lists(ACTIONS, min_size=2, max_size=4).map(lambda rest: [("land", ("a", ["pear", "plum", "plum"])), *rest]))
def test_valid_and_quarantined_and_superseded_are_what_came_in(actions: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as shop:
        for action, what in actions:
            DO[action](shop, what)
            _all_accounted_for(shop)
            sold, decided = _state(shop)
            _again(shop, None)
            _replay(shop, None)
            once = _state(shop)
            assert set(sold) <= set(once[0])
            assert decided == once[1]
            version = shop.location.lake.version(table_spec(shop.dataset(S)))
            _again(shop, None)
            _replay(shop, None)
            assert once == _state(shop)
            assert version == shop.location.lake.version(table_spec(shop.dataset(S)))
            _all_accounted_for(shop)


def _state(shop: World) -> tuple[list[int], list[str]]:
    """The rows that were sold, and the envelopes that people decided on."""
    decided = shop.store(S).envelopes(decision="discarded")["quarantine_id"].sort().to_list()
    return shop.rows(S)["sale"].to_list(), decided


def _all_accounted_for(shop: World) -> None:
    came, accounted = shop.balance(S)
    log = shop.store(S).ingests()
    assert came == accounted
    assert log["rows"].sum() == log.select(total=log["valid"] + log["quarantined"] + log["superseded"])["total"].sum()
    assert log["valid"].sum() == shop.rows(S).height
