"""A deterministic simulation: one seed drives two workers, their order, where each dies, and what came in between.

Real parts, the embedded log and a Delta table, work in one process; a death is an error raised before or behind a call
to the lake or the broker, and what the worker knew goes with it. A seed that fails stands for a test: add it to SEEDS.
"""

# ruff: noqa: S311 - seeded, so that a failure comes again

import json
import random
from pathlib import Path
from typing import Any

import pytest

from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.stream import StreamWorker
from platform_assets.ingest.tables import INGEST, SOURCE, quarantine_spec, table_spec
from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Quarantine, Topic, catalog_of
from platform_resources.brokers import LogBroker
from platform_resources.settings import Settings
from platform_resources.storage import Lake

SEEDS = range(6)


class Clicks(DataFrameModel):
    """One row a click."""

    n: int = Field(ge=0)


_CLICKS = Dataset(
    "shop/clicks",
    Clicks,
    owner="team:commerce",
    version="1.0.0",
    key=("n",),
    source=Topic("clicks", topic_partitions=2),
    store=Delta(mode="append"),
    quarantine=Quarantine(),
)


class Death(BaseException):
    """The worker is gone; nothing that it would do on an error happens."""


class Fate:
    """Where the worker that works now dies, counted in calls; None lets it live."""

    def __init__(self) -> None:
        self.calls_left: int | None = None

    def call(self, real: Any, *arguments: Any, **more: Any) -> Any:
        """Die before the call, behind it, or make it."""
        if self.calls_left is None:
            return real(*arguments, **more)
        self.calls_left -= 1
        if self.calls_left < 0:
            raise Death
        answer = real(*arguments, **more)
        self.calls_left -= 1
        if self.calls_left < 0:
            raise Death
        return answer


def _simulate(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[tuple[str, int]]]:
    """How many messages were sent, and where each that is in the table or the quarantine came from."""
    rng, fate = random.Random(seed), Fate()
    lake = Lake(Settings.from_environment({"PLATFORM_STATE": str(folder)}))
    write = Lake.write
    monkeypatch.setattr(Lake, "write", lambda *arguments, **more: fate.call(write, *arguments, **more))
    catalog, sent = catalog_of([_CLICKS], []), 0
    producer = LogBroker(f"{folder}/streams")

    def start() -> StreamWorker:
        worker = StreamWorker(lake, catalog, _CLICKS, LogBroker(f"{folder}/streams"), run_id="r")
        commit = worker._consumer.commit
        monkeypatch.setattr(worker._consumer, "commit", lambda *arguments: fate.call(commit, *arguments))
        return worker

    workers = [start(), start()]
    for _ in range(25):
        action = rng.random()
        place = rng.randrange(2)
        if action < 0.3:
            numbers = range(sent, sent + rng.randrange(1, 9))
            values = [b"bad" if rng.random() < 0.2 else json.dumps({"n": number}).encode() for number in numbers]
            producer.produce("clicks", values, partition=rng.randrange(2))
            sent += len(values)
        elif action < 0.6:
            workers[place].step(max_messages=rng.choice([1, 3, 100]))
        else:
            fate.calls_left = rng.randrange(8)
            try:
                workers[place].step(max_messages=rng.choice([1, 3, 100]))
            except Death:
                workers[place].close()  # the kernel lets go of a dead process's locks
                workers[place] = start()
            fate.calls_left = None
    workers[1].close()
    while workers[0].step() or any(producer.lag("shop.clicks", "clicks").values()):
        pass
    rows = lake.read(table_spec(_CLICKS)).select(SOURCE, INGEST).rows() if lake.exists(table_spec(_CLICKS)) else []
    aside = quarantine_spec(_CLICKS)
    refused = lake.read(aside).select("source", "position").rows() if lake.exists(aside) else []
    monkeypatch.undo()
    return sent, [(source, int(offset)) for source, offset in [*rows, *refused]]


def _expect_each_once(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, found = _simulate(seed, folder, monkeypatch)
    log = QuarantineStore(Lake(Settings.from_environment({"PLATFORM_STATE": str(folder)})), _CLICKS).ingests()
    assert (log["rows"].sum(), (log["valid"] + log["quarantined"]).sum()) == (sent, sent)
    ends = {source: max(offset for name, offset in found if name == source) + 1 for source, _ in found}
    assert sorted(found) == sorted((source, offset) for source, end in ends.items() for offset in range(end))
    assert len(found) == sent


@pytest.mark.parametrize("seed", SEEDS)
def test_each_message_is_there_once_whatever_dies_where(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _expect_each_once(seed, tmp_path, monkeypatch)


@pytest.mark.lane
@pytest.mark.parametrize("seed", range(1000, 1060))
def test_each_message_is_there_once_over_many_seeds(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _expect_each_once(seed, tmp_path, monkeypatch)
