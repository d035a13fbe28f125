"""The file of alerts: channels, routes and limits, as TOML; the secrets in it are references."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_resources.alerts.channels import Channel, open_channel
from platform_resources.errors import SettingsError
from platform_resources.settings import Settings, resolve_secret

LIMITS: Mapping[str, float] = {
    "not_started_minutes": 5,
    "daemon_minutes": 2,
    "lag": 100_000,
    "disk_free_share": 0.05,
    "burn": 1.0,
}
"""What is alarming where the file says nothing else: minutes, messages, a share, and how often a budget is used up."""

_TABLES = {"channels", "routes", "limits", "dead_man", "dead_man_minutes"}


@dataclass(frozen=True, kw_only=True)
class AlertFile:
    """What the file says.

    Attributes:
        channels: Opened, by name.
        routes: Their tables, as they stand.
        limits: Of `LIMITS`, by name.
        dead_man: The address that hears of each round of the router; None without one.
    """

    channels: Mapping[str, Channel] = field(default_factory=dict)
    routes: Sequence[Mapping[str, Any]] = ()
    limits: Mapping[str, float] = field(default_factory=lambda: LIMITS)
    dead_man: str | None = field(default=None, repr=False)
    dead_man_minutes: float = 1.0


def read_alert_file(settings: Settings) -> AlertFile:
    """Read the file that the settings name; without one there is the journal alone.

    Raises:
        SettingsError: The file cannot be read, or something in it is wrong.
    """
    if settings.alerts is None:
        return AlertFile()
    try:
        document = tomllib.loads(Path(settings.alerts).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            "PLATFORM_ALERTS", f"{settings.alerts!r}: {error}", fix="name a readable TOML file"
        ) from error
    _refuse_unknown("the file", document, _TABLES)
    limits = document.get("limits", {})
    _refuse_unknown("[limits]", limits, set(LIMITS))
    channels = {
        name: open_channel(name, options, resolve_secret) for name, options in document.get("channels", {}).items()
    }
    routes = document.get("routes", [])
    unknown = {name for route in routes for name in route.get("channels", ())} - channels.keys()
    if unknown:
        raise SettingsError(
            "PLATFORM_ALERTS",
            f"a route goes to {sorted(unknown)}, and there is no such channel",
            allowed=tuple(channels),
            fix="correct the name",
        )
    dead_man = document.get("dead_man")
    return AlertFile(
        channels=channels,
        routes=routes,
        limits={**LIMITS, **limits},
        dead_man=resolve_secret(dead_man) if dead_man else None,
        dead_man_minutes=float(document.get("dead_man_minutes", 1.0)),
    )


def _refuse_unknown(where: str, table: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(table.keys() - allowed)
    if unknown:
        raise SettingsError(
            "PLATFORM_ALERTS", f"{where} has {unknown[0]!r}", allowed=tuple(sorted(allowed)), fix="correct its name"
        )
