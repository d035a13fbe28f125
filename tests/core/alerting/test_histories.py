"""Histories of failures, recoveries, restarts and kills: nothing is missed and nothing is told twice."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from platform_core.alerting import (
    KINDS,
    LEVEL_KINDS,
    AlertPolicy,
    AlertState,
    Message,
    Place,
    Route,
    Signal,
    fold_signals,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [f"shop/{letter}" for letter in "abcdef"]
ABOVE = {name: frozenset(NAMES[:place]) for place, name in enumerate(NAMES)} | {"shop/f": frozenset()}


def places(name: str) -> Place:
    owner = "team:even" if NAMES.index(name) % 2 == 0 else "team:odd"
    return Place(
        owner=owner, domain="shop", ancestors=ABOVE[name], below=sum(name in above for above in ABOVE.values())
    )


POLICY = AlertPolicy(
    routes=[
        Route(channels=["even"], owners=["team:even"]),
        Route(channels=["odd"], owners=["team:odd"]),
        Route(channels=["pager"], severity="error"),
    ]
)


@dataclass
class Poll:
    """What a router reads at once, the level kinds it had time to look for, and what is new in truth."""

    signals: list[Signal] = field(default_factory=list)
    looked_for: frozenset[str] = frozenset()
    truth: list[Signal] = field(default_factory=list)


def history(seed: int) -> list[Poll]:
    """Polls of a random history of all kinds; the last one finds that all that is open is over.

    Kinds that end by an event have one; the others are seen in each poll that looks for them, and are over where one
    does not see them.
    """
    random = np.random.default_rng(seed)
    at, wrong, known, polls = START, dict[str, Signal](), dict[str, Signal](), list[Poll]()
    for number in range(13):
        poll = Poll()
        for _ in range(random.integers(0, 4) if number < 12 else 0):
            at += timedelta(seconds=1)
            severity = "error" if random.random() < 0.5 else "warn"
            kind, subject = str(random.choice(list(KINDS))), str(random.choice(NAMES))
            signal = Signal(kind=kind, subject=subject, severity=severity, at=at)
            if signal.key in wrong and random.random() < 0.7:
                signal = replace(wrong.pop(signal.key), firing=False, at=at)
            elif signal.key not in wrong:
                wrong[signal.key] = signal
            if kind not in LEVEL_KINDS:
                poll.signals.append(signal)
                poll.truth.append(signal)
        if number == 12:
            events = [replace(each, firing=False, at=at) for each in wrong.values() if each.kind not in LEVEL_KINDS]
            poll.signals += events
            poll.truth += events
            wrong = {}
        poll.looked_for = frozenset(kind for kind in LEVEL_KINDS if number == 12 or random.random() < 0.6)
        seen = {key: each for key, each in wrong.items() if each.kind in poll.looked_for}
        poll.signals += seen.values()
        poll.truth += [each for key, each in seen.items() if key not in known]
        over = [key for key, each in known.items() if each.kind in poll.looked_for and key not in seen]
        poll.truth += [replace(known[key], firing=False, at=at) for key in over]
        known = {key: each for key, each in {**known, **seen}.items() if key not in over}
        polls.append(poll)
    return polls


def play(seed: int) -> tuple[list[tuple[datetime, Signal]], list[Message]]:
    """Route a history with a router that is killed at random: state and outbox commit as one, or not at all."""
    random = np.random.default_rng(seed + 1_000_000)
    state, sent, signals, now = AlertState(), list[Message](), list[tuple[datetime, Signal]](), START
    for poll in history(seed):
        now = max([now, *(each.at for each in poll.signals)])
        signals += [(now, each) for each in poll.truth]
        while True:
            following, messages = fold_signals(
                state, poll.signals, now, policy=POLICY, places=places, looked_for=poll.looked_for
            )
            if random.random() < 0.3:
                continue  # killed before the commit: the same events are read again by the cursor that stayed
            state = AlertState.from_document(following.to_document())
            sent += messages
            break
    assert state.incidents == {}
    return signals, sent


def channels_of(signal: Signal) -> set[str]:
    return {"journal", places(signal.subject).owner.removeprefix("team:")} | (
        {"pager"} if signal.severity == "error" else set()
    )


def ids(message: Message) -> set[tuple[str, datetime]]:
    return {(alert.key, alert.at) for alert in message.alerts}


def check(seed: int) -> tuple[int, int]:
    """How many openings a channel missed, and how many it was told twice, by a count that knows no incident."""
    signals, sent = play(seed)
    missed = repeated = 0
    by_incident = defaultdict(list)
    for message in sent:
        by_incident[message.incident, message.channel].append(message)
    assert len({message.id for message in sent}) == len(sent)
    for messages in by_incident.values():
        events = [message.event for message in messages]
        repeated += events.count("opened") - 1 + events.count("recovered") - 1
        missed += events[0] != "opened" or events[-1] != "recovered"
    firing: dict[str, Signal] = {}
    spans = [(key, messages[0].since, messages[0].root, messages) for key, messages in by_incident.items()]
    for seen, signal in signals:
        if not signal.firing:
            firing.pop(signal.key, None)
        elif signal.key not in firing:
            firing[signal.key] = signal
            for channel in channels_of(signal):
                above = ABOVE[signal.subject] | {signal.subject}
                heard = [m for (_, name), since, root, ms in spans if name == channel and root in above
                         and since <= seen <= ms[-1].at for m in ms]  # fmt: skip
                missed += not heard
                named = [m for m in heard if m.event != "recovered" and (signal.key, signal.at) in ids(m)]
                repeated += max(0, len(named) - 1)
    return missed, repeated


def test_a_thousand_histories_miss_nothing_and_repeat_nothing() -> None:
    results = [check(seed) for seed in range(1_000)]
    assert (sum(missed for missed, _ in results), sum(repeated for _, repeated in results)) == (0, 0)
