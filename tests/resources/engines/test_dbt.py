"""dbt in this process: what it reads, what it keeps, and that it leaves the process as it was."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_resources.engines.dbt import DbtError, DbtProject, StagedProject
from platform_resources.engines.duckdb import DuckDBFile
from platform_resources.storage import Lake, TableSpec

SHIPS = TableSpec(path="sea/ships/v1", partition_column="_partition")
ROWS = pl.DataFrame(
    {
        "name": ["Argo", "Beagle", "Calypso"],
        "tons": [1.5, None, 3.0],
        "seen": pl.Series(["2013-01-31T23:30:00Z"] * 3).str.to_datetime(time_zone="UTC"),
        "_partition": ["2013-01", "2013-01", "2013-02"],
    }
)
MODEL = "select name, tons, seen, _partition from {{ source('sea', 'ships') }} where _partition = '2013-01'"
RELATION = "sea.january"


@pytest.fixture
def project(tmp_path: Path, lake: Lake) -> DbtProject:
    """A project of one model over a table of the lake."""
    folder = tmp_path / "dbt"
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(
        "{name: platform, profile: platform, flags: {send_anonymous_usage_stats: false},"
        " models: {platform: {+materialized: table, +schema: sea}}}"
    )
    (folder / "macros").mkdir()
    (folder / "macros" / "schema.sql").write_text(
        "{% macro generate_schema_name(name, node) %}{{ name }}{% endmacro %}"
    )
    (folder / "models" / "january.sql").write_text(MODEL)
    return DbtProject(folder, lake.settings, sources(SHIPS))


def sources(spec: TableSpec) -> dict[str, Any]:
    table = {"path": spec.path, "format": spec.format, "partition_column": spec.partition_column}
    ships = {"name": "ships", "identifier": "sea__ships", "config": {"meta": {"table": table}}}
    source = {"name": "sea", "database": "lake", "schema": "main", "tables": [ships]}
    return {"version": 2, "sources": [{**source, "config": {"meta": {"plugin": "lake", "save_mode": "ignore"}}}]}


def january(staged: StagedProject) -> pl.DataFrame:
    return pl.DataFrame(DuckDBFile(staged.database).read(RELATION)).sort("name")


@pytest.fixture
def staged(project: DbtProject) -> StagedProject:
    return project.stage()


@pytest.mark.parametrize("spec", [SHIPS, replace(SHIPS, format="parquet")], ids=lambda spec: spec.format)
def test_a_model_reads_the_lake_wherever_and_however_it_is_stored(
    project: DbtProject, lake: Lake, spec: TableSpec
) -> None:
    lake.write(spec, ROWS)
    staged = replace(project, sources=sources(spec)).stage()
    staged.invoke(["build"]).or_raise()
    assert january(staged).equals(ROWS.filter(pl.col("_partition") == "2013-01"))


def test_a_branch_has_a_file_of_its_own_in_which_models_have_the_names_of_the_environment(project: DbtProject) -> None:
    """A run whose tag names a branch has its models from the environment's manifest."""
    branch = replace(project, settings=replace(project.settings, branch="longer"))
    assert branch.database != project.database
    assert branch.database.stem == project.database.stem


class TestOnDisk:
    @pytest.fixture
    def place(self) -> str:
        return "disk"

    @pytest.fixture(autouse=True)
    def rows(self, lake: Lake) -> None:
        lake.write(SHIPS, ROWS)

    def test_an_unchanged_project_is_parsed_once(self, project: DbtProject) -> None:
        made = project.stage().manifest_path.stat().st_mtime_ns
        assert project.stage().manifest_path.stat().st_mtime_ns == made

    def test_a_changed_model_or_source_makes_a_new_copy_and_leaves_the_old_one(self, project: DbtProject) -> None:
        first = project.stage()
        (project.folder / "models" / "january.sql").write_text(MODEL + " and tons > 2")
        second, third = project.stage(), replace(project, sources=sources(replace(SHIPS, path="sea/ships/v2"))).stage()
        assert len({first.folder, second.folder, third.folder}) == 3
        assert first.manifest_path.exists()

    def test_a_copy_that_was_cut_short_is_made_again(self, project: DbtProject) -> None:
        staged = project.stage()
        staged.manifest_path.unlink()
        (staged.folder / "models" / "january.sql").write_text("half a mod")
        assert project.stage().manifest()["nodes"]["model.platform.january"]["raw_code"] == MODEL

    def test_loads_that_race_make_one_copy(self, project: DbtProject) -> None:
        made: list[str] = []
        finish = lambda folder, _: made.append(str(folder))  # noqa: E731 - one line says it
        threads = [threading.Thread(target=project.stage, args=(finish,)) for _ in range(3)]
        _run(threads)
        assert made == [str(project.stage().folder)]

    def test_a_project_that_dbt_cannot_parse_is_refused_by_file_name(self, project: DbtProject) -> None:
        (project.folder / "models" / "january.sql").write_text("select * from {{ ref('nothing') }}")
        with pytest.raises(DbtError, match=r"january.*'nothing' which was not found"):
            project.stage()

    def test_a_source_that_was_never_written_is_named_with_the_fix(self, project: DbtProject) -> None:
        staged = replace(project, sources=sources(replace(SHIPS, path="sea/boats/v1"))).stage()
        with pytest.raises(DbtError, match=r"sea/boats/v1: there is no table .*materialise the asset"):
            staged.invoke(["build"]).or_raise()

    def test_the_process_is_left_as_it_was(self, staged: StagedProject) -> None:
        before = (Path.cwd(), dict(os.environ))
        staged.invoke(["build"]).or_raise()
        assert (Path.cwd(), dict(os.environ)) == before

    def test_nothing_that_points_at_arrow_outlives_the_run(self, staged: StagedProject) -> None:
        staged.invoke(["build"]).or_raise()
        views = DuckDBFile(staged.database).read("duckdb_views() where not internal")
        assert views.num_rows == 0

    def test_duckdb_downloads_no_extension(self, project: DbtProject) -> None:
        (project.folder / "models" / "january.sql").write_text("select * from 's3://lake/file.parquet'")
        staged = project.stage()
        with pytest.raises(DbtError, match="httpfs"):
            staged.invoke(["build"]).or_raise()

    def test_all_nodes_of_a_run_see_one_snapshot(self, project: DbtProject, lake: Lake) -> None:
        (project.folder / "models" / "later.sql").write_text(
            "-- depends_on: {{ ref('january') }}\nselect count(*) as rows from {{ source('sea', 'ships') }}"
        )
        staged = project.stage()
        more = ROWS.with_columns(pl.col("name") + " II")
        grow = _once(lambda: lake.write(replace(SHIPS, mode="append"), more))
        staged.invoke(["build"], listener=lambda event: grow() if event["info"]["name"] == "LogModelResult" else None)
        assert DuckDBFile(staged.database).read("sea.later").to_pydict() == {"rows": [3]}
        assert lake.scan(SHIPS).collect().height == 6

    def test_writers_of_one_file_wait_for_one_another(self, staged: StagedProject) -> None:
        order: list[str] = []
        held = threading.Event()

        def second() -> None:
            held.wait()
            with staged.sole_writer():
                order.append("second")

        thread = threading.Thread(target=second)
        thread.start()
        with staged.sole_writer():
            held.set()
            staged.invoke(["build"]).or_raise()
            order.append("first")
        thread.join()
        assert order == ["first", "second"]

    def test_old_copies_are_cleared_away_and_say_so(self, project: DbtProject) -> None:
        copies = [replace(project, stamp=str(number)).stage() for number in range(7)]
        with pytest.raises(DbtError, match="reload the definitions"):
            copies[0].manifest()
        assert copies[-1].manifest()


class TestOnS3:
    @pytest.fixture
    def place(self) -> str:
        return "s3"

    def test_no_secret_is_written_to_disk(self, staged: StagedProject) -> None:
        texts = [path.read_text(errors="ignore") for path in staged.folder.rglob("*") if path.is_file()]
        assert not any("testing-secret" in text for text in texts)

    def test_credentials_given_by_the_settings_alone_are_enough(
        self, staged: StagedProject, lake: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
        lake.write(SHIPS, ROWS)
        staged.invoke(["build"]).or_raise()
        assert "AWS_SECRET_ACCESS_KEY" not in os.environ


def _run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _once(work: Any) -> Any:
    """The work as a function that does it at its first call only."""
    steps: Iterator[object] = iter([work])
    return lambda: [step() for step in [next(steps, None)] if callable(step)]
