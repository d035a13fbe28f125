"""What Delta cannot keep is refused before it fails in the middle of a write."""

import polars as pl
import pytest

from platform_resources.errors import InvalidTableSpec, ResourceError
from platform_resources.storage import Lake, TableSpec

SPEC = TableSpec(path="a/b/v1", partition_column="_month")
ODD = ["a.b", "a b", 'q"uote', "back`tick", "a,b;{}()=\n\t", "é", "select", "it's", "s", "t"]


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (pl.DataFrame({"_month": ["jan"]}), "needs a column besides its partition column"),
        (pl.DataFrame({"id": [1], "Id": [2], "_month": ["jan"]}), "Id is named like id but for its case"),
        (pl.DataFrame({"id": [1], "_month": ["x" * 300]}), "is longer than 120 characters"),
        (pl.DataFrame({"id": [1], "_month": ["é" * 60]}), "is longer than 120 characters in a path"),
        (pl.DataFrame({"id": [1], "_month": ["__HIVE_DEFAULT_PARTITION__"]}), "would be read as null"),
        (pl.DataFrame({"id": [1], "_month": ["a~b"]}), "partition 'a~b' has a ~, at which delta-rs can compact no"),
    ],
)
@pytest.mark.parametrize("place", ["disk"])
def test_it_is_named_and_nothing_is_written(lake: Lake, frame: pl.DataFrame, told: str) -> None:
    with pytest.raises(ResourceError, match=told):
        lake.write(SPEC, frame)
    assert not lake.exists(SPEC)


@pytest.mark.parametrize("place", ["disk"])
def test_a_table_is_not_partitioned_anew_in_place(lake: Lake) -> None:
    rows = pl.DataFrame({"id": [1], "_month": ["jan"]})
    lake.write(TableSpec(path="a/b/v1"), rows)
    with pytest.raises(InvalidTableSpec, match=r"is partitioned by nothing, its spec says _month. Fix: declare a new"):
        lake.write(SPEC, rows)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("place", ["disk"])
def test_odd_column_names_survive_merges_and_updates(lake: Lake, name: str) -> None:
    spec = TableSpec(path="a/b/v1", mode="merge", key=(name,))
    lake.write(spec, pl.DataFrame({name: [1, 2], "value": [1, 2]}))
    lake.write(spec, pl.DataFrame({name: [2], "value": [5]}))
    lake.update(spec, "value", [5], {name: 7})
    assert sorted(lake.scan(spec).select(name, "value").collect().rows()) == [(1, 1), (7, 5)]


@pytest.mark.parametrize("place", ["disk"])
def test_no_partitions_and_no_rows_make_no_commit(lake: Lake) -> None:
    frame = pl.DataFrame({"id": [1], "_month": ["jan"]})
    lake.write(SPEC, frame)
    assert not lake.write(SPEC, frame.clear(), partitions=[]).changed
    assert lake.scan(SPEC).collect().height == 1
