"""What compaction plans: fewer files, never more, and nothing the second time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_core.upkeep import US_EAST_1, plan
from platform_core.upkeep.compaction import TARGET_BYTES, bins, compacted
from tests.core.upkeep.tables import KB, MB, NOW, files, reads, table

sizes = st.lists(st.integers(0, 3 * TARGET_BYTES), max_size=60)


@given(sizes)
def test_no_byte_is_lost_and_no_file_is_added(before: list[int]) -> None:
    after = compacted(before)
    assert sum(after) == sum(before)
    assert len(after) <= len(before)


@given(sizes)
def test_a_second_compaction_finds_nothing(before: list[int]) -> None:
    once = compacted(before)
    assert sorted(compacted(once)) == sorted(once)
    assert [each for each in bins(once) if len(each) > 1] == []


@given(sizes)
def test_no_new_file_is_larger_than_the_target(before: list[int]) -> None:
    assert all(sum(each) <= TARGET_BYTES for each in bins(before))


@given(st.dictionaries(st.sampled_from(["2026-01", "2026-02", "é/ü 1", ""]), sizes, max_size=4))
def test_a_plan_applied_leaves_nothing_to_plan(by_partition: dict[str, list[int]]) -> None:
    before = table(*(each for key, found in by_partition.items() for each in files(*found, partition=key)))
    planned = {each.partition for each in plan(before, US_EAST_1, NOW).compactions}
    done = {key: compacted(found) if key in planned else found for key, found in by_partition.items()}
    after = table(*(each for key, found in done.items() for each in files(*found, partition=key)))
    assert plan(after, US_EAST_1, NOW).is_empty
    assert len(after.files) == plan(before, US_EAST_1, NOW).files_after <= len(before.files)


def test_many_small_files_become_one() -> None:
    planned = plan(table(*files(*[10 * KB] * 20, partition="2026-01")), US_EAST_1, NOW)
    (only,) = planned.compactions
    assert (only.files_before, only.files_after, only.requests_a_scan) == (20, 1, 38)
    assert only.seconds_a_scan > 0


@pytest.mark.parametrize("small", [(), (10 * KB,), (10 * KB,) * 3])
def test_few_small_files_that_nobody_reads_are_left_alone(small: tuple[int, ...]) -> None:
    assert plan(table(*files(*small, partition="2026-01")), US_EAST_1, NOW).is_empty


def test_few_small_files_that_are_read_all_day_pay_on_s3_and_not_on_a_disk() -> None:
    busy = table(*files(*[10 * KB] * 3, partition="2026-01"), history=reads(3000))
    assert plan(busy, US_EAST_1, NOW).saves_a_month.total > plan(busy, US_EAST_1, NOW).costs_once.total
    assert not plan(busy, US_EAST_1, NOW).is_empty
    assert plan(replace(busy, on_s3=False), US_EAST_1, NOW).is_empty


def test_ten_thousand_tiny_files_are_planned_as_one() -> None:
    (only,) = plan(table(*files(*[KB] * 10_000, partition="2026-01")), US_EAST_1, NOW).compactions
    assert (only.files_before, only.files_after) == (10_000, 1)


def test_plain_parquet_cannot_be_compacted_and_an_empty_table_need_not() -> None:
    assert plan(table(*files(*[KB] * 100), format="parquet", partitions=None), US_EAST_1, NOW).is_empty
    assert plan(table(), US_EAST_1, NOW).is_empty


def test_large_files_beside_small_ones_stay() -> None:
    (only,) = plan(table(*files(*[KB] * 20, 100 * MB, partition="2026-01")), US_EAST_1, NOW).compactions
    assert only.rewritten_bytes == 20 * KB
    assert only.files_after == 2
