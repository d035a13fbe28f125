"""The kinds of channels by their names in the file of alerts; a new vendor is one file and one line."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from platform_resources.alerts.channels.base import Channel
from platform_resources.alerts.channels.mail import MailChannel
from platform_resources.alerts.channels.pagerduty import PagerDutyChannel
from platform_resources.alerts.channels.slack import SlackChannel
from platform_resources.alerts.channels.sns import SnsChannel
from platform_resources.alerts.channels.webhook import AppriseChannel, WebhookChannel
from platform_resources.errors import SettingsError

CHANNELS: Mapping[str, Callable[..., Channel]] = {
    "apprise": AppriseChannel,
    "mail": MailChannel,
    "pagerduty": PagerDutyChannel,
    "slack": SlackChannel,
    "sns": SnsChannel,
    "webhook": WebhookChannel,
}


def open_channel(name: str, options: Mapping[str, Any], secret: Callable[[str], str]) -> Channel:
    """Make a channel of its table in the file of alerts.

    Args:
        name: Of the channel.
        options: `type`, and what the type takes; a text `env:NAME` or `file:PATH` is a reference.
        secret: Resolves a reference.

    Raises:
        SettingsError: There is no such type, an option is missing or unknown, or a reference leads nowhere.
    """
    options = dict(options)
    kind = options.pop("type", None)
    if kind not in CHANNELS:
        raise SettingsError(
            "PLATFORM_ALERTS", f"channel {name!r} has type {kind!r}", allowed=tuple(CHANNELS), fix="choose one of them"
        )
    record = CHANNELS[kind]
    known = {field.name: field.default for field in fields(record) if field.name != "name"}  # type: ignore[arg-type]  # records all
    unknown = sorted(options.keys() - known.keys())
    missing = sorted(option for option, default in known.items() if default is MISSING and option not in options)
    if unknown or missing:
        problem = f"does not know {unknown}" if unknown else f"lacks {missing}"
        raise SettingsError(
            "PLATFORM_ALERTS", f"channel {name!r} {problem}", allowed=tuple(known), fix=f"correct [channels.{name}]"
        )
    values = {option: secret(value) if isinstance(value, str) else value for option, value in options.items()}
    return record(name=name, **values)
