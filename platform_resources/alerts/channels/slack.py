"""Slack, by an incoming webhook."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_resources.alerts.channels.base import TIMEOUT_SECONDS, post

_COLOURS = {"error": "#d92d20", "warn": "#f79009"}


@dataclass(frozen=True, kw_only=True)
class SlackChannel:
    """Posts a message with a colour, the facts, and a button where there is a link."""

    name: str
    url: str = field(repr=False)
    timeout: float = TIMEOUT_SECONDS

    def send(self, document: Mapping[str, Any]) -> None:
        """Return when Slack took the message."""
        recovered = document["event"] == "recovered"
        blocks: list[dict[str, Any]] = [
            {"type": "section", "text": {"type": "mrkdwn", "text": f"*{_plain(document['title'])}*"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": _plain(document["text"])}},
        ]
        if document.get("link"):
            button = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": document["link"]}
            blocks.append({"type": "actions", "elements": [button]})
        colour = "#12b76a" if recovered else _COLOURS.get(document["severity"], "#667085")
        post(
            self.name,
            self.url,
            {"text": _plain(document["title"]), "attachments": [{"color": colour, "blocks": blocks}]},
            timeout=self.timeout,
        )


def _plain(text: str) -> str:
    """Escape what Slack would read as a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
