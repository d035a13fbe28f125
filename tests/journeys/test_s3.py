"""The same platform on S3, by settings alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_assets.composition import build_definitions
from tests.journeys.conftest import Demo
from tests.journeys.installation import Installation
from tests.journeys.test_demo import lines
from tests.servers import S3Server, s3_server

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


def on_s3(server: S3Server, state: Path) -> Installation:
    """An installation whose lake and landing folder lie in the server's bucket."""
    root = f"s3://{server.bucket}/journey"
    return Installation.fresh(
        state, PLATFORM_LAKE=f"{root}/lake", PLATFORM_LANDING=f"{root}/landing", **server.environment
    )


def counts(told: str) -> dict[str, list[str]]:
    """What a demo says of each dataset, without the seconds it took."""
    return {name: row[:-1] for name, row in lines(told).items()}


def keys(server: S3Server, prefix: str) -> set[str]:
    """The objects below a prefix."""
    pages = server.settings.boto3_client().get_paginator("list_objects_v2").paginate(Bucket=server.bucket)
    found = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key.removeprefix(prefix) for key in found if key.startswith(prefix)}


def test_the_demo_on_s3_says_what_it_says_on_disk_and_writes_nothing_beside_it(
    server: S3Server, demo: Demo, tmp_path: Path
) -> None:
    installation = on_s3(server, tmp_path / "state")
    told = installation.succeed("platform", "demo")
    assert counts(told) == counts(demo.told)
    assert "flights/flights-2013-12.parquet" in keys(server, "journey/landing/")
    tables = {"/".join(key.split("/")[:2]) for key in keys(server, "journey/lake/development/")}
    assert {"flights/flights", "flights/delay_by_carrier", "commerce/orders"} <= tables
    assert not [each for each in ("lake", "landing") if (installation.state / each).exists()]


@pytest.mark.parametrize("place", ["disk", "s3"])
def test_a_value_that_is_no_table_is_stored_by_one_process_and_loaded_by_the_next(
    server: S3Server, tmp_path: Path, place: str
) -> None:
    state = tmp_path / "state"
    installation = on_s3(server, state) if place == "s3" else Installation.fresh(state)
    for name in ("fare_model", "quotes"):
        installation.succeed(
            "dagster", "asset", "materialize", "--select", name, "-m", "tests.journeys.written.definitions"
        )
    defs = build_definitions("tests.journeys.written.fares", installation.settings)
    with installation.instance() as instance:
        assert defs.load_asset_value("quotes", instance=instance) == {"EWR": 50.0, "JFK": 25.0}
    assert (installation.state / "lake").exists() is (place == "disk")


def test_an_asset_written_by_hand_reaches_s3_through_the_same_settings(server: S3Server, tmp_path: Path) -> None:
    installation = on_s3(server, tmp_path / "state")
    installation.succeed(
        "dagster", "asset", "materialize", "--select", "letter", "-m", "tests.journeys.written_s3.definitions"
    )
    assert keys(server, "letters/") == {"first.txt"}
