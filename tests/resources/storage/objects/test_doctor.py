"""What a bucket can be trusted with is found out, remembered there, and asked for before a table is created."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_resources.errors import BucketNotFound, UnsafeBucket
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.objects import Address, ObjectStore
from platform_resources.storage.objects.attempts import Attempts
from platform_resources.storage.objects.doctor import Doctor
from platform_resources.storage.objects.safety import remembered
from tests.fault_proxy import fault_proxy
from tests.servers import S3Server

DELTA = TableSpec(path="shop/sales/v1", format="delta", mode="append")
ROWS = pl.DataFrame({"n": [1]})


def lake_at(server: S3Server, place: Address, tmp_path: Path) -> Lake:
    where = {"PLATFORM_LAKE": f"{place}".rstrip("/"), "PLATFORM_STATE": str(tmp_path)}
    return Lake(Settings.from_environment(server.environment | where))


def test_a_good_server_passes_every_probe_and_nothing_is_left_but_the_verdict(
    store: ObjectStore, place: Address
) -> None:
    found = store.examine(place)
    assert {each.name: (each.passed, each.told) for each in found.probes if each.passed is not True} == {}
    assert found.commits_are_safe is True
    assert [each.key for each in store.objects(place)] == [f"{place.key}_platform/doctor.json"]
    assert remembered(Attempts(store.settings), place) == found


@pytest.mark.parametrize(
    ("header", "failed"),
    [
        ("If-None-Match", {"conditional create", "race of 16 writers", "multipart conditional"}),
        ("If-Match", {"conditional replace", "reads of one version"}),
        ("Range", {"ranged reads", "suffix ranges"}),
    ],
)
def test_a_server_that_does_not_know_a_header_fails_what_rests_on_it(
    server: S3Server, place: Address, header: str, failed: set[str]
) -> None:
    with fault_proxy(server.endpoint, rate=0, drop=[header]) as proxy:
        old = server.through(proxy.endpoint)
        store = ObjectStore(old.settings)
        found = store.examine(place, record=False)
    told = {each.name for each in found.probes if each.passed is False}
    assert failed <= told <= failed | {"race of 16 writers"}  # moto looks and writes in two steps: two may win
    assert found.commits_are_safe is (header != "If-None-Match")


def test_a_clock_that_is_far_off_is_told(store: ObjectStore, place: Address) -> None:
    late = Doctor(Attempts(store.settings), place, now=lambda: datetime.now(UTC) + timedelta(minutes=20))
    clock = next(each for each in late.examine().probes if each.name == "clock")
    assert clock.passed is False
    assert "s ahead" in clock.told


def test_a_delta_table_is_not_created_where_commits_get_lost(server: S3Server, place: Address, tmp_path: Path) -> None:
    with fault_proxy(server.endpoint, rate=0, drop=["If-None-Match"]) as proxy:
        assert ObjectStore(server.through(proxy.endpoint).settings).examine(place).commits_are_safe is False
    lake = lake_at(server, place, tmp_path)
    with pytest.raises(UnsafeBucket, match=r"shop/sales/v1 is not created.*Fix: use a server that keeps If-None-Match"):
        lake.write(DELTA, ROWS)
    assert not lake.exists(DELTA)
    lake.write(TableSpec(path="shop/log/v1", format="parquet", mode="append"), ROWS)
    ObjectStore(server.settings).examine(place)  # the server was replaced by one that keeps conditions
    lake.write(DELTA, ROWS)
    assert lake.scan(DELTA).collect().height == 1


def test_a_table_that_is_there_is_written_to_without_asking(server: S3Server, place: Address, tmp_path: Path) -> None:
    lake_at(server, place, tmp_path).write(DELTA, ROWS)
    with fault_proxy(server.endpoint, rate=0, drop=["If-None-Match"]) as proxy:
        ObjectStore(server.through(proxy.endpoint).settings).examine(place)
    assert lake_at(server, place, tmp_path).write(DELTA, ROWS).changed


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"probes": 1}'])
def test_a_verdict_that_cannot_be_read_is_none(
    server: S3Server, place: Address, tmp_path: Path, content: bytes
) -> None:
    server.settings.boto3_client().put_object(
        Bucket=place.bucket, Key=f"{place.key}_platform/doctor.json", Body=content
    )
    assert lake_at(server, place, tmp_path).write(DELTA, ROWS).changed


def test_the_verdict_can_be_read_by_people(store: ObjectStore, place: Address) -> None:
    store.examine(place)
    told = store.settings.boto3_client().get_object(Bucket=place.bucket, Key=f"{place.key}_platform/doctor.json")
    assert json.load(told["Body"])["commits_are_safe"] is True


def test_a_bucket_that_is_not_there_has_no_diagnosis(store: ObjectStore) -> None:
    with pytest.raises(BucketNotFound):
        store.examine("s3://nobody-has-this/")
