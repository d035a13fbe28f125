"""What is noticed: one thing that went wrong, or is right again, and where in the graph it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Severity = Literal["warn", "error"]

KINDS: Mapping[str, str] = {
    "step_failed": "a step failed",
    "retries_exhausted": "a step or run failed as often as it may be tried",
    "run_failed": "a run failed outside its steps",
    "run_not_started": "a run waits longer than it may",
    "check_failed": "a check does not hold",
    "stale": "a dataset is older than its limit",
    "sla": "an error budget is used up",
    "tick_failed": "a sensor or schedule failed",
    "daemon_silent": "a daemon gives no sign of life",
    "location_down": "a code location cannot be loaded",
    "backfill_failed": "partitions of a backfill failed",
    "quarantine_grows": "rows were set aside",
    "stream_lags": "a stream is behind its topic",
    "threshold": "a metric is outside what was declared",
    "slower": "a dataset takes longer than it did",
    "disk_low": "a disk is almost full",
    "channel_down": "a channel takes no messages",
}
"""Each kind of alert, in words."""

LEVEL_KINDS = frozenset(
    {
        "run_not_started", "stale", "sla", "tick_failed", "daemon_silent", "location_down", "backfill_failed",
        "quarantine_grows", "stream_lags", "threshold", "slower", "disk_low", "channel_down",
    }
)  # fmt: skip
"""Kinds that are looked for anew each time: one that is not reported is over. The others end by an event."""

_RANK = {"warn": 0, "error": 1}


def is_worse(severity: str, than: str) -> bool:
    """Tell whether a severity is above another."""
    return _RANK[severity] > _RANK[than]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Something that is wrong, or right again.

    Attributes:
        kind: One of `KINDS`.
        subject: Where: a dataset, or the name of a sensor, daemon, run, location, channel.
        detail: What tells two alerts of a kind and subject apart, such as a check's name; empty where nothing does.
        firing: True where it is wrong.
        at: When it happened.
        severity: How bad.
        dataset: Whether the subject is a dataset, so that it has owners and a place in the graph.
        text: One sentence, without any value of a row.
        rows: How many rows it is about; None where it is not about rows.
        run_id: Of the run that showed it; empty without one.
        command: What heals it, or looks closer.
    """

    kind: str
    subject: str
    at: datetime
    firing: bool = True
    detail: str = ""
    severity: Severity = "error"
    dataset: bool = True
    text: str = ""
    rows: int | None = None
    run_id: str = ""
    command: str = ""

    @property
    def key(self) -> str:
        """The identity of the alert: two signals of the same key are about the same thing."""
        return f"{self.kind}:{self.subject}:{self.detail}"

    def to_document(self) -> dict[str, Any]:
        """Return the signal as JSON can hold it."""
        return {**self.__dict__, "at": self.at.isoformat()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Signal":
        """Read what `to_document` returned."""
        return cls(**{**document, "at": datetime.fromisoformat(document["at"])})


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a subject stands in the graph.

    Attributes:
        owner: Who answers for it; empty where nobody is named.
        domain: The first part of a dataset's name; empty for others.
        tags: Of the dataset.
        ancestors: The datasets above it, at any distance.
        below: How many datasets are made of it, at any distance.
    """

    owner: str = ""
    domain: str = ""
    tags: tuple[str, ...] = ()
    ancestors: frozenset[str] = frozenset()
    below: int = 0
