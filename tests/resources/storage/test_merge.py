"""Merges into Delta and Iceberg: upsert by key, replacement of a source's rows, nothing when nothing differs."""

import dataclasses

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from platform_resources.errors import InvalidRows, InvalidTableSpec, VersionNotFound
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.merge import compared_columns, plan_merge

PLAN = TableSpec(path="shop/orders/v1", mode="merge", key=("id",), partition_column="_month", replaces="_source")
SCHEMA = {"id": pl.Int64, "total": pl.Float64, "_month": pl.String, "_source": pl.String}


@pytest.fixture(params=["delta", "iceberg"])
def spec(request: pytest.FixtureRequest) -> TableSpec:
    return dataclasses.replace(PLAN, format=request.param)


def orders(*rows: tuple[int, float, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def stored(lake: Lake, spec: TableSpec) -> pl.DataFrame:
    return lake.scan(spec).select(*SCHEMA).sort("id").collect()


def test_a_merge_inserts_new_keys_and_updates_known_ones(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, orders((1, 1.0, "jan", "a"), (2, 2.0, "feb", "a")))
    commit = lake.write(spec, orders((2, 2.5, "feb", "b"), (3, 3.0, "feb", "b")))
    assert_frame_equal(stored(lake, spec), orders((1, 1.0, "jan", "a"), (2, 2.5, "feb", "b"), (3, 3.0, "feb", "b")))
    assert (commit.rows_written, commit.rows_deleted, commit.rows_total) == (2, 0, 3)


def test_merging_what_the_table_says_makes_no_commit(lake: Lake, spec: TableSpec) -> None:
    rows = orders((1, 1.0, "jan", "a"), (2, 2.0, "feb", "a"))
    first = lake.write(spec, rows)
    again = lake.write(spec, rows, replace_values=["a"])
    assert (again.changed, again.version, again.rows_written) == (False, first.version, 0)


def test_only_rows_that_differ_are_written(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, orders((1, 1.0, "jan", "a"), (2, 2.0, "feb", "a"), (3, 3.0, "mar", "a")))
    commit = lake.write(spec, orders((1, 1.0, "jan", "a"), (2, 2.5, "feb", "a"), (3, 3.0, "mar", "a")))
    assert (commit.rows_written, commit.partitions) == (1, ("feb",))


def test_a_revised_source_loses_the_rows_it_no_longer_has_in_one_commit(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, orders((1, 1.0, "jan", "a"), (2, 2.0, "feb", "a"), (3, 3.0, "feb", "b")))
    first = lake.version(spec)
    commit = lake.write(spec, orders((1, 1.5, "jan", "a")), replace_values=["a"])
    assert_frame_equal(stored(lake, spec), orders((1, 1.5, "jan", "a"), (3, 3.0, "feb", "b")))
    assert (commit.rows_written, commit.rows_deleted) == (1, 1)
    assert [each.version for each in lake.operations(spec).history()] == [commit.version, first]


def test_a_source_revised_to_nothing_loses_all_its_rows(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, orders((1, 1.0, "jan", "a"), (2, 2.0, "feb", "b")))
    lake.write(spec, orders(), replace_values=["a"])
    assert stored(lake, spec)["id"].to_list() == [2]


def test_a_row_taken_over_by_another_source_survives_the_first_ones_revision(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, orders((1, 1.0, "jan", "a")))
    lake.write(spec, orders((1, 1.0, "jan", "b")), replace_values=["b"])
    lake.write(spec, orders(), replace_values=["a"])
    assert_frame_equal(stored(lake, spec), orders((1, 1.0, "jan", "b")))


def test_a_row_that_moves_to_another_partition_is_not_doubled(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, orders((1, 1.0, "jan", "a"), (2, 2.0, "jan", "a")))
    lake.write(spec, orders((1, 1.0, "feb", "a")))
    assert_frame_equal(stored(lake, spec), orders((1, 1.0, "feb", "a"), (2, 2.0, "jan", "a")))
    assert lake.scan(spec, partitions=["jan"]).collect()["id"].to_list() == [2]


def test_the_row_hash_stands_for_the_values(lake: Lake, spec: TableSpec) -> None:
    def rows(total: float, digest: str, ingest: str) -> pl.DataFrame:
        return orders((1, total, "jan", "a")).with_columns(_row_hash=pl.lit(digest), _ingest_id=pl.lit(ingest))

    lake.write(spec, rows(1.0, "h1", "first"))
    assert not lake.write(spec, rows(1.0, "h1", "second")).changed
    assert lake.write(spec, rows(2.0, "h2", "third")).changed


def test_provenance_alone_is_no_difference() -> None:
    assert compared_columns(PLAN, [*SCHEMA, "_ingest_id", "_ingested_at"]) == ["total", "_month", "_source"]


def test_null_values_are_compared(lake: Lake, spec: TableSpec) -> None:
    rows = orders((1, 1.0, "jan", "a"), (2, 2.0, "jan", "a"))
    holes = rows.with_columns(total=pl.when(pl.col("id") == 1).then("total"))
    lake.write(spec, rows)
    assert lake.write(spec, holes).rows_written == 1
    assert not lake.write(spec, holes).changed
    assert stored(lake, spec)["total"].to_list() == [1.0, None]


def test_a_null_in_the_key_is_refused(lake: Lake, spec: TableSpec) -> None:
    rows = orders((1, 1.0, "jan", "a")).with_columns(id=pl.lit(None, dtype=pl.Int64))
    with pytest.raises(InvalidRows, match="key column id is null in 1 rows; nothing was written"):
        lake.write(spec, rows)
    assert not lake.exists(spec)


def test_a_repeated_key_is_refused_by_its_values(lake: Lake, spec: TableSpec) -> None:
    rows = orders((7, 1.0, "jan", "a"), (7, 2.0, "feb", "a"), (8, 1.0, "jan", "a"))
    with pytest.raises(InvalidRows, match=r"key .id. is repeated: .7,.; nothing was written") as caught:
        lake.write(spec, rows)
    assert caught.value.culprits == ((7,),)


def test_a_missing_key_column_is_refused(lake: Lake, spec: TableSpec) -> None:
    with pytest.raises(InvalidRows, match="no key column id"):
        lake.write(spec, orders((1, 1.0, "jan", "a")).drop("id"))


def test_a_merge_without_partitions_or_with_a_compound_key_works(lake: Lake, spec: TableSpec) -> None:
    spec = TableSpec(path="shop/lines/v1", format=spec.format, mode="merge", key=("order", "line no"))
    rows = pl.DataFrame({"order": ["a", "a", "b"], "line no": [1, 2, 1], "sku": ["x", "y", "z"]})
    lake.write(spec, rows)
    lake.write(spec, rows.with_columns(sku=pl.lit("w")).head(1))
    assert lake.scan(spec).sort("order", "line no").collect()["sku"].to_list() == ["w", "y", "z"]


def test_a_merge_adds_columns_where_the_schema_is_open(lake: Lake, spec: TableSpec) -> None:
    spec = TableSpec(path="a/b/v1", format=spec.format, mode="merge", key=("id",), schema_evolution="add")
    lake.write(spec, pl.DataFrame({"id": [1, 2]}))
    lake.write(spec, pl.DataFrame({"id": [2, 3], "took": [5, None]}, schema_overrides={"took": pl.Duration("ms")}))
    found = lake.scan(spec).sort("id").collect()
    assert found.schema["took"] == pl.Duration("ms")
    assert found["took"].is_null().to_list() == [True, False, True]


def test_rows_are_updated_by_id(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, orders((1, 1.0, "jan", "a"), (2, 2.0, "feb", "a"), (3, 3.0, "mar", "a")))
    commit = lake.update(spec, "id", [1, 3, 99], {"total": None, "_source": "fixed"})
    assert commit.rows_written == 2
    assert stored(lake, spec)["_source"].to_list() == ["fixed", "a", "fixed"]
    assert stored(lake, spec)["total"].to_list() == [None, 2.0, None]


def test_an_update_or_delete_that_meets_no_row_makes_no_commit(lake: Lake, spec: TableSpec) -> None:
    first = lake.write(spec, orders((1, 1.0, "jan", "a")))
    assert lake.update(spec, "id", [99], {"total": 1.0}).version == first.version
    assert not lake.delete(spec, "id", [99]).changed
    assert not lake.delete(spec, "id", []).changed
    assert lake.version(spec) == first.version


def test_rows_are_deleted_by_id(lake: Lake, spec: TableSpec) -> None:
    lake.write(spec, orders((1, 1.0, "jan", "a"), (2, 2.0, "feb", "it's"), (3, 3.0, "mar", "a")))
    assert lake.delete(spec, "_source", ["it's"]).rows_deleted == 1
    assert stored(lake, spec)["id"].to_list() == [1, 3]


def test_an_earlier_version_can_be_read(lake: Lake, spec: TableSpec) -> None:
    first = lake.write(spec, orders((1, 1.0, "jan", "a")))
    lake.write(spec, orders((1, 2.0, "jan", "a")))
    assert lake.scan(spec, version=first.version).collect()["total"].to_list() == [1.0]
    with pytest.raises(VersionNotFound, match=r"has no version '7'. Fix: ask for one (of 0 to 1|that)"):
        lake.scan(spec, version=7)


def test_a_merge_into_parquet_is_refused_with_the_fix() -> None:
    with pytest.raises(InvalidTableSpec, match=r"a merge into Parquet cannot be atomic. Fix: declare format='delta'"):
        TableSpec(path="a/b/v1", format="parquet", mode="merge", key=("id",))


ROWS = st.dictionaries(
    st.integers(0, 5), st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from(["jan", "feb"])), max_size=4
)


@given(st.lists(st.tuples(st.sampled_from("ab"), ROWS), max_size=6))
@settings(max_examples=60, deadline=None)
def test_the_plan_leaves_exactly_what_each_source_last_said(
    writes: list[tuple[str, dict[int, tuple[float, str]]]],
) -> None:
    model: dict[int, tuple[float, str, str]] = {}
    table = orders()
    for source, said in writes:
        frame = orders(*((key, total, month, source) for key, (total, month) in said.items()))
        plan = plan_merge(PLAN, frame, table, replace_values=[source])
        table = pl.concat(
            [table.join(plan.upserts, on="id", how="anti").join(plan.deletes, on="id", how="anti"), plan.upserts]
        )
        model = {k: v for k, v in model.items() if v[2] != source} | {k: (*v, source) for k, v in said.items()}
        assert plan_merge(PLAN, frame, table, replace_values=[source]).is_empty
    assert_frame_equal(table.sort("id"), orders(*((k, *v) for k, v in sorted(model.items()))))


@pytest.mark.parametrize("place", ["disk"])
@given(writes=st.lists(st.tuples(st.sampled_from("ab"), ROWS), min_size=1, max_size=4))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_the_table_does_what_the_plan_says(
    lake: Lake, spec: TableSpec, writes: list[tuple[str, dict[int, tuple[float, str]]]]
) -> None:
    spec = dataclasses.replace(spec, path=f"t/{next(NAMES)}/v1")
    model: dict[int, tuple[float, str, str]] = {}
    for source, said in writes:
        lake.write(spec, orders(*((k, *v, source) for k, v in said.items())), replace_values=[source])
        model = {k: v for k, v in model.items() if v[2] != source} | {k: (*v, source) for k, v in said.items()}
        assert_frame_equal(stored(lake, spec), orders(*((k, *v) for k, v in sorted(model.items()))))


NAMES = iter(f"n{number}" for number in range(10_000))
