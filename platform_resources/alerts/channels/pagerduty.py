"""PagerDuty, by its Events API v2: an incident of ours is one of theirs, and ends with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_resources.alerts.channels.base import TIMEOUT_SECONDS, post

_SEVERITIES = {"error": "error", "warn": "warning"}


@dataclass(frozen=True, kw_only=True)
class PagerDutyChannel:
    """Triggers and resolves under the incident's id as the deduplication key, so that a second sending is none."""

    name: str
    key: str = field(repr=False)
    url: str = "https://events.pagerduty.com/v2/enqueue"
    timeout: float = TIMEOUT_SECONDS

    def send(self, document: Mapping[str, Any]) -> None:
        """Return when PagerDuty took the event."""
        event: dict[str, Any] = {
            "routing_key": self.key,
            "dedup_key": document["incident"],
            "event_action": "resolve" if document["event"] == "recovered" else "trigger",
            "payload": {
                "summary": document["title"][:1024],
                "source": document["root"],
                "severity": _SEVERITIES.get(document["severity"], "info"),
                "timestamp": document["since"],
                "custom_details": {"text": document["text"], "owner": document["owner"], "id": document["id"]},
            },
        }
        if document.get("link"):
            event["links"] = [{"href": document["link"], "text": "Open"}]
        post(self.name, self.url, event, accepted=(202,), timeout=self.timeout)
