"""dbt models as assets on the real flights: right numbers, checks, increments, and no bad table in the lake."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from platform_assets.discovery import discover
from platform_assets.factory.dbt.assets import build_dbt_assets
from platform_assets.ingest import table_spec
from platform_core.contracts import DataFrameModel, Dataset, Delta, catalog_of
from platform_core.errors import ContractError
from platform_resources.engines.dbt import DbtError
from platform_resources.engines.duckdb import DuckDBFile
from platform_resources.settings import Settings
from platform_resources.storage import Lake
from tests.assets import flights_world as world

MARTS = ("delay_by_carrier", "delay_by_route", "delay_by_hour", "delay_by_weather")
ROUNDED = {"abs_tol": 0.00501, "rel_tol": 0}


pytestmark = pytest.mark.xdist_group("dbt")  # one worker builds the worlds that all of them read


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, dg.ExecuteInProcessResult]]:
    """A lake with all flights, and the run that built every model."""
    lake = world.fill(tmp_path_factory.mktemp("world"))
    here = Path.cwd()
    yield lake, world.run(lake)
    assert Path.cwd() == here


@pytest.fixture
def lake(built: tuple[Lake, dg.ExecuteInProcessResult], tmp_path: Path) -> Lake:
    """A copy of that world to change."""
    settings = built[0].settings
    shutil.copytree(settings.state, tmp_path / "state")
    return Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path / "state")}))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the dbt project to change."""
    return Path(shutil.copytree(world.DBT, tmp_path / "dbt"))


def counts(lake: Lake, relation: str = "flights.stg_flights") -> int:
    return DuckDBFile(Path(lake.settings.state) / "dbt" / "development.duckdb").count(relation)


def model(name: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(dg.AssetKey(["flights", name]))


@pytest.fixture(scope="module")
def departures() -> pl.DataFrame:
    return world.departures(world.files()["flights"])


class TestNumbers:
    @pytest.mark.parametrize(
        ("name", "by"),
        [
            ("delay_by_carrier", ("carrier", "airline")),
            ("delay_by_route", ("origin", "dest", "destination", "distance")),
            ("delay_by_hour", ("local_hour",)),
        ],
    )
    def test_a_mart_says_what_polars_reckons_from_the_files(
        self, built: tuple[Lake, object], departures: pl.DataFrame, name: str, by: tuple[str, ...]
    ) -> None:
        expected = world.delays(departures, *by)
        assert_frame_equal(world.mart(built[0], name).sort(by), expected, check_column_order=False, **ROUNDED)

    @pytest.mark.parametrize("factor", ["wind", "precipitation", "visibility"])
    def test_delay_by_weather_says_it_too(
        self, built: tuple[Lake, object], departures: pl.DataFrame, factor: str
    ) -> None:
        found = world.mart(built[0], "delay_by_weather").filter(pl.col("factor") == factor).drop("factor")
        expected = world.delays(departures.rename({factor: "condition"}), "condition", weather=False)
        assert_frame_equal(found.sort("condition"), expected, **ROUNDED)

    def test_midnight_written_as_2400_is_minute_zero(self, built: tuple[Lake, object]) -> None:
        written = world.files()["flights"].filter(pl.col("dep_time") == 2400).height
        assert counts(built[0], "flights.stg_flights where dep_minute = 0") == written == 29

    def test_days_are_local_though_months_are_stored_in_utc(self, built: tuple[Lake, object]) -> None:
        elsewhere = "flights.stg_flights where strftime(local_date, '%Y-%m') <> _partition"
        assert counts(built[0], elsewhere) == 1218


class TestGraph:
    def test_tests_are_checks_and_all_of_them_pass(self, built: tuple[Lake, dg.ExecuteInProcessResult]) -> None:
        evaluations = built[1].get_asset_check_evaluations()
        declared = {spec.key for spec in world.dbt(built[0]).check_specs}
        assert {each.asset_check_key for each in evaluations} == declared
        failed = {each.check_name: each.severity.value for each in evaluations if not each.passed}
        assert failed == {"source_flights_weather": "WARN"}

    def test_tests_generated_for_a_source_are_one_check_of_the_model_that_reads_it(
        self, built: tuple[Lake, dg.ExecuteInProcessResult]
    ) -> None:
        found = {each.check_name: each for each in built[1].get_asset_check_evaluations()}["source_flights_flights"]
        assert found.asset_key == dg.AssetKey(["flights", "stg_flights"])
        assert found.description == "47 of 47 tests of flights/flights pass"

    def test_a_model_is_an_asset_like_any_other(self, built: tuple[Lake, object]) -> None:
        spec = world.dbt(built[0]).get_asset_spec(dg.AssetKey(["flights", "delay_by_carrier"]))
        assert (spec.group_name, list(spec.owners), spec.kinds) == (
            "flights",
            ["team:aviation"],
            {"dbt", "duckdb", "delta"},
        )
        assert {dep.asset_key.to_user_string() for dep in spec.deps} == {"flights/departures", "flights/stg_airlines"}
        schema = spec.metadata["dagster/column_schema"]
        assert (schema.columns[0].name, schema.columns[0].type) == ("carrier", "VARCHAR")

    def test_staging_depends_on_the_dataset_it_reads(self, built: tuple[Lake, object]) -> None:
        deps = world.dbt(built[0]).get_asset_spec(dg.AssetKey(["flights", "stg_weather"])).deps
        assert [dep.asset_key for dep in deps] == [dg.AssetKey(["flights", "weather"])]

    def test_every_model_tells_its_rows_and_a_mart_shows_some(
        self, built: tuple[Lake, dg.ExecuteInProcessResult]
    ) -> None:
        told = {
            each.asset_key.path[-1]: each.materialization.metadata
            for each in built[1].get_asset_materialization_events()
        }
        assert told["stg_flights"]["dagster/row_count"].value == 336_776
        assert told["delay_by_carrier"]["dagster/row_count"].value == 16
        assert "Endeavor Air Inc." in str(told["delay_by_carrier"]["preview"].value)


class TestIncrements:
    def test_a_second_run_builds_no_partition_and_writes_no_table(self, lake: Lake) -> None:
        result = world.rerun(lake)
        told = {
            each.asset_key.path[-1]: each.materialization.metadata for each in result.get_asset_materialization_events()
        }
        assert [told[name]["table_changed"].value for name in MARTS] == [False] * 4
        assert "where false" in staged_sql(lake, "stg_flights")

    def test_a_revised_month_alone_is_built_again(self, lake: Lake) -> None:
        march = (
            lake.scan(world.spec("flights"), partitions=["2013-03"])
            .collect()
            .drop("_partition", "_source", "_ingest_id", "_row_hash", "_ingested_at")
        )
        revised = march.with_columns(pl.col("dep_delay") + 60).head(-100)
        lake.write(
            replace(world.spec("flights"), mode="overwrite", replaces=None),
            world.ingested("flights", revised, world.FIRST + timedelta(days=1)),
            partitions=["2013-03"],
        )
        assert world.rerun(lake).success
        assert "_partition in ('2013-03')" in staged_sql(lake, "stg_flights")
        others = world.files()["flights"].join(march, on=world.spec("flights").key, how="anti")
        expected = world.delays(world.departures(pl.concat([others, revised])), "local_hour")
        assert_frame_equal(world.mart(lake, "delay_by_hour"), expected, **ROUNDED)

    def test_rows_that_arrive_late_but_were_ingested_early_are_seen(self, lake: Lake) -> None:
        late = world.files()["flights"].head(3).with_columns(flight=pl.col("flight") + 9000)
        early = world.FIRST - timedelta(days=7)
        lake.write(world.spec("flights"), world.ingested("flights", late, early).with_columns(_source=pl.lit("late")))
        assert world.rerun(lake).success
        assert counts(lake) == 336_779

    def test_a_month_that_is_gone_from_the_source_is_gone_from_staging(self, lake: Lake) -> None:
        empty = lake.scan(world.spec("flights")).collect().clear()
        lake.write(replace(world.spec("flights"), mode="overwrite", replaces=None), empty, partitions=["2013-07"])
        assert world.rerun(lake).success
        assert counts(lake, "flights.stg_flights where _partition = '2013-07'") == 0

    def test_a_key_that_was_ingested_twice_counts_once_and_the_later_row_stays(self, lake: Lake) -> None:
        again = world.files()["flights"].head(5).with_columns(dep_delay=pl.lit(999.0))
        rows = world.ingested("flights", again, world.FIRST + timedelta(days=1))
        lake.write(replace(world.spec("flights"), mode="append", replaces=None), rows)
        assert world.run(lake, select=model("stg_flights").without_checks()).success
        assert counts(lake) == 336_776
        assert counts(lake, "flights.stg_flights where dep_delay = 999") == 5

    def test_a_changed_model_builds_all_its_partitions_again(self, lake: Lake, project: Path) -> None:
        sql = project / "models" / "flights" / "staging" / "stg_flights.sql"
        sql.write_text(sql.read_text().replace("dep_delay >= 15 as", "dep_delay >= 60 as"))
        assert world.rerun(lake, project).success
        late = world.files()["flights"].filter(pl.col("dep_delay") >= 60).height
        assert counts(lake, "flights.stg_flights where is_late") == late

    def test_one_mart_of_a_new_duckdb_file_brings_what_it_needs(self, lake: Lake) -> None:
        shutil.rmtree(Path(lake.settings.state) / "dbt")
        result = world.run(lake, select=model("delay_by_hour"))
        assert [event.asset_key.path[-1] for event in result.get_asset_materialization_events()] == ["delay_by_hour"]
        assert {each.asset_key.path[-1] for each in result.get_asset_check_evaluations()} == {"delay_by_hour"}


class TestFailure:
    def test_a_mart_that_fails_a_test_is_not_written_and_the_others_are(self, lake: Lake, project: Path) -> None:
        _edit(project, "macros/delays.sql", "round(avg(dep_delay), 2)", "round(avg(dep_delay), 1)")
        (project / "tests" / "never.sql").write_text("select * from {{ ref('delay_by_carrier') }}")
        before = {name: world.mart(lake, name) for name in MARTS}
        result = world.run(lake, project)
        changed = [name for name in MARTS if not world.mart(lake, name).equals(before[name])]
        assert not result.success
        assert changed == ["delay_by_route", "delay_by_hour", "delay_by_weather"]
        assert {each.check_name for each in result.get_asset_check_evaluations() if not each.passed} >= {"never"}

    def test_a_mart_that_breaks_its_contract_is_not_written_nor_is_what_reads_it(
        self, lake: Lake, project: Path
    ) -> None:
        _edit(project, "models/flights/marts/delay_by_weather.sql", "    factor,", "    'sun' as factor,")
        below = project / "models" / "flights" / "marts" / "worst_weather.sql"
        below.write_text("select * from {{ ref('delay_by_weather') }} limit 1")
        before = world.mart(lake, "delay_by_weather")
        result = world.run(lake, project)
        red = {each.check_name for each in result.get_asset_check_evaluations() if not each.passed}
        assert red >= {"factor_isin", "key_unique"}
        assert world.mart(lake, "delay_by_weather").equals(before)
        made = {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}
        assert not made & {"delay_by_weather", "worst_weather"}
        failure = result.failure_data_for_node("dbt")
        assert failure is not None
        assert "not written, for flights/delay_by_weather is refused" in str(failure.user_failure_data)
        assert counts(lake, "flights.delay_by_weather where factor = 'sun'") == 0, "DuckDB has the last good rows again"
        assert world.run(lake, project, select=model("worst_weather")).success  # its history knows of nothing red
        assert counts(lake, "flights.worst_weather where factor <> 'sun'") == 1
        shutil.rmtree(lake.location(table_spec(world.catalog()["flights/delay_by_weather"])))
        alone = world.run(lake, project, select=model("worst_weather")).failure_data_for_node("dbt")
        assert "it reads flights/delay_by_weather, which was never written" in str(alone.user_failure_data)  # type: ignore[union-attr]

    def test_a_source_that_breaks_its_contract_stops_what_reads_it(self, lake: Lake) -> None:
        rows = world.ingested("airlines", world.files()["airlines"].head(1))
        lake.write(replace(world.spec("airlines"), mode="append", replaces=None), rows)
        before = world.mart(lake, "delay_by_carrier")
        result = world.run(lake)
        failed = {each.check_name for each in result.get_asset_check_evaluations() if not each.passed}
        assert "source_flights_airlines" in failed
        assert not result.success
        assert world.mart(lake, "delay_by_carrier").equals(before)

    def test_a_model_that_cannot_be_built_is_named_with_the_reason(self, lake: Lake, project: Path) -> None:
        _edit(project, "models/flights/marts/delay_by_hour.sql", "local_hour,", "nonsense,")
        failure = world.run(lake, project).failure_data_for_node("dbt")
        assert failure is not None
        assert failure.user_failure_data is not None
        assert "delay_by_hour" in str(failure.user_failure_data.description)
        assert "nonsense" in str(failure.user_failure_data.description)


class TestDeclaration:
    def test_without_a_project_there_are_no_assets_and_a_dataset_that_needs_one_is_refused(
        self, lake: Lake, tmp_path: Path
    ) -> None:
        assert build_dbt_assets(lake.settings, discover("tests.gated"), project=tmp_path) == []
        for project, where in ((tmp_path, "there is no .*dbt_project.yml"), (None, "no dbt project is given")):
            with pytest.raises(ContractError, match=rf"flights/delay_by_weather: source DbtModel\(\): .*{where}"):
                build_dbt_assets(lake.settings, world.catalog(), project=project)

    def test_loading_definitions_again_imports_neither_dbt_nor_duckdb(self, lake: Lake) -> None:
        world.dbt(lake)
        script = (
            "import sys; from tests.assets import flights_world as w; from platform_resources.storage import Lake;"
            "from platform_resources.settings import Settings;"
            f"w.dbt(Lake(Settings.from_environment({{'PLATFORM_STATE': {lake.settings.state!r}}})));"
            "print([name for name in ('dbt', 'dagster_dbt', 'duckdb', 'deltalake') if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_a_declared_mart_without_a_model_is_refused(self, lake: Lake, project: Path) -> None:
        (project / "models/flights/marts/delay_by_weather.sql").unlink()
        for test in ("every_departure_is_counted_once", "marts_agree_with_departures"):  # they read the mart
            (project / f"tests/{test}.sql").unlink()
        with pytest.raises(ContractError, match=r"flights/delay_by_weather: source DbtModel\(\): stands for nothing"):
            build_dbt_assets(lake.settings, world.catalog(), project=project)

    def test_a_model_with_the_name_of_a_dataset_is_refused(self, lake: Lake) -> None:
        class Rows(DataFrameModel):
            carrier: str

        named = Dataset("flights/delay_by_hour", Rows, owner="team:a", version="1.0.0", store=Delta())
        doubled = catalog_of(world.catalog().datasets.values(), world.catalog().transforms.values())
        doubled = replace(doubled, datasets={**doubled.datasets, named.name: named})
        with pytest.raises(ContractError, match="flights/delay_by_hour: name: is a dataset and a dbt model"):
            build_dbt_assets(lake.settings, doubled, project=world.DBT)

    def test_a_test_that_no_check_would_run_is_refused(self, lake: Lake, project: Path) -> None:
        (project / "tests" / "stray.sql").write_text(
            "select 1 from {{ ref('delay_by_hour') }}, {{ ref('delay_by_route') }} where false"
        )
        with pytest.raises(DbtError, match=r"test stray .* name the one it judges"):
            world.dbt(lake, project)


def staged_sql(lake: Lake, name: str) -> str:
    """The query that dbt compiled last for a model; a unit test's rows for it lie in a folder named after its file."""
    home = Path(lake.settings.state) / "dbt" / "development"
    queries = [path for path in home.glob(f"*/target/compiled/**/{name}.sql") if path.parent.suffix != ".yml"]
    found = sorted(queries, key=lambda path: path.stat().st_mtime)
    return found[-1].read_text()


def _edit(project: Path, path: str, old: str, new: str) -> None:
    text = (project / path).read_text()
    assert old in text
    (project / path).write_text(text.replace(old, new))


def test_dbt_parse_names_no_deprecation(built: tuple[Lake, dg.ExecuteInProcessResult]) -> None:
    copies = Path(built[0].settings.state) / "dbt" / "development"
    project = str(max(copies.glob("*/target"), key=lambda path: path.stat().st_mtime).parent)
    command = [str(Path(sys.executable).with_name("dbt")), "parse", "--show-all-deprecations", "--no-partial-parse"]
    places = ["--project-dir", project, "--profiles-dir", project, "--target-path", f"{project}/parsed"]
    told = subprocess.run([*command, *places], capture_output=True, text=True, check=True).stdout
    assert "eprecat" not in told
