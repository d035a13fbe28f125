"""Brokers: where streams are kept; one protocol, an adapter each."""

from platform_resources.brokers.base import (
    DEAD_LETTERS,
    Batch,
    Broker,
    Consumer,
    Positions,
    TopicSettings,
)
from platform_resources.brokers.log import LogBroker
from platform_resources.brokers.memory import MemoryBroker
from platform_resources.brokers.opening import open_broker

__all__ = [
    "DEAD_LETTERS",
    "Batch",
    "Broker",
    "Consumer",
    "LogBroker",
    "MemoryBroker",
    "Positions",
    "TopicSettings",
    "open_broker",
]
