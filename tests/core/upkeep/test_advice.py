"""Advice says what to do only where numbers speak for it, and says the numbers."""

from dataclasses import replace

from platform_core.contracts import daily, hourly
from platform_core.upkeep import US_EAST_1, History, Machine, StepFacts, compute_advice, plan
from platform_core.upkeep.ordering import ordering
from platform_core.upkeep.partitioning import partition_advice
from tests.core.upkeep.tables import GB, KB, MB, NOW, files, reads, table

BIG = files(*[128 * MB] * 16)


def test_a_large_table_is_ordered_by_the_columns_that_readings_filter_on():
    history = History(reads=[*reads(9, filters=("carrier",)).reads, *reads(6, filters=("origin", "carrier")).reads])
    found = ordering(table(*BIG, history=history))
    assert found is not None
    assert (found.columns, found.reads, found.filtering) == (("carrier", "origin"), (15, 6), 15)
    assert found.skipped == 0.75  # 16 files, cut in four along each of two columns


def test_a_table_is_not_ordered_without_evidence_or_use_or_again():
    often = reads(20, filters=("carrier",))
    assert ordering(table(*BIG)) is None
    assert ordering(table(*BIG, history=reads(4, filters=("carrier",)))) is None
    assert ordering(table(*files(128 * MB), history=often)) is None
    assert ordering(table(*BIG, history=reads(20, filters=("_partition",)))) is None
    assert ordering(table(*BIG, history=often)) is not None
    assert ordering(table(*BIG, history=often, ordered_by=("carrier",))) is None


def test_a_format_that_cannot_be_ordered_is_not_planned_to_be():
    facts = table(*BIG, history=reads(20, filters=("carrier",)))
    assert plan(facts, US_EAST_1, NOW).ordering is not None
    assert plan(replace(facts, format="iceberg"), US_EAST_1, NOW).ordering is not None
    assert plan(replace(facts, format="parquet"), US_EAST_1, NOW).ordering is None


def test_many_tiny_days_should_be_months():
    days = [
        each for day in range(1, 29) for month in (1, 2) for each in files(MB, partition=f"2026-{month:02}-{day:02}")
    ]
    (only,) = partition_advice(table(*days, partitions=daily("2026-01-01", on="at")))
    assert only.do == "declare monthly partitions"
    assert only.evidence == "56 partitions, 1 MiB in the middle one; as monthly ones they would be 2 of 28 MiB"


def test_tiny_hours_become_days_where_days_are_large_enough():
    hours = [
        each
        for hour in range(24)
        for day in range(1, 29)
        for each in files(MB, partition=f"2026-01-{day:02}-{hour:02}:00")
    ]
    (only,) = partition_advice(table(*hours, partitions=hourly("2026-01-01-00:00", on="at")))
    assert only.do == "declare daily partitions"


def test_years_of_tiny_months_should_be_no_partitions():
    months = [
        each
        for year in range(2000, 2004)
        for month in range(1, 13)
        for each in files(KB, partition=f"{year}-{month:02}")
    ]
    (only,) = partition_advice(table(*months))
    assert only.do == "declare no partitions"


def test_huge_months_should_be_days_and_well_sized_ones_stay():
    assert partition_advice(table(*files(20 * GB, partition="2026-01")))[0].do == "declare daily partitions"
    assert partition_advice(table(*files(GB, partition="2026-01"))) == []
    assert partition_advice(table()) == []


def test_a_huge_table_without_partitions_is_divided_by_what_readings_filter_on():
    whole = table(*files(20 * GB), partitions=None, history=reads(10, filters=("at",)))
    (only,) = partition_advice(whole)
    assert only.do == "declare partitions on at"
    assert only.evidence == "20 GiB in one partition; 10 of 10 readings filter on at"
    assert "time column" in partition_advice(replace(whole, history=History()))[0].do


SMALL = Machine(cores=2, memory_bytes=8 * GB)


def steps(times, **facts):
    return [StepFacts(asset="shop/sales", measured_seconds=facts["seconds"], **facts)] * times


def told(given, machine=SMALL):
    return {(each.subject, each.do.split(" ")[0]) for each in compute_advice(given, machine)}


def test_short_steps_stay_in_the_process_of_their_run():
    (only,) = compute_advice(steps(5, seconds=0.5, cpu_seconds=0.8, peak_memory_bytes=6 * GB), SMALL)
    assert only.do == "keep steps in the process of their run"
    assert only.evidence == "a step takes 0.5 s, median of 5; a process 5 s to start"


def test_long_idle_steps_work_side_by_side():
    found = told(steps(5, seconds=300, cpu_seconds=30, peak_memory_bytes=GB))
    assert found == {("steps", "let"), ("runs", "set")}


def test_a_step_that_fills_memory_or_all_cores_wants_a_larger_machine():
    found = compute_advice(steps(3, seconds=300, cpu_seconds=590, peak_memory_bytes=7 * GB), SMALL)
    assert [each.do for each in found][:2] == [
        "take a machine with twice the memory, or fewer partitions a run",
        "take a machine with more cores",
    ]


def test_a_step_that_waits_for_its_pool_says_for_how_long():
    found = compute_advice(steps(3, seconds=10, waited_seconds=30), SMALL)
    assert found[0].evidence == "waited 30.0 s for its pool and worked 10.0 s, median of 3 runs"


def test_nothing_is_advised_from_less_than_three_runs_or_none():
    assert compute_advice(steps(2, seconds=300, peak_memory_bytes=8 * GB), SMALL) == []
    assert compute_advice([], SMALL) == []
