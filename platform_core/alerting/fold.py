"""The state machine: what is open, who was told, and which messages a signal makes due.

An alert is a kind, a subject and a detail. Alerts are grouped into incidents: one joins the oldest open incident that
began at its own dataset or above it. A channel is told of an incident once; again where an alert joins at the place
where it began, or is worse than what the channel knows; and once when all of it is over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from platform_core.alerting.messages import Event, Message
from platform_core.alerting.policy import AlertPolicy, Places
from platform_core.alerting.signals import LEVEL_KINDS, Severity, Signal, is_worse


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a channel knows of an incident.

    Attributes:
        severity: The worst it was told.
        alerts: The keys it was told.
        at: When it was told last.
        count: How many messages it was sent.
    """

    severity: Severity
    alerts: frozenset[str]
    at: datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Alerts that belong together.

    Attributes:
        id: Unique for ever.
        root: The subject where it began.
        since: When.
        open: The alerts that are still firing, by key.
        over: The alerts that were firing, by key.
        told: What each channel knows.
    """

    id: str
    root: str
    since: datetime
    open: Mapping[str, Signal] = field(default_factory=dict)
    over: Mapping[str, Signal] = field(default_factory=dict)
    told: Mapping[str, Told] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """The worst of the alerts that are open, or that were."""
        alerts = self.open or self.over
        return "error" if any(signal.severity == "error" for signal in alerts.values()) else "warn"


@dataclass(frozen=True, kw_only=True)
class AlertState:
    """What the fold keeps.

    Attributes:
        number: How many incidents there ever were.
        incidents: Those that are open, by id.
    """

    number: int = 0
    incidents: Mapping[str, Incident] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        """Return the state as JSON can hold it."""
        return {
            "number": self.number,
            "incidents": [_incident_document(incident) for incident in self.incidents.values()],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "AlertState":
        """Read what `to_document` returned."""
        incidents = [_incident_from(entry) for entry in document["incidents"]]
        return cls(number=document["number"], incidents={incident.id: incident for incident in incidents})


def fold_signals(
    state: AlertState,
    signals: Iterable[Signal],
    now: datetime,
    *,
    policy: AlertPolicy,
    places: Places,
    looked_for: frozenset[str] = frozenset(),
) -> tuple[AlertState, list[Message]]:
    """Fold signals into the state and return the messages that became due.

    Args:
        state: What was kept.
        signals: In the order in which things happened.
        now: The instant of the fold; repeats, silences and hours of quiet go by it.
        policy: Who is told.
        places: Where each subject stands in the graph.
        looked_for: Kinds of `LEVEL_KINDS` that were looked for: an open alert of them without a signal is over.
    """
    fold = _Fold(state, now, policy, places)
    signalled = set()
    for signal in signals:
        signalled.add(signal.key)
        fold.take(signal)
    for key in fold.firing_keys():
        kind = key.partition(":")[0]
        if kind in looked_for and kind in LEVEL_KINDS and key not in signalled:
            fold.end(key)
    fold.tell_all()
    return AlertState(number=fold.number, incidents=fold.incidents), fold.messages


class _Fold:
    """One fold under way; incidents are replaced, never changed."""

    def __init__(self, state: AlertState, now: datetime, policy: AlertPolicy, places: Places) -> None:
        self.number, self.incidents, self.messages = state.number, dict(state.incidents), list[Message]()
        self._now, self._policy, self._places = now, policy, places
        self._home = {key: incident.id for incident in state.incidents.values() for key in incident.open}
        self._by_root: dict[str, list[str]] = {}
        for incident in state.incidents.values():
            self._by_root.setdefault(incident.root, []).append(incident.id)

    def firing_keys(self) -> list[str]:
        return list(self._home)

    def take(self, signal: Signal) -> None:
        home = self._home.get(signal.key)
        if not signal.firing:
            if home is not None:
                self.end(signal.key)
        elif home is None:
            self._open(signal)
        else:
            if is_worse(self.incidents[home].open[signal.key].severity, signal.severity):
                self._tell(home)  # what was worse within one fold is told as it was
            incident = self.incidents[home]
            self.incidents[home] = replace(incident, open={**incident.open, signal.key: signal})

    def end(self, key: str) -> None:
        """Close an alert; the incident is over with its last, and who was told hears it."""
        home = self._home[key]
        self._tell(home)  # what opened and ended in one fold is told all the same
        incident = self.incidents[home]
        signal = incident.open[key]
        still = {open_key: alert for open_key, alert in incident.open.items() if open_key != key}
        self.incidents[home] = replace(incident, open=still, over={**incident.over, key: signal})
        del self._home[key]
        if not still:
            self._close(home)

    def _open(self, signal: Signal) -> None:
        home = self._incident_of(signal)
        if home is None:
            self.number += 1
            home = f"{signal.at:%Y%m%d}-{self.number}"
            self.incidents[home] = Incident(id=home, root=signal.subject, since=signal.at)
            self._by_root.setdefault(signal.subject, []).append(home)
        incident = self.incidents[home]
        by_channel = {
            channel: replace(known, alerts=known.alerts - {signal.key})  # it ended before, and is news again
            for channel, known in incident.told.items()
        }
        self.incidents[home] = replace(incident, open={**incident.open, signal.key: signal}, told=by_channel)
        self._home[signal.key] = home

    def _incident_of(self, signal: Signal) -> str | None:
        """Find the oldest open incident that began at the signal's dataset or above it."""
        above = self._places(signal.subject).ancestors if signal.dataset else frozenset()
        roots = [signal.subject, *above] if len(above) < len(self._by_root) else (
            root for root in self._by_root if root == signal.subject or root in above
        )  # fmt: skip
        homes = [home for root in roots for home in self._by_root.get(root, ())]
        return min(homes, key=lambda home: (self.incidents[home].since, home), default=None)

    def tell_all(self) -> None:
        for home in self.incidents:
            self._tell(home)

    def _tell(self, home: str) -> None:
        """Tell each channel of an incident what it does not know, and again what it is to be told again."""
        incident = self.incidents[home]
        by_channel = dict(incident.told)
        for channel, (signals, quiet_until, repeat) in self._recipients(incident).items():
            known = by_channel.get(channel)
            news = [signal for signal in signals if known is None or _is_news(signal, incident, known)]
            if news:
                event: Event = "opened" if known is None else "grown"
            elif known and repeat is not None and self._now - known.at >= repeat:
                event, news = "repeated", signals
            else:
                continue
            severity: Severity = "error" if any(signal.severity == "error" for signal in news) else "warn"
            self._send(incident, channel, event, news, severity, known, quiet_until)
            by_channel[channel] = Told(
                severity="error" if known and known.severity == "error" else severity,
                alerts=(known.alerts if known else frozenset()) | {signal.key for signal in signals},
                at=self._now,
                count=(known.count if known else 0) + 1,
            )
        self.incidents[home] = replace(incident, told=by_channel)

    def _recipients(self, incident: Incident) -> dict[str, tuple[list[Signal], datetime | None, Any]]:
        """Return the open alerts that each channel is to know, when it may be told, and how often."""
        recipients: dict[str, tuple[list[Signal], datetime | None, Any]] = {}
        for signal in incident.open.values():
            place = self._places(signal.subject)
            silenced = self._policy.is_silenced(signal, place, self._now)
            for route in self._policy.routes_of(signal, place)[: 1 if silenced else None]:
                until = route.quiet.until(self._now, signal.severity) if route.quiet else None
                for channel in route.channels:
                    if signal.kind == "channel_down" and signal.subject == channel:
                        continue  # it would be told of its own trouble when that is over
                    signals, quiet, repeat = recipients.get(channel, ([], until, route.repeat))
                    if signal not in signals:
                        signals.append(signal)
                    soonest = None if quiet is None or until is None else min(quiet, until)
                    often = min((interval for interval in (repeat, route.repeat) if interval is not None), default=None)
                    recipients[channel] = signals, soonest, often
        return recipients

    def _close(self, home: str) -> None:
        incident = self.incidents.pop(home)
        self._by_root[incident.root].remove(home)
        if not self._by_root[incident.root]:
            del self._by_root[incident.root]
        for channel, known in incident.told.items():
            alerts = [signal for key, signal in incident.over.items() if key in known.alerts] or [
                *incident.over.values()
            ]
            quiet = self._quiet_end(alerts, channel)
            self._send(incident, channel, "recovered", alerts, known.severity, known, quiet)

    def _quiet_end(self, alerts: list[Signal], channel: str) -> datetime | None:
        ends = [
            route.quiet.until(self._now, signal.severity) if route.quiet else None
            for signal in alerts
            for route in self._policy.routes_of(signal, self._places(signal.subject))
            if channel in route.channels
        ]
        return None if not ends or None in ends else min(end for end in ends if end is not None)

    def _send(
        self,
        incident: Incident,
        channel: str,
        event: Event,
        alerts: list[Signal],
        severity: Severity,
        known: Told | None,
        quiet_until: datetime | None,
    ) -> None:
        place = self._places(incident.root)
        affected = {signal.subject for signal in incident.open.values() if signal.dataset} - {incident.root}
        self.messages.append(
            Message(
                id=f"{incident.id}/{channel}/{known.count + 1 if known else 1}",
                channel=channel,
                event=event,
                incident=incident.id,
                root=incident.root,
                owner=place.owner,
                severity=severity,
                since=incident.since,
                at=self._now,
                alerts=tuple(alerts),
                affected=len(affected),
                below=place.below,
                not_before=quiet_until,
            )
        )


def _is_news(signal: Signal, incident: Incident, known: Told) -> bool:
    """Tell whether a channel that knows an incident is to hear of an alert of it: at its root, or worse than known."""
    if is_worse(signal.severity, known.severity):
        return True
    return signal.key not in known.alerts and signal.subject == incident.root


def _incident_document(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "root": incident.root,
        "since": incident.since.isoformat(),
        "open": [signal.to_document() for signal in incident.open.values()],
        "over": [signal.to_document() for signal in incident.over.values()],
        "told": {
            channel: {"severity": known.severity, "alerts": sorted(known.alerts), "at": known.at.isoformat(),
                      "count": known.count}
            for channel, known in incident.told.items()
        },
    }  # fmt: skip


def _incident_from(document: Mapping[str, Any]) -> Incident:
    by_channel = {
        channel: Told(
            severity=entry["severity"],
            alerts=frozenset(entry["alerts"]),
            at=datetime.fromisoformat(entry["at"]),
            count=entry["count"],
        )
        for channel, entry in document["told"].items()
    }
    return Incident(
        id=document["id"],
        root=document["root"],
        since=datetime.fromisoformat(document["since"]),
        open={signal.key: signal for signal in map(Signal.from_document, document["open"])},
        over={signal.key: signal for signal in map(Signal.from_document, document["over"])},
        told=by_channel,
    )
