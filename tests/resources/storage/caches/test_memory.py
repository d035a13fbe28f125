"""The memory tier: bounded by bytes, least recently used first, and nothing is ever copied."""

from hypothesis import given
from hypothesis import strategies as st

from platform_resources.storage.caches.memory import MemoryTier

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 60)), max_size=60)


def test_whoever_asks_gets_the_very_object() -> None:
    tier, value = MemoryTier(100), [1, 2, 3]
    tier.put("a", value, 10)
    assert tier.get("a") is value


def test_the_least_recently_used_makes_room() -> None:
    tier = MemoryTier(30)
    for name in ("a", "b", "c"):
        tier.put(name, name, 10)
    tier.get("a")
    tier.put("d", "d", 10)
    assert [tier.get(name) for name in "abcd"] == ["a", None, "c", "d"]
    assert tier.evicted == 1


def test_what_is_larger_than_the_tier_is_not_kept_and_pushes_nothing_out() -> None:
    tier = MemoryTier(30)
    tier.put("a", "a", 10)
    tier.put("b", "b", 31)
    assert (tier.get("a"), tier.get("b")) == ("a", None)


@given(steps=STEPS)
def test_it_never_holds_more_than_it_may_and_answers_like_a_dict_that_forgets(
    steps: list[tuple[bool, int, int]],
) -> None:
    tier, put = MemoryTier(100), dict[int, object]()
    for is_put, key, size in steps:
        if is_put:
            put[key] = object()
            tier.put(key, put[key], size)
        else:
            assert tier.get(key) in (None, put.get(key))
        assert tier.used_bytes <= 100
    tier.clear()
    assert tier.used_bytes == 0
    assert tier.get(0) is None
