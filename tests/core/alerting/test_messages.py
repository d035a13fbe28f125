"""What people read: the worst first, each thing said once, and the same head when it is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from platform_core.alerting import Message, Signal, render_text, render_title

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_WARNED = Signal(
    kind="check_failed", subject="shop/ovens", detail="le", at=_AT, severity="warn", command="platform quarantine list"
)
_FAILED = Signal(
    kind="step_failed",
    subject="shop/ovens",
    at=_AT + timedelta(seconds=1),
    text="shop/ovens: nothing was written",
    command="platform catch-up",
)
_OPENED = Message(
    id="1/team/1",
    channel="team",
    event="opened",
    incident="1",
    root="shop/ovens",
    owner="team:bakers",
    severity="error",
    since=_AT,
    at=_AT,
    alerts=[_WARNED, _FAILED],
    affected=0,
    below=0,
)


def test_an_error_beside_an_older_warning_heads_the_message_and_names_what_heals() -> None:
    assert render_title(_OPENED) == "[error] shop/ovens: step failed and 1 more"
    assert render_text(_OPENED).splitlines()[0] == "shop/ovens: nothing was written"
    assert "heal: platform catch-up" in render_text(_OPENED)


def test_a_recovery_whose_alerts_ended_in_another_order_has_the_head_of_its_opening() -> None:
    over = replace(_OPENED, event="recovered", alerts=[_FAILED, _WARNED])
    assert render_title(over) == "[error] recovered: shop/ovens: step failed and 1 more"
