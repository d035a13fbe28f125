"""Histories of failures, recoveries, restarts and kills: nothing is missed and nothing is told twice."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np

from platform_core.alerting import AlertPolicy, AlertState, Message, Place, Route, Signal, fold_signals

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [f"shop/{letter}" for letter in "abcdef"]
ABOVE = {name: frozenset(NAMES[:place]) for place, name in enumerate(NAMES)} | {"shop/f": frozenset()}
KINDS = ("step_failed", "check_failed", "stale")


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


def history(seed: int) -> list[list[Signal]]:
    """Batches of signals as polls would find them; the last ones end all that is open."""
    random = np.random.default_rng(seed)
    at, open_keys, batches = START, dict[str, Signal](), list[list[Signal]]()
    for _ in range(12):
        batch = []
        for _ in range(random.integers(0, 4)):
            at += timedelta(seconds=1)
            severity = "error" if random.random() < 0.5 else "warn"
            signal = Signal(kind=str(random.choice(KINDS)), subject=str(random.choice(NAMES)), severity=severity, at=at)
            if signal.key in open_keys and random.random() < 0.7:
                signal = Signal(**{**open_keys.pop(signal.key).__dict__, "firing": False, "at": at})
            else:
                open_keys.setdefault(signal.key, signal)
            batch.append(signal)
        batches.append(batch)
    batches.append([Signal(**{**signal.__dict__, "firing": False, "at": at}) for signal in open_keys.values()])
    return batches


def play(seed: int) -> tuple[list[Signal], list[Message]]:
    """Route a history with a router that is killed at random: state and outbox commit as one, or not at all."""
    random = np.random.default_rng(seed + 1_000_000)
    state, sent, signals = AlertState(), list[Message](), list[Signal]()
    for batch in history(seed):
        signals += batch
        while True:
            following, messages = fold_signals(
                state, batch, batch[-1].at if batch else START, policy=POLICY, places=places
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
    for signal in signals:
        if not signal.firing:
            firing.pop(signal.key, None)
        elif signal.key not in firing:
            firing[signal.key] = signal
            for channel in channels_of(signal):
                above = ABOVE[signal.subject] | {signal.subject}
                heard = [m for (_, name), since, root, ms in spans if name == channel and root in above
                         and since <= signal.at <= ms[-1].at for m in ms]  # fmt: skip
                missed += not heard
                named = [m for m in heard if m.event != "recovered" and (signal.key, signal.at) in ids(m)]
                repeated += max(0, len(named) - 1)
    return missed, repeated


def test_a_thousand_histories_miss_nothing_and_repeat_nothing() -> None:
    results = [check(seed) for seed in range(1_000)]
    assert (sum(missed for missed, _ in results), sum(repeated for _, repeated in results)) == (0, 0)
