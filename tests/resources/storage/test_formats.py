"""What every table format promises, on disk and on S3."""

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from platform_resources.errors import ColumnNotFound, InvalidRows, InvalidTableSpec, SchemaMismatch, TableNotFound
from platform_resources.storage import Lake, TableSpec

AWKWARD = ["2013-01", "a/b", "../up", "sp ace", "é|ü", "100%", "it's", "[x]*?", "..", "a=b&c", "N" * 300]


@pytest.fixture(params=["delta", "iceberg", "parquet"])
def whole(request: pytest.FixtureRequest) -> TableSpec:
    return TableSpec(path="shop/orders/v1", format=request.param)


@pytest.fixture
def monthly(whole: TableSpec) -> TableSpec:
    return TableSpec(path=whole.path, format=whole.format, partition_column="_month")


@pytest.fixture
def appended(whole: TableSpec) -> TableSpec:
    return TableSpec(path=whole.path, format=whole.format, mode="append", partition_column="_month")


def months(**rows: int) -> pl.DataFrame:
    """Rows counted by month: months(jan=2) are two rows of January."""
    names = [name for name, count in rows.items() for _ in range(count)]
    return pl.DataFrame({"id": range(len(names)), "_month": names}, schema={"id": pl.Int64, "_month": pl.String})


def counts(lake: Lake, spec: TableSpec) -> dict[str, int]:
    return dict(lake.scan(spec).collect()["_month"].value_counts().iter_rows())


def test_what_is_written_is_read(lake: Lake, whole: TableSpec) -> None:
    frame = months(jan=2, feb=1)
    commit = lake.write(whole, frame)
    assert_frame_equal(lake.scan(whole).collect(), frame)
    assert (commit.rows_written, commit.files, commit.changed) == (3, 1, True)
    assert commit.size_bytes > 0


def test_rows_come_back_in_the_order_in_which_they_were_stored(lake: Lake, whole: TableSpec) -> None:
    """Given rows in several batches, delta-rs shuffles them."""
    parts = [pl.DataFrame({"id": range(start, start + 70_000)}) for start in range(0, 280_000, 70_000)]
    lake.write(whole, pl.concat(parts, rechunk=False))
    assert lake.scan(whole).collect()["id"].is_sorted()


def test_a_table_that_was_never_written_is_named_with_the_fix(lake: Lake, whole: TableSpec) -> None:
    assert not lake.exists(whole)
    assert lake.version(whole) is None
    with pytest.raises(TableNotFound, match=r"shop/orders/v1: there is no table at .*Fix: materialise"):
        lake.scan(whole)


def test_an_overwrite_replaces_the_whole_table(lake: Lake, whole: TableSpec) -> None:
    lake.write(whole, months(jan=5))
    first = lake.version(whole)
    lake.write(whole, months(feb=1))
    assert counts(lake, whole) == {"feb": 1}
    assert lake.version(whole) not in (None, first)


def test_an_overwrite_of_partitions_leaves_the_others_alone(lake: Lake, monthly: TableSpec) -> None:
    lake.write(monthly, months(jan=2, feb=2, mar=2), partitions=["jan", "feb", "mar"])
    commit = lake.write(monthly, months(jan=1), partitions=["jan", "feb"])
    assert counts(lake, monthly) == {"jan": 1, "mar": 2}
    assert commit.partitions == ("jan",)


def test_an_overwrite_without_partitions_leaves_nothing_of_the_old(lake: Lake, monthly: TableSpec) -> None:
    lake.write(monthly, months(jan=2, feb=2))
    lake.write(monthly, months(mar=1))
    assert counts(lake, monthly) == {"mar": 1}


def test_rows_outside_of_the_partitions_written_are_refused(lake: Lake, monthly: TableSpec) -> None:
    lake.write(monthly, months(jan=1))
    with pytest.raises(InvalidRows, match=r"'feb', outside of the partitions written .jan.; nothing was") as caught:
        lake.write(monthly, months(jan=3, feb=1), partitions=["jan"])
    assert caught.value.culprits == ("feb",)
    assert counts(lake, monthly) == {"jan": 1}


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_row_without_partition_is_refused(lake: Lake, monthly: TableSpec, nothing: str | None) -> None:
    rows = months(jan=1).with_columns(pl.lit(nothing, dtype=pl.String).alias("_month"))
    with pytest.raises(InvalidRows, match=f"_month {nothing!r}"):
        lake.write(monthly, rows)


@pytest.mark.parametrize("dtype", [pl.Datetime("us"), pl.Date, pl.Int64])
def test_a_partition_column_that_is_not_text_is_refused(lake: Lake, monthly: TableSpec, dtype: pl.DataType) -> None:
    """A peer overwrites the whole table at each partition when the column is a naive timestamp."""
    rows = pl.DataFrame({"_month": [1, 2]}).cast({"_month": dtype})
    with pytest.raises(InvalidRows, match="must be text"):
        lake.write(monthly, rows)


def test_naive_timestamps_in_partitioned_tables_lose_no_day(lake: Lake, monthly: TableSpec) -> None:
    days = pl.DataFrame({"day": ["2024-01-01", "2024-01-02", "2024-01-03"]}).with_columns(
        pl.col("day").str.to_datetime("%Y-%m-%d"), pl.col("day").alias("_month")
    )
    for day in days.iter_slices(1):
        lake.write(monthly, pl.concat([day] * 5), partitions=day["_month"].to_list())
    assert lake.scan(monthly).collect().height == 15


def test_awkward_partition_values_come_back_and_stay_in_the_table(lake: Lake, monthly: TableSpec) -> None:
    rows = months(**dict.fromkeys(AWKWARD, 1))
    if monthly.format == "delta":
        rows = rows.filter(pl.col("_month").str.len_chars() < 200)  # delta-rs names folders by the whole value
    lake.write(monthly, rows, partitions=rows["_month"].to_list())
    assert_frame_equal(lake.scan(monthly).sort("id").collect(), rows)
    for value in rows["_month"]:
        assert lake.scan(monthly, partitions=[value]).collect()["_month"].to_list() == [value]
        lake.write(monthly, rows.filter(pl.col("_month") == value), partitions=[value])
    assert lake.scan(monthly).collect().height == rows.height


def test_an_append_adds_and_its_repeat_does_nothing(lake: Lake, appended: TableSpec) -> None:
    first = lake.write(appended, months(jan=2, feb=1), transaction="file/1")
    lake.write(appended, months(jan=1), transaction="file/2")
    again = lake.write(appended, months(jan=2, feb=1), transaction="file/1")
    assert counts(lake, appended) == {"jan": 3, "feb": 1}
    assert (first.changed, again.changed, again.rows_written) == (True, False, 0)


def test_appends_without_transaction_all_count(lake: Lake, appended: TableSpec) -> None:
    for _ in range(3):
        lake.write(appended, months(jan=1))
    assert counts(lake, appended) == {"jan": 3}


def test_an_empty_frame_makes_an_empty_table(lake: Lake, monthly: TableSpec) -> None:
    lake.write(monthly, months())
    assert lake.exists(monthly)
    assert_frame_equal(lake.scan(monthly).collect(), months())
    lake.write(monthly, months(jan=1), partitions=["jan"])
    assert counts(lake, monthly) == {"jan": 1}


def test_a_partition_without_rows_reads_empty(lake: Lake, monthly: TableSpec) -> None:
    lake.write(monthly, months(jan=1))
    assert lake.scan(monthly, partitions=["never"]).collect().is_empty()
    assert lake.scan(monthly, partitions=[]).collect().is_empty()


def test_many_partitions_are_read_at_once(lake: Lake, monthly: TableSpec) -> None:
    rows = months(**{f"m{number:02}": 1 for number in range(24)})
    lake.write(monthly, rows)
    wanted = [f"m{number:02}" for number in range(20)]
    assert sorted(lake.scan(monthly, partitions=wanted).collect()["_month"]) == wanted


def test_columns_are_chosen_and_a_missing_one_is_answered_with_what_there_is(lake: Lake, whole: TableSpec) -> None:
    lake.write(whole, months(jan=1))
    assert lake.scan(whole, columns=["_month"]).collect_schema().names() == ["_month"]
    with pytest.raises(ColumnNotFound, match=r"no column 'nope'. Fix: ask for some of id, _month"):
        lake.scan(whole, columns=["nope"])


def test_partitions_of_an_unpartitioned_table_are_refused(lake: Lake, whole: TableSpec) -> None:
    with pytest.raises(InvalidTableSpec, match="declare partition_column"):
        lake.write(whole, months(jan=1), partitions=["jan"])
    with pytest.raises(InvalidTableSpec, match="declare partition_column"):
        lake.scan(whole, partitions=["jan"])


@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_a_closed_schema_refuses_new_missing_and_changed_columns(lake: Lake, monthly: TableSpec, mode: str) -> None:
    spec = TableSpec(path=monthly.path, format=monthly.format, mode=mode, partition_column="_month")  # type: ignore[arg-type]
    lake.write(spec, months(jan=1))
    with pytest.raises(SchemaMismatch, match=r"new column note .String.") as caught:
        lake.write(spec, months(feb=1).with_columns(note=pl.lit("x")))
    assert caught.value.added == {"note": "String"}
    with pytest.raises(SchemaMismatch, match=r"missing column id .Int64."):
        lake.write(spec, months(feb=1).drop("id"))
    with pytest.raises(SchemaMismatch, match="column id is String, the table has Int64"):
        lake.write(spec, months(feb=1).cast({"id": pl.String}))
    assert counts(lake, spec) == {"jan": 1}


def test_an_open_schema_adds_columns_and_fills_them_with_null(lake: Lake, monthly: TableSpec) -> None:
    spec = TableSpec(path=monthly.path, format=monthly.format, partition_column="_month", schema_evolution="add")
    lake.write(spec, months(jan=1), partitions=["jan"])
    lake.write(spec, months(feb=1).with_columns(took=pl.duration(hours=1)), partitions=["feb"])
    lake.write(spec, months(mar=1), partitions=["mar"])
    found = lake.scan(spec).sort("_month").collect()
    assert found.schema["took"] == pl.Duration("us")
    assert found["took"].is_null().to_list() == [False, True, True]
    with pytest.raises(SchemaMismatch, match="column id is String"):
        lake.write(spec, months(jan=1).cast({"id": pl.String}), partitions=["jan"])


def test_an_open_schema_lets_a_whole_overwrite_bring_its_own_columns(lake: Lake, whole: TableSpec) -> None:
    spec = TableSpec(path=whole.path, format=whole.format, schema_evolution="add")
    lake.write(spec, pl.DataFrame({"a": [1], "b": ["x"]}))
    lake.write(spec, pl.DataFrame({"a": ["one"], "c": [1.5]}))
    assert_frame_equal(lake.scan(spec).collect(), pl.DataFrame({"a": ["one"], "c": [1.5]}))


def test_a_column_of_nulls_takes_the_tables_type(lake: Lake, whole: TableSpec) -> None:
    lake.write(whole, pl.DataFrame({"a": [1.5]}))
    lake.write(whole, pl.DataFrame({"a": [None]}))
    assert lake.scan(whole).collect_schema() == {"a": pl.Float64}


def test_columns_may_come_in_any_order(lake: Lake, monthly: TableSpec) -> None:
    lake.write(monthly, months(jan=1), partitions=["jan"])
    lake.write(monthly, months(feb=1).select("_month", "id"), partitions=["feb"])
    assert counts(lake, monthly) == {"jan": 1, "feb": 1}


def test_a_lazy_frame_is_written(lake: Lake, whole: TableSpec) -> None:
    lake.write(whole, months(jan=3).lazy().filter(pl.col("id") > 0))
    assert lake.scan(whole).collect().height == 2


def test_a_later_write_does_not_change_what_a_filter_on_the_scan_means(lake: Lake, monthly: TableSpec) -> None:
    lake.write(monthly, months(jan=2, feb=3))
    found = lake.scan(monthly).filter(pl.col("_month") == "feb").select(pl.len()).collect()
    assert found.item() == 3


PARTS = st.dictionaries(st.sampled_from(["jan", "feb", "mar"]), st.integers(0, 2), min_size=1)


@pytest.mark.parametrize("place", ["disk"])
@given(writes=st.lists(PARTS, min_size=1, max_size=4))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_sequence_of_overwrites_leaves_what_each_partition_was_last_given(
    lake: Lake, monthly: TableSpec, writes: list[dict[str, int]]
) -> None:
    lake.write(monthly, months())
    model: dict[str, int] = {}
    for given_rows in writes:
        for _ in range(2):  # replayed twice is once
            lake.write(monthly, months(**given_rows), partitions=list(given_rows))
        model |= given_rows
        assert counts(lake, monthly) == {month: rows for month, rows in model.items() if rows}
