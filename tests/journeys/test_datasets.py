"""`platform datasets` beside a `dagster dev`: both speak of the same lake and the same history."""

import pytest

from platform_assets.factory import asset_key
from tests.journeys.installation import Dev

pytestmark = pytest.mark.journey
FLIGHTS = "flights/flights"


def test_the_list_of_datasets_says_what_the_instance_did(dev: Dev) -> None:
    listed = {line["name"]: line for line in dev.installation.asked("datasets")}
    assert listed.keys() >= set(dev.installation.location.catalog.datasets)
    assert listed[FLIGHTS]["rows"] == dev.installation.count(FLIGHTS)
    assert listed[FLIGHTS]["freshness"]["state"] == "pass"
    assert sum(listed[FLIGHTS]["checks"].values()) == listed[FLIGHTS]["rule_count"]
    assert listed["flights/weather"]["quarantine_open"] == 1


def test_the_page_of_a_dataset_names_its_last_run_and_its_place(dev: Dev) -> None:
    shown = dev.installation.asked("datasets", "show", FLIGHTS)
    last = dev.instance.get_latest_materialization_event(asset_key(FLIGHTS))
    assert last is not None
    assert shown["last_materialisation"]["run_id"] == last.run_id
    assert shown["location"] == f"{dev.installation.settings.tables_root}/flights/flights/v1"
    assert sum(given["valid"] for given in shown["inputs"]) == dev.installation.count(FLIGHTS)
    assert {column["name"]: column["unit"] for column in shown["columns"]}["distance"] == "miles"


def test_the_tables_for_people_say_the_same(dev: Dev) -> None:
    rows = f"{dev.installation.count(FLIGHTS):,}"
    assert rows in dev.installation.succeed("platform", "datasets")
    assert rows in dev.installation.succeed("platform", "datasets", "show", FLIGHTS)
