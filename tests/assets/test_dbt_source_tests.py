"""The tests generated from a contract, run by dbt: green on good rows, and each red when its own rule is broken."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.dbt_outline import dbt_project
from platform_assets.ingest import table_spec
from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Field,
    Generated,
    Parquet,
    catalog_of,
    complete,
    expression,
    references,
    rules_of,
    unique,
    volume,
)
from platform_resources.settings import Settings
from platform_resources.storage import Lake
from tests.assets.flights_world import DBT


class Ports(DataFrameModel):
    """One row per port."""

    name: str
    country: str
    spot: str = Field(alias="where now", description="{{ a place }}")


class Ships(DataFrameModel):
    """One row per ship, with a rule of every kind."""

    name: str = Field(unique=True, str_matches="[A-Z][a-z]+", description='It\'s "the" name')
    code: str = Field(str_contains="o", str_startswith="c.", str_endswith="$", str_length={"max_value": 5})
    port: str = Field(isin=["Cobh", "O'Hare"], references="sea/ports.name")
    country: str = Field(notin=["Atlantis"])
    owner: str = Field(nullable=True, references="sea/ports.name", coverage=0.5)
    tons: float = Field(gt=0, lt=10)
    masts: int = Field(ge=1, le=5, ne=4)
    decks: int = Field(eq=2)
    keel: int = Field(in_range={"min_value": 1, "max_value": 3, "include_max": False})
    group: str = Field(alias="order", isin=["{{ 1 }}", "{% if %}", "{# c #}", "it's"], unit="{{ 1 }}")
    ident: int = Field(alias="Order ID", unique=True, ge=0)
    dotted: str = Field(alias="a.b", nullable=True, str_matches=r"^\w+\s\d$", references="sea/ports.where now")


PORTS = Dataset("sea/ports", Ports, owner="team:sea", version="1.0.0", source=Generated(rows=3))
SHIPS = Dataset(
    "sea/ships", Ships, owner="team:sea", version="1.0.0", source=Generated(rows=3), store=Parquet(),
    key=("name", "code"),
    rules=[
        complete("owner", at_least=0.5),
        volume(at_least=3, severity="warn"),
        references(("port", "country"), "sea/ports", to=("name", "country")),
        expression("left_out", pl.col("masts") > 0),
        expression("orders_below", '"Order ID" < 1000'),
        unique("name", "port"),
        unique("order", "Order ID"),
        complete("a.b", at_least=0.5),
    ],
)  # fmt: skip
GOOD: Mapping[str, list[Any]] = {
    "name": ["Argo", "Beagle", "Calypso"],
    "code": ["c.o$", "c.oo$", "c.o$"],
    "port": ["Cobh", "O'Hare", "Cobh"],
    "country": ["IE", "US", "IE"],
    "owner": ["Cobh", None, "Cobh"],
    "tons": [1.0, 2.0, 9.9],
    "masts": [1, 3, 5],
    "decks": [2, 2, 2],
    "keel": [1, 2, 2],
    "order": ["{{ 1 }}", "it's", "{# c #}"],
    "Order ID": [1, 2, 3],
    "a.b": ["bäh 1", "no 2", None],
}
BROKEN: Mapping[str, Mapping[str, list[Any]]] = {
    "name_not_null": {"name": ["Argo", None, "Calypso"]},
    "name_unique": {"name": ["Argo", "Argo", "Calypso"]},
    "key_unique": {"name": ["Argo", "Argo", "Calypso"], "code": ["c.o$"] * 3},
    "name_port_unique": {"name": ["Argo", "Beagle", "Argo"]},
    "name_matches": {"name": ["argo", "Beagle", "Calypso"]},
    "code_contains": {"code": ["c.i$", "c.oo$", "c.o$"]},
    "code_starts_with": {"code": ["cco$", "c.oo$", "c.o$"]},
    "code_ends_with": {"code": ["c.o", "c.oo$", "c.o$"]},
    "code_length": {"code": ["c.ooo$", "c.oo$", "c.o$"]},
    "port_isin": {"port": ["Cork", "O'Hare", "Cobh"]},
    "port_references": {"port": ["Cork", "O'Hare", "Cobh"]},
    "port_country_references": {"country": ["US", "US", "IE"]},
    "country_notin": {"country": ["Atlantis", "US", "IE"]},
    "owner_references": {"owner": ["Cork", "Kinsale", "Cobh"]},
    "owner_complete": {"owner": ["Cobh", None, None]},
    "tons_gt": {"tons": [0.0, 2.0, 9.9]},
    "tons_lt": {"tons": [10.0, 2.0, 9.9]},
    "masts_ge": {"masts": [0, 3, 5]},
    "masts_le": {"masts": [6, 3, 5]},
    "masts_ne": {"masts": [4, 3, 5]},
    "decks_eq": {"decks": [1, 2, 2]},
    "keel_in_range": {"keel": [3, 2, 2]},
    "order_isin": {"order": ["1", "it's", ""]},
    "Order_ID_unique": {"Order ID": [1, 2, 1]},
    "orders_below": {"Order ID": [1000, 2, 3]},
    "Order_ID_ge": {"Order ID": [-1, 2, 1]},
    "order_Order_ID_unique": {"order": ["it's"] * 3, "Order ID": [1, 2, 1]},
    "a_b_matches": {"a.b": ["bäh-1", "no 2", None]},
    "a_b_references": {"a.b": ["bäh 9", "no 2", None]},
    "a_b_complete": {"a.b": [None, "no 2", None]},
    "volume": {column: values[:2] for column, values in GOOD.items()},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our dbt project without its models: the macros are what is tested."""
    folder = tmp_path_factory.mktemp("dbt")
    shutil.copytree(DBT / "macros", folder / "macros")
    shutil.copy(DBT / "dbt_project.yml", folder)
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.from_environment({"PLATFORM_STATE": str(tmp_path_factory.mktemp("state"))})


def red(settings: Settings, folder: Path, rows: Mapping[str, list[Any]]) -> dict[str, str]:
    """The rules whose dbt test did not pass, with the verdict."""
    lake = Lake(settings)
    ports = {"name": ["Cobh", "O'Hare"], "country": ["IE", "US"], "where now": ["bäh 1", "no 2"]}
    lake.write(table_spec(PORTS), pl.DataFrame(ports))
    lake.write(table_spec(SHIPS), pl.DataFrame(rows))
    staged = dbt_project(settings, _CATALOG, folder).stage()
    invocation = staged.invoke(["test"])
    results = [event["data"]["node_info"] for event in invocation.events if event["info"]["name"] == "LogTestResult"]
    assert len(results) == len([rule for rule in rules_of(SHIPS) if rule.id in _TESTED]) + 3
    found = {node["node_name"].removeprefix("sea_ships_"): node["node_status"] for node in results}
    return {name: status for name, status in found.items() if status != "pass"}


def test_good_rows_pass_every_test(settings: Settings, folder: Path) -> None:
    assert red(settings, folder, GOOD) == {}


def together() -> Iterator[list[str]]:
    """The broken rules in groups that touch different columns: a run of dbt a group instead of one a rule."""
    left = list(BROKEN)
    while left:
        group: list[str] = []
        for rule in left:
            if not any(BROKEN[rule].keys() & BROKEN[other].keys() for other in group):
                group.append(rule)
        left = [rule for rule in left if rule not in group]
        yield group


@pytest.mark.parametrize("group", list(together()), ids="-".join)
def test_a_broken_rule_turns_its_own_test_red(settings: Settings, folder: Path, group: list[str]) -> None:
    rows = {**GOOD, **{column: values for rule in group for column, values in BROKEN[rule].items()}}
    verdicts = red(settings, folder, rows)
    assert {rule: verdicts.get(rule) for rule in group} == {rule: _VERDICT[rule] for rule in group}


def test_every_rule_that_has_a_dbt_test_was_broken_here() -> None:
    assert {*BROKEN} >= {rule for rule in _TESTED if not rule.endswith("_not_null")}


_CATALOG = catalog_of([PORTS, SHIPS], [])
_LEFT_OUT = {"schema", "types", "left_out"}
_TESTED = [rule.id for rule in rules_of(SHIPS) if rule.id not in _LEFT_OUT]
_VERDICT = {rule.id: "warn" if rule.severity == "warn" else "fail" for rule in rules_of(SHIPS)}
