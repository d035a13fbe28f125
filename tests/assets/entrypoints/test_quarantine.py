"""Rows that were set aside are looked at, mended, replayed and discarded from the command line."""

from pathlib import Path

import polars as pl
import pytest

from tests.assets.entrypoints.conftest import BAD, GOOD, Shell
from tests.world import sales

S = "shop/sales"
both_places = pytest.mark.parametrize("place", ["disk", "s3"], indirect=True)


@pytest.fixture
def bad(shell: Shell) -> Shell:
    """A shop with one row set aside."""
    shell.world.land("shop/sales-a.parquet", BAD)
    shell.world.catch_up()
    return shell


def sold(shell: Shell) -> list[int]:
    return shell.world.rows(S)["sale"].to_list()


def balanced(shell: Shell) -> bool:
    """Whether every row that came in is in the table, in quarantine or superseded; by rows and by the log."""
    came, accounted = shell.world.balance(S)
    inputs = shell.json("datasets", "show", S)["inputs"]
    return came == accounted and all(
        each["rows"] == each["valid"] + each["quarantined"] + each["superseded"] for each in inputs
    )


def test_a_line_that_was_no_record_is_mended_and_replayed_like_any_row(shell: Shell) -> None:
    lines = (
        b"sale,sku,price,buyer,at",
        b"1,apple,1,,2024-01-03T00:00:00Z",
        b"2,pear",
        b"3,pear,3,,2024-01-04T00:00:00Z",
    )
    shell.world.land("shop/sales-a.csv", b"\n".join(lines) + b"\n")
    shell.world.catch_up()
    half = shell("quarantine", "fix", S, shell.first(), "--set", "sale=2", "--set", "sku=pear", "--set", "price=2")
    assert "It still breaks at_not_null" in half
    shell("quarantine", "fix", S, shell.first(), "--set", "at=2024-01-05T00:00:00Z")
    assert shell.outcomes() == ["merged"]
    assert (sold(shell), balanced(shell)) == ([1, 2, 3], True)


@both_places
def test_a_fixed_row_is_replayed_once_and_a_second_replay_changes_nothing(bad: Shell) -> None:
    bad("quarantine", "fix", S, bad.first(), "--set", "sku=pear")
    assert bad.outcomes() == ["merged"]
    assert (sold(bad), balanced(bad)) == ([1, 2, 3], True)
    before = bad.world.rows(S)
    assert bad.outcomes() == []
    assert bad.outcomes(bad.first("replayed")) == ["replayed"]
    assert bad.world.rows(S).equals(before)
    assert balanced(bad)


def test_a_row_that_a_rule_still_refuses_stays_open_and_says_which_rule(bad: Shell) -> None:
    told = bad.json("quarantine", "fix", S, bad.first(), "--set", "sku=pear", "--set", "price=-1")
    assert list(told["breaks"]) == ["price_ge"]
    row = bad.json("quarantine", "replay", S)["rows"][0]
    assert (row["outcome"], row["rules"]) == ("refused", ["price_ge"])
    assert bad.json("quarantine", "list", S, "--rule", "price_ge")[0]["decision"] == "open"
    assert (sold(bad), balanced(bad)) == ([1, 2], True)


def test_a_row_whose_fix_moves_it_to_another_month_is_merged_there_once(bad: Shell) -> None:
    bad("quarantine", "fix", S, bad.first(), "--set", "sku=pear", "--set", "at=2024-05-02T00:00:00Z")
    assert bad.outcomes() == ["merged"]
    assert sold(bad) == [1, 2, 3]
    assert "2024-05" in bad.json("datasets", "show", S)["inputs"][0]["partitions"]
    bad.world.materialise(S, partitions=["2024-01", "2024-05"])
    assert (sold(bad), balanced(bad)) == ([1, 2, 3], True)


@pytest.mark.parametrize("replayed_first", [True, False])
def test_a_fix_outlives_every_later_ingest_of_its_file(bad: Shell, replayed_first: bool) -> None:
    bad("quarantine", "fix", S, bad.first(), "--set", "sku=pear")
    if replayed_first:
        bad("quarantine", "replay", S)
    for _ in range(3):
        assert bad.world.materialise(S, partitions=["2024-01"]).success
        assert (sold(bad), balanced(bad)) == ([1, 2, 3], True)
    assert bad.json("quarantine", "list") == []


def test_a_fix_follows_its_row_into_a_revised_file(bad: Shell) -> None:
    bad("quarantine", "fix", S, bad.first(), "--set", "sku=pear")
    bad.world.land("shop/sales-a.parquet", pl.concat([sales((9, "pear", 9.0), month=2), BAD]))
    bad.world.catch_up()
    assert (sold(bad), balanced(bad)) == ([1, 2, 3, 9], True)


def test_of_two_equal_rows_the_fix_mends_the_one_that_was_refused(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", pl.concat([GOOD, GOOD.head(1)]))
    shell.world.catch_up()
    shell("quarantine", "fix", S, shell.first(), "--set", "sale=7")
    assert shell.outcomes() == ["merged"]
    shell.world.materialise(S, partitions=["2024-01"])
    assert (sold(shell), balanced(shell)) == ([1, 2, 7], True)


def test_a_row_whose_key_another_row_of_its_file_has_stays_open(bad: Shell) -> None:
    first = bad.world.rows(S)["at"][0].isoformat()
    bad("quarantine", "fix", S, bad.first(), "--set", "sku=pear", "--set", "sale=1", "--set", f"at={first}")
    row = bad.json("quarantine", "replay", S)["rows"][0]
    assert (row["outcome"], row["rules"]) == ("refused", ["key_unique"])
    assert balanced(bad)


@both_places
def test_a_discarded_row_stays_listed_and_counted_and_a_replay_passes_it_over(bad: Shell) -> None:
    gone = bad.first()
    bad("quarantine", "discard", S, gone, "--reason", "a test sale")
    assert bad.json("quarantine", "list") == []
    assert bad.json("quarantine", "show", S, gone)["note"] == "a test sale"
    assert bad.outcomes() == []
    bad.world.materialise(S, partitions=["2024-01"])
    assert (bad.first("discarded"), sold(bad), balanced(bad)) == (gone, [1, 2], True)


def test_a_discarded_row_is_open_again_once_it_is_fixed(bad: Shell) -> None:
    bad("quarantine", "discard", S, bad.first(), "--reason", "too hasty")
    bad("quarantine", "fix", S, bad.first("discarded"), "--set", "sku=pear")
    assert bad.outcomes() == ["merged"]


def test_a_replayed_row_is_judged_together_with_the_rows_of_its_file(bad: Shell) -> None:
    bad("quarantine", "fix", S, bad.first(), "--set", "sku=pear")
    bad("quarantine", "replay", S)
    verdicts = {rule["id"]: rule["status"] for rule in bad.json("datasets", "show", S)["rules"]}
    assert verdicts["volume"] == "passed"


def test_only_the_rows_that_are_named_are_replayed(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", sales((1, "apple", 1.0), (2, "plum", 2.0), (3, "plum", 3.0)))
    shell.world.catch_up()
    for each in shell.json("quarantine", "list", S):
        shell("quarantine", "fix", S, each["id"], "--set", "sku=pear")
    assert shell.outcomes(shell.first()) == ["merged"]
    assert (sold(shell), len(shell.json("quarantine", "list", S)), balanced(shell)) == ([1, 2], 1, True)


def test_rows_of_months_that_do_not_adjoin_are_replayed_by_a_run_each(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", pl.concat([BAD, sales((8, "plum", 8.0), month=4)]))
    shell.world.catch_up()
    for each in shell.json("quarantine", "list", S):
        shell("quarantine", "fix", S, each["id"], "--set", "sku=pear")
    assert len(shell.json("quarantine", "replay", S)["runs"]) == 2
    assert (sold(shell), balanced(shell)) == ([1, 2, 3, 8], True)


def test_a_file_that_could_not_be_read_is_taken_in_again_by_a_replay(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", b"not parquet")
    shell.world.catch_up()
    assert shell.outcomes() == ["refused"]
    shell.world.land("shop/sales-a.parquet", GOOD)
    assert shell.outcomes() == ["merged"]
    assert (sold(shell), balanced(shell)) == ([1, 2], True)


def test_a_file_that_could_not_be_read_can_be_discarded_but_not_fixed(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", b"not parquet")
    shell.world.catch_up()
    assert "whole file" in shell.refused("quarantine", "fix", S, shell.first(), "--set", "sku=pear")
    shell("quarantine", "discard", S, shell.first(), "--reason", "sent by mistake")
    assert shell.json("quarantine", "list") == []


def test_another_broken_content_of_a_discarded_file_is_open(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", b"not parquet")
    shell.world.catch_up()
    shell("quarantine", "discard", S, shell.first(), "--reason", "sent by mistake")
    shell.world.land("shop/sales-a.parquet", b"nor is this")
    shell.world.catch_up()
    assert len(shell.json("quarantine", "list", S)) == 1


def test_a_file_that_left_the_landing_folder_is_said_to_be_missing(shell: Shell) -> None:
    shell.world.land("shop/sales-a.parquet", b"not parquet")
    shell.world.catch_up()
    (Path(shell.world.location.settings.landing) / "shop/sales-a.parquet").unlink()
    assert shell.outcomes() == ["missing"]


def test_personal_data_is_masked_and_shown_in_development_only(bad: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bad.json("quarantine", "show", S, bad.first())["payload"]["buyer"] == "•••"
    assert "ada@example.com" not in bad("quarantine", "show", S, bad.first())
    shown = bad.json("quarantine", "show", S, bad.first(), "--unmask")
    assert shown["payload"]["buyer"] == "ada@example.com"
    gone = bad.first()
    monkeypatch.setenv("PLATFORM_ENVIRONMENT", "production")
    assert "development only" in bad.refused("quarantine", "show", S, gone, "--unmask")


def test_a_fix_to_nothing_is_a_null(bad: Shell) -> None:
    bad("quarantine", "fix", S, bad.first(), "--set", "buyer=")
    assert bad.json("quarantine", "show", S, bad.first())["fix"]["buyer"] is None


WRONG_WORDS = [
    (("fix", S, "ID", "--set", "skew=pear"), "no column 'skew'. Fix: use one of sale, sku, price, buyer, at."),
    (("fix", S, "ID", "--set", "sku"), "write --set column=value"),
    (("show", S, "nothing"), "no envelope 'nothing'"),
    (("list", "shop/sale"), "no dataset 'shop/sale'. Fix: perhaps shop/sales"),
    (("list", S, "--rule", "sku_isn"), "perhaps sku_isin"),
    (("discard", S, "ID", "--reason", " "), "--reason: is empty"),
    (("replay", S, "--no-wait"), "no Dagster daemon is alive"),
    (("replay", "shop/ledger"), "has no quarantine"),
]


def test_a_wrong_word_is_refused_with_what_would_be_right_and_changes_nothing(bad: Shell) -> None:
    before = bad.json("quarantine", "list", S, "--decision", "all")
    for arguments, message in WRONG_WORDS:
        words = [bad.first() if word == "ID" else word for word in arguments]
        assert message in bad.refused("quarantine", *words), arguments
    assert bad.json("quarantine", "list", S, "--decision", "all") == before


def test_a_row_that_was_merged_can_be_neither_fixed_nor_discarded(bad: Shell) -> None:
    bad("quarantine", "fix", S, bad.first(), "--set", "sku=pear")
    bad("quarantine", "replay", S)
    merged = bad.first("replayed")
    assert "in the table already" in bad.refused("quarantine", "fix", S, merged, "--set", "sku=apple")
    assert "in the table already" in bad.refused("quarantine", "discard", S, merged, "--reason", "no")


def test_no_id_is_cut_or_wrapped_however_narrow_the_terminal(bad: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert bad.first() in bad("quarantine", "list")
