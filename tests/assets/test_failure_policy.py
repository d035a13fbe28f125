"""The failure policy is the declared shape: quarantine, or all or nothing."""

from datetime import time, timedelta
from decimal import Decimal

import dagster as dg
import polars as pl
import pytest

from platform_assets.ingest.replay import replay_tag
from tests.world import World, sales

GOOD = sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "apple", 3.0))
NOTES = pl.DataFrame(
    {
        "note": [1, 2, 3],
        "amount": [Decimal("1.25"), None, Decimal("-0.50")],
        "marks": [[1, 2], [], None],
        "took": [timedelta(seconds=1), None, timedelta(days=400)],
        "starts": [time(12, 30), None, time(0)],
        "seal": [b"\x00\xff", b"", None],
        "order": [1, 2, None],
        "kind": ["a", "b", None],
    },
    schema_overrides={"marks": pl.List(pl.Int64)},
)
MIXED = sales((1, "apple", 1.0), (2, "plum", 2.0), (3, "apple", -3.0), (4, "pear", 5.0))


def test_with_a_quarantine_bad_rows_go_there_and_their_checks_warn(shop: World) -> None:
    shop.land("shop/sales-a.parquet", MIXED)
    shop.catch_up()
    assert shop.rows("shop/sales")["sale"].to_list() == [1, 4]
    assert shop.red("shop/sales") == {"sku_isin", "price_ge"}
    assert {each.severity for each in shop.checks("shop/sales").values() if not each.passed} == {
        dg.AssetCheckSeverity.WARN
    }


def test_an_envelope_says_rule_reason_source_position_and_run(shop: World) -> None:
    shop.land("shop/sales-a.parquet", MIXED)
    shop.catch_up()
    envelope = shop.store("shop/sales").envelopes().to_dicts()[0]
    assert envelope["rules"] == ["sku_isin"]
    assert envelope["reason"] == "broken: sku is one of apple, pear"
    assert (envelope["source"], envelope["position"]) == ("shop/sales-a.parquet", 2)
    assert shop.instance.get_run_by_id(envelope["run_id"]) is not None


def test_without_a_quarantine_one_bad_row_writes_nothing_and_the_last_good_table_stays(shop: World) -> None:
    shop.land("shop/ledger.csv", b"line,amount\n1,1.5\n2,2.5\n")
    shop.catch_up()
    before = shop.rows("shop/ledger")
    shop.land("shop/ledger.csv", b"line,amount\n1,1.5\n-2,9\n3,3\n")
    result = shop.materialise("shop/ledger")
    assert not result.success
    assert shop.rows("shop/ledger").equals(before)
    assert shop.red("shop/ledger") == {"line_gt"}


def test_the_failure_names_dataset_culprit_and_fix(shop: World) -> None:
    shop.land("shop/ledger.csv", b"line,amount\n-2,9\n")
    failed = next(event for event in shop.materialise("shop/ledger").all_events if event.is_step_failure)
    message = str(failed.event_specific_data)
    assert "shop/ledger: nothing was written" in message
    assert "line > 0: 1 of 1 rows" in message
    assert "Fix: Mend the input" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"PAR1 nonsense", "damaged or was cut off"),
        (None, "sku: missing"),
    ],
    ids=["empty", "truncated", "a column missing"],
)
def test_a_broken_file_goes_to_quarantine_whole_and_the_others_go_through(
    shop: World, content: bytes | None, reason: str
) -> None:
    shop.land("shop/sales-good.parquet", GOOD)
    shop.land("shop/sales-bad.parquet", GOOD.drop("sku") if content is None else content)
    shop.catch_up()
    assert shop.rows("shop/sales").height == GOOD.height
    envelope = shop.store("shop/sales").envelopes().to_dicts()[0]
    assert envelope["source"] == "shop/sales-bad.parquet"
    assert reason in envelope["reason"]
    assert shop.red("shop/sales") == {"schema"}


def test_a_text_in_another_encoding_is_refused_with_the_byte(shop: World) -> None:
    shop.land("shop/sales-latin.csv", "sale,sku,price,buyer,at\n1,äpple,1,,2024-01-02T00:00:00Z\n".encode("latin-1"))
    shop.catch_up()
    assert "line 2: not UTF-8 at byte 3 of the row" in shop.store("shop/sales").envelopes()["reason"][0]


def test_a_value_that_cannot_be_typed_costs_its_row_only(shop: World) -> None:
    shop.land("shop/sales-a.csv", b"sale,sku,price,buyer,at\n1,apple,cheap,,2024-01-02T00:00:00Z\n"
                                  b"2,pear,2,,2024-01-02T01:00:00Z\n3,pear,NaN,,2024-01-02T02:00:00Z\n")  # fmt: skip
    shop.catch_up()
    assert shop.red("shop/sales") == {"types"}
    assert shop.rows("shop/sales")["sale"].to_list() == [2, 3]
    assert shop.rows("shop/sales")["price"].to_list() == [2.0, None]
    assert '"price":"cheap"' in shop.store("shop/sales").envelopes()["payload"][0]


def test_a_timestamp_without_a_zone_is_not_taken_for_utc(shop: World) -> None:
    shop.land("shop/sales-naive.parquet", GOOD.with_columns(pl.col("at").dt.replace_time_zone(None)))
    shop.catch_up()
    assert "a timestamp without a zone" in shop.store("shop/sales").envelopes()["reason"][0]


def test_samples_of_failing_rows_hide_personal_data(shop: World) -> None:
    shop.land("shop/sales-a.csv", b"sale,sku,price,buyer,at\n1,plum,1,ada@example.com,2024-01-02T00:00:00Z\n")
    shop.catch_up()
    shown = " ".join(str(each.metadata) for each in shop.checks("shop/sales").values())
    preview = str(shop.instance.get_latest_materialization_event(dg.AssetKey(["shop", "sales"])))
    assert "ada@example.com" not in shown + preview


def test_a_dataset_rule_of_severity_warn_lets_the_rows_pass(shop: World) -> None:
    shop.land("shop/sales-a.parquet", GOOD.head(1))
    shop.catch_up()
    assert shop.red("shop/sales") == {"volume"}
    assert shop.rows("shop/sales").height == 1


def test_a_pandas_transform_is_judged_like_a_polars_one(shop: World) -> None:
    shop.land("shop/sales-a.parquet", GOOD)
    shop.catch_up()
    assert shop.rows("shop/takings")["total"].to_list() == [4.0, 2.0]
    assert shop.red("shop/takings") == {"total_of_all"}


def test_bad_rows_of_a_table_without_partitions_are_set_aside(odd: World) -> None:
    odd.land("odd/notes-a.parquet", NOTES.with_columns(note=-pl.col("note")))
    odd.catch_up()
    assert odd.balance("odd/notes") == (3, 3)


def test_bad_rows_of_any_type_are_replayed_as_they_came(odd: World) -> None:
    odd.land("odd/notes-a.parquet", NOTES)
    odd.land("odd/notes-b.parquet", NOTES.with_columns(note=pl.lit(-7)))
    odd.catch_up()
    store = odd.store("odd/notes")
    for envelope, note in zip(store.envelopes().to_dicts(), (4, 5, 6), strict=True):
        store.fix(envelope["quarantine_id"], envelope["payload"].replace('"-7"', f'"{note}"'))
    assert odd.materialise("odd/notes", tags=replay_tag(None)).success
    rows = odd.rows("odd/notes").drop("note")
    assert rows.tail(3).equals(rows.head(3))
    assert rows.height == 6


def test_a_file_without_header_does_not_tell_its_first_row(shop: World) -> None:
    shop.land("shop/sales-a.csv", b"1,apple,1,ada@example.com,2024-01-02T00:00:00Z\n2,pear,2,,2024-01-02T00:00:00Z\n")
    shop.catch_up()
    assert shop.store("shop/sales").envelopes()["reason"].str.contains("the header may be missing").to_list() == [True]
    assert "ada@example.com" not in str([each.description for each in shop.checks("shop/sales").values()])
