"""The landing folder in a bucket: what others leave there is passed over, and what the network spoils is read again."""

import hashlib
import uuid
from dataclasses import replace

import pytest

from platform_resources.settings import Settings
from platform_resources.sources import Landing, UnreadableUnit
from tests.fault_proxy import fault_proxy
from tests.servers import S3Server


def test_markers_of_folders_and_hidden_objects_are_no_files(s3: S3Server) -> None:
    prefix = uuid.uuid4().hex
    landing = Landing(Settings.from_environment(s3.environment | {"PLATFORM_LANDING": f"s3://{s3.bucket}/{prefix}"}))
    for name in ("shop/a.csv", "shop/2024/b.csv", "shop/.c.csv"):
        landing.put(name, b"a\n1\n")
    client = landing.settings.s3.boto3_client()
    for marker in (f"{prefix}/shop/", f"{prefix}/shop/2024/", f"{prefix}/shop/2025/"):
        client.put_object(Bucket=s3.bucket, Key=marker, Body=b"")
    assert [file.source for file in landing.files("shop")] == ["shop/a.csv"]
    assert {file.source for file in landing.files("shop", "**/*.csv")} == {"shop/a.csv", "shop/2024/b.csv"}


def test_bodies_that_are_cut_off_or_changed_on_their_way_are_asked_for_again(s3: S3Server) -> None:
    settings = Settings.from_environment(s3.environment | {"PLATFORM_LANDING": f"s3://{s3.bucket}/{uuid.uuid4().hex}"})
    content = {f"shop/{number}.csv": hashlib.sha512(str(number).encode()).digest() * 60 for number in range(12)}
    for name, body in content.items():
        Landing(settings).put(name, body)
    with fault_proxy(s3.endpoint, ("corrupted", "truncated", "reset"), rate=0.4, seed=1) as proxy:
        through = replace(s3.through(proxy.endpoint).settings, attempts=20, timeout_seconds=1)
        landing = Landing(replace(settings, s3=through))
        whole = {name: landing.content(name) for name in content}
        copies = {}
        for name in list(content)[:3]:
            with landing.fetched(name) as path:
                copies[name] = path.read_bytes()
    assert (whole, copies, proxy.spoilt > 5) == (content, {name: content[name] for name in copies}, True)


def test_an_object_that_is_gone_is_unreadable_and_no_error_of_a_library(s3: S3Server) -> None:
    settings = Settings.from_environment(s3.environment | {"PLATFORM_LANDING": f"s3://{s3.bucket}/{uuid.uuid4().hex}"})
    with pytest.raises(UnreadableUnit, match="not there any more"):
        Landing(settings).content("shop/a.csv")
    with pytest.raises(UnreadableUnit, match="not there any more"), Landing(settings).fetched("shop/a.csv"):
        pass
