"""A table through the cache: invisible apart from speed. A new version is seen at once, an old one is never served."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pyiceberg.table import Table
from pyiceberg.types import LongType, StringType

from platform_assets.factory.reads import filters_of
from platform_resources.errors import ColumnNotFound, TableNotFound
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.caches import Tally
from platform_resources.storage.caches.tiered import SNAPSHOTS
from platform_resources.storage.formats.iceberg_catalog import identifier, open_catalogue
from platform_resources.storage.io_manager import LakeIOManager
from tests.resources.storage.caches.test_disk import full_disk
from tests.servers import Counter, S3Server, counting_proxy

MONTHS = ["jan", "feb", "mar"]
STEPS = ["write", "overwrite", "read", "forget"]


@pytest.fixture(params=["delta", "parquet", "iceberg"])
def spec(request: pytest.FixtureRequest) -> TableSpec:
    return TableSpec(path="shop/orders/v1", format=request.param, partition_column="_month", schema_evolution="add")


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Counter]:
    with counting_proxy(s3.endpoint) as counter:
        yield counter


@pytest.fixture
def environment(s3: S3Server, proxy: Counter, tmp_path: Path) -> dict[str, str]:
    lake = {"PLATFORM_LAKE": f"s3://{s3.bucket}/{uuid.uuid4().hex}", "PLATFORM_STATE": str(tmp_path)}
    return s3.through(proxy.endpoint).environment | lake


@pytest.fixture
def process(environment: dict[str, str]) -> Callable[..., Lake]:
    """Lakes that share the folder but not the memory, as processes do."""
    return lambda **more: Lake(Settings.from_environment(environment | more))


def orders(rows: int = 3000, seed: int = 0) -> pl.DataFrame:
    """Rows that do not compress, so that bytes tell what was read."""
    numbers = pl.Series(range(rows))
    return pl.DataFrame(
        {"id": numbers, "value": numbers.hash(seed), "text": numbers.hash(seed + 1).cast(pl.String),
         "_month": [MONTHS[number % 3] for number in range(rows)]}
    )  # fmt: skip


def same(left: pl.DataFrame | pl.LazyFrame, right: pl.DataFrame | pl.LazyFrame) -> None:
    assert_frame_equal(left.lazy().collect(), right.lazy().collect(), check_row_order=False)


def drop(lake: Lake, spec: TableSpec) -> None:
    """Nothing of the table stays, in the bucket or in a catalogue."""
    bucket, _, prefix = lake.location(spec).removeprefix("s3://").partition("/")
    store = lake.settings.s3.obstore(bucket)
    store.delete([each["path"] for page in store.list(prefix) for each in page])
    if spec.format == "iceberg":
        open_catalogue(lake.settings).drop_table(identifier(lake.settings, spec))


def done(lake: Lake, work: Callable[[], object]) -> Tally:
    """What the cache did in the meantime."""
    assert lake.cache is not None
    before = lake.cache.counters.total
    work()
    return lake.cache.counters.total - before


def bytes_of(proxy: Counter, work: Callable[[], object]) -> int:
    before = proxy.received_bytes
    work()
    return proxy.received_bytes - before


def test_the_second_read_comes_from_disk_and_the_third_from_memory(process, proxy: Counter, spec: TableSpec) -> None:
    process().write(spec, frame := orders())
    same(process().scan(spec), frame)
    lake = process()
    assert done(lake, lambda: same(lake.scan(spec), frame)).disk_hits == 3
    received = proxy.received_bytes
    third = done(lake, lambda: same(lake.scan(spec), frame))
    assert (third.memory_hits, third.disk_hits, third.misses) == (3, 0, 0)
    assert proxy.received_bytes - received < 8_000, "a few listings, and not a byte of the table"


def test_frames_are_shared_not_copied(process) -> None:
    lake, spec = process(), TableSpec(path="shop/whole/v1")
    lake.write(spec, orders().drop("_month"))
    lake.scan(spec).collect()
    read = (lake.scan(spec).collect(), lake.scan(spec).collect(), lake.read(spec), lake.read(spec, columns=["value"]))
    assert len({each["value"].to_arrow().buffers()[1].address for each in read}) == 1


def test_whoever_changes_the_frame_that_was_read_changes_nobody_elses(process) -> None:
    lake, spec = process(), TableSpec(path="shop/whole/v1")
    lake.write(spec, frame := orders().drop("_month"))
    for _ in range(2):
        mine = lake.read(spec)
        mine.insert_column(0, pl.lit(1).alias("new"))
        mine.drop_in_place("text")
        mine[0, "value"] = 7
        same(lake.read(spec), frame)


def test_reading_says_what_scanning_says_cold_half_warm_and_warm(process, spec: TableSpec) -> None:
    process().write(spec, orders(600))
    plain = process(PLATFORM_CACHE="off")
    for partitions in (["feb"], None, ["jan", "none"], ["none"]):
        for columns in (["text"], ["_month", "id"], ["_month"], None):
            expected = plain.scan(spec, partitions=partitions, columns=columns).collect()
            for lake in (process(), process(), plain):
                same(lake.read(spec, partitions=partitions, columns=columns), expected)
    with pytest.raises(ColumnNotFound, match="nope"):
        process().read(spec, columns=["id", "nope"])


def test_what_an_earlier_release_remembered_of_a_table_is_read_anew(process, spec: TableSpec) -> None:
    process().write(spec, frame := orders(300))
    process().scan(spec).collect()
    for earlier in (b'{"form": 2, "version": "0"}\nfiles', b'{"form": 2}'):
        lake = process()
        with lake.cache.disk.draft(SNAPSHOTS, lake.location(spec), alone=True) as draft:
            draft.write(earlier)
        assert lake.cache.recall(lake.location(spec)) is None
        same(lake.read(spec), frame)


def test_each_write_is_seen_by_every_process_at_once(process, spec: TableSpec) -> None:
    readers = [process(), process()]
    for seed in range(4):
        process().write(spec, frame := orders(300, seed))
        for reader in readers:
            same(reader.scan(spec), frame)
            same(reader.read(spec), frame)


def test_a_new_version_reads_only_the_files_that_it_brings(process, spec: TableSpec) -> None:
    lake = process()
    lake.write(spec, frame := orders())
    lake.scan(spec).collect()
    new = orders(seed=9).filter(pl.col("_month") == "feb")
    lake.write(spec, new, partitions=["feb"])
    expected = pl.concat([frame.filter(pl.col("_month") != "feb"), new])
    facts = done(lake, lambda: same(lake.scan(spec), expected))
    assert (facts.misses, facts.filled, facts.disk_hits) == (1, 1, 2)


@pytest.mark.parametrize("writes", [1, 3])
def test_a_table_dropped_and_made_anew_is_never_served_from_before(process, spec: TableSpec, writes: int) -> None:
    lake, other = process(), process()
    for seed in range(2):
        lake.write(spec, orders(300, seed))
    other.scan(spec).collect()
    drop(lake, spec)
    for read in (other.scan, other.read):
        with pytest.raises(TableNotFound):
            read(spec)
    for seed in range(writes):
        lake.write(spec, new := orders(300, 100 + seed))
    for reader in (lake, other, process()):
        same(reader.scan(spec), new)
        same(reader.read(spec), new)


def test_a_version_asked_for_by_number_is_that_version(process) -> None:
    lake, spec = process(), TableSpec(path="shop/versions/v1")
    for seed in range(2):
        lake.write(spec, orders(30, seed).drop("_month"))
        lake.scan(spec).collect()
    same(lake.scan(spec, version=0), orders(30, 0).drop("_month"))


def test_columns_are_kept_one_by_one_and_joined(process, spec: TableSpec) -> None:
    lake = process()
    lake.write(spec, frame := orders())
    for name in ("value", "id"):
        facts = done(lake, lambda name=name: same(lake.scan(spec, columns=[name]), frame.select(name)))
        assert facts.filled_bytes < frame.height * 10, "one column of eight bytes"
    assert done(lake, lambda: same(lake.scan(spec), frame)).filled_bytes < frame.height * 45, "the text alone"
    lake = process()
    assert done(lake, lambda: same(lake.scan(spec), frame)).disk_hits == 3


def test_counting_rows_reads_none(process, proxy: Counter) -> None:
    lake, spec = process(), TableSpec(path="shop/counted/v1")
    lake.write(spec, orders().drop("_month"))
    lake.scan(spec, columns=["id"]).collect()
    counted = bytes_of(proxy, lambda: lake.scan(spec).select(pl.len()).collect())
    assert lake.scan(spec).select(pl.len()).collect().item() == 3000
    assert counted < 3000


PREDICATES = [
    pl.col("_month") == "feb",
    pl.col("_month").is_in(["jan", "mar"]) & (pl.col("id") < 100),
    (pl.col("_month") == "none"),
    pl.col("id") < 10,
    (pl.col("id") < 10) | (pl.col("_month") == "mar"),
    pl.col("text").str.contains("7") & ~(pl.col("_month") == "jan"),
    pl.col("value").is_null(),
    pl.col("id").map_elements(lambda number: number % 7 == 0, return_dtype=pl.Boolean),
    pl.lit(value=True),
]


@pytest.fixture
def queries() -> list[Callable[[pl.LazyFrame], pl.LazyFrame]]:
    filters = [lambda lazy, each=each: lazy.filter(each) for each in PREDICATES]
    return [
        *filters,
        *(lambda lazy, each=each: lazy.filter(each).select("text") for each in PREDICATES),
        lambda lazy: lazy.select(pl.len()),
        lambda lazy: lazy.filter(pl.col("_month") == "feb").select(pl.len()),
        lambda lazy: lazy.select("_month").unique(),
        lambda lazy: lazy.select(pl.col("id").sum(), pl.col("value").max()),
        lambda lazy: lazy.group_by("_month").agg(pl.col("id").max()),
        lambda lazy: lazy.join(lazy.filter(pl.col("id") < 50).select("id"), on="id"),
        lambda lazy: lazy.sort("id").head(5),
        lambda lazy: lazy.with_row_index("n").select(pl.col("n").max()),
    ]


@pytest.mark.filterwarnings("ignore::polars.exceptions.PolarsInefficientMapWarning")
@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_every_query_says_the_same_cold_half_warm_and_warm(process, spec: TableSpec, queries, engine) -> None:
    process().write(spec, orders(600))
    plain = process(PLATFORM_CACHE="off")
    for query in queries:
        expected = query(plain.scan(spec)).collect(engine=engine)
        for _ in range(3):
            same(query(process().scan(spec)).collect(engine=engine), expected)


def test_the_first_rows_are_the_first_rows(process, spec: TableSpec) -> None:
    process().write(spec, orders(600))
    for _ in range(2):
        assert process().scan(spec).head(7).collect().height == 7
        assert process().scan(spec).filter(pl.col("id") > 300).head(7).collect().height == 7
        process().scan(spec).collect()


def test_an_empty_table_and_an_empty_partition_keep_their_columns(process, spec: TableSpec) -> None:
    lake = process()
    lake.write(spec, orders(600).clear())
    assert lake.scan(spec).collect().schema == orders(1).schema
    lake.write(spec, orders(600))
    assert lake.scan(spec, partitions=["none"]).collect().schema == orders(1).schema


def test_a_column_that_came_later_is_null_in_older_files(process, spec: TableSpec) -> None:
    lake = process()
    lake.write(spec, orders(30))
    lake.scan(spec).collect()
    new = orders(30, 5).filter(pl.col("_month") == "jan").with_columns(extra=pl.lit(1.5))
    lake.write(spec, new, partitions=["jan"])
    for _ in range(2):
        same(process().scan(spec), process(PLATFORM_CACHE="off").scan(spec))


def test_a_filter_on_rows_reads_no_more_than_without_a_cache_and_fills_when_it_comes_again(
    process, proxy: Counter, spec: TableSpec
) -> None:
    process().write(spec, orders(30_000))
    plain, lake = process(PLATFORM_CACHE="off"), process()

    def query(of: Lake) -> Callable[[], object]:
        return of.scan(spec).filter(pl.col("id") < 100).select("text").collect

    without, first = bytes_of(proxy, query(plain)), bytes_of(proxy, query(lake))
    assert first <= without * 1.02
    assert done(lake, query(lake)).filled == 3
    assert bytes_of(proxy, query(lake)) < 5_000


def test_a_first_read_that_fills_the_cache_fetches_nothing_twice(process, proxy: Counter, spec: TableSpec) -> None:
    process().write(spec, orders(30_000))
    plain, lake = process(PLATFORM_CACHE="off"), process()
    without = bytes_of(proxy, lambda: plain.scan(spec).collect())
    assert bytes_of(proxy, lambda: lake.scan(spec).collect()) <= without * 1.02
    assert lake.cache.counters.total.filled == 3


def test_what_goes_past_the_cache_reads_only_the_columns_wanted(process, proxy: Counter, spec: TableSpec) -> None:
    numbers = pl.Series(range(120_000))
    wide = {f"wide{seed}": numbers.hash(seed) for seed in range(6)}
    process().write(spec, pl.DataFrame({"id": numbers, **wide, "_month": ["jan"] * 120_000}))
    plain, lake = process(PLATFORM_CACHE="off"), process()
    for query in (
        lambda of: of.scan(spec).filter(pl.col("id") < 100).select("id"),
        lambda of: of.scan(spec).select("id").head(5),
        lambda of: of.scan(spec).select(pl.len()),
    ):
        without = bytes_of(proxy, lambda query=query: query(plain).collect())
        assert bytes_of(proxy, lambda query=query: query(lake).collect()) <= without * 1.05


def test_a_table_larger_than_half_of_the_cache_is_left_alone(process, spec: TableSpec) -> None:
    lake = process(PLATFORM_CACHE_BYTES="60000")
    lake.write(spec, frame := orders())
    facts = done(lake, lambda: same(lake.scan(spec), frame))
    assert (facts.filled, facts.misses) == (0, 3)


def test_a_full_disk_fails_no_read(process, spec: TableSpec) -> None:
    process().write(spec, frame := orders(30_000))
    with full_disk(50_000):
        lake = process()
        for _ in range(2):
            facts = done(lake, lambda: same(lake.scan(spec), frame))
    assert facts.filled == 0
    assert facts.refused == 3
    assert lake.cache is not None
    assert lake.cache.disk.usage().size_bytes < 50_000
    same(lake.scan(spec), frame)


def test_a_folder_that_cannot_be_made_fails_no_read(process, spec: TableSpec, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    lake = process(PLATFORM_CACHE=str(tmp_path / "file"))
    lake.write(spec, frame := orders(300))
    for _ in range(2):
        same(lake.scan(spec), frame)
        same(lake.scan(spec).filter(pl.col("id") < 7), frame.filter(pl.col("id") < 7))


@pytest.mark.parametrize("damage", [lambda old: old[: len(old) // 2], lambda _: b"", lambda old: b"\0" * len(old)])
def test_damaged_files_are_read_anew(process, spec: TableSpec, tmp_path: Path, damage) -> None:
    process().write(spec, frame := orders(300))
    process().scan(spec).collect()
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            path.write_bytes(damage(path.read_bytes()))
    for _ in range(2):
        same(process().scan(spec), frame)


def test_a_folder_that_is_deleted_while_a_process_uses_it_is_made_again(process, spec, tmp_path: Path) -> None:
    lake = process(PLATFORM_CACHE_MEMORY_BYTES="0")
    lake.write(spec, frame := orders(300))
    same(lake.scan(spec), frame)
    shutil.rmtree(tmp_path / "cache")
    same(lake.scan(spec), frame)
    assert done(lake, lambda: same(lake.scan(spec), frame)).disk_hits == 3


def test_a_lake_on_disk_and_one_whose_cache_is_off_have_none(process, tmp_path: Path) -> None:
    assert process(PLATFORM_CACHE="off").cache is None
    assert process(PLATFORM_LAKE=str(tmp_path)).cache is None


def test_what_the_cache_did_for_a_step_is_on_its_output(environment: dict[str, str]) -> None:
    @dg.asset
    def upstream() -> pl.DataFrame:
        return orders(30).drop("_month")

    @dg.asset
    def downstream(upstream: pl.LazyFrame) -> pl.DataFrame:
        return upstream.collect()

    def run() -> dict[str, object]:
        manager = LakeIOManager(Settings.from_environment(environment))
        result = dg.materialize([upstream, downstream], selection=chosen, resources={"io_manager": manager})
        (event,) = result.asset_materializations_for_node("downstream")
        return {name: value.value for name, value in event.metadata.items() if name.startswith("cache_")}

    chosen = "*"
    assert run()["cache_misses"] == 1
    chosen = "key:downstream"
    assert run() == {
        "cache_hit_rate": 1.0,
        "cache_memory_hits": 0,
        "cache_memory_bytes": 0,
        "cache_memory_evictions": 0,
        "cache_disk_hits": 1,
        "cache_disk_bytes": 960,
        "cache_disk_evictions": 0,
        "cache_misses": 0,
        "cache_filled_bytes": 0,
    }


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["write", "overwrite", "read", "forget"]), st.integers(0, 2)), max_size=8)
)
def test_whatever_is_written_and_read_in_turn_readers_see_the_last_write(process, steps, tmp_path: Path) -> None:
    spec = TableSpec(path=f"shop/{uuid.uuid4().hex}/v1", partition_column="_month")
    lakes, expected = [process(), process(), process()], orders(9)
    lakes[0].write(spec, expected)
    for number, (step, who) in enumerate(steps):
        new = orders(9, number)
        if step == "write":
            month = MONTHS[who]
            new = new.filter(pl.col("_month") == month)
            lakes[who].write(spec, new, partitions=[month])
            expected = pl.concat([expected.filter(pl.col("_month") != month), new])
        elif step == "overwrite":
            lakes[who].write(spec, expected := new)
        elif step == "forget":
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        same(lakes[who].scan(spec), expected)


def test_the_plan_names_the_table_and_what_it_is_filtered_by(process, spec: TableSpec) -> None:
    lake = process()
    lake.write(spec, orders(30))
    query = lake.scan(spec).filter(pl.col("id") < 7).select("text")
    assert filters_of(query, {"orders": lake.location(spec)}) == {"orders": ["id"]}


def _another_engine(lake: Lake, spec: TableSpec) -> Table:
    return open_catalogue(lake.settings).load_table(identifier(lake.settings, spec))


def test_an_iceberg_column_made_anew_under_its_name_has_nothing_of_the_old_one(process) -> None:
    lake, spec = process(), TableSpec(path="shop/renewed/v1", format="iceberg", partition_column="_month")
    lake.write(spec, frame := orders(300))
    same(lake.scan(spec), frame)
    with _another_engine(lake, spec).update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("id")
        update.rename_column("text", "words")
    same(lake.scan(spec), changed := frame.drop("id").rename({"text": "words"}))
    with _another_engine(lake, spec).update_schema() as update:
        update.add_column("id", LongType())
        update.add_column("text", StringType())
    expected = changed.with_columns(id=pl.lit(None, dtype=pl.Int64), text=pl.lit(None, dtype=pl.String))
    for reader in (lake, process(), process(PLATFORM_CACHE="off")):
        for _ in range(2):
            same(reader.scan(spec).select(expected.columns), expected)
            same(reader.scan(spec).filter(pl.col("id") < 7).select(expected.columns), expected.clear())


def test_rows_that_another_engine_deletes_from_an_iceberg_table_are_gone_at_once(process) -> None:
    lake, spec = process(), TableSpec(path="shop/deleted/v1", format="iceberg", partition_column="_month")
    lake.write(spec, frame := orders(300))
    lake.scan(spec).collect()
    _another_engine(lake, spec).delete("id < 100")
    lake.delete(spec, "id", [200])
    for reader in (lake, process()):
        same(reader.scan(spec), frame.filter(pl.col("id") >= 100, pl.col("id") != 200))


def test_only_the_partitions_and_columns_of_an_iceberg_table_that_are_asked_for_are_fetched(
    process, proxy: Counter
) -> None:
    lake, spec = process(), TableSpec(path="shop/pruned/v1", format="iceberg", partition_column="_month")
    lake.write(spec, frame := orders(60_000))

    def pruned(of: Lake) -> pl.DataFrame:
        return of.scan(spec, partitions=["feb"], columns=["value"]).collect()

    without = bytes_of(proxy, lambda: pruned(process(PLATFORM_CACHE="off")))
    assert bytes_of(proxy, lambda: pruned(lake)) <= without * 1.02
    same(pruned(lake), frame.filter(pl.col("_month") == "feb").select("value"))
    assert bytes_of(proxy, lambda: pruned(lake)) < 2_000, "one question to S3"
