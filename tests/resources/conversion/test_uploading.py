"""What stands on S3 stays unless the new object is right, on a server that compares checksums at an upload."""

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from platform_resources.conversion import Options, convert
from platform_resources.conversion.uploading import upload
from platform_resources.errors import BucketNotFound, NotVerified, ObjectUnavailable
from platform_resources.settings import Settings
from tests.fault_proxy import fault_proxy
from tests.servers import S3Server, real_s3_server, versitygw

SIZES = {"at once": 1_000, "in parts": 18 << 20}
pytestmark = pytest.mark.skipif(versitygw() is None, reason="no S3 server that compares checksums is installed")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with real_s3_server(tmp_path_factory.mktemp("versitygw")) as server:
        yield server


@pytest.mark.parametrize("way", SIZES)
def test_an_upload_with_other_bytes_is_refused_and_what_stood_there_stays(
    real: S3Server, tmp_path: Path, way: str
) -> None:
    client, file = real.settings.boto3_client(), tmp_path / "file"
    file.write_bytes(bytes(range(250)) * (SIZES[way] // 250))
    right = zlib.crc32(file.read_bytes())
    client.put_object(Bucket=real.bucket, Key="o", Body=b"old")
    with pytest.raises(NotVerified, match=r"other bytes than were written.*what stood there stays. Fix: "):
        upload(file, f"s3://{real.bucket}/o", right ^ 1, real.settings)
    assert client.get_object(Bucket=real.bucket, Key="o")["Body"].read() == b"old"
    assert client.list_multipart_uploads(Bucket=real.bucket).get("Uploads", []) == []
    upload(file, f"s3://{real.bucket}/o", right, real.settings)
    assert client.head_object(Bucket=real.bucket, Key="o")["ContentLength"] == file.stat().st_size


def test_a_right_object_stays_where_only_the_way_back_spoils_it(real: S3Server, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\n1\n2\n")
    target, overwrite = f"s3://{real.bucket}/kept.parquet", Options(overwrite=True)
    with fault_proxy(real.endpoint, ["corrupted"], rate=1.0) as proxy:
        settings = Settings.from_environment(real.through(proxy.endpoint).environment)
        with pytest.raises(NotVerified, match="its bytes have the checksum"):
            convert(str(tmp_path / "in.csv"), target, settings=settings, options=overwrite)
    settings = Settings.from_environment(real.environment)
    assert convert(target, str(tmp_path / "back.parquet"), settings=settings).rows == 2
    assert pl.read_parquet(tmp_path / "back.parquet")["a"].to_list() == [1, 2]


def test_what_s3_refuses_at_an_upload_is_told_in_our_words(real: S3Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"new")
    with pytest.raises(BucketNotFound):
        upload(tmp_path / "file", "s3://nobody-has-this/o", zlib.crc32(b"new"), real.settings)
    with fault_proxy(real.endpoint, ["slow_down"], rate=1.0) as proxy:
        busy = replace(real.through(proxy.endpoint).settings, attempts=2)
        with pytest.raises(ObjectUnavailable):
            upload(tmp_path / "file", "s3://lake/o", zlib.crc32(b"new"), busy)
