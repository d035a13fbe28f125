"""A shop as people know it: customers, products, orders with lines, payments, and what visitors did, two years long.

Customers sign up over time and come back; there are more orders before Christmas, at noon and in the evening; some are
returned and refunded, some payments fail at first; events come in sessions, some late, some twice. A customer and all
that hangs on them follow from the seed and their number: a larger shop has the same customers, and more of them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from platform_core.synthetic.patterns import joined
from platform_core.synthetic.people import people
from platform_core.synthetic.recipes.blocks import generator
from platform_core.synthetic.vocabulary import words

TABLES = ("customers", "products", "orders", "order_lines", "payments", "events")
CUSTOMERS = 10_000
"""Customers at scale 1."""

MOST_CUSTOMERS = 999_999
"""As many as have numbers of six digits."""

_BLOCK, _PRODUCTS = 4_096, 500
_BEGIN, _DAYS = datetime(2024, 1, 1, tzinfo=UTC), 731
_SEASON = np.array([0.8, 0.75, 0.9, 0.95, 1.0, 1.0, 0.9, 0.85, 1.0, 1.05, 1.4, 1.9])
_HOURS = np.array([1, 1, 1, 1, 1, 2, 4, 6, 8, 9, 10, 12, 14, 12, 10, 9, 9, 10, 12, 15, 16, 12, 7, 3], dtype=float)
_COUNTRIES = {"DE": 30.0, "FR": 20.0, "ES": 14.0, "IT": 14.0, "NL": 12.0, "PL": 10.0}
_CATEGORIES = ("books", "games", "garden", "kitchen", "music")
_DAY = 86_400.0
_LATE, _TWICE, _SIGNED_OUT, _RETURNED, _FAILED = 0.02, 0.01, 0.4, 0.06, 0.03

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def shop(scale: float, seed: int, table: str) -> Iterator[pl.DataFrame]:
    """Yield a table of `TABLES` in chunks; orders, lines, payments and events by blocks of customers.

    Args:
        scale: 1 is 10,000 customers, some 30,000 orders and 770,000 events.
        seed: The same gives the same shop.
        table: Which.
    """
    if table == "products":
        yield products(seed)
        return
    customers = min(MOST_CUSTOMERS, max(1, round(CUSTOMERS * scale)))
    for start in range(0, customers, _BLOCK):
        yield _block(seed, start, min(_BLOCK, customers - start))[table]


def products(seed: int) -> pl.DataFrame:
    """Make the 500 products that are sold at any scale, the popular ones first."""
    rng = generator(seed, "commerce", "products")
    price = np.clip(np.rint(rng.lognormal(7.6, 0.8, _PRODUCTS)), 99, 50_000).astype(np.int64)
    cost = np.maximum(1, (price * rng.uniform(0.4, 0.8, _PRODUCTS)).astype(np.int64))
    rating = pl.Series(np.round(np.clip(rng.normal(4.1, 0.5, _PRODUCTS), 1, 5), 1))
    return pl.DataFrame({
        "product_id": _ids("P", np.arange(1, _PRODUCTS + 1), 4),
        "title": words(rng, _PRODUCTS),
        "category": pl.Series(_CATEGORIES).gather(rng.integers(0, len(_CATEGORIES), _PRODUCTS)),
        "price_cents": price,
        "cost_cents": cost,
        "rating": rating.set(pl.Series(rng.random(_PRODUCTS) < 0.1), None),  # noqa: PLR2004 - not yet rated
    })  # fmt: skip


def _block(seed: int, start: int, customers: int) -> dict[str, pl.DataFrame]:
    """All that hangs on a block of customers, of which the first so many are wanted."""

    def chance(name: str) -> np.random.Generator:
        return generator(seed, "commerce", name, start // _BLOCK)

    rng = chance("customers")
    folk = people(rng, start + 1, _BLOCK, _COUNTRIES)
    signed_up = np.sort(rng.random(_BLOCK)) ** 0.8 * (_DAYS - 1) * _DAY  # a shop that grows slowly at first
    rng.shuffle(signed_up)
    numbers = np.arange(start + 1, start + _BLOCK + 1)
    table = pl.DataFrame({
        "customer_id": _ids("C", numbers, 6), "name": folk["name"], "email": folk["email"],
        "phone": folk["phone"].set(pl.Series(rng.random(_BLOCK) < 0.2), None),  # noqa: PLR2004 - who gives none
        "address": folk["address"],
        "birth_date": pl.Series(rng.integers(-10_957, 13_149, _BLOCK)).cast(pl.Date),
        "country": folk["country"], "signed_up_at": _instants(signed_up),
    })  # fmt: skip
    orders, times, owners = _orders(chance("orders"), numbers, signed_up)
    lines = _lines(chance("lines"), orders["order_id"], seed)
    totals = lines.group_by("order_id", maintain_order=True).agg(pl.col("line_cents").sum().alias("total_cents"))
    orders = orders.join(totals, on="order_id", how="left", maintain_order="left")
    payments = _payments(chance("payments"), orders, times)
    events = _events(chance("events"), table, signed_up, orders, times, owners, lines)
    chosen_customers = table.head(customers)
    chosen_orders = orders.join(
        chosen_customers.select("customer_id"), on="customer_id", how="semi", maintain_order="left"
    )
    of_orders = chosen_orders.select("order_id")
    return {
        "customers": chosen_customers,
        "orders": chosen_orders,
        "order_lines": lines.join(of_orders, on="order_id", how="semi", maintain_order="left"),
        "payments": payments.join(of_orders, on="order_id", how="semi", maintain_order="left"),
        "events": events.join(
            chosen_customers.select("customer_id"), on="customer_id", how="semi", maintain_order="left"
        ),
    }


def _orders(rng: np.random.Generator, numbers: Places, signed_up: Numbers) -> tuple[pl.DataFrame, Numbers, Places]:
    """Orders of returning customers, in the order of customers; their times in seconds, and whose they are."""
    counts = np.minimum(rng.poisson(rng.gamma(0.7, 4.3, numbers.size)), 99)
    owners = np.repeat(np.arange(numbers.size), counts)
    nth = np.arange(owners.size) - np.repeat(np.cumsum(counts) - counts, counts)
    times = _seasonal(rng, signed_up[owners] + 600, _DAYS * _DAY)
    times = times[np.lexsort((times, owners))]
    returned = rng.random(owners.size) < _RETURNED
    shipped = times + rng.uniform(0.2, 4, owners.size) * _DAY
    waiting = shipped >= _DAYS * _DAY
    status = pl.select(
        pl.when(pl.Series(waiting)).then(pl.lit("paid")).when(pl.Series(returned)).then(pl.lit("returned"))
        .otherwise(pl.lit("shipped"))
    ).to_series()  # fmt: skip
    orders = pl.DataFrame({
        "order_id": joined([_ids("O", numbers[owners], 6), _ids("", nth, 2)]),
        "customer_id": _ids("C", numbers[owners], 6),
        "status": status,
        "ordered_at": _instants(times),
        "shipped_at": _instants(shipped).set(pl.Series(waiting), None),
    })  # fmt: skip
    return orders, times, owners


def _seasonal(rng: np.random.Generator, earliest: Numbers, latest: float) -> Numbers:
    """Instants between, in seconds: of six days the one by the season's weight, at an hour by the day's."""
    days = rng.uniform(earliest[:, None] / _DAY, latest / _DAY, (earliest.size, 6))
    months = np.clip((days % 365.5 / 365.5 * 12).astype(np.int64), 0, 11)
    weights = np.cumsum(_SEASON[months], axis=1)
    chosen = (rng.random((earliest.size, 1)) * weights[:, -1:] > weights).sum(axis=1)
    day = np.floor(days[np.arange(earliest.size), chosen])
    hours = np.searchsorted(np.cumsum(_HOURS) / _HOURS.sum(), rng.random(earliest.size))
    times = (day + hours / 24) * _DAY + np.floor(rng.uniform(0, 3600, earliest.size))
    return np.asarray(np.minimum(np.maximum(times, earliest), latest - 1))


def _lines(rng: np.random.Generator, order_ids: pl.Series, seed: int) -> pl.DataFrame:
    """Lines of the orders, one and more each, with popular products oftener."""
    counts = 1 + np.minimum(rng.poisson(0.8, order_ids.len()), 9)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    first = np.repeat((rng.random(order_ids.len()) ** 2.5 * _PRODUCTS).astype(np.int64), counts)
    chosen = (first + (nth - 1) * 37) % _PRODUCTS  # no product twice in an order: 37 and 500 have no common divisor
    sold = products(seed)
    quantity = np.minimum(rng.geometric(0.7, nth.size), 20)
    price = sold["price_cents"].to_numpy()[chosen]
    return pl.DataFrame({
        "order_id": order_ids.gather(np.repeat(np.arange(order_ids.len()), counts)),
        "line_number": nth,
        "product_id": sold["product_id"].gather(chosen),
        "quantity": quantity,
        "unit_price_cents": price,
        "line_cents": price * quantity,
    })  # fmt: skip


def _payments(rng: np.random.Generator, orders: pl.DataFrame, times: Numbers) -> pl.DataFrame:
    """Return a charge for each order, sometimes after one that failed, and a refund where it was returned."""
    base = orders.select("order_id", "total_cents", "status")
    method = pl.Series(("card", "wallet", "transfer")).gather(
        np.searchsorted([0.6, 0.85], rng.random(orders.height)).astype(np.int64)
    )
    base = base.with_columns(method.alias("method"))
    failed = rng.random(orders.height) < _FAILED
    charged = times + np.floor(rng.uniform(20, 180, orders.height)) + np.where(failed, 120, 0)
    refunded = times + np.floor(rng.uniform(6, 30, orders.height) * _DAY)

    def part(kind: str, state: str, nth: str, at: Numbers, sign: int) -> pl.DataFrame:
        return base.select(
            pl.concat_str(pl.lit("Y"), pl.col("order_id").str.slice(1), pl.lit(nth)).alias("payment_id"),
            "order_id", pl.lit(kind).alias("kind"), "method", pl.lit(state).alias("state"),
            (pl.col("total_cents") * sign).alias("amount_cents"), _instants(at).alias("paid_at"),
        )  # fmt: skip

    return pl.concat([
        part("charge", "failed", "0", times + 15, 1).filter(pl.Series(failed)),
        part("charge", "settled", "1", charged, 1),
        part("refund", "settled", "2", refunded, -1).filter(base["status"] == "returned"),
    ]).sort("payment_id")  # fmt: skip


def _events(
    rng: np.random.Generator, customers: pl.DataFrame, signed_up: Numbers, orders: pl.DataFrame, times: Numbers,
    owners: Places, lines: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Return what customers did, by sessions: one signs up, one for each order, others that only look."""
    looks = rng.poisson(2.0 + 2.0 * np.bincount(owners, minlength=signed_up.size))
    look_owners = np.repeat(np.arange(signed_up.size), looks)
    look_times = _seasonal(rng, signed_up[look_owners] + 600, _DAYS * _DAY)
    kinds = np.repeat([0, 1, 2], [signed_up.size, times.size, look_times.size])
    session_owner = np.concatenate([np.arange(signed_up.size), owners, look_owners])
    ends = np.concatenate([signed_up, times, look_times])
    first_product = lines.unique("order_id", keep="first", maintain_order=True)["product_id"]
    views = 1 + np.minimum(rng.poisson(3.0, ends.size), 30)
    out = rng.random(ends.size) < _SIGNED_OUT
    parts: list[pl.DataFrame] = []

    def add(sessions: Places, kind: str, seconds: Numbers, product: pl.Series, order: pl.Series | None = None) -> None:
        parts.append(pl.DataFrame({
            "session": sessions, "kind": pl.Series([kind] * sessions.size, dtype=pl.String),
            "customer_id": customers["customer_id"].gather(session_owner[sessions]), "product_id": product,
            "order_id": order if order is not None else pl.Series([None] * sessions.size, dtype=pl.String),
            "seconds": seconds,
        }))  # fmt: skip

    view_sessions = np.repeat(np.arange(ends.size), views)
    product_ids = _ids("P", 1 + (rng.random(view_sessions.size) ** 2.5 * _PRODUCTS).astype(np.int64), 4)
    before = np.floor(rng.exponential(120, view_sessions.size)) + 10
    add(view_sessions, "page_view", ends[view_sessions] - np.minimum(before, 590), product_ids)
    clicked = rng.random(view_sessions.size) < 0.4  # noqa: PLR2004 - of ten pages four lead on
    add(view_sessions[clicked], "click", ends[view_sessions[clicked]] - np.minimum(before[clicked], 590) + 5,
        product_ids.filter(pl.Series(clicked)))  # fmt: skip
    all_sessions = np.arange(ends.size)
    nothing = pl.Series([None] * ends.size, dtype=pl.String)
    add(all_sessions[kinds == 0], "sign_up", ends[kinds == 0], nothing.head(int((kinds == 0).sum())))
    add(all_sessions[kinds == 1], "purchase", ends[kinds == 1], first_product, orders["order_id"])
    add(all_sessions[out], "log_out", ends[out] + 60, nothing.head(int(out.sum())))
    events = pl.concat(parts)
    numbers = customers["customer_id"].str.slice(1).cast(pl.Int64).min() or 0
    assert isinstance(numbers, int)  # noqa: S101 - for the type checker: ids end in digits
    delay = np.where(rng.random(events.height) < _LATE, rng.uniform(600, 2 * _DAY, events.height),
                     rng.exponential(2, events.height))  # fmt: skip
    events = events.with_columns(
        joined([_ids("E", np.full(events.height, numbers), 6), _ids("", np.arange(events.height), 9)]).alias(
            "event_id"
        ),
        joined([_ids("S", np.full(events.height, numbers), 6), _ids("", events["session"].to_numpy(), 6)]).alias(
            "session_id"
        ),
        _instants(events["seconds"].to_numpy()).alias("occurred_at"),
        _instants(events["seconds"].to_numpy() + delay).alias("received_at"),
    ).select("event_id", "session_id", "kind", "customer_id", "product_id", "order_id", "occurred_at", "received_at")
    again = events.filter(pl.Series(rng.random(events.height) < _TWICE))
    again = again.with_columns(pl.col("received_at") + timedelta(seconds=30))
    return pl.concat([events, again]).sort("received_at", "event_id")


def _ids(letter: str, numbers: "npt.NDArray[Any]", digits: int) -> pl.Series:
    return joined([pl.Series([letter]), pl.Series(numbers).cast(pl.String).str.zfill(digits)])


def _instants(seconds: Numbers) -> pl.Series:
    micros = pl.Series((seconds * 1_000).astype(np.int64) * 1_000).cast(pl.Duration("us"))
    return pl.select(micros + pl.lit(_BEGIN).cast(pl.Datetime("us", "UTC"))).to_series()
