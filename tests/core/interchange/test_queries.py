"""Rules in SQL: counts that DuckDB gives are those of the judge, and PostgreSQL agrees with Polars on every edge."""

from datetime import UTC, datetime
from typing import Any

import duckdb
import polars as pl
import psycopg2
import psycopg2.extras
import pytest
import sqlglot

from platform_core.interchange.queries import condition, rule_queries
from platform_core.quality import judge
from platform_core.rules import DatasetRule, RowRule
from tests.core.rules.test_every_kind import EVERYTHING, PORTS, RULES, VALUES, compiled, rows
from tests.servers import no_postgres, postgres_server


def test_duckdb_counts_what_the_judge_counts() -> None:
    frame = pl.concat([rows(), rows().head(3)]).with_columns(
        eq=pl.when(pl.col("id") % 2 == 0).then(pl.lit("never")).otherwise("eq"), port=pl.lit("Atlantis")
    )
    stored = frame.with_columns(EVERYTHING.partitions.key())  # type: ignore[union-attr]  # it has some
    judged = judge(frame, EVERYTHING, PORTS, now=datetime(2100, 1, 1, tzinfo=UTC))
    expected = {result.rule.id: result.failed for result in judged.results if result.rule.judges_rows}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA toy; CREATE TABLE toy.ports AS SELECT 'Cobh' AS name")
        connection.register("stored", stored.to_arrow())
        connection.execute("CREATE TABLE toy.everything AS SELECT * REPLACE (CAST(span AS TIME) AS span) FROM stored")
        queries = {query.rule: query.sql for query in rule_queries(EVERYTHING, "duckdb") if query.sql}
        counted = {name: connection.sql(sql).fetchall() for name, sql in queries.items()}
    for name in expected.keys() & counted.keys():
        assert counted[name] == [(expected[name],)], name
    assert (expected["id_unique"], expected["port_references"]) == (3, frame.height)
    for name, expected_values in measures(stored).items():
        assert dict(counted[name]) == pytest.approx(expected_values), name


def measures(stored: pl.DataFrame) -> dict[str, dict[str, float]]:
    """By rule on the whole what each partition measures, in Polars."""
    named = [f"height_{kind}" for kind in ("mean", "deviation", "quantile_0_5")]
    wanted = [rule for rule in RULES if rule.id in {"noted_complete", "volume", "weight_distinct", *named}]
    aggregates = [rule.measure.alias(rule.id) for rule in wanted if isinstance(rule, DatasetRule)]
    table = stored.group_by("_partition").agg(aggregates)
    return {rule.id: dict(table.select("_partition", rule.id).iter_rows()) for rule in wanted}


@pytest.mark.parametrize("dialect", ["postgres", "spark"])
def test_every_rule_is_compiled_or_named_with_the_reason(dialect: Any) -> None:
    queries = rule_queries(EVERYTHING, dialect, table="things")
    assert [query.rule for query in queries] == [rule.id for rule in RULES]
    assert all(bool(query.sql) != bool(query.reason) for query in queries)
    assert len([query for query in queries if query.sql]) >= 25
    for query in queries:
        assert query.sql is None or sqlglot.parse_one(query.sql, read=dialect)


TYPES = {
    "whole": "bigint", "unsigned": "numeric(20)", "double": "double precision", "single": "real",
    "decimal": "numeric(18, 3)", "text": "text", "day": "date", "instant": "timestamptz", "truth": "boolean",
}  # fmt: skip


@pytest.mark.lane
@pytest.mark.skipif(bool(no_postgres()), reason=no_postgres())
def test_postgresql_agrees_with_polars_on_every_edge() -> None:
    found = []
    with postgres_server() as url, psycopg2.connect(url.replace("+psycopg2", "")) as connection:
        cursor = connection.cursor()
        cursor.execute("SET TIME ZONE 'UTC'")
        for kind, (dtype, _, edges) in VALUES.items():
            values = [*edges, None]
            cells = [(one, other, truth) for one in values for other in values for truth in (True, False, None)]
            frame = pl.DataFrame(cells, schema={"value": dtype, "other": dtype, "truth": pl.Boolean()}, orient="row")
            frame = frame.with_columns(
                pl.col(name).fill_nan(None) for name, own in frame.schema.items() if own.is_float()
            )
            cursor.execute(
                f'CREATE TABLE "{kind}" (place int, value {TYPES[kind]}, other {TYPES[kind]}, truth boolean)'
            )
            insert = f'INSERT INTO "{kind}" VALUES %s'  # noqa: S608 - a name of ours
            psycopg2.extras.execute_values(cursor, insert, [(place, *row) for place, row in enumerate(frame.rows())])
            found += list(_disagreements(cursor, kind, frame, compiled(kind, dtype, edges[0], edges[-1])))
    assert found == []


def _disagreements(cursor: Any, kind: str, frame: pl.DataFrame, rules: list[RowRule]) -> Any:
    compared = 0
    for rule in rules:
        text = condition(rule, "postgres")
        if text is None:
            continue
        cursor.execute(f'SELECT coalesce({text}, TRUE) FROM "{kind}" ORDER BY place')  # noqa: S608 - the rules' own SQL
        said = [row[0] for row in cursor.fetchall()]
        polars = frame.select(rule.holds()).to_series().to_list()
        compared += 1
        yield from (f"{kind}: {text} on {frame.row(place)}: {one} {other}"
                    for place, (one, other) in enumerate(zip(said, polars, strict=True)) if one != other)  # fmt: skip
    assert compared >= 4, kind
