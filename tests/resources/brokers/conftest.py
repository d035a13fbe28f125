"""One broker of each kind, with a clock that the tests hold; real servers run in the lane."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_resources.brokers import Broker, LogBroker, MemoryBroker
from platform_resources.brokers.kafka import KafkaBroker
from platform_resources.brokers.pulsar import PulsarBroker
from platform_resources.brokers.redis import RedisBroker
from tests.brokers import Server, kafka_server, pulsar_server, redis_server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with kafka_server(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def pulsar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    with pulsar_server(tmp_path_factory.mktemp("pulsar")) as server:
        yield server


@pytest.fixture(
    params=[
        "memory",
        "log",
        pytest.param("kafka", marks=pytest.mark.lane),
        pytest.param("redis", marks=pytest.mark.lane),
        pytest.param("pulsar", marks=pytest.mark.lane),
    ]
)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    kind = request.param
    opened: Broker
    if kind == "memory":
        opened = MemoryBroker()
    elif kind == "log":
        opened = LogBroker(str(tmp_path / "log"))
    elif kind == "kafka":
        opened = KafkaBroker(request.getfixturevalue("kafka").address)
    elif kind == "pulsar":
        server, admin = request.getfixturevalue("pulsar")
        opened = PulsarBroker(f"pulsar://{server.address}", {"admin": admin})
    else:
        opened = RedisBroker(f"redis://{request.getfixturevalue('redis').address}")
    yield opened
    opened.close()


@pytest.fixture
def topic() -> str:
    return f"clicks-{uuid.uuid4().hex[:8]}"
