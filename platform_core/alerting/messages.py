"""What people are sent: what, where, since when, whose, how many rows, what is below, and what heals it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from platform_core.alerting.signals import KINDS, Severity, Signal

Event = Literal["opened", "grown", "repeated", "recovered"]

_MANY = 5
_WORDS = {"opened": "", "grown": "more: ", "repeated": "still: ", "recovered": "recovered: "}


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message to one channel.

    Attributes:
        id: The same whenever the same message is sent again, so that a receiver can drop the second.
        channel: Its name.
        event: `grown` where alerts joined an incident that the channel knows.
        incident: The id of the incident; the deduplication key of a pager.
        root: Where it began.
        owner: Whose the root is.
        severity: The worst of the alerts.
        since: When the incident began.
        at: When this message was due.
        alerts: Those that are new to the channel; all of them in a repeat or a recovery.
        affected: How many datasets below the root are red too.
        below: How many datasets are made of the root.
        not_before: The end of the hours of quiet; None where it need not wait.
    """

    id: str
    channel: str
    event: Event
    incident: str
    root: str
    owner: str
    severity: Severity
    since: datetime
    at: datetime
    alerts: Sequence[Signal]
    affected: int
    below: int
    not_before: datetime | None = None


def render_title(message: Message) -> str:
    """Write the message as one line."""
    first = _worst_first(message)[0]
    more = f" and {len(message.alerts) - 1} more" if len(message.alerts) > 1 else ""
    kind = KINDS[first.kind].removeprefix("a ").removeprefix("an ")
    return f"[{message.severity}] {_WORDS[message.event]}{message.root}: {kind}{more}"


def render_text(message: Message, *, link: str = "") -> str:
    """Write the message in full; `link` is the address of the web page of the platform, empty without one."""
    alerts = _worst_first(message)
    lines = [
        f"{signal.subject}: {(signal.text or KINDS[signal.kind]).removeprefix(f'{signal.subject}: ')}"
        for signal in alerts[:_MANY]
    ]
    if len(message.alerts) > _MANY:
        lines.append(f"and {len(message.alerts) - _MANY} more")
    rows = _count_rows(message.alerts)
    facts = [
        ("since", f"{message.since:%Y-%m-%d %H:%M} UTC"),
        ("until", f"{message.at:%Y-%m-%d %H:%M} UTC" if message.event == "recovered" else ""),
        ("owner", message.owner),
        ("rows", f"{rows:,}" if rows else ""),
        ("below", f"{message.affected} of {message.below} datasets are red too" if message.below else ""),
        ("run", next((signal.run_id for signal in message.alerts if signal.run_id), "")),
        ("look", _address(message, link)),
        ("heal", "" if message.event == "recovered" else next((s.command for s in alerts if s.command), "")),
        ("incident", message.incident),
    ]
    return "\n".join([*lines, "", *(f"{name}: {value}" for name, value in facts if value)])


def _count_rows(alerts: Sequence[Signal]) -> int:
    """Count the rows that alerts are about: a row that breaks two rules and waits in quarantine is one row.

    Of a dataset those that were set aside count, or without them those that break the rule that most rows break.
    """
    rows: dict[str, int] = {}
    for signal in sorted(alerts, key=lambda alert: alert.kind == "quarantine_grows"):
        largest = max(rows.get(signal.subject, 0), signal.rows or 0)
        rows[signal.subject] = (signal.rows or 0) if signal.kind == "quarantine_grows" else largest
    return sum(rows.values())


def _worst_first(message: Message) -> list[Signal]:
    """Order the alerts by severity, then by when they began, so that a recovery names what its opening named."""
    return sorted(message.alerts, key=lambda signal: (signal.severity != "error", signal.at))


def _address(message: Message, link: str) -> str:
    if not link:
        return ""
    if message.alerts[0].dataset:
        return f"{link.rstrip('/')}/assets/{message.root}"
    run_id = message.alerts[0].run_id
    return f"{link.rstrip('/')}/runs/{run_id}" if run_id else link


def document_of(message: Message, *, link: str = "") -> dict[str, Any]:
    """Return the message as a JSON object, as a webhook is sent it."""
    return {
        "id": message.id,
        "event": message.event,
        "incident": message.incident,
        "title": render_title(message),
        "text": render_text(message, link=link),
        "severity": message.severity,
        "root": message.root,
        "owner": message.owner,
        "since": message.since.isoformat(),
        "at": message.at.isoformat(),
        "affected": message.affected,
        "below": message.below,
        "link": _address(message, link),
        "alerts": [signal.to_document() for signal in message.alerts],
    }
