"""What the bucket may do by itself: later moves are to cheaper classes, and nothing that is read moves."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_core.contracts import Retention, daily
from platform_core.upkeep import US_EAST_1, lake_rule, lifecycle
from platform_core.upkeep.lifecycle import APART, are_ordered
from tests.core.upkeep.tables import DAYS, GB, KB, files, reads, table

days = st.timedeltas(min_value=timedelta(days=1), max_value=timedelta(days=3000))
YEARS = tuple(each for year in range(2020, 2026) for each in files(GB, GB, partition=f"{year}-01"))
BACK = Retention(read_back=90 * DAYS)


@given(st.none() | days, st.none() | days, st.none() | days, st.integers(0, 60), st.booleans())
def test_moves_are_ordered_and_never_earlier_than_readers_look(keep, back, fresh, often, plain):
    facts = table(*YEARS, retention=Retention(keep=keep, read_back=back), history=reads(often) if often else reads(0),
                  format="parquet" if plain else "delta")  # fmt: skip
    found = lifecycle(facts, US_EAST_1, freshness=fresh)
    for rule in found.rules:
        assert are_ordered(rule.moves, US_EAST_1)
        assert all(
            later.days - earlier.days >= APART.days for earlier, later in zip(rule.moves, rule.moves[1:], strict=False)
        )
        assert all(move.days * DAYS >= max(back or DAYS, fresh or DAYS, APART) for move in rule.moves)
        assert rule.expire_days is None or (plain and rule.expire_days * DAYS >= keep)
        assert all(rule.expire_days is None or move.days < rule.expire_days for move in rule.moves)


def test_what_nobody_looks_back_at_goes_down_through_the_classes():
    (rule,) = lifecycle(table(*YEARS, retention=BACK), US_EAST_1).rules
    assert rule.prefix == "lake/development/shop/sales/v1/_partition="
    assert [(each.days, each.to) for each in rule.moves] == [
        (121, "STANDARD_IA"), (151, "GLACIER_IR"), (241, "GLACIER"), (331, "DEEP_ARCHIVE"),
    ]  # fmt: skip


def test_what_somebody_needs_whole_is_never_where_reading_waits():
    found = lifecycle(
        table(*YEARS, retention=BACK, whole_readers=("rule 'sale' of shop/returns looks into it",)), US_EAST_1
    )
    assert [each.to for each in found.rules[0].moves] == ["STANDARD_IA", "GLACIER_IR"]
    assert "not archived: rule 'sale' of shop/returns looks into it" in found.why


def test_whole_readings_every_day_keep_a_table_where_reading_is_free():
    found = lifecycle(table(*YEARS, retention=BACK, whole_readers=("x",), history=reads(90)), US_EAST_1)
    assert found.rules == ()
    assert any("30.0 whole readings a month" in each for each in found.why)


def test_without_a_declaration_sixty_days_of_readings_decide():
    near = {"partitions": ("2026-05",)}
    assert lifecycle(table(*YEARS, history=reads(50, **near, days=59)), US_EAST_1).rules == ()
    (rule,) = lifecycle(table(*YEARS, history=reads(50, **near)), US_EAST_1).rules
    assert [each.to for each in rule.moves] == ["STANDARD_IA", "GLACIER_IR"]
    assert lifecycle(table(*YEARS), US_EAST_1).why[0].startswith("stays in STANDARD: no read_back is declared")


def test_tiny_files_are_not_worth_a_rule():
    tiny = files(*[10 * KB] * 100, partition="2020-01")
    assert lifecycle(table(*tiny, retention=BACK), US_EAST_1).rules == ()


def test_rows_that_go_soon_are_not_moved_before():
    found = lifecycle(table(*YEARS, retention=Retention(read_back=90 * DAYS, keep=130 * DAYS)), US_EAST_1)
    assert found.rules == ()
    assert "not STANDARD_IA: rows go 9 days on, and 30 are billed" in found.why


@pytest.mark.parametrize(("stored", "expire"), [("parquet", 396), ("delta", None), ("iceberg", None)])
def test_only_plain_parquet_expires_by_a_rule(stored, expire):
    found = lifecycle(table(*YEARS, retention=Retention(keep=365 * DAYS), format=stored), US_EAST_1)
    assert [rule.expire_days for rule in found.rules] == ([expire] if expire else [])


def test_a_table_without_partitions_stays_and_one_without_files_gets_no_rule():
    assert lifecycle(table(*files(GB), partitions=None), US_EAST_1).rules == ()
    assert lifecycle(table(retention=BACK), US_EAST_1).rules == ()


def test_a_shorter_grain_moves_sooner():
    found = lifecycle(
        table(*files(GB, partition="2020-01-01"), retention=BACK, partitions=daily("2020-01-01", on="at")), US_EAST_1
    )
    assert found.rules[0].moves[0].days == 91


def test_the_lake_keeps_earlier_versions_of_objects_as_long_as_its_longest_table():
    rule = lake_rule("lake/development", [table(), table(retention=Retention(versions=60 * DAYS))])
    assert (rule.prefix, rule.uploads_days, rule.earlier_versions_days) == ("lake/development/", 7, 60)
    assert lake_rule("", []).earlier_versions_days == 30
