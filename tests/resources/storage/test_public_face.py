"""What the room shows, what a spec refuses, and what importing it costs."""

import json
import subprocess
import sys

import dagster as dg
import pytest

import platform_resources.storage
from platform_resources.errors import InvalidTableSpec
from platform_resources.storage import TableSpec

VENDORS = {"deltalake", "boto3", "botocore", "obstore", "duckdb", "pyarrow", "pandas", "fsspec", "s3fs", "dagster_aws",
           "pyiceberg"}  # fmt: skip


def test_the_room_shows_four_names() -> None:
    assert platform_resources.storage.__all__ == ["Commit", "Lake", "TableSpec", "Write"]


@pytest.mark.parametrize(
    ("module", "also"), [("platform_resources.storage", {"dagster"}), ("platform_resources.storage.io_manager", set())]
)
def test_importing_pulls_in_no_vendor(module: str, also: set[str]) -> None:
    program = (
        f"import sys, json, {module}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert set(json.loads(loaded)) & (VENDORS | also) == set()


def test_a_spec_travels_in_definition_metadata() -> None:
    spec = TableSpec(path="a/b/v1", mode="merge", key=("id", "at"), partition_column="_month", replaces="_source")
    wire = json.loads(json.dumps(spec.to_metadata()))
    assert TableSpec.from_metadata(wire) == spec
    assert TableSpec.from_metadata(dg.AssetSpec("a", metadata=spec.to_metadata()).metadata) == spec
    assert TableSpec.from_metadata({"other": 1}) is None


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"path": "../b"}, "no path below the lake. Fix: write domain/dataset/v1"),
        ({"path": ""}, "no path below the lake"),
        ({"path": "/a"}, "no path below the lake"),
        ({"format": "csv"}, "format='csv' is unknown. Fix: choose one of delta, iceberg, parquet"),
        ({"mode": "upsert"}, "mode='upsert' is unknown. Fix: choose one of overwrite, append, merge"),
        ({"schema_evolution": "drop"}, "Fix: choose one of refuse, add"),
        ({"mode": "merge"}, "a merge needs a key. Fix: declare the columns that identify a row"),
        ({"sort_by": ("id",)}, "delta keeps no sort order. Fix: declare format='iceberg'"),
        ({"replaces": "_source"}, "replaces='_source' needs a merge"),
    ],
)
def test_a_spec_that_no_format_can_keep_is_refused_when_declared(parts: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidTableSpec, match=told):
        TableSpec(**{"path": "a/b/v1", **parts})  # type: ignore[arg-type]


def test_unknown_parts_in_metadata_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidTableSpec, match=r"unknown parts colour. Fix: use only .*partition_column"):
        TableSpec.from_metadata({"platform/table": {"path": "a/b/v1", "colour": "red"}})
