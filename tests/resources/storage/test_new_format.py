"""A new storage format is one class and one line in the registry: one that keeps its tables in memory shows it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
import pytest

from platform_resources.errors import ResourceError, TableNotFound, UnsupportedOperation
from platform_resources.settings import Settings
from platform_resources.storage import Commit, Lake, TableSpec, table
from platform_resources.storage.formats import FORMATS
from platform_resources.storage.formats.base import TableFormat
from platform_resources.storage.operations import LiveFile
from platform_resources.storage.table import Rows


class MemoryFormat(TableFormat):
    """Tables in this process: each write is a frame of its own; overwrites, deletions and versions are lacking."""

    marker = "_memory"
    lacking: ClassVar[Any] = dict.fromkeys(
        ("update", "delete_rows", "history", "compact", "zorder", "vacuum", "expire", "restore"), "forgets"
    )
    tables: ClassVar[dict[str, list[pl.DataFrame]]] = {}

    def exists(self) -> bool:
        return self.location in self.tables

    def version(self) -> str | None:
        return str(len(self.tables[self.location])) if self.exists() else None

    def position(self, app_id: str) -> int | None:  # noqa: ARG002 - it notes no streams
        return None

    def _scan(self, partitions: Sequence[str] | None, version: str | int | None) -> pl.LazyFrame:  # noqa: ARG002 - it has one
        if not self.exists():
            raise self._not_found()
        return self._only(pl.concat(self.tables[self.location]).lazy(), partitions)

    def write(self, rows: Rows) -> Commit:
        self.tables.setdefault(self.location, []).extend(rows.frames())
        return Commit(version=self.version(), rows_written=rows.height)

    def delete(self, column: str, values: Sequence[Any]) -> Commit:
        frames = self.tables[self.location]
        self.tables[self.location] = [frame.filter(~pl.col(column).is_in(values)) for frame in frames]
        return Commit(version=self.version())

    def damage(self) -> None:
        return None

    def _live(self) -> tuple[str | None, Sequence[LiveFile]]:
        if not self.exists():
            raise self._not_found()
        live = [LiveFile(None, int(frame.estimated_size()), frame.height) for frame in self.tables[self.location]]
        return self.version(), live


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    monkeypatch.setattr(table, "Format", Literal["delta", "iceberg", "parquet", "memory"])
    monkeypatch.setitem(FORMATS, "memory", MemoryFormat)  # type: ignore[misc]  # mypy reads the literal as it stands
    yield Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)}))
    MemoryFormat.tables.clear()


def spec_of(name: str = "memory") -> TableSpec:
    return TableSpec(path="shop/sales/v1", format=name, mode="append", partition_column="p")  # type: ignore[arg-type]


ROWS = pl.DataFrame({"id": [1, 2, 3], "p": ["a", "b", "b"]})


def test_a_registered_class_is_all_that_the_lake_needs_of_a_format(lake: Lake) -> None:
    spec = spec_of()
    with pytest.raises(TableNotFound, match="shop/sales/v1"):
        lake.scan(spec)
    assert lake.write(spec, ROWS).rows_written == 3
    lake.write(spec, ROWS.with_columns(id=pl.col("id") + 3))
    assert lake.scan(spec, partitions=["b"], columns=["id"]).collect()["id"].to_list() == [2, 3, 5, 6]
    assert lake.delete(spec, "p", ["b"]).changed
    assert lake.read(spec)["id"].to_list() == [1, 4]
    statistics = lake.operations(spec).statistics()
    assert (statistics.format, statistics.version, statistics.rows, statistics.files) == ("memory", "2", 2, 2)


def test_what_a_class_says_it_lacks_is_refused_without_a_method_for_it(lake: Lake) -> None:
    spec = spec_of()
    lake.write(spec, ROWS)
    operations = lake.operations(spec)
    for refused in (
        lambda: lake.update(spec, "id", [1], {"id": 9}),
        lambda: lake.delete(spec, "id", [1]),
        lambda: lake.scan(spec, version=1),
        operations.history, operations.compact, operations.vacuum, operations.expire,
        lambda: operations.zorder(["id"]),
        lambda: operations.restore(1),
    ):  # fmt: skip
        with pytest.raises(
            UnsupportedOperation, match=r"shop/sales/v1: plain Memory forgets. Fix: declare store=Delta"
        ):
            refused()
    assert lake.read(spec).equals(ROWS)


def test_a_method_that_is_neither_there_nor_lacking_is_missed_when_the_class_is_used(lake: Lake) -> None:
    class Unfinished(TableFormat):
        marker = "_unfinished"
        lacking: ClassVar[Any] = {"update": "forgets"}

    with pytest.raises(TypeError, match="abstract") as error:
        Unfinished(spec_of(), "/nowhere", lake.settings)  # type: ignore[abstract]
    assert "compact" in str(error.value)
    assert "update" not in str(error.value)


def test_a_packing_of_the_class_is_called_as_the_function_it_is(lake: Lake) -> None:
    packing = lake.operations(TableSpec(path="shop/sales/v1")).packing
    assert packing is not None
    assert packing([50, 100, 50, 50], 128) == [[0], [1], [2, 3]]


def test_a_place_of_another_format_is_told_apart_by_the_marker_of_the_class(lake: Lake) -> None:
    (Path(lake.location(spec_of())) / MemoryFormat.marker).mkdir(parents=True)
    (Path(lake.location(spec_of())) / MemoryFormat.marker / "rows").write_bytes(b"x")
    with pytest.raises(ResourceError, match="is a table of format memory"):
        lake.write(spec_of("delta"), ROWS)
