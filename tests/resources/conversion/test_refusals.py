"""What S3 refuses is told in one sentence, and never with the key or the signature of the request."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_resources.conversion import convert
from platform_resources.errors import BucketNotFound, ObjectForbidden
from platform_resources.settings import Settings
from tests.servers import real_s3_server, versitygw

pytestmark = pytest.mark.skipif(versitygw() is None, reason="no S3 server that checks signatures is installed")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A bucket of a server that checks signatures, and the environment that reaches it."""
    with real_s3_server(tmp_path_factory.mktemp("strict")) as server:
        yield server.bucket, dict(server.environment)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("in.csv", "s3://{bucket}/z.parquet"),
        ("in.csv", "s3://{bucket}/z.delta"),
        ("s3://{bucket}/in.csv", "out.csv"),
        ("s3://{bucket}/in.delta", "out.csv"),
    ],
)
def test_a_wrong_key_is_told_without_key_or_signature(
    source: str, target: str, strict: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, environment = strict
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("a\n1\n")
    settings = Settings.from_environment(environment | {"AWS_SECRET_ACCESS_KEY": "WRONG"})
    with pytest.raises(ObjectForbidden, match=rf"^s3://{bucket}/\S+: http\S+ does not accept the cred.*Fix: ") as told:
        convert(source.format(bucket=bucket), target.format(bucket=bucket), settings=settings)
    assert told.value.__suppress_context__
    assert environment["AWS_ACCESS_KEY_ID"] not in str(told.value)
    assert "<" not in str(told.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


@pytest.mark.parametrize("target", ["s3://no-such-bucket/z.parquet", "s3://no-such-bucket/z.delta"])
def test_a_bucket_that_is_not_there_is_named(target: str, strict: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\n1\n")
    with pytest.raises(BucketNotFound, match=r"^s3://no-such-bucket: there is no such bucket\. Fix: "):
        convert(str(tmp_path / "in.csv"), target, settings=Settings.from_environment(strict[1]))
