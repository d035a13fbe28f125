"""The tutorial's program does what the tutorial's text says."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from docs_src.tutorial.bikes.trips import trips
from platform_core.contracts import catalog_of, rules_of
from platform_core.errors import ContractError
from tests.docs.pages import ROOT
from tests.world import World, world

TEXT = (ROOT / "docs/tutorial.md").read_text()
LANDED = ROOT / "docs_src/tutorial/landing/trips-2024-05.csv"
SOURCE = "bikes/trips-2024-05.csv"
INCLUDED = re.compile(r"<!-- include: (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)


@pytest.fixture
def bikes(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, "docs_src.tutorial") as made:
        made.land(SOURCE, LANDED.read_bytes())
        made.catch_up()
        yield made


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/test-data.md"])
def test_included_code_is_the_file_as_it_is(page: str) -> None:
    blocks = INCLUDED.findall((ROOT / page).read_text())
    assert blocks
    assert [text for _, text in blocks] == [(ROOT / path).read_text() for path, _ in blocks]


def test_the_dataset_has_as_many_checks_as_the_text_says() -> None:
    assert len(rules_of(trips)) == 13
    assert "thirteen checks" in TEXT


def test_a_wrong_key_is_told_in_the_words_of_the_text() -> None:
    with pytest.raises(ContractError) as told:
        catalog_of([replace(trips, key=("trips",))])
    assert str(told.value) in TEXT


def test_five_rows_are_stored_one_is_set_aside_and_its_check_warns(bikes: World) -> None:
    assert bikes.rows("bikes/trips")["trip"].to_list() == ["T0001", "T0002", "T0004", "T0005", "T0006"]
    assert bikes.store("bikes/trips").envelopes()["quarantine_id"].to_list() == ["a76781c387e3-3"]
    assert "a76781c387e3-3" in TEXT
    assert bikes.red("bikes/trips") == {"minutes_gt"}
    assert bikes.checks("bikes/trips")["minutes_gt"].severity.value == "WARN"
    assert bikes.balance("bikes/trips") == (6, 6)


def test_the_june_trip_lies_in_june(bikes: World) -> None:
    assert bikes.store("bikes/trips").ingests()["partitions"].to_list() == [["2024-05", "2024-06"]]


def test_the_derived_table_follows(bikes: World) -> None:
    assert bikes.rows("bikes/daily_trips")["trips"].sum() == 5
    assert bikes.red("bikes/daily_trips") == set()


def test_a_fix_holds_for_a_revised_file_of_the_same_name(bikes: World) -> None:
    payload = bikes.store("bikes/trips").envelopes()["payload"][0]
    bikes.store("bikes/trips").fix("a76781c387e3-3", payload.replace("-9", "9"))
    bikes.land(SOURCE, LANDED.read_bytes().replace(b",45,", b",50,"))
    bikes.catch_up()
    minutes = dict(bikes.rows("bikes/trips").select("trip", "minutes").rows())
    assert (minutes["T0003"], minutes["T0006"]) == (9, 50)
