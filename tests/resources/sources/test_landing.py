"""The landing folder in a bucket: what other programs leave there besides files is passed over."""

import uuid

from platform_resources.settings import Settings
from platform_resources.sources import Landing
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
