"""The landing sensor: each content once, also after a crash; a wanted re-run is never dropped."""

import json
import os
import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.operations.arrivals import SETTLED, Cursor, Limits, look, shared_units
from platform_core.contracts import Files
from tests.world import World, sales

A = sales((1, "apple", 1.0), (2, "pear", 2.0))


def settle(shop: World) -> None:
    """Makes every landed file old enough to be taken, as if the test had waited."""
    past = time.time() - SETTLED.total_seconds() - 1
    for path in Path(shop.location.settings.landing).rglob("*.*"):
        os.utime(path, (past, past))


def tick(shop: World, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    """One evaluation of the world's landing sensor."""
    (domain,) = {dataset.domain for dataset in shop.location.catalog.datasets.values()}
    sensor = shop.location.defs.resolve_sensor_def(f"{domain}_landing")
    context = dg.build_sensor_context(
        instance=shop.instance, cursor=cursor, repository_def=shop.location.defs.get_repository_def(),
        resources={"lake": shop.location.lake, "landing": shop.location.landing},
    )  # fmt: skip
    result = sensor(context)
    return result if isinstance(result, dg.SensorResult) else dg.SensorResult(cursor=context.cursor)


def test_a_new_file_starts_one_run_of_its_months_and_what_is_below(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    settle(shop)
    (request,) = tick(shop, None).run_requests
    assert {key.to_user_string() for key in request.asset_selection} == {"shop/sales", "shop/takings"}
    assert request.tags["dagster/asset_partition_range_start"] == "2024-01"
    assert request.run_config == {"ops": {"shop__sales": {"config": {"files": ["shop/sales-a.parquet"]}}}}


def test_the_same_file_again_starts_nothing_and_other_content_does(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    settle(shop)
    first = tick(shop, None)
    shop.land("shop/sales-a.parquet", A)
    settle(shop)
    second = tick(shop, first.cursor)
    assert not second.run_requests
    shop.land("shop/sales-a.parquet", A.head(1))
    settle(shop)
    third = tick(shop, second.cursor)
    assert len(third.run_requests) == 1
    shop.land("shop/sales-a.parquet", A)
    settle(shop)
    (again,) = tick(shop, third.cursor).run_requests
    assert again.run_key not in {request.run_key for request in (*first.run_requests, *third.run_requests)}


def test_a_tick_repeated_after_a_crash_asks_for_the_same_run_again(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    settle(shop)
    known = tick(shop, None).cursor
    shop.land("shop/sales-b.parquet", A.tail(1))
    settle(shop)
    keys = [tick(shop, known).run_requests[0].run_key for _ in range(2)]
    assert keys[0] == keys[1]


def test_a_lost_cursor_asks_only_for_what_the_lake_does_not_know(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    shop.catch_up()
    shop.land("shop/sales-b.parquet", sales((7, "pear", 7.0), month=3))
    settle(shop)
    (request,) = tick(shop, None).run_requests
    assert request.run_config["ops"]["shop__sales"]["config"]["files"] == ["shop/sales-b.parquet"]


def test_a_file_that_is_still_being_written_waits(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    assert not tick(shop, None).run_requests


@pytest.mark.parametrize(("months", "runs"), [((1, 2), 1), ((1, 5), 2)], ids=["adjoining", "apart"])
def test_months_that_do_not_adjoin_have_runs_of_their_own(shop: World, months: tuple[int, int], runs: int) -> None:
    for month in months:
        shop.land(f"shop/sales-{month}.parquet", sales((month, "pear", 1.0), month=month))
    settle(shop)
    assert len(tick(shop, None).run_requests) == runs


def test_a_file_that_cannot_be_read_is_still_taken_in(shop: World) -> None:
    shop.land("shop/sales-a.parquet", b"not parquet")
    settle(shop)
    (request,) = tick(shop, None).run_requests
    result = shop.materialise("shop/sales", partitions=[request.tags["dagster/asset_partition_range_start"]],
                              files=["shop/sales-a.parquet"])  # fmt: skip
    assert result.success
    assert shop.store("shop/sales").envelopes().height == 1


def test_a_revised_file_asks_for_the_months_of_its_earlier_version_too(shop: World) -> None:
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), month=2))
    shop.catch_up()
    shop.land("shop/sales-a.parquet", sales((1, "apple", 1.0), month=3))
    settle(shop)
    (request,) = tick(shop, None).run_requests
    span = [request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    assert span == ["2024-02", "2024-03"]


def test_a_file_that_two_datasets_match_arrives_at_both(odd: World) -> None:
    odd.land("odd/notes-a.csv", b"note,amount,marks,took,starts,seal,order,kind\n1,,,,,,,\n")
    odd.catch_up()
    cursor = tick(odd, None).cursor
    odd.land("odd/notes-late.csv", b"note,amount,marks,took,starts,seal,order,kind\n2,,,,,,,\n")
    settle(odd)
    (request,) = tick(odd, cursor).run_requests
    assert set(request.run_config["ops"]) == {"odd__notes", "odd__late_notes"}


def test_a_new_major_version_is_filled_from_the_files_that_are_there(shop: World) -> None:
    shop.land("shop/ledger-1.csv", b"line,amount\n1,1\n")
    shop.catch_up()
    cursor = tick(shop, None).cursor
    ledger = replace(shop.dataset("shop/ledger"), version="2.0.0")
    now = datetime.now(UTC) + SETTLED
    arrivals, _ = look(shop.location.lake, shop.location.settings, [ledger], Cursor.read(cursor, now), now)
    assert [each.unit.source for each in arrivals] == ["shop/ledger-1.csv"]


def test_a_file_that_cannot_be_opened_by_its_name_holds_up_no_other(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    folder = Path(shop.location.settings.landing) / "shop"
    (folder / os.fsdecode(b"sales-\xff.parquet")).write_bytes(b"not a name in UTF-8")
    shop.catch_up()
    assert shop.rows("shop/sales").height == A.height
    (envelope,) = shop.store("shop/sales").envelopes().to_dicts()
    assert envelope["source"] == "shop/sales-\\xff.parquet"
    assert "cannot be opened" in envelope["reason"]


def test_a_file_from_a_clock_that_is_ahead_is_not_waited_for(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    ahead = time.time() + 9_999_999
    os.utime(Path(shop.location.settings.landing) / "shop/sales-a.parquet", (ahead, ahead))
    assert len(tick(shop, None).run_requests) == 1


def test_what_one_tick_does_not_read_the_next_one_does(shop: World) -> None:
    for name in "abc":
        shop.land(f"shop/sales-{name}.parquet", A)
    lake, settings, sales = shop.location.lake, shop.location.settings, [shop.dataset("shop/sales")]
    now = datetime.now(UTC) + SETTLED
    first, cursor = look(lake, settings, sales, Cursor.read(None, now), now, limits=Limits(files=2))
    second, _ = look(lake, settings, sales, cursor, now, limits=Limits(files=2))
    assert [each.unit.source[-9] for each in (*first, *second)] == ["a", "b", "c"]


def test_a_cursor_of_an_earlier_version_of_the_platform_loses_nothing_and_asks_for_nothing_twice(shop: World) -> None:
    shop.land("shop/sales-a.parquet", A)
    shop.catch_up()
    earlier = json.dumps({"epoch": "2024-01-01", "turn": 7, "tables": {"shop/sales/v1": {}}})
    assert not tick(shop, earlier).run_requests


def test_a_file_that_comes_with_an_earlier_instant_is_seen(shop: World) -> None:
    for name in ("a", "b"):
        shop.land(f"shop/sales-{name}.parquet", A)
    lake, settings, sales = shop.location.lake, shop.location.settings, [shop.dataset("shop/sales")]
    now = datetime.now(UTC) + 60 * SETTLED
    _, cursor = look(lake, settings, sales, Cursor.read(None, now), now)
    (mark,) = cursor.marks.values()
    ahead = replace(cursor, marks={"landing/shop": replace(mark, arrived=2 * mark.arrived)})
    shop.land("shop/sales-c.parquet", A)
    arrivals, _ = look(lake, settings, sales, ahead, now)
    assert [arrival.unit.source for arrival in arrivals] == ["shop/sales-c.parquet"]


def test_a_file_that_goes_away_starts_nothing(shop: World) -> None:
    for name in ("a", "b"):
        shop.land(f"shop/sales-{name}.parquet", A)
    settle(shop)
    cursor = tick(shop, None).cursor
    (Path(shop.location.settings.landing) / "shop/sales-a.parquet").unlink()
    assert not tick(shop, cursor).run_requests


def test_the_cursor_does_not_grow_with_the_files(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_assets.operations.arrivals.ASKED_UNITS", 10)
    sizes = []
    lake, settings, sales = shop.location.lake, shop.location.settings, [shop.dataset("shop/sales")]
    now = datetime.now(UTC) + 60 * SETTLED
    cursor = Cursor.read(None, now)
    for number in range(30):
        shop.land(f"shop/sales-{number:03}.parquet", A.head(1))
        arrivals, cursor = look(lake, settings, sales, cursor, now)
        assert len(arrivals) == 1
        sizes.append(len(cursor.write()))
    assert max(sizes[10:]) - min(sizes[10:]) < 10


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_in_the_folder_each_content_is_asked_for_once(shop: World, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same history for the same seed
    folder = Path(shop.location.settings.landing) / "shop"
    folder.mkdir(parents=True)
    lake, settings, ledger = shop.location.lake, shop.location.settings, [shop.dataset("shop/ledger")]
    now = datetime.now(UTC) + 600 * SETTLED
    cursor, asked = Cursor.read(None, now), dict[str, str]()
    for _ in range(12):
        for _ in range(rng.randint(0, 3)):
            change_something(folder, rng)
        contents = {f"shop/{path.name}": path.read_text() for path in folder.glob("ledger-*")}
        while True:
            arrivals, cursor = look(lake, settings, ledger, cursor, now, limits=Limits(files=rng.choice([2, 99])))
            for source in {arrival.unit.source for arrival in arrivals}:
                assert asked.get(source) != contents[source]
                asked[source] = contents[source]
            if all(mark.listing for mark in cursor.marks.values()):
                break
        assert contents.items() <= asked.items()


def change_something(folder: Path, rng: random.Random) -> None:
    """Writes, touches, deletes or renames a file of the ledger, or writes one that no dataset covers."""
    path = folder / f"ledger-{rng.randint(0, 5)}.csv"
    change = rng.choice(["write", "write", "touch", "delete", "rename", "other"])
    if change == "write":
        path.write_text(f"line,amount\n{rng.randint(0, 2)},1\n")
    elif change == "other":
        (folder / "transfer.log").write_text(str(rng.random()))
    elif path.exists() and change == "touch":
        os.utime(path)
    elif path.exists():
        path.unlink() if change == "delete" else path.rename(folder / f"ledger-{rng.randint(0, 5)}.csv")


def test_a_file_that_two_patterns_match_is_told_with_both_datasets(shop: World) -> None:
    sold = shop.dataset("shop/sales")
    other = replace(sold, name="shop/everything", source=Files("*.parquet"))
    shop.land("shop/sales-a.parquet", A)
    now = datetime.now(UTC)
    arrivals, _ = look(shop.location.lake, shop.location.landing.settings, [sold, other], Cursor.read(None, now),
                       now + SETTLED)  # fmt: skip
    (told,) = shared_units(arrivals)
    assert told.startswith("shop/sales-a.parquet: is taken in by shop/everything and by shop/sales, for the pattern")
    assert shared_units(look(shop.location.lake, shop.location.landing.settings, [sold], Cursor.read(None, now),
                             now + SETTLED)[0]) == []  # fmt: skip
