"""The Iceberg catalogue in PostgreSQL: the same behaviour, several writers, and a database that is away."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy import create_engine, make_url, text

from platform_resources.errors import TableForbidden, TableUnavailable
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from tests.resources.storage import test_formats, test_operations
from tests.resources.storage.test_writers import ALL, kills, race
from tests.resources.storage.writers import COMMITS, TABLES, generation, killed
from tests.servers import no_postgres, postgres_server

pytestmark = pytest.mark.skipif(bool(no_postgres()), reason=no_postgres())
ICEBERG = [name for name, spec in TABLES.items() if spec.format == "iceberg"]
APPENDED = TableSpec(path="shop/sales/v1", format="iceberg", mode="append")
ROWS = pl.DataFrame({"id": [1, 2]})
PASSWORD = "hush-right"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


def ask(url: str, *statements: str) -> Any:
    """What the last statement says, each by itself."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = [connection.execute(text(each)) for each in statements][-1]
        answer = found.scalar() if found.returns_rows else None
    engine.dispose()
    return answer


@pytest.fixture
def database(server: str) -> str:
    """The address of an empty database."""
    name = f"lake_{uuid.uuid4().hex}"
    ask(server, f"create database {name}")
    return at(server, database=name)


def at(url: str, **other: Any) -> str:
    return make_url(url).set(**other).render_as_string(hide_password=False)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """The disk; S3 too where a test asks for it."""
    return str(getattr(request, "param", "disk"))


@pytest.fixture
def environment(environment: dict[str, str], database: str) -> dict[str, str]:
    return environment | {"PLATFORM_ICEBERG_CATALOG": database}


@pytest.fixture
def whole() -> TableSpec:
    return TableSpec(path="shop/orders/v1", format="iceberg")


@pytest.fixture
def monthly(whole: TableSpec) -> TableSpec:
    return TableSpec(path=whole.path, format="iceberg", partition_column="_month")


@pytest.fixture
def appended(whole: TableSpec) -> TableSpec:
    return TableSpec(path=whole.path, format="iceberg", mode="append", partition_column="_month")


@pytest.fixture
def spec() -> TableSpec:
    return TableSpec(path="shop/orders/v1", format="iceberg", mode="append", partition_column="_month")


globals().update({
    name: behaviour
    for suite in (test_formats, test_operations)
    for name, behaviour in vars(suite).items()
    if name.startswith("test_")
})  # fmt: skip


@pytest.mark.parametrize("table", ICEBERG)
def test_two_writers_at_once_lose_nothing(lake: Lake, environment: dict[str, str], tmp_path: Path, table: str) -> None:
    race(environment, tmp_path / "gate", "race", table)
    last = [who * 100 + COMMITS - 1 for who in (1, 2)]
    every = [who * 100 + number for who in (1, 2) for number in range(COMMITS)]
    assert sorted(lake.scan(TABLES[table]).collect()["id"]) == (last if "monthly" in table else every)


@pytest.mark.parametrize("table", ICEBERG)
def test_one_file_written_by_two_writers_at_once_is_there_once(
    lake: Lake, environment: dict[str, str], tmp_path: Path, table: str
) -> None:
    race(environment, tmp_path / "gate", "same", table)
    assert lake.scan(TABLES[table]).collect().height == 10


@pytest.mark.parametrize("mode", ["overwrite", "merge", "append"])
def test_a_killed_writer_leaves_what_it_had_committed(lake: Lake, environment: dict[str, str], mode: str) -> None:
    spec, last = killed("iceberg", *([mode] if mode != "overwrite" else [])), 0
    for told, found in kills(lake, environment, spec, times=3):
        last = max(last, told)
        if mode == "append":
            assert set(found.values()) == {ALL}
            assert sorted(found) in (list(range(1, last + 1)), list(range(1, last + 2)))
            last = len(found)
        else:
            assert found in ({told: ALL}, {told + 1: ALL})
    if mode != "append":
        lake.write(spec, generation(99))
        assert dict(lake.scan(spec).collect()["number"].value_counts().iter_rows()) == {99: ALL}


@pytest.fixture
def guarded(database: str) -> str:
    """The address of a user of the database who has a password."""
    user = f"ada_{uuid.uuid4().hex[:8]}"
    rules = Path(ask(database, "show hba_file"))
    rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
    ask(database, f"create role {user} login password '{PASSWORD}'", f"grant all on schema public to {user}",
        "select pg_reload_conf()")  # fmt: skip
    return at(database, username=user, password=PASSWORD)


def test_a_wrong_password_is_told_without_it(environment: dict[str, str], guarded: str) -> None:
    right = Lake(Settings.from_environment(environment | {"PLATFORM_ICEBERG_CATALOG": guarded}))
    right.write(APPENDED, ROWS)
    wrong = at(guarded, password="hush-wrong")
    lake = Lake(Settings.from_environment(environment | {"PLATFORM_ICEBERG_CATALOG": wrong}))
    for action in (lambda: lake.scan(APPENDED), lambda: lake.write(APPENDED, ROWS), lake.operations(APPENDED).history):
        with pytest.raises(TableForbidden, match=r"does not let us in: password authentication failed.*Fix: ") as told:
            action()
        assert "hush" not in str(told.value)
    assert right.scan(APPENDED).collect().equals(ROWS)


def test_a_database_that_is_not_there_is_named(environment: dict[str, str], database: str) -> None:
    lake = Lake(Settings.from_environment(environment | {"PLATFORM_ICEBERG_CATALOG": at(database, database="none")}))
    with pytest.raises(TableForbidden, match=r'/none is not there: database "none" does not exist\. Fix: create it'):
        lake.write(APPENDED, ROWS)
    assert not Path(lake.location(APPENDED)).exists()


def test_a_server_that_is_away_is_worth_another_try(environment: dict[str, str]) -> None:
    away = {"PLATFORM_ICEBERG_CATALOG": "postgresql+psycopg2://ada:hush@127.0.0.1:1/lake"}
    with pytest.raises(TableUnavailable, match=r"127\.0\.0\.1:1/lake cannot be used: .*Fix: start it") as told:
        Lake(Settings.from_environment(environment | away)).version(APPENDED)
    assert told.value.transient
    assert "hush" not in str(told.value)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_append_whose_connection_was_lost_is_there_once_when_it_is_written_again(
    lake: Lake, database: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database itself ends all connections, before the commit or before its answer is read."""
    lake.write(APPENDED, ROWS, transaction="first")
    commit = SqlCatalog.commit_table

    def cut(catalogue: SqlCatalog, *given: Any) -> Any:
        done = commit(catalogue, *given) if when == "after" else None
        ask(at(database, database="postgres"), "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where pid <> pg_backend_pid() and backend_type = 'client backend'")  # fmt: skip
        if done is not None:
            with catalogue.engine.connect() as connection:
                connection.execute(text("select 1"))
        return commit(catalogue, *given)

    with monkeypatch.context() as patch:
        patch.setattr(SqlCatalog, "commit_table", cut)
        with pytest.raises(TableUnavailable, match=r"cannot be used: .*known by writing it again"):
            lake.write(APPENDED, ROWS, transaction="second")
    assert lake.scan(APPENDED).collect().height == (4 if when == "after" else 2)
    lake.write(APPENDED, ROWS, transaction="second")
    assert lake.scan(APPENDED).collect().height == 4
