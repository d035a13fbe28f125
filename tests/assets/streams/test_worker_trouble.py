"""What befalls a worker on every broker: topics made anew, positions that are gone, large messages, other workers."""

from datetime import timedelta
from pathlib import Path

import pytest

from platform_assets.ingest.stream import StreamWorker
from platform_assets.ingest.tables import table_spec
from platform_assets.ingest.topic_history import TopicReplaced, restart_topic
from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Quarantine, Topic, catalog_of
from platform_resources.brokers import Broker
from platform_resources.brokers.errors import MessageTooLarge, PositionOutOfRange
from platform_resources.brokers.kafka import KafkaBroker
from platform_resources.brokers.pulsar import PulsarBroker
from platform_resources.settings import Settings
from platform_resources.storage import Lake
from tests.resources.brokers.conftest import broker, kafka, pulsar, redis, topic

__all__ = ["broker", "kafka", "pulsar", "redis", "topic"]


class Notes(DataFrameModel):
    """One row a note."""

    n: int = Field()
    text: str = Field()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)}))


@pytest.fixture
def notes(topic: str) -> Dataset:
    return Dataset("shop/notes", Notes, owner="team:t", version="1.0.0", key=("n",), source=Topic(topic),
                   store=Delta(mode="append"), quarantine=Quarantine())  # fmt: skip


def _note(number: int, text: str = "") -> bytes:
    return b'{"n": %d, "text": "%s"}' % (number, text.encode())


def _worker(lake: Lake, dataset: Dataset, broker: Broker) -> StreamWorker:
    return StreamWorker(lake, catalog_of([dataset]), dataset, broker, run_id="r")


def _take(worker: StreamWorker, count: int) -> None:
    """Step until so many messages were taken in; a group of Kafka's agrees first on who reads what."""
    for _ in range(300):
        if worker.tally.read < count:
            _wait(worker)
    assert worker.tally.read == count


def _wait(worker: StreamWorker) -> int:
    return worker.step(timeout=timedelta(milliseconds=100))


def _numbers(lake: Lake, dataset: Dataset) -> list[int]:
    return sorted(lake.read(table_spec(dataset))["n"])


def _wait_long(worker: StreamWorker) -> None:
    for _ in range(300):
        _wait(worker)


def test_a_topic_made_again_under_a_running_worker_is_refused_and_read_on_demand(
    lake: Lake, broker: Broker, notes: Dataset, topic: str
) -> None:
    worker = _worker(lake, notes, broker)
    broker.produce(topic, [_note(0), _note(1)])
    _take(worker, 2)
    broker.delete_topic(topic)
    broker.create_topic(topic)
    broker.produce(topic, [_note(number) for number in (10, 11, 12)])
    with pytest.raises(TopicReplaced, match="--from-beginning"):
        _wait_long(worker)
    worker.close()
    assert _numbers(lake, notes) == [0, 1]
    assert restart_topic(lake, notes, broker, from_beginning=True) == [0]
    again = _worker(lake, notes, broker)
    _take(again, 3)
    again.close()
    assert _numbers(lake, notes) == [0, 1, 10, 11, 12]


def test_a_position_beyond_the_end_is_told_with_what_is_there_and_nothing_is_taken_in(
    lake: Lake, broker: Broker, notes: Dataset, topic: str
) -> None:
    worker = _worker(lake, notes, broker)
    broker.produce(topic, [_note(number) for number in range(5)])
    _take(worker, 5)
    worker.close()
    position = broker.bounds(topic)[0][1] + 1000
    beyond = StreamWorker(lake, catalog_of([notes]), notes, broker, run_id="r")
    beyond._consumer.close()
    beyond._consumer = broker.consumer("beyond", topic, start=lambda _topic, _partition: position)
    with pytest.raises(PositionOutOfRange, match=f"not {position}"):
        _wait_long(beyond)
    beyond.close()
    assert _numbers(lake, notes) == [0, 1, 2, 3, 4]


def test_a_message_of_50_mb_is_a_row_or_refused_by_the_producer_with_the_limit(
    lake: Lake, broker: Broker, notes: Dataset, topic: str
) -> None:
    worker, large = _worker(lake, notes, broker), [_note(0), _note(1, "x" * 50_000_000), _note(2)]
    if isinstance(broker, KafkaBroker | PulsarBroker):
        with pytest.raises(MessageTooLarge, match=r"500000\d\d bytes is larger than"):
            broker.produce(topic, large)
        worker.close()
        return
    broker.produce(topic, large)
    _take(worker, 3)
    worker.close()
    rows = lake.read(table_spec(notes)).sort("n")
    assert rows["text"].str.len_bytes().to_list() == [0, 50_000_000, 0]


def test_two_workers_of_one_group_write_each_message_once(
    lake: Lake, broker: Broker, notes: Dataset, topic: str
) -> None:
    both = [_worker(lake, notes, broker) for _ in range(2)]
    for part in range(5):
        broker.produce(topic, [_note(10 * part + place) for place in range(10)])
        for worker in (*both, *both):
            _wait(worker)
    for _ in range(200):
        if sum(worker.tally.read for worker in both) >= 50:
            break
        for worker in both:
            _wait(worker)
    for worker in both:
        worker.close()
    assert _numbers(lake, notes) == [*range(50)]
