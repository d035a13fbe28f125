"""Table to topic by Kafka's transactions, on a real broker: what was cut off is not seen, and a zombie is refused."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from confluent_kafka import KafkaException

from platform_assets.ingest.publishing import Publisher, publish_changes
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Quarantine, Topic, ToTopic
from platform_resources.brokers.errors import WriterFenced
from platform_resources.brokers.kafka import KafkaBroker
from platform_resources.settings import Settings
from platform_resources.storage import Lake
from tests.brokers import Server, kafka_server

pytestmark = pytest.mark.lane


class Stock(DataFrameModel):
    """One row an article."""

    sku: str = Field()
    left: int = Field()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with kafka_server(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture
def broker(kafka: Server) -> Iterator[KafkaBroker]:
    opened = KafkaBroker(kafka.address)
    yield opened
    opened.close()


@pytest.fixture
def topic(broker: KafkaBroker) -> str:
    name = f"out-{uuid.uuid4().hex[:8]}"
    broker.create_topic(name)
    return name


def read(broker: KafkaBroker, topic: str) -> list[bytes | None]:
    return broker.read(topic, 0, 0, max_messages=1000, max_bytes=1 << 20).values()


def test_an_aborted_transaction_is_not_seen_and_its_position_is_not_kept(broker: KafkaBroker, topic: str) -> None:
    writer = broker.transactions("w1", topic)
    writer.write([b"a"], [b"k"], position=7)
    writer._producer.begin_transaction()
    writer._send(b"never", b"k")
    writer._producer.flush(10)
    writer._producer.abort_transaction(10)
    writer.write([b"b"], [b"k"], position=9)
    assert read(broker, topic) == [b"a", b"b"]
    assert writer.position() == 9


def test_a_zombie_is_fenced_and_what_it_had_begun_is_not_seen(broker: KafkaBroker, topic: str) -> None:
    zombie = broker.transactions("w2", topic)
    zombie._producer.begin_transaction()
    zombie._send(b"half", b"k")
    zombie._producer.flush(10)
    successor = broker.transactions("w2", topic)
    successor.write([b"whole"], [b"k"], position=1)
    with pytest.raises(KafkaException) as fenced:
        zombie._producer.commit_transaction(10)
    assert fenced.value.args[0].fatal()
    assert read(broker, topic) == [b"whole"]


def test_a_publisher_that_was_overtaken_is_told(broker: KafkaBroker, topic: str) -> None:
    zombie, successor = broker.transactions("w3", topic), broker.transactions("w3", topic)
    successor.write([b"1"], [b"k"], position=1)
    with pytest.raises(WriterFenced, match="took over the transactions of 'w3'"):
        zombie.write([b"0"], [b"k"], position=0)
    assert (read(broker, topic), successor.position()) == ([b"1"], 1)


def test_a_table_is_published_once_however_often_publishers_die(kafka: Server, topic: str, tmp_path: Path) -> None:
    state = str(tmp_path)
    lake = Lake(Settings(state=state, lake=f"{state}/lake", landing=state, broker=f"kafka://{kafka.address}"))
    dataset = Dataset("shop/stock", Stock, owner="team:t", version="1.0.0", key=("sku",), source=Topic("in"),
                      store=Delta(mode="overwrite"), quarantine=Quarantine(), publish=[ToTopic(topic)])  # fmt: skip
    for number in range(4):
        rows = pl.DataFrame({"sku": ["a", f"b{number}"], "left": [1, number]})
        lake.write(table_spec(dataset), rows)
        Publisher(lake, dataset).catch_up()  # nobody saves or closes it
        assert publish_changes(lake, dataset) == 0
    broker = KafkaBroker(kafka.address)
    assert len(read(broker, topic)) == 2 + 3 * 2  # a row and its successor's tombstone each time
    broker.close()
