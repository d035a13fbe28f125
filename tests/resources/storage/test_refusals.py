"""What is told in one sentence instead of a library's own words: a full disk, a foreign feature, another format."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from platform_resources.errors import InvalidTableSpec, ObjectError, TableUnwritable, UnreadableTable
from platform_resources.s3 import holds_secret
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.folder import folder_at
from platform_resources.storage.objects.address import Address
from tests.fault_proxy import fault_proxy
from tests.servers import S3Server

FORMATS = ["delta", "iceberg", "parquet"]
ROWS = pl.DataFrame({"id": [1, 2]})


@pytest.fixture
def place() -> str:
    return "disk"


def spec(kind: str) -> TableSpec:
    return TableSpec(path="shop/orders/v1", format=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_folder_that_may_not_be_written_is_named_as_that(lake: Lake, kind: str) -> None:
    root = Path(lake.settings.lake)
    root.parent.mkdir(parents=True)
    root.symlink_to("/sys" if os.geteuid() == 0 else "/")  # where not even root may make a folder
    with pytest.raises(TableUnwritable, match=r"shop/orders/v1: .*; nothing of this write is in the table. Fix: "):
        lake.write(spec(kind), ROWS)


@pytest.mark.parametrize("feature", ["columnMapping", "v2Checkpoint", "typeWidening", "somethingNew"])
def test_a_delta_feature_that_cannot_be_read_is_named_in_one_sentence(lake: Lake, feature: str) -> None:
    lake.write(spec("delta"), ROWS)
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [feature], "writerFeatures": [feature]}
    log = Path(lake.location(spec("delta"))) / "_delta_log"
    (log / f"{1:020}.json").write_text(json.dumps({"protocol": protocol}))
    for attempt in (
        lambda: lake.read(spec("delta")),
        lambda: lake.write(spec("delta"), ROWS),
        lambda: lake.operations(spec("delta")).statistics(),
    ):
        with pytest.raises(UnreadableTable, match=f"^shop/orders/v1: was written with the Delta feature {feature}, "):
            attempt()


def test_a_delta_feature_that_can_be_read_and_not_written_is_named_by_the_write(lake: Lake) -> None:
    lake.write(spec("delta"), ROWS)
    features = ["rowTracking", "domainMetadata"]
    protocol = {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features}
    log = Path(lake.location(spec("delta"))) / "_delta_log"
    (log / f"{1:020}.json").write_text(json.dumps({"protocol": protocol}))
    assert lake.read(spec("delta")).height == 2
    with pytest.raises(UnreadableTable, match="Delta feature domainMetadata, rowTracking, which cannot be written"):
        lake.write(spec("delta"), ROWS)


@pytest.mark.parametrize(("version", "verbs"), [(3, ["written"]), (4, ["read", "written"])])
def test_a_newer_format_version_of_iceberg_is_named_and_taken_for_no_damage(
    lake: Lake, version: int, verbs: list[str]
) -> None:
    lake.write(spec("iceberg"), ROWS)
    for path in (Path(lake.location(spec("iceberg"))) / "metadata").glob("*.metadata.json"):
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"format-version": version, "next-row-id": 0}))
    theirs = Lake(lake.settings)
    if "read" not in verbs:
        assert theirs.read(spec("iceberg")).height == 2
    for verb, attempt in (("read", theirs.read), ("written", lambda one: theirs.write(one, ROWS))):
        if verb in verbs:
            with pytest.raises(UnreadableTable, match=f"was written with the Iceberg format version {version}"):
                attempt(spec("iceberg"))


@pytest.mark.parametrize("ours", FORMATS)
@pytest.mark.parametrize("theirs", FORMATS)
def test_a_place_keeps_the_format_of_its_table(lake: Lake, ours: str, theirs: str) -> None:
    if ours == theirs:
        return
    lake.write(spec(theirs), ROWS)
    for attempt in (lambda: lake.read(spec(ours)), lambda: lake.write(spec(ours), ROWS)):
        with pytest.raises(InvalidTableSpec, match=f"is a table of format {theirs} at .*, its spec says {ours}"):
            attempt()
    assert lake.read(spec(theirs)).height == 2


@pytest.mark.parametrize(
    "address", ["s3://user:secret@b/k", "s3://b/k?secret=secret", "s3://b/k?X-Amz-Signature=secret"]
)
def test_credentials_in_an_address_are_refused_without_their_echo(address: str) -> None:
    assert not holds_secret("s3://b/mail@2024?.csv")
    with pytest.raises(ObjectError, match="holds credentials") as caught:
        Address.parse(address)
    assert "secret" not in str(caught.value)


def test_of_sixty_small_objects_read_through_a_world_that_flips_and_cuts_all_are_right(s3: S3Server) -> None:
    content = {f"{number}.json": hashlib.sha512(str(number).encode()).digest() * 60 for number in range(60)}
    plain = folder_at(f"s3://{s3.bucket}/flipped", s3.settings)
    for name, body in content.items():
        plain.write(name, body)
    with fault_proxy(s3.endpoint, ("corrupted", "truncated"), rate=0.4, seed=1) as proxy:
        settings = replace(s3.through(proxy.endpoint).settings, attempts=20, timeout_seconds=1)
        folder = folder_at(f"s3://{s3.bucket}/flipped", settings)
        assert {name: folder.read(name) for name in content} == content
        assert proxy.spoilt > 10
