"""How soon a message is readable, scored, and its score in the table, at a steady rate beside a worker.

`python benchmarks/stream_latency.py`; with `KAFKA_JARS` set Kafka is measured too. These are wall times: other work on
the machine makes them longer.
"""

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

A_SECOND, SECONDS, TOPIC = 500, 10, "soon-clicks"


@dataclass
class Instants:
    """When each message was sent, scored, and in the table."""

    sent: dict[str, float] = field(default_factory=dict)
    scored: dict[str, float] = field(default_factory=dict)
    stored: dict[str, float] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)


def main() -> None:
    from platform_resources.brokers import LogBroker

    with tempfile.TemporaryDirectory() as folder:
        measure("log", LogBroker(f"{folder}/streams"), LogBroker(f"{folder}/streams"), folder)
    if os.environ.get("KAFKA_JARS"):
        from platform_resources.brokers.kafka import KafkaBroker
        from tests.brokers import kafka_server

        with tempfile.TemporaryDirectory() as folder, kafka_server(Path(folder)) as server:
            measure("Kafka", KafkaBroker(server.address), KafkaBroker(server.address), folder)


def measure(name: str, broker, other, folder: str) -> None:
    from platform_assets.discovery import discover
    from platform_assets.ingest.fresh import read_fresh
    from platform_resources.settings import Settings
    from platform_resources.storage import Lake

    catalog = discover("platform_assets.domains")
    settings = Settings.from_environment({"PLATFORM_STATE": f"{folder}/state", "PLATFORM_STREAM_LATENCY": "3"})
    lake, instants = Lake(replace(settings, topic_prefix="soon-")), Instants()
    with workers(lake, catalog, broker, instants) as step:
        sender = threading.Thread(target=send, args=(other, instants))
        sender.start()
        while not instants.done.is_set() or len(instants.stored) < len(instants.sent):
            step()
        sender.join()
    clicks, readable = catalog["commerce/clicks"], []
    for number in range(20):
        began = time.time()
        click_id = f"{0xF000 + number:016x}"
        broker.produce(TOPIC, [click(click_id)])
        while click_id not in set(read_fresh(lake, catalog, clicks, broker)["click_id"]):
            pass
        readable.append(time.time() - began)
    tell(f"{name}: produced to readable", readable)
    for what, ends in (("scored", instants.scored), ("its score in the table", instants.stored)):
        tell(
            f"{name}, {A_SECOND} a second: produced to {what}", [ends[each] - at for each, at in instants.sent.items()]
        )


@contextlib.contextmanager
def workers(lake, catalog, broker, instants: Instants) -> Iterator:
    """Give the step of a worker of clicks and scores, whose detector is trained."""
    from platform_assets.operations.stream_events import produce_generated
    from platform_assets.operations.streams import open_workers

    clicks, scores = catalog["commerce/clicks"], catalog["commerce/click_scores"]
    produce_generated(lake, broker, clicks, count=2_000, seed=1, until=datetime.now(UTC) - timedelta(days=1))
    workers = open_workers(lake, catalog, [clicks, scores], broker, run_id="bench")
    topic, fold = workers[clicks.name], workers[scores.name]
    while topic.tally.read < 2_000:
        topic.step(timeout=timedelta(seconds=1))
    fold.step()
    folding = fold._folding.step  # noqa: SLF001 - where a score is first known

    def scoring(*given):
        answer = folding(*given)
        instants.scored.update(dict.fromkeys(answer.rows["click_id"].to_list(), time.time()))
        return answer

    object.__setattr__(fold._folding, "step", scoring)  # noqa: SLF001

    def step() -> None:
        if topic.step(timeout=timedelta(milliseconds=20)):
            fold.step()
            new = instants.scored.keys() - instants.stored.keys()
            instants.stored.update(dict.fromkeys(new, time.time()))

    yield step
    topic.close()
    fold.close()


def send(broker, instants: Instants) -> None:
    started, number = time.perf_counter(), 0
    while number < A_SECOND * SECONDS:
        due = int((time.perf_counter() - started) * A_SECOND) - number
        names = [f"{number + place:016x}" for place in range(due)]
        if names:
            at = time.time()
            broker.produce(TOPIC, [click(each) for each in names])
            instants.sent.update(dict.fromkeys(names, at))
            number += len(names)
        time.sleep(0.01)
    instants.done.set()


def click(name: str) -> bytes:
    at = datetime.now(UTC).isoformat()
    return json.dumps({"click_id": name, "visitor": "v001", "page": "home", "duration_ms": 900, "at": at}).encode()


def tell(what: str, seconds: list[float]) -> None:
    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1e3
    print(f"{what:60} p50 {p50:6.0f} ms   p99 {p99:6.0f} ms", flush=True)


if __name__ == "__main__":
    main()
