"""What tables cost: sums that add up, and grow with files, bytes and prices."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_core.upkeep import US_EAST_1, PriceError
from platform_core.upkeep.cost import break_even_reads, scan, storage, transition
from platform_core.upkeep.prices import FREE, GIGABYTE, ClassName
from tests.core.upkeep.tables import KB

sizes = st.lists(st.integers(0, 1 << 40), max_size=20)
classes = st.sampled_from(list(US_EAST_1.classes))


@given(sizes, sizes, classes)
def test_costs_of_parts_add_up_to_that_of_the_whole(some: list[int], others: list[int], name: ClassName) -> None:
    for price in (storage, scan):
        assert (price(some, US_EAST_1, name) + price(others, US_EAST_1, name)).total == pytest.approx(
            price([*some, *others], US_EAST_1, name).total
        )


@given(sizes, st.integers(0, 1 << 40), classes)
def test_a_file_more_never_costs_less(some: list[int], another: int, name: ClassName) -> None:
    for price in (storage, scan):
        assert price([*some, another], US_EAST_1, name).total >= price(some, US_EAST_1, name).total


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 30)), max_size=20), classes)
def test_larger_files_never_cost_less(pairs: list[tuple[int, int]], name: ClassName) -> None:
    before, after = [size for size, _ in pairs], [size + more for size, more in pairs]
    for price in (storage, scan):
        assert price(after, US_EAST_1, name).total >= price(before, US_EAST_1, name).total


def test_a_gigabyte_for_a_month_costs_what_the_list_says() -> None:
    assert storage([GIGABYTE], US_EAST_1).total == pytest.approx(0.023)
    assert storage([GIGABYTE], US_EAST_1, "STANDARD_IA").total == pytest.approx(0.0125)
    assert transition(2000, US_EAST_1, "STANDARD_IA").total == pytest.approx(0.02)


def test_a_tiny_object_is_billed_as_128_kib_where_reading_is_infrequent() -> None:
    infrequent = storage([KB], US_EAST_1, "STANDARD_IA").total
    assert infrequent == storage([128 * KB], US_EAST_1, "STANDARD_IA").total > storage([KB], US_EAST_1).total


def test_reading_infrequent_data_once_a_month_costs_what_it_saves() -> None:
    assert break_even_reads(US_EAST_1, "STANDARD_IA") == pytest.approx(1.05)
    assert break_even_reads(US_EAST_1, "STANDARD") == 0


def test_a_disk_costs_nothing() -> None:
    assert (storage([GIGABYTE], FREE) + scan([GIGABYTE], FREE)).total == 0


def test_a_region_says_only_what_is_different() -> None:
    given = {"region": "eu-central-1", "classes": {"STANDARD": {"gigabyte_month": 0.0245}}, "core_hour": 0.05}
    other = US_EAST_1.with_overrides(given)
    assert (other.region, other["STANDARD"].gigabyte_month, other.core_hour) == ("eu-central-1", 0.0245, 0.05)
    assert other["STANDARD"].thousand_writes == US_EAST_1["STANDARD"].thousand_writes
    assert other["GLACIER"] == US_EAST_1["GLACIER"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"regoin": "x"}, "regoin is no entry"),
        ({"classes": {"COLD": {}}}, "class COLD is no storage class"),
        ({"classes": {"STANDARD": {"least": 3}}}, "STANDARD.least is no price"),
        ({"classes": {"STANDARD": {"gigabyte_month": -1}}}, "is -1. Fix: give dollars"),
        ({"core_hour": "0.05"}, "core_hour is '0.05'"),
        ({"core_hour": float("nan")}, "core_hour is nan"),
        ({"classes": ["STANDARD"]}, "classes is no record"),
        ({"classes": {"STANDARD": 0.02}}, "STANDARD is no record"),
    ],
)
def test_a_price_list_that_cannot_be_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(PriceError, match=told):
        US_EAST_1.with_overrides(given)


def test_every_class_that_waits_is_the_last_and_cheaper_to_keep() -> None:
    kept = [each.gigabyte_month for each in US_EAST_1.classes.values()]
    waits = [each.waits > timedelta(0) for each in US_EAST_1.classes.values()]
    assert kept == sorted(kept, reverse=True)
    assert waits == sorted(waits)
