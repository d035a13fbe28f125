"""The reference page of a declaration's words, made from the code: `docs/words.md`.

Whatever `platform_core.contracts` shows, every argument of its records and every kind of rule appears there with an
example that runs; a test compares the page with what is made here.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from typing import Any

from platform_core import contracts
from platform_core.contracts.arguments import EXAMPLES as EXAMPLES_OF_DATASET
from platform_core.contracts.folds import Fold
from platform_core.contracts.publications import Publication
from platform_core.contracts.sources import Source
from platform_core.rules import FIELD_WORDS, KINDS

TYPES: Mapping[str, str] = {
    "int": "a whole number of 64 bits; `pl.Int8` to `pl.UInt64` for others",
    "float": "a number of 64 bits; NaN is null; `pl.Float32` for 32",
    "str": "a text",
    "bool": "true or false",
    "UtcTimestamp": "an instant in microseconds, in UTC",
    "Day": "a calendar day",
    "pl.Time": "a time of day",
    "pl.Duration": "a length of time",
    "pl.Binary": "bytes",
    "pl.Categorical": "a text of few different values",
    'Annotated[pl.Enum, ["a", "b"]]': "one of these texts, in this order",
    "Annotated[pl.Decimal, 10, 2]": "a decimal of 10 digits, 2 of them places",
    "Annotated[pl.List, pl.Int64]": "a list",
    'Annotated[pl.Struct, {"a": pl.Int64}]': "a record",
}
"""What a column may be annotated with."""

OPTIONS: Mapping[str, str] = {
    "nullable": "nullable=True",
    "unique": "unique=True",
    "references": 'references="flights/airlines.carrier"',
    "coverage": "coverage=0.8",
    "unit": 'unit="minutes"',
    "pii": 'pii="email"',
    "severity": 'severity="warn"',
    "description": 'description="Tail number"',
    "title": 'title="Tail"',
    "alias": 'alias="Order ID"',
    "source_name": 'source_name="Customer ID"',
    "metadata": 'metadata={"team": "a"}',
}
"""An example of each argument of `Field` that is no rule."""

EXAMPLES: Mapping[str, str] = {
    "Files": 'Files("orders-*.csv")',
    "Database": 'Database("shop", table="orders", cursor="updated_at", key=["id"])',
    "Rest": 'Rest("https://api.example.com/orders", records="data", pages=offset(100), auth=bearer("shop"))',
    "offset": 'offset(100, total="meta.total")',
    "page": "page(size=100, size_param='per_page')",
    "cursor": 'cursor("meta.next_cursor")',
    "link": "link()",
    "bearer": 'bearer("shop")',
    "basic": 'basic("shop")',
    "api_key": 'api_key("shop", header="X-Api-Key")',
    "oauth2": 'oauth2("shop", "https://login.example.com/token")',
    "Topic": 'Topic("orders")',
    "Changes": 'Changes("shop.public.orders")',
    "minutes": "minutes(5)",
    "Tumbling": 'Tumbling("shop/clicks", size=minutes(1), by="user", measures={"clicks": col("page").len()})',
    "Hopping": 'Hopping("shop/clicks", size=minutes(5), every=minutes(1), by="user", measures={"n": col("at").len()})',
    "Sessions": 'Sessions("shop/clicks", gap=minutes(30), by="user", measures={"clicks": col("page").len()})',
    "Sliding": 'Sliding("shop/clicks", size=minutes(5), by="user", measures={"clicks": col("page").len()})',
    "Counted": 'Counted("shop/clicks", count=100, by="user", measures={"pages": col("page").n_unique()})',
    "Lookup": 'Lookup("shop/clicks", "shop/users", by="user", take=["country"])',
    "AsOf": 'AsOf("shop/orders", "shop/prices", by="sku", take=["price"], valid_from="since")',
    "Pattern": 'Pattern("shop/clicks", by="user", first=col("page") == "basket", then=col("page") == "checkout",'
    " within=minutes(30))",
    "Near": 'Near("shop/clicks", "shop/orders", by="user", after=minutes(10))',
    "Featured": 'Featured("shop/clicks", features=[])',
    "Scored": 'Scored("shop/orders", reads_columns=["price", "quantity"])',
    "ToAlert": 'ToAlert("oncall", when="anomaly_score >= 3")',
    "ToDatabase": 'ToDatabase("shop", table="daily_delays")',
    "ToTopic": 'ToTopic("clean_orders")',
    "ToRedis": 'ToRedis("cache", keep=within(days=1))',
    "ToStore": 'ToStore("online")',
    "ToSearch": 'ToSearch("search", index="orders")',
    "ToWebhook": 'ToWebhook("crm")',
    "DbtModel": "DbtModel()",
    "Generated": "Generated(rows=1000, seed=7)",
    "monthly": 'monthly("2024-01", on="at")',
    "daily": 'daily("2024-01-31", on="at", zone="Europe/Berlin")',
    "weekly": 'weekly("2024-01-01", on="at")',
    "quarterly": 'quarterly("2024-04", on="at")',
    "yearly": 'yearly("2024", on="at", end="2030")',
    "by": 'by("country", values=["DE", "FR"])',
    "pairs": 'pairs(daily("2024-01-31", on="at"), by("country"))',
    "hourly": 'hourly("2024-01-31-00:00", on="at")',
    "Delta": 'Delta(mode="merge")',
    "Iceberg": 'Iceberg(mode="merge", sort=["day"])',
    "Parquet": 'Parquet(mode="append")',
    "Quarantine": "Quarantine(keep=within(days=30))",
    "Retention": "Retention(keep=within(days=365))",
    "Sla": "Sla(availability=0.99)",
    "Threshold": 'Threshold("row_count", at_least=1000, may_fall=0.5)',
    "Term": 'Term("Revenue", "What customers paid.", columns=["shop/sales.price"])',
    "within": "within(hours=24)",
    "complete": 'complete("dep_delay", at_least=0.9)',
    "volume": "volume(at_least=1000)",
    "balance": 'balance("lines_paid", "shop/lines", by=["order"], own=col("cents").sum(), theirs=col("cents").sum())',
    "measure": 'measure("mean_delay", col("delay").mean(), at_most=60)',
    "expression": 'expression("order", "starts_at < ends_at")',
    "unique": 'unique("carrier", "flight", "day")',
    "references": 'references(("origin", "hour"), "flights/weather")',
    "compare": 'compare("ends_at", ">", "starts_at")',
    "not_future": 'not_future("created_at")',
    "fresh": 'fresh("created_at", within=within(hours=6))',
    "no_gaps": 'no_gaps("at", longest=within(hours=1))',
    "mean": 'mean("price", at_least=5, at_most=50)',
    "deviation": 'deviation("price", at_most=20)',
    "quantile": 'quantile("price", 0.95, at_most=200)',
    "distinct": 'distinct("country", at_least=2)',
    "drift": 'drift("price", "psi", at_most=0.2, against="last 7")',
    "share_of": 'share_of("status", "failed", at_most=0.05)',
    "mostly": 'mostly(expression("light", "weight < 30"), at_least=0.95)',
    "only_where": 'only_where(expression("zip", "zip IS NOT NULL"), "country = \'DE\'")',
    "rules_from": 'rules_from([{"type": "ge", "field": "price", "value": 0, "threshold": 0.95}])',
}
"""An example of each function and record that a declaration is made of."""

ARGUMENTS: Mapping[str, str] = {
    "after": "after=minutes(10)",
    "at_least": "at_least=1000",
    "at_most": "at_most=5000",
    "attempts": "attempts=3",
    "auth": 'auth=bearer("crm")',
    "auc_at_least": "auc_at_least=0.9",
    "availability": "availability=0.999",
    "awaits_future": "awaits_future=True",
    "before": "before=minutes(5)",
    "by": 'by=["user"]',
    "case": 'case={"country": "upper"}',
    "channel": 'channel="journal"',
    "column": 'column="price"',
    "columns": 'columns=["price", "day"]',
    "connection": 'connection="shop"',
    "count": "count=100",
    "currency": 'currency=("€", "EUR")',
    "cursor": 'cursor="updated_at"',
    "database": 'database="bank"',
    "decimal": 'decimal=","',
    "delimiter": 'delimiter=";"',
    "drift": "drift=3.0",
    "encoding": 'encoding="cp1252"',
    "event_time": 'event_time="at"',
    "every": "every=minutes(5)",
    "evolution": 'evolution="add"',
    "extra_columns": 'extra_columns="note"',
    "features": "features=[]",
    "first": 'first=col("page") == "basket"',
    "first_times": "first_times=3",
    "follow": 'follow="next"',
    "Topic.format": 'format="avro"',
    "Changes.format": 'format="debezium"',
    "formats": 'formats={"day": "%d.%m.%Y"}',
    "gap": "gap=minutes(30)",
    "grace": "grace=minutes(1)",
    "header": "header=False",
    "header_row": "header_row=3",
    "headers": 'headers="loose"',
    "history": "history=True",
    "idle": "idle=minutes(10)",
    "index": 'index="orders"',
    "keep": "keep=within(days=30)",
    "key": 'key="user"',
    "Database.key": 'key=["id"]',
    "label": 'label="is_fraud"',
    "labels": 'labels="shop/frauds"',
    "lag": "lag=minutes(1)",
    "late": 'late="correct"',
    "latency": "latency=minutes(5)",
    "lateness": "lateness=minutes(1)",
    "left": 'left="shop/clicks"',
    "looks": 'looks="0 * * * *"',
    "malformed": "malformed=0.01",
    "maximum": "maximum=within(hours=4)",
    "may_fall": "may_fall=0.5",
    "may_rise": "may_rise=2.0",
    "meaning": 'meaning="What customers paid."',
    "measures": 'measures={"clicks": col("page").len()}',
    "metric": 'metric="row_count"',
    "missing_columns": 'missing_columns="refuse"',
    "mode": 'mode="merge"',
    "Parquet.mode": 'mode="append"',
    "most": "most=20",
    "name": 'name="Revenue"',
    "null_values": 'null_values={"amount": ["n/a"]}',
    "of": 'of="shop/clicks"',
    "owner": 'owner="team:finance"',
    "pages": "pages=offset(100)",
    "params": 'params={"status": "open"}',
    "path_columns": 'path_columns={"country": r"sales-([a-z]+)-"}',
    "pattern": 'pattern="**/sales-*.csv"',
    "place_column": 'place_column="line"',
    "prefix": 'prefix="orders"',
    "query": 'query="select * from orders where paid"',
    "rate": "rate=5",
    "Scored.rate": "rate=0.01",
    "read_back": "read_back=within(days=90)",
    "reads_columns": 'reads_columns=["price", "quantity"]',
    "records": 'records="data.items"',
    "right": 'right="shop/orders"',
    "rows": "rows=1000",
    "season": "season=within(days=1)",
    "season_parts": "season_parts=24",
    "seed": "seed=7",
    "world": 'world="commerce"',
    "scale": "scale=0.1",
    "severity": 'severity="error"',
    "sheet": 'sheet="2024"',
    "since": 'since="changed_after"',
    "size": "size=minutes(5)",
    "sort": 'sort=["day"]',
    "store": 'store="online"',
    "synonyms": 'synonyms=["Turnover"]',
    "table": 'table="orders"',
    "take": 'take=["country"]',
    "then": 'then=col("page") == "checkout"',
    "thousands": 'thousands="."',
    "throughput": "throughput=1000",
    "time": 'time="at"',
    "times": "times=2",
    "Changes.times": 'times="ms"',
    "title": 'title="An odd order"',
    "topic": 'topic="orders"',
    "topic_partitions": "topic_partitions=4",
    "train_on": "train_on=5000",
    "trim": "trim=True",
    "type_changes": 'type_changes="refuse"',
    "url": 'url="https://api.example.com/v1/customers"',
    "valid_from": 'valid_from="since"',
    "versions": "versions=within(days=30)",
    "when": 'when="anomaly_score >= 3"',
    "widths": "widths=(8, 30, 12)",
    "within": "within=minutes(30)",
    "without": 'without=col("page") == "help"',
    "zone": 'zone="Europe/Berlin"',
}
"""An example of each argument of the records, by its name; of one record alone, by the record's name and its own."""

_SHARED: Mapping[str, type] = {
    "every source": Source,
    "every stream made of streams": Fold,
    "every publication": Publication,
}
"""Whose arguments several records have."""

_MACHINERY = frozenset({
    "Auth", "Catalog", "Categories", "CheckRule", "Column", "DatasetRule", "Pages", "Pairs", "Partitions",
    "ReferenceRule", "RowRule", "Rule", "Transform",
})  # fmt: skip
"""Records that functions make."""

_ELSEWHERE = frozenset({"DataFrameModel", "Dataset", "Field", "UtcTimestamp", "Day"})


def words_page() -> str:
    """Return the page as Markdown."""
    return "\n".join([*_page(), ""])


def _page() -> Iterator[str]:
    yield "# The words of a declaration"
    yield ""
    yield "Made from the code by `platform_core.contracts.words`; a test knows when it is out of date."
    types = ((f"`{word}`", text) for word, text in TYPES.items())
    yield from _section("Types of columns", "Annotation", "What it is", types)
    yield from _section("Arguments of `Dataset`", "Example", "What it says", _arguments(contracts.Dataset, "Dataset"))
    yield from _section("Arguments of `Field`", "Example", "What it says", _options())
    yield from _section(
        "Rules of `Field`", "Example", "What it says",
        ((f"`{kind.example}`", _first(kind)) for kind in FIELD_WORDS.values()),
    )  # fmt: skip
    yield from _section("Everything else", "Example", "What it is", _names())
    yield from _records()
    yield from _section(
        "Kinds of rules", "`type` in a list of rules", "What it says",
        ((f"`{kind.kind}`", _first(kind)) for kind in KINDS),
    )  # fmt: skip


def _section(title: str, left: str, right: str, rows: Iterator[tuple[str, str]]) -> Iterator[str]:
    yield from ("", f"## {title}", "", f"| {left} | {right} |", "|---|---|")
    for word, text in rows:
        cells = (word.replace("|", "\\|"), text.replace("|", "\\|"))
        yield f"| {cells[0]} | {cells[1]} |"


def _options() -> Iterator[tuple[str, str]]:
    texts = _documented(contracts.Field)
    for name in inspect.signature(contracts.Field).parameters:
        if name != "rules":
            yield f"`{OPTIONS[name]}`", texts.get(name, "")


def _names() -> Iterator[tuple[str, str]]:
    for name in contracts.__all__:
        member = getattr(contracts, name)
        if name not in _ELSEWHERE and callable(member):
            yield f"`{EXAMPLES.get(name, name)}`", _first(member)


def _records() -> Iterator[str]:
    for title, base in _SHARED.items():
        yield from _section(f"Arguments of {title}", "Example", "What it says", _arguments(base, base.__name__))
    for name in contracts.__all__:
        member = getattr(contracts, name)
        if name not in _ELSEWHERE | _MACHINERY and is_dataclass(member) and own_arguments(member):
            yield from _section(f"Arguments of `{name}`", "Example", "What it says", _arguments(member, name))


def own_arguments(record: Any) -> list[Field[Any]]:
    """Return the arguments of a record that are not explained once for all records of its kind."""
    known = {field.name: field.default for base in _SHARED.values() if base is not record and issubclass(record, base)
             for field in fields(base)}  # fmt: skip
    return [
        field
        for field in fields(record)
        if field.init and example_of(record.__name__, field.name)
        if field.name not in known or known[field.name] is not field.default
    ]


def example_of(record: str, argument: str) -> str:
    """Return how an argument is written; empty where nobody writes it, as the format that a store is known by."""
    if record == "Dataset":
        return EXAMPLES_OF_DATASET[argument]
    return ARGUMENTS.get(f"{record}.{argument}", ARGUMENTS.get(argument, ""))


def _arguments(record: Any, name: str) -> Iterator[tuple[str, str]]:
    texts = _documented(record)
    for field in own_arguments(record):
        text = f"{texts.get(field.name, '')} {_default(field)}".strip()
        yield f"`{example_of(name, field.name)}`", text


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return ""
    if isinstance(field.default, timedelta):
        return f"Default {_spoken(field.default)}."
    shown = type(field.default).__name__ + "()" if is_dataclass(field.default) else repr(field.default)
    return f"Default `{shown}`."


def _spoken(length: timedelta) -> str:
    if not length:
        return "zero"
    for seconds, unit in ((86_400, "days"), (60, "minutes"), (1, "seconds")):
        if not length.total_seconds() % seconds:
            return f"{length.total_seconds() / seconds:g} {unit}"
    return str(length)


def _first(documented: Any) -> str:
    """Return the first paragraph of a docstring, without its `Return`: the page says what a word is."""
    paragraph = " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split()).removeprefix("Return ")
    return paragraph[:1].upper() + paragraph[1:]


def _documented(documented: type | Callable[..., Any]) -> dict[str, str]:
    """Return the texts of a docstring's `Args:` and `Attributes:`, those of the bases too."""
    texts: dict[str, str] = {}
    for one in reversed(inspect.getmro(documented)) if isinstance(documented, type) else (documented,):
        listed = re.search(r"(?:Args|Attributes):\n(.*?)(?:\n\n|\Z)", inspect.getdoc(one) or "", re.DOTALL)
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", listed.group(1) if listed else "", re.MULTILINE):
            texts[name] = " ".join(text.split())
    return texts
