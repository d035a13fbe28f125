"""Branches of data: materialised apart, compared by key, promoted with their history, dropped."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from platform_assets.factory import asset_key
from platform_assets.ingest import table_spec
from platform_assets.location import BRANCH, CodeLocation
from platform_assets.operations.branches import (
    branch_settings,
    compare_branch,
    drop_branch,
    list_branches,
    new_branch,
    promote_branch,
    run_in_branch,
)
from platform_assets.operations.instance import open_instance
from platform_core.contracts import Catalog
from tests.world import World, world

CSV = b"""trip,station,started_at,minutes,rider
T0001,park,2024-05-01T08:00:00Z,10,a@b.de
T0002,market,2024-06-01T08:00:00Z,20,b@b.de
"""


@pytest.fixture
def bikes(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    with world(tmp_path, "docs_src.tutorial") as made:
        made.land("bikes/trips-1.csv", CSV)
        made.catch_up()
        yield made


def with_longer_trips(location: CodeLocation) -> CodeLocation:
    """The location with a change to the transform under trial."""
    transform = location.catalog.transforms["bikes/daily_trips"]
    longer = replace(transform, function=lambda trips: transform.function(trips).with_columns(pl.col("minutes") + 1))
    return replace(location, declared=Catalog(location.catalog.datasets, {transform.dataset.name: longer}))


def minutes(made: World, lake) -> list[int]:
    return lake.scan(table_spec(made.dataset("bikes/daily_trips"))).collect()["minutes"].sort().to_list()


def test_a_change_is_tried_compared_promoted_and_stands_in_the_history(bikes):
    location, settings = bikes.location, bikes.location.settings
    new_branch(settings, "longer")
    events = list(run_in_branch(with_longer_trips(location), "longer", ["bikes/daily_trips"]))
    assert not any(event.is_step_failure for event in events)
    assert minutes(bikes, location.lake) == [10, 20]
    assert list_branches(settings)[0].changed == ("bikes/daily_trips/v1",)
    assert [told.name for told in compare_branch(location, "longer")] == ["bikes/daily_trips"], "no log, no measures"
    difference = next(compare_branch(location, "longer", ["bikes/daily_trips"]))
    assert (difference.changes.changed, difference.changes.columns[0].column) == (2, "minutes")
    assert difference.changes.columns[0].examples[0].after in {11, 21}
    promote_branch(location, "longer")
    assert minutes(bikes, location.lake) == [11, 21]
    with open_instance(settings) as instance:
        partitions = instance.get_materialized_partitions(asset_key("bikes/daily_trips"))
        record = instance.get_latest_materialization_event(asset_key("bikes/daily_trips"))
    assert partitions == {"2024-05", "2024-06"}
    assert record.asset_materialization.metadata["platform/branch"].value == "longer"
    drop_branch(settings, "longer")
    assert list_branches(settings) == []
    assert minutes(bikes, location.lake) == [11, 21]


def test_dagster_in_a_branch_is_configured_as_the_environment_s_with_a_history_of_its_own(bikes, tmp_path):
    written = "concurrency: {pools: {default_limit: 1}}\nstorage: {postgres: {postgres_url: nowhere}}\n"
    (tmp_path / "home" / "dagster.yaml").write_text(written)
    new_branch(bikes.location.settings, "served")
    home = Path(branch_settings(bikes.location.settings, "served")["DAGSTER_HOME"])
    configured = yaml.safe_load((home / "dagster.yaml").read_text())
    assert configured == {"telemetry": {"enabled": False}, "concurrency": {"pools": {"default_limit": 1}}}


def test_a_run_with_a_tag_works_in_the_branch(bikes):
    new_branch(bikes.location.settings, "tagged")
    bikes.land("bikes/trips-2.csv", b"trip,station,started_at,minutes,rider\nT0003,park,2024-06-02T08:00:00Z,30,\n")
    result = bikes.materialise("bikes/trips", partitions=["2024-06"], files=["bikes/trips-2.csv"],
                               tags={BRANCH: "tagged"})  # fmt: skip
    assert result.success
    assert bikes.rows("bikes/trips").height == 2
    branch = bikes.location.lake.on_branch("tagged")
    assert branch.scan(table_spec(bikes.dataset("bikes/trips"))).collect().height == 3


def test_a_tag_of_a_branch_that_is_not_there_fails_the_run(bikes):
    result = bikes.materialise("bikes/trips", partitions=["2024-06"], tags={BRANCH: "nowhere"})
    assert not result.success
