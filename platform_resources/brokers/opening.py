"""From the setting to the broker that it names."""

import json
from pathlib import Path

from platform_resources.brokers.base import Broker
from platform_resources.brokers.log import LogBroker
from platform_resources.errors import SettingsError
from platform_resources.settings import Settings


def open_broker(settings: Settings) -> Broker:
    """Return the broker of PLATFORM_BROKER; the embedded log lies in the state folder.

    Raises:
        BrokerClientMissing: the package that speaks to it is not installed.
        SettingsError: PLATFORM_BROKER_OPTIONS names no JSON file with an object.
    """
    if settings.broker.startswith("kafka://"):
        from platform_resources.brokers.kafka import KafkaBroker

        return KafkaBroker(settings.broker.removeprefix("kafka://"), _read_options(settings.broker_options))
    if settings.broker.startswith("redis"):
        from platform_resources.brokers.redis import RedisBroker

        return RedisBroker(settings.broker)
    if settings.broker.startswith("pulsar"):
        from platform_resources.brokers.pulsar import PulsarBroker

        return PulsarBroker(settings.broker, _read_options(settings.broker_options))
    return LogBroker(f"{settings.state}/streams")


def _read_options(path: str | None) -> dict[str, str | int | float | bool]:
    if path is None:
        return {}
    variable, fix = "PLATFORM_BROKER_OPTIONS", 'name a file such as {"security.protocol": "SASL_SSL"}'
    try:
        options = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(variable, f"{path!r}: {type(error).__name__}", fix=fix) from error
    if not isinstance(options, dict):
        raise SettingsError(variable, f"{path!r} holds no object", fix=fix)
    return options
