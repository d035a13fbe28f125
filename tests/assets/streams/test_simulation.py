"""A deterministic simulation: one seed drives two workers, their order and clocks, deaths, time-outs, and what came.

Real parts, the embedded log and Delta tables, work in one process, each worker with a fold of windows. A death is an
error raised before or behind a call to the lake or the broker, and what the worker knew goes with it; a time-out is
raised in the same places, and the worker lives on and tries again. A seed that fails becomes a test: add it to SEEDS.
"""

# ruff: noqa: S311 - seeded, so that a failure comes again

import json
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.ingest.fold_replay import replay_fold
from platform_assets.ingest.fold_worker import FoldWorker
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.stream import StreamWorker
from platform_assets.ingest.tables import INGEST, SOURCE, quarantine_spec, table_spec
from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Quarantine,
    Topic,
    Tumbling,
    UtcTimestamp,
    catalog_of,
)
from platform_resources.brokers import LogBroker, TopicSettings
from platform_resources.errors import ResourceError
from platform_resources.settings import Settings
from platform_resources.storage import Lake

SEEDS = range(4)


class Clicks(DataFrameModel):
    """One row a click."""

    n: int = Field(ge=0)
    user: str = Field()
    at: UtcTimestamp = Field()


class Windows(DataFrameModel):
    """One row a user and ten seconds."""

    user: str = Field()
    window_start: UtcTimestamp = Field()
    window_end: UtcTimestamp = Field()
    clicks: int = Field(ge=1)


_START = datetime(2026, 3, 1, tzinfo=UTC)
_TEN = timedelta(seconds=10)
_CLICKS = Dataset(
    "shop/clicks",
    Clicks,
    owner="team:commerce",
    version="1.0.0",
    key=("n",),
    source=Topic("clicks", topic_partitions=2, event_time="at"),
    store=Delta(mode="append"),
    quarantine=Quarantine(),
)
_WINDOWS = Dataset(
    "shop/windows",
    Windows,
    owner="team:commerce",
    version="1.0.0",
    key=("user", "window_start"),
    source=Tumbling("shop/clicks", size=_TEN, by="user", measures={"clicks": pl.len().cast(pl.Int64)}),
    store=Delta(mode="append"),
    quarantine=Quarantine(),
)
_CATALOG = catalog_of([_CLICKS, _WINDOWS], [])


class Death(BaseException):
    """The worker is gone; nothing that it would do on an error happens."""


class TimeOut(ResourceError):
    """Nobody answered; whether it was done is not known."""

    transient = True


class Fate:
    """Where the worker that works now dies or waits in vain, counted in calls; None spares it."""

    def __init__(self) -> None:
        self.calls_left: int | None = None
        self.is_death = True

    def call(self, real: Any, *arguments: Any, **more: Any) -> Any:
        """Die or time out before the call, behind it, or make it."""
        self._count()
        answer = real(*arguments, **more)
        self._count()
        return answer

    def _count(self) -> None:
        if self.calls_left is None:
            return
        self.calls_left -= 1
        if self.calls_left < 0:
            self.calls_left = None
            raise Death if self.is_death else TimeOut("no answer")


class Process:
    """A worker of the topic with the fold that it feeds, by a clock that may be set back."""

    def __init__(self, lake: Lake, fate: Fate, rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
        self._rng, self._now = random.Random(rng.random()), _START  # asked as often as it may be
        broker = LogBroker(f"{lake.settings.state}/streams")
        self.topic = StreamWorker(lake, _CATALOG, _CLICKS, broker, run_id="r", clock=self._tell)
        self.fold = FoldWorker(lake, _CATALOG, _WINDOWS, run_id="r", clock=self._tell)
        self.topic.listeners.append(self.fold.offer)
        for name in ("commit", "poll"):
            real = getattr(self.topic._consumer, name)
            monkeypatch.setattr(self.topic._consumer, name, partial(fate.call, real))

    def _tell(self) -> datetime:
        self._now += timedelta(seconds=self._rng.choice([1, 1, 1, 7, 3600, -1800]))
        return self._now

    def step(self, most: int) -> int:
        """Take messages in, and fold them."""
        return self.topic.step(max_messages=most) + self.fold.step()


def _simulate(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[tuple[str, int]]]:
    """How many messages were sent, and where each that is in the table or the quarantine came from."""
    rng, fate = random.Random(seed), Fate()
    lake = Lake(Settings.from_environment({"PLATFORM_STATE": str(folder)}))
    write = Lake.write
    monkeypatch.setattr(Lake, "write", lambda *arguments, **more: fate.call(write, *arguments, **more))
    sent, producer = 0, LogBroker(f"{folder}/streams")
    producer.create_topic("clicks", TopicSettings(partitions=2))
    start = partial(Process, lake, fate, rng, monkeypatch)
    processes = [start(), start()]
    for _ in range(25):
        action, place = rng.random(), rng.randrange(2)
        if action < 0.3:
            numbers = range(sent, sent + rng.randrange(1, 9))
            values = [b"bad" if rng.random() < 0.2 else _click(number) for number in numbers]
            producer.produce("clicks", values, partition=rng.randrange(2))
            sent += len(values)
            continue
        fate.is_death = action < 0.7
        fate.calls_left = rng.randrange(12) if action > 0.5 else None
        try:
            processes[place].step(rng.choice([1, 3, 100]))
        except TimeOut:
            pass  # it lives, and tries again at its next turn
        except Death:
            processes[place].topic.close()  # the kernel lets go of a dead process's locks
            processes[place] = start()
        fate.calls_left = None
    processes[1].topic.close()
    for partition in range(2):
        producer.produce("clicks", [_click(100_000 + partition)], partition=partition)
    while processes[0].step(100) or any(producer.lag("shop.clicks", "clicks").values()):
        pass
    last = FoldWorker(lake, _CATALOG, _WINDOWS, run_id="r")
    last.step()
    last.close()
    rows = lake.read(table_spec(_CLICKS)).select(SOURCE, INGEST).rows()
    aside = quarantine_spec(_CLICKS)
    refused = lake.read(aside).select("source", "position").rows() if lake.exists(aside) else []
    monkeypatch.undo()
    return sent + 2, [(source, int(offset)) for source, offset in [*rows, *refused]]


def _click(number: int) -> bytes:
    at = _START + timedelta(seconds=number)
    return json.dumps({"n": number, "user": f"u{number % 2}", "at": at.isoformat()}).encode()


def _expect_each_once(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, found = _simulate(seed, folder, monkeypatch)
    log = QuarantineStore(Lake(Settings.from_environment({"PLATFORM_STATE": str(folder)})), _CLICKS).ingests()
    assert (log["rows"].sum(), (log["valid"] + log["quarantined"]).sum()) == (sent, sent)
    ends = {source: max(offset for name, offset in found if name == source) + 1 for source, _ in found}
    assert sorted(found) == sorted((source, offset) for source, end in ends.items() for offset in range(end))
    assert len(found) == sent
    _expect_windows(Lake(Settings.from_environment({"PLATFORM_STATE": str(folder)})))


def _expect_windows(lake: Lake) -> None:
    """Expect each row in one window or late, as a replay gives it; those of the last two clicks are open."""
    clicks = lake.read(table_spec(_CLICKS)).filter(pl.col("n") < 100_000)
    late = QuarantineStore(lake, _WINDOWS).envelopes().filter(pl.col("source") == "shop/clicks late")
    numbers = late["payload"].str.json_decode(pl.Struct({"n": pl.String})).struct.field("n").cast(pl.Int64)
    in_time = clicks.filter(~pl.col("n").is_in(numbers.implode()))
    wanted = in_time.group_by("user", window_start=pl.col("at").dt.truncate(_TEN)).agg(clicks=pl.len().cast(pl.Int64))
    names = ["user", "window_start", "clicks"]
    given = lake.read(table_spec(_WINDOWS)) if lake.exists(table_spec(_WINDOWS)) else wanted.clear()
    assert given.select(names).sort(names).equals(wanted.select(names).sort(names))
    replayed = replay_fold(lake, _CATALOG, _WINDOWS)
    assert replayed.select(names).sort(names).equals(given.select(names).sort(names))


@pytest.mark.parametrize("seed", SEEDS)
def test_each_message_is_there_once_whatever_dies_where(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _expect_each_once(seed, tmp_path, monkeypatch)


@pytest.mark.lane
@pytest.mark.parametrize("seed", range(1000, 1060))
def test_each_message_is_there_once_over_many_seeds(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _expect_each_once(seed, tmp_path, monkeypatch)
