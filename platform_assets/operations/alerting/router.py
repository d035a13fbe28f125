"""The router: reads what happened and what is, folds it, and sends what became due.

A round reads, folds and commits; a delivery sends what waits. Both can be killed anywhere: what was read but not
committed is read again, and what was committed but not sent is sent again under the same id.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from platform_assets.location import CodeLocation
from platform_assets.operations.alerting import conditions
from platform_assets.operations.alerting.event_signals import EVENT_TYPES, StepMemory, event_signals
from platform_assets.operations.alerting.routing import places_of, policy_of
from platform_assets.operations.attempts import Attempts
from platform_assets.operations.event_log import EventCursor, newest_event, read_events
from platform_core.alerting import LEVEL_KINDS, AlertState, Message, Signal, document_of, fold_signals
from platform_core.privacy.redaction import redact
from platform_resources.alerts import (
    AlertFile,
    AlertJournal,
    Channel,
    ChannelRefused,
    Outbox,
    StoredMessage,
    read_alert_file,
)
from platform_resources.errors import ResourceError

if TYPE_CHECKING:
    import dagster as dg

_log = logging.getLogger(__name__)

_EVENTS_AT_ONCE = 2_000
_SLOWLY = timedelta(minutes=1)
_ALL_TABLES = timedelta(minutes=10)
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0
_DOWN_AFTER = 3
"""So many refusals in a row make a channel count as down; one that lasts does so at once."""

OUTSIDE_KINDS = frozenset({"daemon_silent", "location_down"})
"""Kinds that a sensor cannot see: it does not run where these would be noticed."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a delivery did: messages that channels took, and those that they refused."""

    sent: int = 0
    refused: int = 0


@dataclass
class AlertRouter:
    """One router of an instance; a second at the same time is kept out by `alerts run` and by the sensor.

    Attributes:
        location: The datasets.
        instance: Dagster's history.
        file: Channels, routes and limits.
        kinds: Kinds of `LEVEL_KINDS` that it looks for.
        ask_web: Asks the web server which code locations are down.
    """

    location: CodeLocation
    instance: "dg.DagsterInstance"
    file: AlertFile
    kinds: frozenset[str] = LEVEL_KINDS
    ask_web: Callable[[str], Mapping[str, str]] = conditions.ask_web
    _memory: conditions.DatasetMemory | None = field(default=None, init=False)
    _slow: tuple[datetime, list[Signal], frozenset[str]] | None = field(default=None, init=False)
    _tables_at: datetime | None = field(default=None, init=False)

    @classmethod
    def open(cls, location: CodeLocation, instance: "dg.DagsterInstance", **options: Any) -> "AlertRouter":
        """Open the router that the settings describe.

        Raises:
            SettingsError: Something in the file of alerts is wrong.
        """
        return cls(location, instance, read_alert_file(location.settings), **options)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.location.settings.state)
        self.channels: dict[str, Channel] = {"journal": AlertJournal(self.location.settings), **self.file.channels}
        self._places = places_of(self.location)

    def run_round(self, now: datetime) -> list[Message]:
        """Read what happened since the last round and what is, and put what became due into the outbox."""
        messages: list[Message] = []
        while True:
            following, is_behind = self._round(now)
            messages += following
            if not is_behind:
                return messages

    def _round(self, now: datetime) -> tuple[list[Message], bool]:
        document = self.outbox.load()
        state = AlertState.from_document(document["state"]) if "state" in document else AlertState()
        cursor = _cursor(document["cursor"]) if "cursor" in document else newest_event(self.instance)
        if self._memory is None:
            alerts = [signal for incident in state.incidents.values() for signal in incident.open.values()]
            told = frozenset(signal.subject for signal in alerts if signal.kind == "quarantine_grows")
            self._memory = conditions.load_memory(self.location, document.get("baseline", {}), told)
        making = conditions.datasets_being_made(self.instance)  # before their events are read
        events, following = read_events(self.instance, cursor, EVENT_TYPES, limit=_EVENTS_AT_ONCE)
        self._remember(events)
        signals, steps = event_signals(self.instance, events, StepMemory(document.get("steps", {})))
        is_behind = len(events) == _EVENTS_AT_ONCE
        looked_for = frozenset[str]()
        if not is_behind:  # the present is judged when the past is known
            levels, looked_for = self._level_signals(now, making)
            signals += levels
        policy = policy_of(self.file.routes, tuple(self.file.channels), self.outbox, now)
        state, messages = fold_signals(state, signals, now, policy=policy, places=self._places, looked_for=looked_for)
        self.outbox.commit(
            {
                "state": state.to_document(),
                "cursor": {"last": following.last, "recent": sorted(following.recent)},
                "steps": {run_id: list(step_keys) for run_id, step_keys in steps.signalled.items()},
                "baseline": self._memory.baseline,
            },
            [
                {
                    "id": message.id,
                    "channel": message.channel,
                    "due_at": (message.not_before or message.at).timestamp(),
                    "document": document_of(message, link=self.location.settings.web),
                }
                for message in messages
            ],
        )
        return messages, is_behind

    def _remember(self, events: Sequence["dg.EventLogEntry"]) -> None:
        memory = self._memory
        if memory is None:
            return
        for entry in events:
            event = entry.dagster_event
            if event is not None and event.is_step_materialization and event.asset_key is not None:
                name = event.asset_key.to_user_string()
                memory.filled[name] = datetime.fromtimestamp(entry.timestamp, UTC)
                memory.written.add(name)
                memory.timed |= {name} & self.location.catalog.datasets.keys()

    def _level_signals(self, now: datetime, making: frozenset[str]) -> tuple[list[Signal], frozenset[str]]:
        """Return what is wrong now, and the kinds that could be looked for."""
        limits, memory = self.file.limits, self._memory
        if memory is None:
            return [], frozenset()
        if self._tables_at is None or now - self._tables_at >= _ALL_TABLES:
            memory.written, self._tables_at = set(self.location.catalog.datasets), now
        memory.written |= {name for name, rows in memory.open_rows.items() if rows > memory.baseline.get(name, rows)}
        signals, looked_for = self._look({
            "stale": lambda: conditions.stale_datasets(self.location, memory, now),
            "quarantine_grows": lambda: conditions.growing_quarantines(self.location, memory, now, making),
            "run_not_started": lambda: conditions.runs_not_started(
                self.instance, now, limit=timedelta(minutes=limits["not_started_minutes"])),
            "tick_failed": lambda: conditions.failed_ticks(self.instance),
            "daemon_silent": lambda: conditions.silent_daemons(
                self.instance, now, limit=timedelta(minutes=limits["daemon_minutes"])),
            "channel_down": lambda: self._channels_down(now),
        })  # fmt: skip
        if self._slow is None or now - self._slow[0] >= _SLOWLY:
            self._slow = now, *self._slow_signals(now)
        return signals + self._slow[1], looked_for | self._slow[2]

    def _slow_signals(self, now: datetime) -> tuple[list[Signal], frozenset[str]]:
        limits, web, memory = self.file.limits, self.location.settings.web, self._memory
        if memory is None:
            return [], frozenset()
        return self._look({
            "threshold": lambda: conditions.broken_thresholds(self.location, now),
            "sla": lambda: conditions.burnt_budgets(
                self.location, self.instance, memory, now, limit=limits["burn"]),
            "stream_lags": lambda: conditions.lagging_streams(self.location, now, limit=limits["lag"]),
            "backfill_failed": lambda: conditions.failed_backfills(self.instance),
            "disk_low": lambda: conditions.full_disks(self.location, now, limit=limits["disk_free_share"]),
            "slower": lambda: conditions.slower_datasets(self.instance, memory, now),
            "location_down": lambda: conditions.locations_down(web, now, self.ask_web) if web else (),
        })  # fmt: skip

    def _look(self, looks: Mapping[str, Callable[[], Iterable[Signal]]]) -> tuple[list[Signal], frozenset[str]]:
        """Look for kinds; one that could not be looked for is left as it was, and the log says so."""
        signals, looked_for = list[Signal](), set[str]()
        for kind, look in looks.items():
            if kind not in self.kinds:
                continue
            try:
                signals += look()
            except conditions.StillLooking:
                continue
            except ResourceError as error:
                _log.warning("alerts cannot look for %s: %s", kind, redact(str(error)))
            else:
                looked_for.add(kind)
        return signals, frozenset(looked_for)

    def _channels_down(self, now: datetime) -> list[Signal]:
        return [
            Signal(
                kind="channel_down",
                subject=channel,
                at=now,
                dataset=False,
                text=f"took no message at the last {message.attempts} tries: {message.error}",
                command=f"platform alerts test {channel}",
            )
            for channel, message in self.outbox.refusals().items()
            if channel in self.channels and (message.attempts >= _DOWN_AFTER or message.error.endswith(_LASTING))
        ]

    def deliver(self, now: datetime) -> Delivery:
        """Send what waits, each channel's messages in order, until all were taken or a channel refuses."""
        sent = refused = 0
        blocked: set[str] = set()
        while True:
            waiting = [
                next_message for next_message in self.outbox.next_messages(now) if next_message.channel not in blocked
            ]
            if not waiting:
                return Delivery(sent=sent, refused=refused)
            for message in waiting:
                channel = self.channels.get(message.channel)
                if channel is None:
                    blocked.add(message.channel)  # taken out of the file: its messages wait until it is back
                    continue
                if self._is_held(message, now):
                    continue
                try:
                    channel.send(message.document)
                except ChannelRefused as error:
                    reason = redact(str(error)) + (_LASTING if error.lasting else "")
                    if error.taken:
                        self.outbox.note_sent(message.id, now, error=reason)
                        continue
                    refused += 1
                    blocked.add(message.channel)
                    wait = max(error.retry_after or 0.0, min(_FIRST_WAIT * 2**message.attempts, _LONGEST_WAIT))
                    self.outbox.note_refused(message.id, reason, next_at=now + timedelta(seconds=wait))
                else:
                    sent += 1
                    self.outbox.note_sent(message.id, now)

    def _is_held(self, message: StoredMessage, now: datetime) -> bool:
        """Keep a message of a stream's row back while a silence covers its dataset; of a row that is over, drop it.

        A row is told of by the stream's worker, which knows no graph and no silences; what the router tells was judged
        before it came into the outbox.
        """
        document = message.document
        if "row" not in document or message.channel == "journal":
            return False
        if document["event"] == "recovered" and self.outbox.drop_untold(message):
            return True
        dataset = document["root"]
        row = Signal(kind=_ROW, subject=dataset, at=now, severity=document["severity"])
        policy = policy_of((), (), self.outbox, now)
        if document["event"] == "recovered" or not policy.is_silenced(row, self._places(dataset), now):
            return False
        self.outbox.hold(message.id, until=now + _LOOK_AGAIN)
        return True


_LASTING = " (lasting)"
_ROW = "row"
"""Rows of a stream are no kind of alert; a silence of certain kinds does not cover them."""
_LOOK_AGAIN = timedelta(minutes=1)
"""A silence may be ended before its time."""


def ping_dead_man(url: str) -> bool:
    """Tell the dead man's switch that the router lives, and return whether it heard."""
    import requests  # noqa: PLC0415 - only where there is one

    try:
        return requests.get(url, timeout=10).ok
    except requests.RequestException:
        return False


def _ping_if_due(file: AlertFile, now: datetime, pinged: datetime | None) -> datetime | None:
    """Return when the dead man's switch last heard."""
    is_due = pinged is None or now - pinged >= timedelta(minutes=file.dead_man_minutes)
    return now if file.dead_man and is_due and ping_dead_man(file.dead_man) else pinged


def _tell_round(router: AlertRouter, now: datetime, tell: Callable[[str], None]) -> None:
    for message in router.run_round(now):
        if message.channel == "journal":
            tell(document_of(message)["title"])


def _tell_delivery(router: AlertRouter, now: datetime, tell: Callable[[str], None]) -> None:
    delivery = router.deliver(now)
    if delivery.refused:
        tell(f"{delivery.refused} messages were refused; they are sent again")


def run_router(
    router: AlertRouter,
    *,
    every: timedelta,
    is_stopped: Callable[[], bool],
    tell: Callable[[str], None],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    once: bool = False,
) -> None:
    """Run rounds and deliveries until it is stopped; the dead man's switch hears of each round that succeeded.

    A round that fails, because Dagster's history is away, is told and tried again; what waits is sent all the same.
    """
    rounds, deliveries = Attempts("alerts cannot be looked for", tell), Attempts("alerts cannot be sent", tell)
    pinged: datetime | None = None
    while True:
        now = clock()
        if once:
            _tell_round(router, now, tell)
            _tell_delivery(router, now, tell)
            _ping_if_due(router.file, now, None)
            return
        has_looked = rounds.make(partial(_tell_round, router, now, tell))
        deliveries.make(partial(_tell_delivery, router, now, tell))
        if has_looked:
            pinged = _ping_if_due(router.file, now, pinged)
        deadline = time.monotonic() + every.total_seconds()
        while time.monotonic() < deadline and not is_stopped():
            time.sleep(0.1)
        if is_stopped():
            return


def _cursor(document: Mapping[str, Any]) -> EventCursor:
    return EventCursor(document["last"], frozenset(document["recent"]))
