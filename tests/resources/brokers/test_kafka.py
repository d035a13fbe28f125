"""What only Kafka does."""

import pytest

from platform_resources.brokers.errors import MessageTooLarge
from platform_resources.brokers.kafka import KafkaBroker
from tests.brokers import Server


@pytest.mark.lane
def test_kafka_refuses_a_message_that_it_does_not_admit(kafka: Server) -> None:
    broker = KafkaBroker(kafka.address)
    broker.create_topic("large")
    with pytest.raises(MessageTooLarge, match="a message of 50000000 bytes is larger than 1000000 bytes"):
        broker.produce("large", [b"x" * 50_000_000])
