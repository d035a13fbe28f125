"""What an asset's author sees: annotate, return, load; the lake does the rest."""

import dataclasses
import datetime as dt
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from platform_resources.errors import ColumnNotFound, InvalidRows, InvalidTableSpec, NotATable, UnsupportedType
from platform_resources.settings import Settings
from platform_resources.storage import TableSpec, Write
from platform_resources.storage.io_manager import LakeIOManager
from platform_resources.storage.table import Format
from tests.servers import S3Server

ROWS = pl.DataFrame({"id": [1, 2, 3], "name": ["a", "b", None]})
MONTHS = dg.StaticPartitionsDefinition(["jan", "feb", "a/b"])
SINGLE_RUN = dg.BackfillPolicy.single_run()
KINDS = {
    pl.DataFrame: lambda: ROWS,
    pl.LazyFrame: ROWS.lazy,
    pd.DataFrame: ROWS.to_pandas,
    pa.Table: ROWS.to_arrow,
    pa.RecordBatchReader: lambda: ROWS.to_arrow().to_reader(),
    duckdb.DuckDBPyRelation: lambda: duckdb.connect().from_arrow(ROWS.to_arrow()),
}


@dataclasses.dataclass(frozen=True)
class Model:
    weights: tuple[float, ...]


@pytest.fixture
def manager(environment: dict[str, str]) -> LakeIOManager:
    return LakeIOManager(Settings.from_environment(environment))


def run(manager: LakeIOManager, *assets: Any, **how: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(list(assets), resources={"io_manager": manager}, **how)


def table(path: str, **parts: Any) -> dict[str, Any]:
    return TableSpec(path=path, **parts).to_metadata()


HOW = [
    {},
    {"metadata": table("m/n/v1", partition_column="month")},
    {"metadata": table("m/n/v1", partition_column="month", format="iceberg")},
]


def facts(result: dg.ExecuteInProcessResult, node: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(node)
    return {name: value.value for name, value in event.metadata.items()}


def asset_of(kind: type, **how: Any) -> dg.AssetsDefinition:
    def upstream():
        return KINDS[kind]()

    upstream.__annotations__["return"] = kind
    return dg.asset(upstream, **how)


def reader_of(kind: Any, seen: list[Any], **how: Any) -> dg.AssetsDefinition:
    def downstream(upstream) -> None:
        seen.append(upstream)

    downstream.__annotations__["upstream"] = kind
    return dg.asset(downstream, **how)


@pytest.fixture(params=["delta", "iceberg"])
def format_name(request: pytest.FixtureRequest) -> Format:
    return request.param


def to_frame(value: Any) -> pl.DataFrame:
    if isinstance(value, duckdb.DuckDBPyRelation):
        return value.pl()  # what pl.DataFrame takes of a relation is never freed
    return value.collect() if isinstance(value, pl.LazyFrame) else pl.DataFrame(value)


@pytest.mark.parametrize("loaded", KINDS)
@pytest.mark.parametrize("stored", KINDS)
@pytest.mark.parametrize("place", ["disk"])
def test_every_kind_is_stored_and_loaded_as_every_kind(manager: LakeIOManager, stored: type, loaded: type) -> None:
    seen: list[Any] = []
    run(manager, asset_of(stored, metadata=table("a/b/v1")), reader_of(loaded, seen))
    assert isinstance(seen[0], loaded)
    assert_frame_equal(to_frame(seen[0]), ROWS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["overwrite", "append", "merge"])
@pytest.mark.parametrize("place", ["disk"])
def test_every_kind_goes_through_iceberg_in_every_mode(manager: LakeIOManager, kind: type, mode: str) -> None:
    seen: list[Any] = []
    metadata = table("a/b/v1", format="iceberg", mode=mode, key=("id",))
    for _ in range(2):
        run(manager, asset_of(kind, metadata=metadata), reader_of(kind, seen))
    assert isinstance(seen[-1], kind)
    assert_frame_equal(to_frame(seen[-1]), pl.concat([ROWS] * (2 if mode == "append" else 1)))


@pytest.mark.parametrize("kind", [pl.Int8, pl.Int64, pl.UInt32, pl.UInt64])
@pytest.mark.parametrize("place", ["disk"])
def test_whole_numbers_with_nulls_come_to_pandas_and_back_as_they_are(manager: LakeIOManager, kind: Any) -> None:
    ends = pl.select(high=kind.max(), low=kind.min()).row(0)

    def upstream() -> pl.DataFrame:
        return pl.DataFrame({"full": [1, 2, 3], "id": [*ends, None]}, {"full": pl.Int64, "id": kind})

    @dg.asset
    def through(upstream: pd.DataFrame) -> pd.DataFrame:
        return upstream

    seen: list[Any] = []
    run(manager, dg.asset(upstream), through, reader_of(pl.DataFrame, seen, ins={"upstream": dg.AssetIn("through")}))
    assert_frame_equal(seen[0], upstream())


def test_a_hand_written_asset_needs_no_spec(manager: LakeIOManager) -> None:
    seen: list[Any] = []
    result = run(manager, asset_of(pl.DataFrame), reader_of(pl.LazyFrame, seen))
    assert isinstance(seen[0], pl.LazyFrame)
    assert_frame_equal(seen[0].collect(), ROWS)
    assert facts(result, "upstream")["dagster/uri"].endswith("development/upstream/v1")


def test_a_relation_outlives_the_function_that_made_it(manager: LakeIOManager) -> None:
    seen: list[Any] = []
    run(manager, asset_of(pl.DataFrame), reader_of(duckdb.DuckDBPyRelation, seen))
    assert seen[0].query("t", "select sum(id) from t").fetchall() == [(6,)]


def test_without_annotations_a_table_comes_as_a_polars_frame(manager: LakeIOManager) -> None:
    seen: list[Any] = []

    @dg.asset
    def upstream():
        return ROWS

    run(manager, upstream, reader_of(Any, seen))
    assert_frame_equal(seen[0], ROWS)


def test_without_annotation_the_input_takes_the_kind_the_asset_returns(manager: LakeIOManager) -> None:
    seen: list[Any] = []
    run(manager, asset_of(pd.DataFrame), reader_of(Any, seen))
    assert isinstance(seen[0], pd.DataFrame)


def test_an_asset_is_loaded_in_a_later_run_of_its_reader_alone(manager: LakeIOManager) -> None:
    seen: list[Any] = []
    assets = (asset_of(pl.DataFrame), reader_of(pl.LazyFrame, seen))
    run(manager, assets[0])
    run(manager, *assets, selection=[assets[1]])
    assert_frame_equal(seen[0].collect(), ROWS)


def test_columns_in_the_inputs_metadata_prune(manager: LakeIOManager) -> None:
    seen: list[Any] = []
    ins = {"upstream": dg.AssetIn(metadata={"columns": ["name"]})}
    run(manager, asset_of(pl.DataFrame), reader_of(pl.LazyFrame, seen, ins=ins))
    assert seen[0].collect_schema().names() == ["name"]


def test_a_column_that_is_not_there_is_named_with_what_there_is(manager: LakeIOManager) -> None:
    ins = {"upstream": dg.AssetIn(metadata={"columns": ["nope"]})}
    with pytest.raises(ColumnNotFound, match="ask for some of id, name"):
        run(manager, asset_of(pl.DataFrame), reader_of(pl.LazyFrame, [], ins=ins))


@pytest.mark.parametrize("how", HOW)
def test_partitions_are_stored_apart_and_loaded_alone(manager: LakeIOManager, how: dict[str, Any]) -> None:
    seen: list[pl.DataFrame] = []

    @dg.asset(partitions_def=MONTHS, **how)
    def upstream(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"month": [context.partition_key] * 2, "run": [context.run.run_id] * 2})

    reader = reader_of(pl.DataFrame, seen, partitions_def=MONTHS)
    results = [run(manager, upstream, reader, partition_key=key) for key in ("jan", "a/b", "jan")]
    assert [frame["month"].to_list() for frame in seen] == [["jan"] * 2, ["a/b"] * 2, ["jan"] * 2]
    assert [frame["run"][0] for frame in seen] == [result.run_id for result in results]
    assert seen[0].columns == ["month", "run"]


@pytest.mark.parametrize("how", HOW)
def test_partitions_come_together_in_an_unpartitioned_asset(manager: LakeIOManager, how: dict[str, Any]) -> None:
    seen: list[pl.LazyFrame] = []

    @dg.asset(partitions_def=MONTHS, **how)
    def upstream(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"month": [context.partition_key], "id": [1]})

    run(manager, upstream, partition_key="jan")
    run(manager, upstream, partition_key="feb")
    run(manager, upstream, reader := reader_of(pl.LazyFrame, seen), selection=[reader])
    assert sorted(seen[0].collect()["month"]) == ["feb", "jan"]


def test_an_unpartitioned_asset_is_loaded_whole_by_each_partition(manager: LakeIOManager) -> None:
    seen: list[pl.DataFrame] = []
    assets = (asset_of(pl.DataFrame), reader_of(pl.DataFrame, seen, partitions_def=MONTHS))
    run(manager, assets[0])
    run(manager, *assets, selection=[assets[1]], partition_key="feb")
    assert seen[0].height == 3


def test_dynamic_and_multi_dimensional_partitions_work(manager: LakeIOManager) -> None:
    both = dg.MultiPartitionsDefinition({"month": MONTHS, "shop": dg.DynamicPartitionsDefinition(name="shops")})
    seen: list[pl.DataFrame] = []

    @dg.asset(partitions_def=both)
    def upstream(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"said": [str(context.partition_key)]})

    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("shops", ["x", "y"])
        for shop in "xy":
            key = dg.MultiPartitionKey({"month": "jan", "shop": shop})
            reader = reader_of(pl.DataFrame, seen, partitions_def=both)
            assert run(manager, upstream, reader, partition_key=key, instance=instance).success
    assert [frame["said"].to_list() for frame in seen] == [["jan|x"], ["jan|y"]]


def ranged(first: str, last: str) -> dict[str, Any]:
    return {"tags": {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}}


def test_a_single_run_over_many_partitions_is_one_commit(manager: LakeIOManager, format_name: Format) -> None:
    spec = TableSpec(path="m/n/v1", format=format_name, partition_column="month")

    @dg.asset(partitions_def=MONTHS, backfill_policy=SINGLE_RUN, metadata=spec.to_metadata())
    def upstream(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"month": list(context.partition_keys), "id": [1, 2]})

    seen: list[pl.DataFrame] = []
    reader = reader_of(pl.DataFrame, seen, partitions_def=MONTHS, backfill_policy=SINGLE_RUN)
    run(manager, upstream, reader, **ranged("jan", "feb"))
    assert len(manager.lake.operations(spec).history()) == 1
    assert sorted(seen[0]["month"]) == ["feb", "jan"]


def test_a_single_run_whose_rows_do_not_say_their_partition_is_refused(manager: LakeIOManager) -> None:
    upstream = asset_of(pl.DataFrame, partitions_def=MONTHS, backfill_policy=SINGLE_RUN)
    with pytest.raises(NotATable, match=r"a run of 2 partitions .* add a text column _partition"):
        run(manager, upstream, **ranged("jan", "feb"))


def test_a_partitioned_asset_that_would_erase_its_other_partitions_is_refused(manager: LakeIOManager) -> None:
    upstream = asset_of(pl.DataFrame, partitions_def=MONTHS, metadata=table("a/b/v1"))
    with pytest.raises(InvalidTableSpec, match="each partition would erase the others"):
        run(manager, upstream, partition_key="jan")


def test_row_counts_size_and_version_are_reported_and_nothing_said_is_overwritten(
    manager: LakeIOManager, format_name: Format
) -> None:
    spec = TableSpec(path="m/n/v1", format=format_name, partition_column="month")

    @dg.asset(partitions_def=MONTHS, metadata=spec.to_metadata())
    def upstream(context: dg.AssetExecutionContext) -> pl.DataFrame:
        context.add_output_metadata({"files": "mine", "note": 1})
        return pl.DataFrame({"month": [context.partition_key] * 2, "id": [1, 2]})

    run(manager, upstream, partition_key="jan")
    said = facts(run(manager, upstream, partition_key="feb"), "upstream")
    expected = {"dagster/row_count": 4, "dagster/partition_row_count": 2, "rows_written": 2}
    expected |= {"table_version": manager.lake.version(spec)}
    assert said.items() >= {**expected, "files": "mine", "note": 1, "dagster/uri": manager.lake.location(spec)}.items()
    assert said["size_bytes"] > 0


def test_a_write_says_what_a_frame_cannot(manager: LakeIOManager, format_name: Format) -> None:
    spec = TableSpec(path="m/n/v1", format=format_name, mode="merge", key=("id",), replaces="_source")

    def asset_writing(frame: pl.DataFrame, transaction: str) -> dg.AssetsDefinition:
        @dg.asset(metadata=spec.to_metadata())
        def upstream() -> Write:
            return Write(frame=frame.lazy(), transaction=transaction, replace_values=["f"], commit_metadata={"w": "t"})

        return upstream

    rows = ROWS.with_columns(_source=pl.lit("f"))
    run(manager, asset_writing(rows, "first"))
    said = facts(run(manager, asset_writing(rows.head(1), "second")), "upstream")
    assert (said["rows_written"], said["rows_deleted"], said["table_changed"]) == (0, 2, True)
    assert not facts(run(manager, asset_writing(rows, "first")), "upstream")["table_changed"]


def test_an_asset_that_returns_none_writes_nothing(manager: LakeIOManager) -> None:
    @dg.asset(metadata=table("a/b/v1"))
    def upstream():
        return None

    result = run(manager, upstream)
    assert "dagster/row_count" not in facts(result, "upstream")
    assert not manager.lake.exists(TableSpec(path="a/b/v1"))


def test_values_that_are_no_tables_have_a_home(manager: LakeIOManager) -> None:
    seen: list[Any] = []

    @dg.asset
    def upstream() -> Model:
        return Model((0.5, 1.5))

    run(manager, upstream, reader_of(Model, seen))
    run(manager, upstream, reader := reader_of(Any, seen), selection=[reader])
    assert seen == [Model((0.5, 1.5))] * 2


def test_ops_without_asset_pass_values_too(manager: LakeIOManager) -> None:
    @dg.op
    def frame() -> pl.DataFrame:
        return ROWS

    @dg.op
    def height(rows: pl.DataFrame) -> int:
        return rows.height

    @dg.job(resource_defs={"io_manager": manager})
    def both() -> None:
        height(frame())

    assert both.execute_in_process().output_for_node("height") == 3


@pytest.mark.parametrize("dealt", [True, False])
def test_a_single_run_over_many_partitions_stores_objects(manager: LakeIOManager, dealt: bool) -> None:
    seen: list[Any] = []

    @dg.asset(partitions_def=MONTHS, backfill_policy=SINGLE_RUN)
    def upstream(context: dg.AssetExecutionContext) -> dict[str, Any]:
        return {key: {"for": key} for key in context.partition_keys} if dealt else {"for": "all"}

    reader = reader_of(dict, seen, partitions_def=MONTHS, backfill_policy=SINGLE_RUN)
    run(manager, upstream, reader, **ranged("jan", "feb"))
    assert seen == [{key: {"for": key if dealt else "all"} for key in ("jan", "feb")}]


def test_a_declared_table_that_returns_something_else_is_refused(manager: LakeIOManager) -> None:
    @dg.asset(metadata=table("a/b/v1"))
    def upstream() -> dict[str, int]:
        return {"a": 1}

    with pytest.raises(NotATable, match="upstream: is declared as a table and returned dict; nothing was written"):
        run(manager, upstream)


def test_a_table_annotated_as_something_else_is_refused(manager: LakeIOManager) -> None:
    with pytest.raises(NotATable, match=r"'upstream' is annotated <class 'int'>. Fix: annotate it as one of polars"):
        run(manager, asset_of(pl.DataFrame, metadata=table("a/b/v1")), reader_of(int, []))


def test_an_interval_of_duckdb_is_refused_before_polars_panics(manager: LakeIOManager) -> None:
    @dg.asset
    def upstream() -> duckdb.DuckDBPyRelation:
        return duckdb.sql("select interval 1 day as took")

    with pytest.raises(UnsupportedType, match="upstream: column took is INTERVAL"):
        run(manager, upstream)


def test_a_hand_written_asset_may_become_partitioned_without_mixing_layouts(manager: LakeIOManager) -> None:
    seen: list[pl.DataFrame] = []
    run(manager, asset_of(pl.DataFrame))
    partitioned = asset_of(pl.DataFrame, partitions_def=MONTHS)
    run(manager, partitioned, partition_key="jan")
    run(manager, partitioned, reader := reader_of(pl.DataFrame, seen), selection=[reader])
    assert_frame_equal(seen[0], ROWS)


def test_days_before_are_loaded_through_a_partition_mapping(manager: LakeIOManager) -> None:
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05")
    before = dg.TimeWindowPartitionMapping(start_offset=-1)
    seen: list[pl.DataFrame] = []

    @dg.asset(partitions_def=days, metadata=table("d/d/v1", partition_column="day"))
    def upstream(context: dg.AssetExecutionContext) -> pl.DataFrame:
        return pl.DataFrame({"day": [context.partition_key], "id": [1]})

    reader = reader_of(pl.DataFrame, seen, partitions_def=days, ins={"upstream": dg.AssetIn(partition_mapping=before)})
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        run(manager, upstream, reader, partition_key=day)
    assert sorted(seen[-1]["day"]) == ["2024-01-02", "2024-01-03"]


def test_a_check_of_its_own_loads_the_table(manager: LakeIOManager) -> None:
    @dg.asset_check(asset="upstream")
    def counted(upstream: pl.LazyFrame) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=upstream.select(pl.len()).collect().item() == 3)

    (result,) = run(manager, asset_of(pl.DataFrame), counted).get_asset_check_evaluations()
    assert result.passed


def test_each_output_of_a_multi_asset_has_its_own_table(manager: LakeIOManager) -> None:
    outs = {name: dg.AssetOut(metadata=table(f"m/{name}/v1"), is_required=False) for name in ("good", "bad")}

    @dg.multi_asset(outs=outs)
    def both() -> Any:
        yield dg.Output(ROWS, output_name="good")

    run(manager, both)
    assert manager.lake.exists(TableSpec(path="m/good/v1"))
    assert not manager.lake.exists(TableSpec(path="m/bad/v1"))


def test_a_value_is_loaded_from_the_definitions(manager: LakeIOManager) -> None:
    upstream = asset_of(pl.DataFrame)
    run(manager, upstream)
    definitions = dg.Definitions(assets=[upstream], resources={"io_manager": manager})
    assert_frame_equal(definitions.load_asset_value("upstream"), ROWS)
    assert isinstance(definitions.load_asset_value("upstream", python_type=pl.LazyFrame), pl.LazyFrame)


@pytest.mark.parametrize("place", ["s3"])
def test_everything_on_s3_is_encrypted_with_the_kms_key(environment: dict[str, str], s3: S3Server) -> None:
    client = s3.settings.boto3_client()
    settings = Settings.from_environment(environment | {"PLATFORM_S3_KMS_KEY": "arn:aws:kms:us-east-1:1:key/k"})

    @dg.asset(name="model")
    def model() -> Model:
        return Model((1.0,))

    delta = asset_of(pl.DataFrame, name="delta", metadata=table("a/b/v1"))
    iceberg = asset_of(pl.DataFrame, name="iceberg", metadata=table("a/c/v1", format="iceberg"))
    run(LakeIOManager(settings), delta, iceberg, asset_of(pl.DataFrame), model)
    prefix = settings.lake.removeprefix(f"s3://{s3.bucket}/")
    keys = [each["Key"] for each in client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix)["Contents"]]
    assert len(keys) == 10  # data and log; data, manifest, its list, metadata, marker; data and schema; a pickle
    heads = [client.head_object(Bucket=s3.bucket, Key=key) for key in keys]
    assert {head.get("SSEKMSKeyId") for head in heads} == {"arn:aws:kms:us-east-1:1:key/k"}


def test_a_retried_step_appends_once_and_a_new_run_appends_again(manager: LakeIOManager, format_name: Format) -> None:
    spec = TableSpec(path="a/b/v1", format=format_name, mode="append")

    class FailsAfterTheFirstWrite(LakeIOManager):
        written = 0

        def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
            super().handle_output(context, obj)
            type(self).written += 1
            if self.written == 1:
                raise dg.RetryRequested(max_retries=1)

    for _ in range(2):
        run(FailsAfterTheFirstWrite(manager.lake.settings), asset_of(pl.DataFrame, metadata=spec.to_metadata()))
    assert FailsAfterTheFirstWrite.written == 3
    assert manager.lake.scan(spec).collect().height == 2 * ROWS.height


DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01")
THREE = ("2024-01-01", "2024-01-02", "2024-01-03")


def by_day(zone: str | None = None, **how: Any) -> dg.AssetsDefinition:
    """Five rows a day, and the day itself as a timestamp in a zone or without one."""

    @dg.asset(name="upstream", partitions_def=DAYS, **how)
    def upstream(context: dg.AssetExecutionContext) -> pl.DataFrame:
        day = dt.datetime.fromisoformat(context.partition_key)
        rows = pl.DataFrame({"day": [day] * 5, "key": [context.partition_key] * 5, "x": range(5)})
        return rows.with_columns(pl.col("day").dt.replace_time_zone(zone))

    return upstream


@pytest.mark.parametrize("place", ["disk"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("said", [None, "delta", "iceberg", "parquet"])
def test_days_as_timestamps_stay_where_a_peer_loses_all_but_the_last(
    manager: LakeIOManager, said: Format | None, zone: str | None
) -> None:
    """dagster-deltalake overwrites the whole table with each day, and each of its runs succeeds."""
    how = {} if said is None else {"metadata": table("s/t/v1", format=said, partition_column="key")}
    seen: list[pl.DataFrame] = []
    for day in THREE:
        assert run(manager, by_day(zone, **how), partition_key=day).success
    run(manager, by_day(zone, **how), reader := reader_of(pl.DataFrame, seen), selection=[reader])
    assert seen[0].height == 15
    assert seen[0]["day"].n_unique() == 3
    assert seen[0].schema["day"] == pl.Datetime("us", zone)


@pytest.mark.parametrize("place", ["disk"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_table_partitioned_by_the_timestamp_itself_is_refused_before_a_row_is_lost(
    manager: LakeIOManager, format_name: Format, zone: str | None
) -> None:
    spec = TableSpec(path="s/t/v1", format=format_name, partition_column="day")
    with pytest.raises(InvalidRows, match=r"partition column day must be text .* nothing was written. Fix: derive it"):
        run(manager, by_day(zone, metadata=spec.to_metadata()), partition_key=THREE[0])
    assert not manager.lake.exists(spec)
