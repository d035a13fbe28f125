"""What is cleared away: never what a reader may still need."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from platform_core.contracts import Retention
from platform_core.upkeep import US_EAST_1, Dead, kept_for, plan
from tests.core.upkeep.tables import DAYS, GB, KB, MB, NOW, files, table

times = st.timedeltas(min_value=timedelta(days=1), max_value=timedelta(days=400))


@given(times, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_files_are_kept_as_long_as_declared_and_twice_as_long_as_any_reading(versions, longest):
    kept = kept_for(Retention(versions=versions), longest)
    assert kept >= versions
    assert kept >= 2 * longest


def test_without_a_declaration_versions_are_kept_for_a_week_and_rows_for_ever():
    assert kept_for(Retention()) == 7 * DAYS
    assert plan(table(*files(GB, partition="1990-01")), US_EAST_1, NOW).clearing.partitions == ()


def test_dead_files_go_when_there_are_enough_of_them():
    few = plan(table(dead=Dead(files=3, size_bytes=5 * KB)), US_EAST_1, NOW)
    many = plan(table(dead=Dead(files=8, size_bytes=5 * KB, versions=2)), US_EAST_1, NOW)
    large = plan(table(dead=Dead(files=1, size_bytes=2 * MB)), US_EAST_1, NOW)
    assert (few.is_empty, many.is_empty, large.is_empty) == (True, False, False)
    assert large.saves_a_month.storage > 0


def test_versions_that_hold_their_files_are_forgotten_before_anybody_knows_how_many_files_that_frees():
    assert plan(table(dead=Dead(versions=1, hidden=True)), US_EAST_1, NOW).clearing.vacuums
    assert plan(table(dead=Dead(versions=1)), US_EAST_1, NOW).is_empty
    assert plan(table(dead=Dead(hidden=True)), US_EAST_1, NOW).is_empty


def test_a_month_goes_when_it_ended_longer_ago_than_rows_are_kept():
    months = [each for key in ("2025-03", "2025-04", "2025-05", "2026-05") for each in files(GB, partition=key)]
    planned = plan(table(*months, retention=Retention(keep=365 * DAYS)), US_EAST_1, NOW).clearing
    assert planned.partitions == ("2025-03", "2025-04")  # May 2025 ended exactly 365 days ago


def test_a_partition_whose_key_is_no_month_never_goes():
    odd = [each for key in ("naïve/ü", "0001-13", "") for each in files(KB, partition=key)]
    assert plan(table(*odd, retention=Retention(keep=DAYS)), US_EAST_1, NOW).clearing.partitions == ()


def test_a_partition_that_is_to_go_is_not_compacted_first():
    old = files(*[KB] * 50, partition="2020-01")
    planned = plan(table(*old, retention=Retention(keep=DAYS)), US_EAST_1, NOW)
    assert (planned.clearing.partitions, planned.compactions) == (("2020-01",), ())


def test_partitions_that_may_be_archived_are_not_compacted():
    old = files(*[KB] * 50, partition="2020-01")
    assert plan(table(*old, retention=Retention(read_back=90 * DAYS)), US_EAST_1, NOW).compactions == ()
    assert plan(table(*old, retention=Retention(read_back=90 * DAYS), on_s3=False), US_EAST_1, NOW).compactions
