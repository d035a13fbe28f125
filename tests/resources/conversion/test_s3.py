"""S3 on either side, against a real server."""

import uuid
from pathlib import Path

import polars as pl
import pytest

from platform_resources.conversion import Options, convert
from platform_resources.errors import ConversionError
from platform_resources.settings import Settings
from tests.servers import S3Server


def test_objects_are_read_and_written_whole_and_rejects_lie_beside_them(s3: S3Server, tmp_path: Path) -> None:
    settings = Settings.from_environment(s3.environment)
    root = f"s3://{s3.bucket}/{uuid.uuid4().hex}"
    (tmp_path / "in.csv").write_text("a;b\n1;x\n2\n3;z\n")
    first = convert(str(tmp_path / "in.csv"), f"{root}/one.jsonl.gz", settings=settings)
    assert (first.rows, first.rejected, first.rejects) == (2, 1, f"{root}/one.jsonl.gz.rejects.jsonl")
    second = convert(f"{root}/one.jsonl.gz", f"{root}/two.parquet", settings=settings)
    third = convert(f"{root}/two.parquet", f"{root}/three.delta", settings=settings)
    back = convert(f"{root}/three.delta", str(tmp_path / "out.arrow"), settings=settings)
    assert second.rows == third.rows == back.rows == 2
    assert pl.read_ipc(tmp_path / "out.arrow").rows() == [(1, "x"), (3, "z")]


def test_an_object_that_is_there_is_kept_and_one_that_is_missing_is_named(s3: S3Server, tmp_path: Path) -> None:
    settings = Settings.from_environment(s3.environment)
    root = f"s3://{s3.bucket}/{uuid.uuid4().hex}"
    (tmp_path / "in.csv").write_text("a\n1\n")
    convert(str(tmp_path / "in.csv"), f"{root}/one.csv", settings=settings)
    with pytest.raises(ConversionError, match="is there already"):
        convert(str(tmp_path / "in.csv"), f"{root}/one.csv", settings=settings)
    convert(str(tmp_path / "in.csv"), f"{root}/one.csv", settings=settings, options=Options(overwrite=True))
    with pytest.raises(ConversionError, match="there is no such object"):
        convert(f"{root}/none.csv", str(tmp_path / "out.csv"), settings=settings)
