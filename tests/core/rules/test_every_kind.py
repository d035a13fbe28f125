"""Every kind of rule: rows are made that keep it, a fault turns it red and only it, and three engines agree on it."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Day,
    Field,
    Generated,
    UtcTimestamp,
    balance,
    check,
    compare,
    complete,
    deviation,
    distinct,
    expression,
    fresh,
    mean,
    measure,
    monthly,
    mostly,
    no_gaps,
    not_future,
    only_where,
    quantile,
    rules_from,
    rules_of,
    share_of,
    volume,
)
from platform_core.errors import ContractError
from platform_core.quality import conform, judge
from platform_core.rules import KINDS, RowRule
from platform_core.rules.bounds import AtLeast
from platform_core.rules.formats import FORMATS, Format
from platform_core.rules.nulls import NotNull
from platform_core.rules.records import predicate_of
from platform_core.synthetic import Fault, faults, synthesize
from platform_core.synthetic.verdicts import red_rules
from tests.core.rules.fares import FARES


class Everything(DataFrameModel):
    """A row per thing, with a rule of every kind on it."""

    id: int = Field(unique=True, ge=0)
    eq: str = Field(eq="always")
    ne: int = Field(ne=3)
    gt: pl.Float32 = Field(gt=0.1, nullable=True)
    lt: Annotated[pl.Decimal, 10, 2] = Field(lt=99.95)
    le: Day = Field(le=date(2030, 1, 1))
    span: pl.Time = Field(in_range={"min_value": time(6), "max_value": time(22), "include_max": False})
    among: str = Field(isin=["größe", "it's", "{{ 1 }}"])
    outside: str = Field(notin=["", "NA"])
    coded: str = Field(str_matches=r"^[A-Z]{2}\d+$")
    holding: str = Field(str_contains=r"\s")
    starting: str = Field(str_startswith="ü")
    ending: str = Field(str_endswith=".csv")
    sized: str = Field(str_length={"min_value": 2, "max_value": 9})
    mail: str = Field(format="email", nullable=True)
    card: str = Field(format="card")
    port: str = Field(references="toy/ports.name")
    starts: UtcTimestamp
    ends: UtcTimestamp
    seen: UtcTimestamp
    noted: str = Field(nullable=True)
    weight: float = Field(ge=0, le=10, nullable=True)
    height: float = Field(ge=0, le=10)
    flag: bool
    mails: str

    @check("flag")
    def some(cls, data: Any) -> pl.LazyFrame:  # noqa: N805 - Pandera's form
        return data.lazyframe.select(pl.col(data.key))


EVERYTHING = Dataset(
    "toy/everything", Everything, owner="team:toy", version="1.0.0", source=Generated(rows=5), key=("id",),
    partitions=monthly("2024-01", on="starts"),
    rules=[
        compare("ends", ">", "starts"),
        expression("light", "weight < 9 OR flag", label="light or flagged"),
        only_where(Format(columns=("mails",), format="email"), "among = 'größe'"),
        not_future("seen"),
        complete("noted", at_least=0.8),
        mostly(AtLeast(columns=("weight",), min_value=1, id="weight_mostly"), at_least=0.9),
        volume(at_least=3),
        mean("height", at_least=2, at_most=8),
        deviation("height", at_most=4),
        quantile("height", 0.5, at_most=8),
        distinct("weight", at_least=2),
        share_of("among", "it's", at_most=0.9),
        fresh("seen", within=timedelta(days=7)),
        no_gaps("starts", longest=timedelta(days=20)),
        measure("spread", pl.col("id").max() - pl.col("id").min(), at_least=2),
        balance("calls", "toy/ports", by={"port": "name"}, own=pl.len(), theirs=pl.col("calls").sum()),
    ],
)  # fmt: skip
PORTS = {"port_references": pl.DataFrame({"port": ["Cobh", "Kinsale"]})}
RULES = rules_of(EVERYTHING)


def test_every_kind_is_here() -> None:
    assert {type(rule) for rule in (*RULES, *rules_of(FARES))} == set(KINDS)


def test_no_two_kinds_have_one_word() -> None:
    words = [kind.kind for kind in KINDS]
    assert all(words)
    assert len(set(words)) == len(words)


@cache
def rows() -> pl.DataFrame:
    return synthesize(EVERYTHING, 60, 3, references=PORTS)


def test_rows_are_made_that_keep_every_rule() -> None:
    assert red_rules(rows(), EVERYTHING, PORTS) == ()


def red(fault: Fault) -> set[str]:
    if not fault.raw:
        return set(red_rules(fault.frame, EVERYTHING, {**PORTS, **fault.references}, now=fault.now))
    try:
        typed = conform(fault.frame, EVERYTHING)
    except Exception:  # noqa: BLE001 - a frame of another shape
        return {"schema"}
    now = datetime(2100, 1, 1, tzinfo=UTC)
    results = judge(typed.frame, EVERYTHING, PORTS, unreadable=typed.unreadable, now=now).results
    return {result.rule.id for result in results if not result.passed} & {"types"}


@cache
def planted() -> Mapping[str, list[Fault]]:
    made: dict[str, list[Fault]] = {}
    for fault in faults(EVERYTHING, np.random.default_rng(7), references=PORTS):
        made.setdefault(fault.rule_id, []).append(fault)
    return made


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_fault_turns_it_red_and_only_what_it_implies(rule: Any) -> None:
    assert rule.id in planted()
    for fault in planted()[rule.id]:
        assert red(fault) == fault.red
        assert all(implied.reason for implied in fault.also)


INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - as hypothesis asks
VALUES: dict[str, tuple[pl.DataType, Any, list[Any]]] = {
    "whole": (pl.Int64(), st.integers(-(2**63), 2**63 - 1), [0, -1, 2**63 - 1, -(2**63), 3]),
    "unsigned": (pl.UInt64(), st.integers(0, 2**64 - 1), [0, 2**64 - 1, 3]),
    "double": (pl.Float64(), st.floats(), [0.0, -0.0, math.nan, math.inf, -math.inf, 0.1, 5e-324]),
    "single": (pl.Float32(), st.floats(width=32), [0.0, -0.0, math.nan, math.inf, 0.1]),
    "decimal": (pl.Decimal(18, 3), st.decimals(-10**14, 10**14, places=3),
                [Decimal("0.100"), Decimal(0), Decimal("-0.1")]),
    "text": (pl.String(), st.text(max_size=8),
             ["", "é", "e\u0301", "ﬁ", "it's", "a\nb", "A\u00a0b", "٣", "😀", "ß", "AB\n", "DE", "EUR\n", "2024-02-29",
              "2023-02-29", "4111111111111111", "4111111111111112", "GB82WEST12345698765432",
              "GB83WEST12345698765432", "ada@example.org"]),
    "day": (pl.Date(), st.dates(date(1, 1, 2)), [date(1969, 12, 31), date(1, 1, 2)]),
    "instant": (pl.Datetime("us", "UTC"), INSTANTS, [datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]),
    "truth": (pl.Boolean(), st.booleans(), [True, False]),
}  # fmt: skip
TEXT_RULES = [
    {"type": "matches", "value": pattern}
    for pattern in ("^AB|CD", r"\d", r"^\w+$", r"^[^\s]*$", "(?i)ß|k", r"^\p{Lu}", "a.b", r"[\d.]$", "^$", r"^\S\z")
] + [
    {"type": "contains", "value": r"\s"}, {"type": "starts_with", "value": "'"}, {"type": "ends_with", "value": "é"},
    {"type": "length", "value": {"min_value": 1, "max_value": 2}}, {"type": "length", "value": 1},
]  # fmt: skip


def compiled(kind: str, dtype: pl.DataType, value: Any, other: Any) -> list[RowRule]:
    """Row rules on column `value` of this type, with these values as bounds, and a comparison with column `other`."""
    items = [{"type": word, "value": value} for word in ("eq", "ne", "gt", "ge", "lt", "le")]
    items += [{"type": word, "value": [value, other]} for word in ("isin", "notin")]
    low, high = sorted([value, other], key=lambda each: (each is None, each))
    items += [{"type": "in_range", "value": {"min_value": low, "max_value": high, "include_min": False}}]
    items += [{"type": "not_null"}, *(TEXT_RULES if kind == "text" else [])]
    items += [{"type": "format", "value": name} for name in FORMATS if kind == "text"]
    items += [{"type": "ge", "value": value, "where": "truth"}, {"type": "not_null", "where": "truth = false"}]
    if kind == "truth":
        items = [item for item in items if item["type"] in {"eq", "ne", "isin", "not_null"}]
    made = rules_from([{**item, "field": "value", "name": f"r{place}"} for place, item in enumerate(items)])
    schema = {"value": dtype, "other": dtype, "truth": pl.Boolean()}
    made += [compare("value", sign, "other") for sign in ("==", "!=", "<", "<=", ">", ">=")]
    made += [expression("e", "value >= other OR truth IS NULL")]
    return [rule.fitted(schema) for rule in made if isinstance(rule, RowRule)]


def disagreements(frame: pl.DataFrame, rules: list[RowRule]) -> list[str]:
    """Where Polars, a record at a time and DuckDB do not say the same of a frame as `conform` makes it."""
    schema = dict(frame.schema)
    frame = frame.with_columns(pl.col(name).fill_nan(None) for name, dtype in schema.items() if dtype.is_float())
    polars = frame.select(rule.holds().alias(str(place)) for place, rule in enumerate(rules))
    columns = ", ".join(f'coalesce({rule.sql() or "NULL"}, TRUE) AS "{place}"' for place, rule in enumerate(rules))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("frame", frame.to_arrow())
        table = connection.sql(f"SELECT {columns} FROM frame").pl()  # noqa: S608 - the rules' own SQL
    found = []
    records = frame.to_dicts()
    for place, rule in enumerate(rules):
        holds, beside = rule.predicate(schema), predicate_of([rule, NotNull(columns=("always",))], schema)
        for at, record in enumerate(records):
            verdicts = (
                polars[str(place)][at],
                holds(record),
                beside({**record, "always": 1}),
                polars[str(place)][at] if rule.sql() is None else table[str(place)][at],
            )
            if len(set(verdicts)) > 1:
                found.append(f"{rule!r} on {record!r}: {verdicts}")
    return found


def drawn_case(data: st.DataObject, kind: str) -> tuple[pl.DataFrame, list[RowRule]]:
    """Rows of a type with its edges, NaN and nulls among them, and rules whose bounds are values of the type."""
    dtype, drawn, edges = VALUES[kind]
    bounds = st.sampled_from(edges) | drawn
    comparable = bounds.filter(lambda bound: not (isinstance(bound, float) and math.isnan(bound)))
    value, other = (data.draw(comparable) for _ in range(2))
    cells = st.none() | st.sampled_from([*edges, value, other]) | drawn
    rows = data.draw(st.lists(st.tuples(cells, cells, st.none() | st.booleans()), min_size=1, max_size=12))
    frame = pl.DataFrame(rows, schema={"value": dtype, "other": dtype, "truth": pl.Boolean()}, orient="row")
    return frame, compiled(kind, dtype, value, other)


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_polars_a_record_and_sql_say_the_same(kind: str, data: st.DataObject) -> None:
    assert disagreements(*drawn_case(data, kind)) == []


def test_a_list_of_rules_says_what_python_says() -> None:
    text = """[
        {"name": "price", "type": "ge", "field": "price", "value": 0, "threshold": 0.95},
        {"type": "email", "field": "mail"}, {"type": "compare", "fields": ["a", "b"], "condition": ">"}
    ]"""
    with pytest.raises(ContractError) as caught:
        rules_from(json.loads(text))
    told = str(caught.value)
    assert "rule 2 (email): has the type 'email'." in told
    assert "rule 3 (compare): has no 'condition'" in told
    items = [
        {"name": "price", "type": "ge", "field": "price", "value": 0, "threshold": 0.95, "dimension": "accuracy"},
        {"type": "format", "field": "mail", "value": "email", "where": "country = 'DE'", "blocking": False},
        {"type": "compare", "fields": ["a", "b"], "value": ">"},
        {"name": "sql", "type": "expression", "condition": "a + b > 3"},
    ]
    made = rules_from(items)
    assert [(rule.id, rule.kind, rule.blocking) for rule in made] == [
        ("price", "mostly", None), ("mail_format", "only_where", False), ("a_b_gt", "compare", None),
        ("sql", "expression", None),
    ]  # fmt: skip
    assert made[0].label == "price ≥ 0, in at least 0.95 of the rows"


def test_a_label_says_the_bounds_that_there_are() -> None:
    made = [mean("price", at_least=5), quantile("price", 0.95, at_most=20), deviation("price", at_least=1, at_most=2)]
    assert [rule.label for rule in made] == [
        "mean of price at least 5", "quantile 0.95 of price at most 20", "standard deviation of price between 1 and 2"
    ]  # fmt: skip
    assert measure("net_sum", pl.col("net").sum(), at_least=0).label == "net sum at least 0"
