"""Transforms whose lineage is known because they are put together from parts that say what they do."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl

Edge = tuple[str, str, str, str]
"""Input, its column, column of the result or `*`, and how."""

ORDERS = ("order_id", "customer_id", "day", "quantity", "price", "status", "channel")
CUSTOMERS = ("customer_id", "country", "age")


@dataclass(frozen=True)
class Planted:
    name: str
    inputs: tuple[str, ...]
    edges: frozenset[Edge]
    parts: tuple[str, str, str]
    pandas: bool

    def __call__(self, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        joined = _JOINS[self.parts[1]](_FILTERS[self.parts[0]](frames["orders"]), frames.get("customers"))
        if self.pandas:  # the same through another library: nothing of a plan is left to read
            joined = pl.from_pandas(joined.to_pandas())
        return _ENDS[self.parts[2]](joined)


_FILTERS = {
    "all": lambda f: f,
    "equal": lambda f: f.filter(pl.col("status") == "paid"),
    "more": lambda f: f.filter(pl.col("quantity") > 3),
    "between": lambda f: f.filter(pl.col("price").is_between(5, 60)),
    "among": lambda f: f.filter(pl.col("status").is_in(["paid", "sent"])),
    "two": lambda f: f.filter((pl.col("status") != "void") & (pl.col("quantity") < 9)),
}
_FILTERED = {"all": [], "equal": ["status"], "more": ["quantity"], "between": ["price"], "among": ["status"],
             "two": ["status", "quantity"]}  # fmt: skip
_JOINS = {
    "alone": lambda f, _: f,
    "inner": lambda f, c: f.join(c, on="customer_id"),
    "left": lambda f, c: f.join(c, on="customer_id", how="left"),
    "semi": lambda f, c: f.join(c, on="customer_id", how="semi"),
    "anti": lambda f, c: f.join(c, on="customer_id", how="anti"),
}
_BY = pl.col("price") * pl.col("quantity")
_ENDS = {
    "pass": lambda f: f.select("order_id", "price", "day"),
    "computed": lambda f: f.select("order_id", total=_BY, loud=pl.col("channel").str.to_uppercase()),
    "case": lambda f: f.select("order_id", due=pl.when(pl.col("quantity") > 4).then("price").otherwise(0.0)),
    "by channel": lambda f: f.group_by("channel").agg(total=_BY.sum(), orders=pl.len()),
    "by two": lambda f: f.group_by("channel", "status").agg(most=pl.col("price").max(), mean=pl.col("price").mean()),
    "distinct": lambda f: f.select("channel", "status").unique(),
    "largest": lambda f: f.sort("price", descending=True).head(3).select("order_id", "channel"),
    "total": lambda f: f.group_by("channel").agg(pl.col("price").sum()).filter(pl.col("price") > 40),
    "ranked": lambda f: f.select("order_id", place=pl.col("price").rank("dense")),
    "of customer": lambda f: f.select("order_id", "country", older=pl.col("age") + 1),
    "by country": lambda f: f.group_by("country").agg(total=pl.col("price").sum(), age=pl.col("age").max()),
    "by customer": lambda f: f.group_by("customer_id").agg(total=pl.col("price").sum()),
}
_O, _C = "orders", "customers"
_MADE: Mapping[str, list[Edge]] = {
    "pass": [(_O, name, name, "value") for name in ("order_id", "price", "day")],
    "computed": [(_O, "order_id", "order_id", "value"), (_O, "price", "total", "value"),
                 (_O, "quantity", "total", "value"), (_O, "channel", "loud", "value")],
    "case": [(_O, "order_id", "order_id", "value"), (_O, "quantity", "due", "value"), (_O, "price", "due", "value")],
    "by channel": [(_O, "channel", "*", "group"), (_O, "channel", "channel", "value"),
                   (_O, "price", "total", "value"), (_O, "quantity", "total", "value")],
    "by two": [(_O, "channel", "*", "group"), (_O, "channel", "channel", "value"), (_O, "status", "*", "group"),
               (_O, "status", "status", "value"), (_O, "price", "most", "value"), (_O, "price", "mean", "value")],
    "distinct": [(_O, "channel", "*", "group"), (_O, "channel", "channel", "value"), (_O, "status", "*", "group"),
                 (_O, "status", "status", "value")],
    "largest": [(_O, "price", "*", "filter"), (_O, "order_id", "order_id", "value"),
                (_O, "channel", "channel", "value")],
    "total": [(_O, "channel", "*", "group"), (_O, "channel", "channel", "value"), (_O, "price", "price", "value"),
              (_O, "price", "*", "filter")],
    "ranked": [(_O, "order_id", "order_id", "value"), (_O, "price", "place", "value")],
    "of customer": [(_O, "order_id", "order_id", "value"), (_C, "country", "country", "value"),
                    (_C, "age", "older", "value")],
    "by country": [(_C, "country", "*", "group"), (_C, "country", "country", "value"), (_O, "price", "total", "value"),
                   (_C, "age", "age", "value")],
    "by customer": [(_O, "customer_id", "*", "group"), (_O, "customer_id", "customer_id", "value"),
                    (_O, "price", "total", "value")],
}  # fmt: skip


def planted() -> Iterator[Planted]:
    """Yield every combination that makes sense, each other one through pandas."""
    for number, parts in enumerate(product(_FILTERS, _JOINS, _ENDS)):
        first, join, end = parts
        if end in ("of customer", "by country") and join not in ("inner", "left"):
            continue
        edges: list[Edge] = [(_O, name, "*", "filter") for name in _FILTERED[first]]
        if join != "alone":
            edges += [(name, "customer_id", "*", "join") for name in (_O, _C)]
        if join == "left" and end == "distinct":  # what a left join adds is gone again: it does nothing
            edges = [edge for edge in edges if edge[3] != "join"]
        hidden = {(_O, "status", "*", "group"), (_O, "status", "status", "value")} if first == "equal" else set()
        inputs = (_O,) if join == "alone" else (_O, _C)
        yield Planted(" ".join(parts), inputs, frozenset([*edges, *_MADE[end]]) - hidden, parts, pandas=number % 2 == 1)


def tables(seed: int = 1) -> dict[str, pl.DataFrame]:
    """Return sixteen orders and six customers; not every order's customer is known."""
    rng = np.random.default_rng(seed)
    rows = 16
    orders = pl.DataFrame(
        {
            "order_id": list(range(1, rows + 1)),
            "customer_id": [1, 2, 8, 3, 4, 9, 1, 8, 2, 7, 3, 9, 4, 8, 5, 7],
            "day": [dt.date(2024, 1, 1) + dt.timedelta(days=int(each)) for each in rng.integers(0, 90, rows)],
            "quantity": rng.integers(1, 10, rows).tolist(),
            "price": rng.integers(4, 80, rows).astype(float).tolist(),
            "status": rng.choice(["paid", "sent", "void"], rows, p=[0.6, 0.2, 0.2]).tolist(),
            "channel": rng.choice(["web", "shop", "phone"], rows).tolist(),
        }
    )
    customers = pl.DataFrame(
        {
            "customer_id": [1, 2, 3, 4, 5, 6],
            "country": ["DE", "FR", "DE", "FR", "IT", "IT"],
            "age": rng.integers(18, 80, 6).tolist(),
        }
    )
    return {_O: orders, _C: customers}
