"""Contracts as dbt sources: every rule is a test or is named as left out, and nothing depends on a threshold."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Day,
    Delta,
    Field,
    Files,
    UtcTimestamp,
    col,
    complete,
    dataframe_check,
    expression,
    monthly,
    references,
    rules_of,
    volume,
)  # fmt: skip
from platform_core.contracts.dbt import data_type, dbt_sources


class Ships(DataFrameModel):
    """One row per ship."""

    name: str = Field(unique=True, str_matches="[A-Z]+", str_startswith="A.", str_length={"min_value": 2})
    port: str = Field(isin=["Cobh", "O'Hare"], references="sea/ports.name", description="Home port")
    owner: str = Field(nullable=True, references="sea/owners.name", coverage=0.8, pii="name")
    tons: float = Field(nullable=True, gt=0, le=5.5, unit="tonnes")
    masts: int = Field(notin=[13], eq=3)
    built: Day = Field(nullable=True)
    seen: UtcTimestamp = Field()

    @dataframe_check
    def floats(cls, data: Any) -> Any:  # noqa: N805 - Pandera makes it a class method
        return data.lazyframe.select(pl.lit(value=True))


def ships(**changed: Any) -> Dataset:
    terms: dict[str, Any] = {
        "owner": "team:sea",
        "version": "2.1.0",
        "key": ("name", "seen"),
        "source": Files("ships-*.csv"),
        "store": Delta(mode="merge"),
        "partitions": monthly("2020-01", on="seen"),
        "freshness": timedelta(hours=36),
        "rules": [
            complete("tons", at_least=0.5),
            volume(at_least=10, over="table"),
            references(("name", "port"), "sea/berths", severity="warn"),
            expression("masted", col("masts") > 0),
        ],
    }
    return Dataset("sea/ships", Ships, **{**terms, **changed})


def table(dataset: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = dbt_sources([dataset])["sources"][0]["tables"][0]
    return found


def judged_by(holder: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Tests by rule: their kind and their arguments."""
    found = [item for test in holder.get("data_tests", ()) for item in test.items()]
    return {terms["config"]["meta"]["rule"]: (kind, terms.get("arguments", {})) for kind, terms in found}


def all_tests(dataset: Dataset) -> dict[str, tuple[str, dict[str, Any]]]:
    holders = [table(dataset), *table(dataset)["columns"]]
    return {rule: test for holder in holders for rule, test in judged_by(holder).items()}


@pytest.mark.parametrize(
    ("rule", "test"),
    [
        ("seen_not_null", ("not_null", {})),
        ("name_unique", ("unique", {})),
        ("key_unique", ("no_two_alike", {
            "filled": '"name" IS NOT NULL AND "seen" IS NOT NULL', "group_by": 'GROUP BY "name", "seen"',
        })),
        ("name_matches", ("rows_hold", {"condition": """regexp_matches("name", '^(?:[A-Z]+)')"""})),
        ("name_starts_with", ("rows_hold", {"condition": """starts_with("name", 'A.')"""})),
        ("name_length", ("rows_hold", {"condition": 'length("name") >= 2'})),
        ("port_isin", ("rows_hold", {"condition": """"port" IN ('Cobh', 'O''Hare')"""})),
        ("masts_eq", ("rows_hold", {"condition": '"masts" = 3'})),
        ("masts_notin", ("rows_hold", {"condition": '"masts" NOT IN (13)'})),
        ("tons_gt", ("rows_hold", {"condition": '"tons" > 0.0'})),
        ("tons_le", ("rows_hold", {"condition": '"tons" <= 5.5'})),
        ("port_references", ("found_in", {
            "to": "source('sea', 'ports')", "filled": 'row."port" IS NOT NULL',
            "match": 'target."name" = row."port"', "at_least": 1.0,
        })),
        ("tons_complete", ("share_holds", {
            "condition": '"tons" IS NOT NULL', "at_least": 0.5, "per": "_partition",
        })),
        ("volume", ("measure_holds", {"aggregate": "count(*)", "at_least": 10})),
    ],
)  # fmt: skip
def test_a_rule_becomes_the_dbt_test_that_says_the_same(rule: str, test: tuple[str, dict[str, Any]]) -> None:
    assert all_tests(ships())[rule] == test


def test_a_reference_below_full_coverage_is_judged_as_a_share() -> None:
    kind, arguments = all_tests(ships())["owner_references"]
    assert (kind, arguments["to"], arguments["at_least"]) == ("found_in", "source('sea', 'owners')", 0.8)


def test_every_rule_is_a_test_or_is_named_as_left_out() -> None:
    left_out = table(ships())["config"]["meta"]["rules_without_a_dbt_test"]
    assert {*all_tests(ships()), *left_out} == {rule.id for rule in rules_of(ships())}
    assert left_out == ["schema", "types", "floats", "masted"]


def test_moving_a_threshold_keeps_the_names_of_tests() -> None:
    names = [
        [terms["name"] for test in table(ships(rules=[complete("tons", at_least=share)]))["columns"][3]["data_tests"]
         for terms in test.values()]
        for share in (0.5, 0.9)
    ]  # fmt: skip
    assert names[0] == names[1] == ["sea_ships_tons_gt", "sea_ships_tons_le", "sea_ships_tons_complete"]


def test_a_test_is_as_severe_as_its_rule() -> None:
    severities = {
        terms["config"]["meta"]["rule"]: terms["config"]["severity"]
        for test in table(ships())["data_tests"] for terms in test.values()
    }  # fmt: skip
    assert severities["name_port_references"] == "warn"
    assert severities["key_unique"] == "error"


def test_a_column_tells_meaning_type_unit_and_class_of_personal_data() -> None:
    columns = {column["name"]: column for column in table(ships())["columns"]}
    assert columns["port"]["description"] == "Home port"
    assert columns["seen"]["data_type"] == "TIMESTAMP WITH TIME ZONE"
    assert columns["tons"]["config"]["meta"] == {"unit": "tonnes", "nullable": True}
    assert columns["owner"]["config"]["meta"]["pii"] == "name"


def test_a_source_says_where_its_table_lies_and_which_asset_it_is() -> None:
    meta = table(ships())["config"]["meta"]
    assert meta["table"] == {"path": "sea/ships/v2", "format": "delta", "partition_column": "_partition"}
    assert meta["dagster"]["asset_key"] == ["sea", "ships"]


def test_freshness_counts_from_the_ingest() -> None:
    config = table(ships())["config"]
    assert config["loaded_at_field"] == "_ingested_at"
    assert config["freshness"] == {"warn_after": {"count": 36, "period": "hour"}}
    assert table(ships(freshness=timedelta(minutes=90)))["config"]["freshness"]["warn_after"]["period"] == "minute"


def test_a_dataset_that_a_transform_makes_has_no_time_of_ingest() -> None:
    assert "freshness" not in table(ships(source=None))["config"]


def test_each_domain_is_a_source_with_its_datasets_in_order() -> None:
    others = [Dataset(name, Ships, owner="team:sea", version="1.0.0") for name in ("sky/kites", "sea/boats")]
    found = dbt_sources([*others, ships()])["sources"]
    assert [(source["name"], [each["name"] for each in source["tables"]]) for source in found] == [
        ("sea", ["boats", "ships"]),
        ("sky", ["kites"]),
    ]


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (pl.Int32(), "INTEGER"),
        (pl.Decimal(10, 2), "DECIMAL(10, 2)"),
        (pl.List(pl.String), "VARCHAR[]"),
        (pl.Struct({"a": pl.Int64, "b": pl.List(pl.Date)}), "STRUCT(a BIGINT, b DATE[])"),
        (pl.Enum(["x"]), "VARCHAR"),
        (pl.Datetime("us"), "TIMESTAMP"),
    ],
)
def test_types_are_named_as_duckdb_names_them(dtype: pl.DataType, name: str) -> None:
    assert data_type(dtype) == name
