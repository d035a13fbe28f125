"""What a fold costs by how many keys its state has: its steps, and keeping its state.

`python benchmarks/fold_keys.py [FOLD…]`: CPU seconds for 100,000 messages, in batches of 10,000 of random keys.
"""

import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from platform_assets.ingest.fold_state import FoldStore, Snapshot, number_rows
from platform_core.contracts import (
    Counted,
    DataFrameModel,
    Dataset,
    Delta,
    Featured,
    Field,
    Near,
    Pattern,
    Quarantine,
    Sessions,
    Sliding,
    Topic,
    Tumbling,
    UtcTimestamp,
    catalog_of,
    col,
)
from platform_core.features import count, feature, last
from platform_core.folding import folding_of
from platform_resources.settings import Settings
from platform_resources.storage import Lake

BATCH, BATCHES, KEYS = 10_000, 3, (10_000, 100_000, 1_000_000)
START, LONG = datetime(2026, 3, 1, tzinfo=UTC), timedelta(days=2)
MEASURES = {"clicks": pl.len().cast(pl.Int64), "most": col("n").max()}
FEATURES = [feature("before", count(), over=LONG, by="user"), feature("last_n", last("n"), over=LONG, by="user")]
FOLDS = {
    "tumbling": Tumbling("t/clicks", size=LONG, by="user", measures=MEASURES),
    "sessions": Sessions("t/clicks", gap=LONG, by="user", measures=MEASURES),
    "sliding": Sliding("t/clicks", size=LONG, by="user", measures=MEASURES),
    "counted": Counted("t/clicks", count=7_000, by="user", measures=MEASURES),
    "pattern": Pattern("t/clicks", by="user", first=col("n") % 3 > 0, then=col("n") % 3 == 0, within=LONG),
    "near": Near("t/clicks", "t/views", by="user", before=LONG, after=LONG),
    "features": Featured("t/clicks", features=FEATURES),
}


class Clicks(DataFrameModel):
    """One row a click."""

    user: str = Field()
    n: int = Field()
    at: UtcTimestamp = Field()


def stream(name: str) -> Dataset:
    return Dataset(
        f"t/{name}", Clicks, owner="team:t", version="1.0.0", key=("user", "at", "n"),
        source=Topic(name, event_time="at"), store=Delta(mode="append"), quarantine=Quarantine(),
    )  # fmt: skip


def clicks(users: pl.Series, *, second: int, span: int, first: int) -> pl.DataFrame:
    offsets = np.sort(np.random.default_rng(first).random(len(users))) * span + second
    at = pl.Series(START.timestamp() * 1e6 + offsets * 1e6).cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
    numbers = pl.int_range(first, first + len(users), eager=True)
    rows = pl.DataFrame({"user": users, "n": numbers, "at": at, "_source": "clicks/0", "_ingest_id": numbers})
    return number_rows(rows.with_columns(pl.col("_ingest_id").cast(pl.String)), first)


def measure(name: str, key_count: int, lake: Lake) -> None:
    catalog = catalog_of([stream("clicks"), stream("views")])
    out = Dataset("t/out", Clicks, owner="team:t", version="1.0.0", source=FOLDS[name], store=Delta(mode="append"))
    folding, store = folding_of(catalog, out), FoldStore(lake, out, ["user", "n", "at"])
    users = pl.select(pl.format("user-{}", pl.int_range(key_count))).to_series()
    state = folding.step(folding.begin(), "t/clicks", clicks(users, second=0, span=3_600, first=0), START).state
    before = store.keep(Snapshot(1, {}, state, places=key_count), Snapshot(None, {}, folding.begin()))
    rng, steps, keeps = np.random.default_rng(1), 0.0, 0.0
    for batch in range(BATCHES):
        first = key_count + batch * BATCH
        rows = clicks(users.gather(rng.integers(0, key_count, BATCH)), second=3_600 + batch, span=1, first=first)
        began = time.process_time()
        state = folding.step(state, "t/clicks", rows, START).state
        stepped = time.process_time()
        snapshot = Snapshot(before.next_number(), {}, state, places=first + BATCH)
        kept = store.keep(snapshot, before)
        store.forget(set(before.changes) - set(kept.changes))
        steps, keeps, before = steps + stepped - began, keeps + time.process_time() - stepped, kept
    share = 100_000 / (BATCH * BATCHES)
    print(f"{name:9} {key_count:>9,} keys: step {steps * share:6.2f}, state {keeps * share:6.2f}", flush=True)


if __name__ == "__main__":
    for fold in sys.argv[1:] or FOLDS:
        for size in KEYS:
            with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
                measure(fold, size, Lake(Settings.from_environment({"PLATFORM_STATE": folder})))
