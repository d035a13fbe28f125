"""What waits for a channel survives a kill at any point, and a second sending bears the same id."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from platform_resources.alerts import AlertJournal, Outbox, read_alert_file
from platform_resources.errors import SettingsError
from platform_resources.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def route(state: str, lives: int) -> None:
    """Commit and deliver twenty messages; the process kills itself after so many steps."""
    steps = iter(range(lives))

    def step() -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    outbox, journal = Outbox(state), AlertJournal(Settings.from_environment({"PLATFORM_STATE": state}))
    while True:
        step()
        number = outbox.load().get("number", 0)
        if number < 20:
            outbox.commit({"number": number + 1}, [message(f"m{number}", "journal")])
        step()
        waiting = outbox.next_messages(NOW)
        if not waiting and number == 20:
            return
        for each in waiting:
            journal.send(each.document)
            step()
            outbox.note_sent(each.id, NOW)


def test_a_router_that_is_killed_again_and_again_tells_each_message_once(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    for _ in range(200):
        child = os.fork()
        if child == 0:
            route(str(tmp_path), int(random.integers(0, 9)))
            os._exit(0)
        random.integers(0, 9)
        if os.waitpid(child, 0)[1] == 0:
            break
    journal = AlertJournal(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)}))
    assert journal.path.read_text().splitlines() == [f'{{"id": "m{number}"}}' for number in range(20)]


def message(id_: str, channel: str = "team", due: datetime = NOW) -> dict[str, object]:
    return {"id": id_, "channel": channel, "due_at": due.timestamp(), "document": {"id": id_}}


def test_a_channel_gets_its_messages_in_order_and_holds_up_no_other(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path))
    outbox.commit({}, [message("a1", "a"), message("a2", "a"), message("b1", "b")])
    outbox.note_refused("a1", "answered 503", next_at=NOW + timedelta(minutes=1))
    assert [each.id for each in outbox.next_messages(NOW)] == ["b1"]
    assert [each.id for each in outbox.next_messages(NOW + timedelta(minutes=1))] == ["a1", "b1"]


def test_a_message_in_hours_of_quiet_waits_for_their_end(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path))
    outbox.commit({}, [message("night", due=NOW + timedelta(hours=7)), message("urgent")])
    assert [each.id for each in outbox.next_messages(NOW)] == ["urgent"]


WRONG = {
    "[channels.team]\ntype = 'pigeon'": "type 'pigeon'",
    "[channels.team]\ntype = 'slack'": "lacks ['url']",
    "[channels.team]\ntype = 'slack'\nurl = 'env:NO_SUCH_VARIABLE'": "NO_SUCH_VARIABLE",
    "[[routes]]\nchannels = ['nobody']": "['nobody']",
    "[limits]\nlags = 3": "'lags'",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_refused_with_its_culprit(tmp_path: Path, text: str) -> None:
    (tmp_path / "alerts.toml").write_text(text)
    settings = Settings.from_environment(
        {"PLATFORM_STATE": str(tmp_path), "PLATFORM_ALERTS": str(tmp_path / "alerts.toml")}
    )
    with pytest.raises(SettingsError) as refused:
        read_alert_file(settings)
    assert WRONG[text] in str(refused.value)
