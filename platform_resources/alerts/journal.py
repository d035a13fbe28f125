"""Alerts as lines of a file below the state folder: nothing to install, and nothing is lost."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from platform_resources.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that went wrong."""

    subject: str
    message: str
    run_id: str
    at: str
    """ISO 8601, UTC."""


class AlertSink(Protocol):
    """Anything that takes alerts."""

    def send(self, alert: Alert) -> None:
        """Returns when the alert is delivered."""


@dataclass(frozen=True)
class AlertJournal:
    """Appends alerts to `<state>/alerts.jsonl`."""

    settings: Settings

    @property
    def path(self) -> Path:
        """The file of alerts, oldest first."""
        return Path(self.settings.state) / "alerts.jsonl"

    def send(self, alert: Alert) -> None:
        """Returns when the alert's line is written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(alert)) + "\n")
