"""A file of a table that is gone or cut off is named with the fix; no read gives fewer rows in silence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable

from platform_resources.errors import MetadataLost, TableDamaged, TableError, TableNotFound
from platform_resources.settings import Settings
from platform_resources.storage import Lake
from platform_resources.storage.folder import Folder, folder_at
from platform_resources.storage.formats.delta import DeltaFormat
from platform_resources.storage.formats.iceberg import IcebergFormat
from platform_resources.storage.formats.iceberg_catalog import identifier, open_catalogue
from platform_resources.storage.io_manager import LakeIOManager
from platform_resources.storage.table import Format, TableSpec
from platform_resources.vendor.avro_files import is_whole

DAMAGE = ("gone", "cut off", "empty")
LEFT = [("x", 0), ("x", 1), ("x", 2), ("y", 1), ("y", 2), ("y", 3)]
"""The rows before the last commit. Nothing is read before it is spoilt: a cache would have the rows still."""
ALL = [*LEFT, ("z", 2), ("z", 3), ("z", 4)]
KINDS = {"data": "data file", "log": "log entry", "manifest": "manifest", "list": "manifest list"}


def filled(lake: Lake, format_: Format) -> TableSpec:
    """A table of three commits, each with a file of two partitions."""
    spec = TableSpec(path="shop/sales/v1", format=format_, mode="overwrite", partition_column="p")
    for number, part in enumerate("xyz"):
        lake.write(spec, pl.DataFrame({"p": [part] * 3, "a": range(number, number + 3)}), partitions=[part])
    return spec


def folder_of(lake: Lake, spec: TableSpec) -> Folder:
    return folder_at(lake.location(spec), lake.settings.s3)


def spoil(folder: Folder, name: str, damage: str) -> None:
    content = folder.read(name)
    if damage == "gone":
        folder.remove(name)
    else:
        folder.write(name, content[: len(content) // 2] if damage == "cut off" else b"")


def file_of(lake: Lake, spec: TableSpec, kind: str) -> str:
    """A file of the kind, of the newest version; of data files and manifests, the last that was written."""
    names = [each.name for each in sorted(folder_of(lake, spec).entries(), key=lambda each: each.modified)]
    if kind == "data":
        return next(name for name in names if "p=z" in name)
    if kind == "log":
        return max(name for name in names if name.endswith(".json"))
    opened = open_catalogue(lake.settings).load_table(identifier(lake.settings, spec))
    snapshot = opened.current_snapshot()
    assert snapshot is not None
    place = snapshot.manifest_list if kind == "list" else opened.metadata_location
    if kind == "manifest":
        place = max(snapshot.manifests(opened.io), key=lambda each: each.sequence_number).manifest_path
    return place.removeprefix(f"{lake.location(spec)}/")


def rows_of(lake: Lake, spec: TableSpec) -> list[tuple[Any, ...]]:
    with lake.telling(spec):
        return lake.scan(spec).sort("p", "a").collect().rows()


def damaged(action: Callable[[], Any]) -> TableDamaged:
    with pytest.raises(TableDamaged) as caught:
        action()
    return caught.value


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    ("format_", "kind"),
    [("delta", "data"), ("iceberg", "data"), ("iceberg", "manifest"), ("iceberg", "list"), ("parquet", "data")],
)
def test_what_is_lost_is_named_by_reads_and_by_operations(lake: Lake, format_: Format, kind: str, damage: str) -> None:
    if (format_, damage) == ("parquet", "gone"):
        pytest.skip("plain Parquet has no list of its files")
    spec = filled(lake, format_)
    name = file_of(lake, spec, kind)
    spoil(folder_of(lake, spec), name, damage)
    told = damaged(lambda: rows_of(lake, spec))
    assert str(told).startswith(f"{spec.path}: its {KINDS[kind]} ")
    assert told.file == folder_of(lake, spec).uri(name)
    assert "Fix: bring it back" in str(told)
    if format_ != "parquet":
        assert damaged(lambda: lake.operations(spec).zorder(["a"])).file == told.file


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    ("format_", "kind"), [("delta", "data"), ("iceberg", "data"), ("iceberg", "manifest"), ("iceberg", "list")]
)
def test_restoring_the_version_that_is_offered_mends_the_table(
    lake: Lake, format_: Format, kind: str, damage: str
) -> None:
    spec = filled(lake, format_)
    spoil(folder_of(lake, spec), file_of(lake, spec, kind), damage)
    told = damaged(lambda: rows_of(lake, spec))
    assert told.whole is not None
    assert f"platform table restore … --version {told.whole}" in str(told)
    assert lake.operations(spec).restore(told.whole).changed
    lake.operations(spec).restore(told.whole, dry_run=False)
    assert rows_of(lake, spec) == LEFT
    lake.write(spec, pl.DataFrame({"p": ["z"], "a": [9]}), partitions=["z"])
    assert rows_of(lake, spec) == [*LEFT, ("z", 9)]
    assert lake.operations(spec).history()[0].version == lake.version(spec)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("format_", ["delta", "iceberg", "parquet"])
def test_overwriting_the_partition_that_was_lost_mends_the_table(lake: Lake, format_: Format, damage: str) -> None:
    spec = filled(lake, format_)
    spoil(folder_of(lake, spec), file_of(lake, spec, "data"), damage)
    lake.write(spec, pl.DataFrame({"p": ["z"] * 3, "a": [2, 3, 4]}), partitions=["z"])
    assert rows_of(lake, spec) == ALL


@pytest.mark.parametrize("damage", ["cut off", "empty"])
def test_the_last_entry_of_a_log_is_named_and_without_it_the_version_before_is_there(lake: Lake, damage: str) -> None:
    spec = filled(lake, "delta")
    name = file_of(lake, spec, "log")
    spoil(folder_of(lake, spec), name, damage)
    told = damaged(lambda: rows_of(lake, spec))
    assert told.file == folder_of(lake, spec).uri(name)
    assert "or delete it: the table is then at the version before" in str(told)
    if damage == "cut off" or not lake.settings.lake.startswith("s3://"):
        assert damaged(lambda: lake.operations(spec).history()).file == told.file
    folder_of(lake, spec).remove(name)
    assert rows_of(lake, spec) == LEFT


@pytest.mark.parametrize("damage", DAMAGE)
def test_an_entry_within_a_log_is_named(lake: Lake, damage: str) -> None:
    spec = filled(lake, "delta")
    name = f"_delta_log/{1:020}.json"
    if damage == "empty":
        damage = "cut off"  # delta-rs takes an empty entry before the last for a commit of nothing
    spoil(folder_of(lake, spec), name, damage)
    assert damaged(lambda: rows_of(lake, spec)).file == folder_of(lake, spec).uri(name)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_is_named(lake: Lake, damage: str) -> None:
    spec, options = filled(lake, "delta"), lake.settings.s3.delta_options()
    DeltaTable(lake.location(spec), storage_options=options).create_checkpoint()
    folder = folder_of(lake, spec)
    for number in range(3):
        folder.remove(f"_delta_log/{number:020}.json")  # as an expiry does
    name = f"_delta_log/{2:020}.checkpoint.parquet"
    spoil(folder, name, damage)
    told = damaged(lambda: rows_of(lake, spec))
    assert told.file == folder.uri(name)
    assert "its checkpoint" in str(told)


def test_a_log_with_a_flipped_bit_is_told_in_our_words(lake: Lake) -> None:
    spec = filled(lake, "delta")
    folder, name = folder_of(lake, spec), file_of(lake, spec, "log")
    whole, rng, refusals = folder.read(name), np.random.default_rng(4), []
    for place in rng.integers(8 * len(whole), size=60):
        spoilt = bytearray(whole)
        spoilt[place // 8] ^= 1 << place % 8
        folder.write(name, bytes(spoilt))
        try:
            rows_of(lake, spec)  # a flip in a name or a statistic reads as well
        except TableError as error:
            refusals.append(str(error))
    assert len(refusals) > 10
    assert all("_delta_log" in words or "data file" in words for words in refusals)


@pytest.mark.parametrize("damage", ["cut off", "empty"])
def test_metadata_that_is_cut_off_is_named_and_registering_goes_back(lake: Lake, damage: str) -> None:
    spec = filled(lake, "iceberg")
    name = file_of(lake, spec, "metadata")
    spoil(folder_of(lake, spec), name, damage)
    with pytest.raises(MetadataLost, match=r"that is empty or cut off. Fix: .*platform table register"):
        rows_of(lake, spec)
    operations = lake.operations(spec)
    assert isinstance(operations, IcebergFormat)
    operations.register()
    assert rows_of(lake, spec) == LEFT


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_columns_of_plain_parquet_are_named(lake: Lake, damage: str) -> None:
    spec = filled(lake, "parquet")
    folder = folder_of(lake, spec)
    name = next(each.name for each in folder.entries("_schema"))
    spoil(folder, name, damage)
    if damage == "gone":  # a first write that broke off leaves the same
        with pytest.raises(TableNotFound, match=r"the first write did not end, or it was lost\. Fix: materialise"):
            rows_of(lake, spec)
    else:
        assert damaged(lambda: rows_of(lake, spec)).file == folder.uri(name)
    folder.remove(name)
    lake.write(spec, pl.DataFrame({"p": ["z"] * 3, "a": [2, 3, 4]}), partitions=["z"])
    assert rows_of(lake, spec) == ALL


@pytest.mark.parametrize("place", ["disk"])
@pytest.mark.parametrize("kind", [pl.DataFrame, pl.LazyFrame])
def test_a_step_says_which_file_of_its_input_is_lost(lake: Lake, kind: type) -> None:
    spec = filled(lake, "delta")
    spoil(folder_of(lake, spec), file_of(lake, spec, "data"), "gone")

    def copy(sales: Any) -> Any:
        return sales.select("a")

    copy.__annotations__["sales"] = kind
    upstream = dg.AssetSpec("sales", metadata=spec.to_metadata())
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [upstream, dg.asset(copy)],
            selection=["copy"],
            resources={"io_manager": LakeIOManager(lake.settings)},
            instance=instance,
            raise_on_error=False,
        )
    [failed] = done.get_step_failure_events()
    error = failed.step_failure_data.error
    assert error is not None
    assert f"{spec.path}: its data file" in error.to_string()


def test_an_avro_file_is_whole_at_its_end_alone(tmp_path: Path) -> None:
    whole = avro(tmp_path)
    assert is_whole(whole)
    assert [size for size in range(len(whole)) if is_whole(whole[:size])] in ([], [header_bytes(whole)])
    assert not is_whole(whole + b"x")


def avro(folder: Path) -> bytes:
    """One block of two rows."""
    pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}).write_avro(folder / "rows.avro")
    return (folder / "rows.avro").read_bytes()


def header_bytes(content: bytes) -> int:
    """Where the mark that ends the file stands first: behind the header, which is a whole file without rows."""
    return content.index(content[-16:]) + 16


def test_an_operation_that_nobody_listed_says_in_our_words_what_is_lost(tmp_path: Path) -> None:
    class Counting(DeltaFormat):
        def counted(self) -> int:
            return pl.read_parquet(self._existing().file_uris()).height

    lake = Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)}))
    spec = filled(lake, "delta")
    spoil(folder_of(lake, spec), file_of(lake, spec, "data"), "gone")
    with pytest.raises(TableDamaged, match=r"shop/sales/v1: its data file .*p=z/.* is gone"):
        Counting(spec, lake.location(spec), lake.settings).counted()
