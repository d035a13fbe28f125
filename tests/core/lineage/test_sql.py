"""Columns of SQL are traced to the tables, or the query is said to be unreadable; nothing is guessed."""

import time

import pytest

from platform_core.lineage.graph import WHOLE
from platform_core.lineage.sql import UnreadableSql, column_origins

TABLES = {
    "db.main.orders": ["id", "customer", "cents", "day"],
    "db.main.customers": ["customer", "country"],
    "db.other.orders": ["id", "note"],
    "db.main.trips": ["Trip ID", "Km", "until"],
}


_RECURSIVE = """
    with recursive t as (
        select id, customer from db.main.orders where cents is null
        union all select o.id, o.customer from db.main.orders o join t on o.customer = t.id
    )
    select id from t"""


def origins(sql: str) -> dict[str, set[str]]:
    found = column_origins(sql, TABLES)
    return {
        name: {f"{table.removeprefix('db.')}.{column}:{how}" for table, column, how in each}
        for name, each in found.items()
    }


def test_values_filters_joins_and_groups_are_told_apart() -> None:
    sql = """
        with paid as (select * from db.main.orders where cents > 0)
        select c.country, sum(p.cents) as total, count(*) as n
        from paid p join db.main.customers c using (customer)
        group by c.country having count(p.id) > 1
    """
    assert origins(sql) == {
        "country": {"main.customers.country:value"},
        "total": {"main.orders.cents:value"},
        "n": set(),
        WHOLE: {
            "main.orders.cents:filter", "main.orders.id:filter", "main.customers.country:group",
            "main.orders.customer:join", "main.customers.customer:join",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select o.* from db.other.orders o", {"id": {"other.orders.id:value"}, "note": {"other.orders.note:value"}}),
        ('select "id" as "the id" from db.other.orders', {"the id": {"other.orders.id:value"}}),
        ("select id from db.main.orders union all select id from db.other.orders",
         {"id": {"main.orders.id:value", "other.orders.id:value"}}),
        ("select (select max(cents) from db.main.orders) as top", {"top": {"main.orders.cents:value"}}),
        ("select case when day is null then cents end as c from db.main.orders",
         {"c": {"main.orders.day:value", "main.orders.cents:value"}}),
        ("select sum(cents) over (partition by customer) as s from db.main.orders",
         {"s": {"main.orders.cents:value", "main.orders.customer:value"}}),
        ("select x.id from (select id, cents from db.main.orders) x", {"id": {"main.orders.id:value"}}),
        ("select 1 as one", {"one": set()}),
        ('select "trip id", KM as "Far" from db.main.trips',
         {"Trip ID": {"main.trips.Trip ID:value"}, "Far": {"main.trips.Km:value"}}),
        ("select id, note from db.other.orders union all by name select id, cents as extra from db.main.orders",
         {"id": {"main.orders.id:value", "other.orders.id:value"}, "note": {"other.orders.note:value"},
          "extra": {"main.orders.cents:value"}}),
        ("select lag(cents) over w as before from db.main.orders window w as (partition by customer order by day)",
         {"before": {"main.orders.cents:value", "main.orders.customer:value", "main.orders.day:value"}}),
        ("select id from db.main.orders except select id from db.other.orders", {"id": {"main.orders.id:value"}}),
        (_RECURSIVE, {"id": {"main.orders.id:value"}}),
    ],
)  # fmt: skip
def test_a_column_is_traced_through(sql: str, expected: dict[str, set[str]]) -> None:
    assert {name: each for name, each in origins(sql).items() if name != WHOLE} == expected


def test_a_column_used_only_to_filter_by_a_subquery_reaches_all_rows() -> None:
    sql = (
        "select id from db.main.orders where customer in (select customer from db.main.customers where country = 'NO')"
    )
    assert origins(sql)[WHOLE] == {
        "main.orders.customer:filter", "main.customers.customer:filter", "main.customers.country:filter",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select customer, sum(cents) as c from db.main.orders group by all", {"main.orders.customer:group"}),
        ("select distinct customer from db.main.orders", {"main.orders.customer:group"}),
        ("select distinct on (id) id, day from db.main.orders order by cents desc",
         {"main.orders.id:group", "main.orders.cents:filter"}),
        ("select id, cents from db.main.orders order by cents limit 3", {"main.orders.cents:filter"}),
        ("select id from db.main.orders except select id from db.other.orders",
         {"main.orders.id:filter", "other.orders.id:filter"}),
        ("select id from db.main.orders union select id from db.other.orders",
         {"main.orders.id:group", "other.orders.id:group"}),
        ("select id, day from db.main.orders union all select id, note from db.other.orders order by day limit 3",
         {"main.orders.day:filter", "other.orders.note:filter"}),
        ("select id from db.main.orders union all select id from db.other.orders order by id", set()),
        ("select distinct customer from db.main.orders order by customer", {"main.orders.customer:group"}),
        ("select id from (select id, cents from db.main.orders order by cents desc limit 3) t",
         {"main.orders.cents:filter"}),
        ("select id, (select max(note) from db.other.orders b where b.id = a.id) as note from db.main.orders a", set()),
        ("with unused as (select * from db.main.orders where cents > 0) select id from db.other.orders", set()),
    ],
)  # fmt: skip
def test_what_decides_on_rows_is_all_that_and_no_more(sql: str, expected: set[str]) -> None:
    assert origins(sql)[WHOLE] == expected


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select * from nowhere", "reads nowhere"),
        ("select missing from db.main.orders", "cannot be resolved"),
        ("select 1; select 2", "more or other than one query"),
        ("delete from db.main.orders", "more or other than one query"),
        ("select (id", "cannot be parsed"),
        ("select * from (unpivot db.main.orders on cents into name a value b)", "pivot"),
        ("select unnest from db.main.orders, unnest([1, 2])", "unnest"),
        ("select columns('c.*') from db.main.orders", "names its columns by a pattern"),
        ("select id, count(*) from db.main.orders group by id", "a column without a name, number 2; AS gives it one"),
    ],
)
def test_what_cannot_be_traced_is_said_with_the_reason(sql: str, reason: str) -> None:
    with pytest.raises(UnreadableSql, match=reason):
        column_origins(sql, TABLES)


def test_fifty_columns_cost_little() -> None:
    tables = {"a": [f"c{place}" for place in range(50)], "b": [f"c{place}" for place in range(50)]}
    started = time.process_time()
    found = column_origins("with x as (select a.* from a left join b on a.c0 = b.c1) select * from x", tables)
    assert len(found) == 51
    assert time.process_time() - started < 2
