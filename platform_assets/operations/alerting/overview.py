"""What the commands of alerts ask: what is open, silences, and whether the channels work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError, UnknownName
from platform_core.alerting import KINDS, AlertState, Message, Signal, document_of
from platform_core.privacy.redaction import redact
from platform_resources.alerts import AlertJournal, ChannelRefused, Outbox, read_alert_file
from platform_resources.alerts.outbox import StoredSilence


@dataclass(frozen=True, kw_only=True)
class OpenIncident:
    """An incident that is not over.

    Attributes:
        told: The channels that know of it.
    """

    id: str
    root: str
    severity: str
    since: datetime
    alerts: Sequence[Mapping[str, Any]]
    told: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How things stand; `channels_down` says of each channel that takes nothing what it last answered."""

    incidents: Sequence[OpenIncident]
    silences: Sequence[StoredSilence]
    channels_down: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """What a channel said of a test message."""

    channel: str
    is_taken: bool
    answer: str


def open_alerts(location: CodeLocation, now: datetime) -> Standing:
    """Read what the router last kept."""
    outbox = Outbox(location.settings.state)
    document = outbox.load()
    state = AlertState.from_document(document["state"]) if "state" in document else AlertState()
    incidents = [
        OpenIncident(
            id=incident.id,
            root=incident.root,
            severity=incident.severity,
            since=incident.since,
            alerts=[signal.to_document() for signal in incident.open.values()],
            told=sorted(incident.told),
        )
        for incident in state.incidents.values()
    ]
    down = {name: message.error for name, message in outbox.refusals().items()}
    return Standing(incidents=incidents, silences=outbox.silences(now), channels_down=down)


def send_test(location: CodeLocation, name: str | None, now: datetime) -> list[TestResult]:
    """Send a test message to a channel, or to all of them.

    Raises:
        UnknownName: There is no such channel.
        SettingsError: Something in the file of alerts is wrong.
    """
    channels = {"journal": AlertJournal(location.settings), **read_alert_file(location.settings).channels}
    if name is not None and name not in channels:
        raise UnknownName("channel", name, channels)
    results = []
    for channel, sender in channels.items():
        if name not in {None, channel}:
            continue
        document = document_of(_test_message(channel, now), link=location.settings.web)
        try:
            sender.send({**document, "title": "[test] platform alerts reach you"})
            results.append(TestResult(channel=channel, is_taken=True, answer="taken"))
        except ChannelRefused as error:
            results.append(TestResult(channel=channel, is_taken=error.taken, answer=redact(str(error))))
    return results


def _test_message(channel: str, now: datetime) -> Message:
    signal = Signal(kind="check_failed", subject="platform/test", at=now, severity="warn", dataset=False,
                    text="nothing is wrong: somebody called platform alerts test")  # fmt: skip
    return Message(
        id=f"test-{now:%Y%m%dT%H%M%S%f}/{channel}",
        channel=channel,
        event="recovered",  # so that a pager wakes nobody
        incident=f"test-{now:%Y%m%dT%H%M%S%f}",
        root="platform/test",
        owner="",
        severity="warn",
        since=now,
        at=now,
        alerts=(signal,),
        affected=0,
        below=0,
    )


def add_silence(location: CodeLocation, pattern: str, kinds: Sequence[str], until: datetime, reason: str) -> int:
    """Keep a silence and return its number.

    Raises:
        UnknownName: There is no such kind of alert.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownName("kind of alert", kind, KINDS)
    return Outbox(location.settings.state).add_silence(pattern, kinds, until, reason)


def end_silence(location: CodeLocation, number: int) -> None:
    """End a silence.

    Raises:
        RequestError: There is none of that number.
    """
    if not Outbox(location.settings.state).end_silence(number):
        raise RequestError(f"there is no silence {number}. Fix: platform alerts list shows them.")
