"""Files come again, revised, late and twice; rows are merged once and all are accounted for."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.ingest import table_spec
from tests.world import World, sales, world

A = sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "plum", 3.0))


def test_the_same_content_again_changes_nothing(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    shop.catch_up()
    spec = table_spec(shop.dataset("shop/sales"))
    version = shop.location.lake.version(spec)
    shop.land("shop/sales-a.parquet", A)
    assert shop.catch_up() == []
    (told,) = shop.materialise("shop/sales", partitions=["2024-01"]).asset_materializations_for_node("shop__sales")
    assert shop.location.lake.version(spec) == version
    assert told.metadata["dagster/row_count"].value == 2


def test_a_revised_file_replaces_rows_and_quarantine_of_its_earlier_version(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    shop.catch_up()
    shop.land("shop/sales-a.parquet", sales((1, "apple", 9.0), (2, "plum", 2.0)))
    shop.catch_up()
    assert shop.rows("shop/sales").select("sale", "price").rows() == [(1, 9.0)]
    assert shop.store("shop/sales").envelopes()["payload"].str.contains('"sale":"2"').to_list() == [True]
    assert shop.balance("shop/sales") == (2, 2)


def test_a_revised_file_that_lost_a_month_empties_it(shop: World) -> None:
    both = pl.concat([sales((1, "apple", 1.0)), sales((2, "pear", 2.0), month=2)])
    shop.land("shop/sales-a.parquet", both)
    shop.catch_up()
    shop.land("shop/sales-a.parquet", both.head(1))
    shop.catch_up()
    assert shop.rows("shop/sales")["sale"].to_list() == [1]


def test_a_later_file_wins_on_the_same_key_in_one_run_and_in_two(shop: World) -> None:
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0)))
    shop.land("shop/sales-b.parquet", sales((1, "apple", 7.0)))
    shop.catch_up()
    assert shop.rows("shop/sales")["price"].to_list() == [7.0, 2.0]
    assert shop.balance("shop/sales") == (3, 3)
    shop.land("shop/sales-c.parquet", sales((1, "apple", 8.0)))
    shop.catch_up()
    assert shop.rows("shop/sales")["price"].to_list() == [8.0, 2.0]
    assert shop.balance("shop/sales") == (4, 4)


def test_a_row_stands_again_once_the_later_file_has_it_no_more(shop: World) -> None:
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0)))
    shop.catch_up()
    shop.land("shop/sales-b.parquet", sales((1, "apple", 7.0)))
    shop.catch_up()
    shop.land("shop/sales-b.parquet", sales((3, "apple", 7.0)))
    shop.catch_up()
    assert shop.rows("shop/sales")["price"].to_list() == [1.0, 2.0, 7.0]
    assert shop.balance("shop/sales") == (3, 3)


def test_a_month_taken_in_again_puts_no_older_row_over_a_later_one_of_another_month(shop: World) -> None:
    shop.land("shop/sales-a.parquet", pl.concat([sales((1, "apple", 1.0)), sales((2, "pear", 2.0), month=2)]))
    shop.catch_up()
    shop.land("shop/sales-b.parquet", sales((2, "pear", 7.0), month=2))
    shop.catch_up()
    shop.materialise("shop/sales", partitions=["2024-01"])
    assert shop.rows("shop/sales")["price"].to_list() == [1.0, 7.0]


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sets(st.integers(1, 4), min_size=1)), min_size=1, max_size=6))
def test_whatever_lands_in_whatever_order_each_key_has_the_row_of_the_latest_file_that_has_it(
    tmp_path: Path, landed: list[tuple[str, set[int]]]
) -> None:
    with TemporaryDirectory(dir=tmp_path) as folder, world(Path(folder)) as shop:
        files: dict[str, set[int]] = {}
        for turn, (name, keys) in enumerate(landed):
            rows = [(key, "apple", float(turn)) for key in sorted(keys)]
            shop.land(f"shop/sales-{name}.parquet", pl.concat([sales(row, month=row[0]) for row in rows]))
            shop.catch_up()
            files = {other: kept for other, kept in files.items() if other != name} | {name: keys}
            latest = {key: other for other, kept in files.items() for key in kept}
            held = shop.location.lake.scan(table_spec(shop.dataset("shop/sales"))).collect()
            assert dict(held.select("sale", pl.col("_source").str.slice(-9, 1)).rows()) == latest
            assert len(set(shop.balance("shop/sales"))) == 1


def test_a_row_twice_in_one_file_stands_once_and_the_second_is_set_aside(shop: World) -> None:
    twice = sales((1, "apple", 1.0), (2, "pear", 2.0))
    shop.land("shop/sales-a.parquet", pl.concat([twice, twice.head(1)]))
    shop.catch_up()
    assert shop.red("shop/sales") == {"key_unique"}
    assert shop.balance("shop/sales") == (3, 3)


def test_a_row_before_the_first_partition_is_set_aside(shop: World) -> None:
    old = A.head(2).with_columns(at=pl.col("at") - pl.duration(days=400))
    shop.land("shop/sales-a.parquet", pl.concat([A.head(2), old]))
    shop.catch_up()
    assert shop.red("shop/sales") == {"partition"}
    assert shop.balance("shop/sales") == (4, 4)


def test_a_small_late_file_is_judged_together_with_the_rows_of_its_month(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A.head(2))
    shop.catch_up()
    shop.land("shop/sales-late.parquet", sales((9, "pear", 9.0)))
    shop.catch_up()
    assert shop.checks("shop/sales")["volume"].passed


def test_asking_for_a_month_takes_in_the_files_that_touch_it(shop: World) -> None:
    shop.land("shop/sales-jan.parquet", A)
    shop.land("shop/sales-feb.parquet", sales((5, "pear", 5.0), month=2))
    shop.catch_up()
    result = shop.materialise("shop/sales", partitions=["2024-02"])
    facts = result.asset_materializations_for_node("shop__sales")[0].metadata
    assert facts["inputs"].value == 1


def test_nothing_landed_is_an_error_that_says_where_to_put_files(shop: World) -> None:
    result = shop.materialise("shop/ledger")
    message = str(next(event for event in result.all_events if event.is_step_failure).event_specific_data)
    assert "shop/ledger: nothing to take in: there is no landed file that matches" in message
    assert "Fix: put files there" in message


def test_a_revision_that_cannot_be_read_leaves_what_its_earlier_version_brought(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    shop.catch_up()
    rows, below = shop.rows("shop/sales"), shop.rows("shop/takings")
    shop.land("shop/sales-a.parquet", A.drop("sku"))
    shop.catch_up()
    assert shop.rows("shop/sales").equals(rows)
    assert shop.rows("shop/takings").equals(below)
    assert shop.balance("shop/sales") == (3, 3)
    assert shop.store("shop/sales").envelopes()["rules"].to_list() == [["sku_isin"], ["schema"]]
    assert shop.catch_up() == []


def test_a_readable_version_after_an_unreadable_one_replaces_all_of_it(shop: World) -> None:
    for content in (A, A.drop("sku"), A.drop("price"), sales((5, "pear", 5.0), (6, "plum", 1.0))):
        shop.land("shop/sales-a.parquet", content)
        shop.catch_up()
    assert shop.rows("shop/sales")["sale"].to_list() == [5]
    assert shop.balance("shop/sales") == (2, 2)
    assert shop.store("shop/sales").envelopes()["rules"].to_list() == [["sku_isin"]]


def test_a_row_may_refer_to_one_that_comes_with_it_or_is_there(odd: World) -> None:
    odd.land("odd/staff-a.csv", b"person,boss\n2,1\n1,\n3,9\n")
    odd.catch_up()
    odd.land("odd/staff-b.csv", b"person,boss\n4,2\n")
    odd.catch_up()
    assert odd.rows("odd/staff")["person"].to_list() == [1, 2, 4]
    assert odd.red("odd/staff") == {"boss_references"}  # of the row that waits: its boss is 9
