"""The embedded channel: alerts as lines of a file below the state folder, with nothing to install."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_resources.settings import Settings

_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class AlertJournal:
    """Appends messages to `<state>/alerts.jsonl`; one that it has already is not added again."""

    settings: Settings

    @property
    def path(self) -> Path:
        """The file of messages, oldest first."""
        return Path(self.settings.state) / "alerts.jsonl"

    def send(self, document: Mapping[str, Any]) -> None:
        """Return when the message's line is written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            end = file.seek(0, 2)
            file.seek(max(0, end - _TAIL_BYTES))
            tail = file.read()
            if f'"id": {json.dumps(document["id"])}'.encode() in tail:
                return
            start = b"" if not tail or tail.endswith(b"\n") else b"\n"  # a line that a death cut off stays alone
            file.write(start + json.dumps(dict(document), ensure_ascii=False).encode() + b"\n")
