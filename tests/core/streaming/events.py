"""Random events, random cuts, and the watermark row by row: what the references of these tests share."""

# ruff: noqa: S311 - seeded, so that a failure comes again

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = START
LATENESS = timedelta(seconds=20)
Row = dict[str, object]


def make_events(seed: int, count: int = 200, *, kinds: str = "ABCX") -> pl.DataFrame:
    """Events of three users in two partitions whose times go up, with repeats, jumps and stragglers."""
    rng = random.Random(seed)
    at, rows = 0.0, []
    for number in range(count):
        at += rng.choice([0, 1, 2, 5, 5, 40 if rng.random() < 0.2 else 3])
        straggle = rng.choice([0, 0, 0, 7, 15, 200 if rng.random() < 0.1 else 0])
        moment = START + timedelta(seconds=max(0, at - straggle))
        rows.append((rng.choice("uvw"), rng.choice("01"), moment, number, rng.uniform(-1e9, 1e9), rng.choice(kinds)))
    schema = {"user": pl.String, "part": pl.String, "at": pl.Datetime("us", "UTC"), "n": pl.Int64, "x": pl.Float64}
    return pl.DataFrame(rows, schema=schema | {"kind": pl.String}, orient="row")


def cut(seed: int, events: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The events in batches of random sizes, empty ones among them."""
    rng, start = random.Random(-seed), 0
    while start < events.height:
        size = rng.choice([0, 1, 1, 3, 17, 60])
        yield events.slice(start, size)
        start += size


def with_watermarks(events: pl.DataFrame) -> Iterator[tuple[Row, datetime | None]]:
    """Each row and the watermark that those before it had brought, by the definition."""
    latest: dict[object, datetime] = {}
    reached: datetime | None = None
    for row in events.to_dicts():
        yield row, reached
        latest[row["part"]] = max(latest.get(row["part"], row["at"]), row["at"])
        candidate = min(latest.values()) - LATENESS
        reached = candidate if reached is None else max(reached, candidate)
