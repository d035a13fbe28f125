"""`platform alerts`: who is told of what, and what was told."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from platform_resources.alerts import StoredMessage

commands = typer.Typer(name="alerts", help="Who is told of what, and what was told.", no_args_is_help=True)


@commands.callback()
def group() -> None:
    """Who is told of what, and what was told."""


@commands.command()
def run(
    context: typer.Context,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two rounds.")] = 10,
    once: Annotated[bool, typer.Option("--once", help="One round, then end.")] = False,
) -> None:
    """Watches Dagster's history and the lake, and tells whoever is to know; ends when it is interrupted."""
    from filelock import Timeout

    from platform_assets.entrypoints.interrupts import stop_on_signals
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.alerting.router import AlertRouter, run_router
    from platform_assets.operations.alerting.sensor import router_lock
    from platform_assets.operations.errors import RequestError
    from platform_assets.operations.instance import open_instance

    location = open_location(context.obj)
    lock = router_lock(location)
    try:
        lock.acquire(timeout=20)  # a sensor's tick is shorter
    except Timeout:
        raise RequestError("another platform alerts run works on this state folder. Fix: end it first.") from None
    with lock, open_instance(location.settings) as instance, stop_on_signals() as is_stopped:
        router = AlertRouter.open(location, instance)
        run_router(router, every=timedelta(seconds=every), is_stopped=is_stopped, tell=typer.echo, once=once)


@commands.command(name="test")
def send_tests(
    context: typer.Context,
    channel: Annotated[str | None, typer.Argument(help="A channel; all without.")] = None,
    json: Json = False,
) -> None:
    """Send a test message to a channel, or to all; exit code 1 where one did not take it."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_assets.operations.alerting.overview import send_test

    results = send_test(open_location(context.obj), channel, datetime.now(UTC))
    if json:
        print_json(results)
    else:
        rendered = table("CHANNEL", "TAKEN", "ANSWER", fixed=("CHANNEL",))
        for result in results:
            rendered.add_row(result.channel, "yes" if result.is_taken else "NO", result.answer)
        screen().print(rendered)
    if not all(result.is_taken for result in results):
        raise typer.Exit(1)


@commands.command(name="list")
def list_open(context: typer.Context, json: Json = False) -> None:
    """Show the incidents that are open, the silences, and the channels that take nothing."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import ago, print_json, screen, table
    from platform_assets.operations.alerting.overview import open_alerts

    now = datetime.now(UTC)
    standing = open_alerts(open_location(context.obj), now)
    if json:
        print_json(standing)
        return
    rendered = table("INCIDENT", "SEVERITY", "BEGAN AT", "SINCE", "ALERTS", "TOLD", fixed=("INCIDENT", "BEGAN AT"))
    for incident in standing.incidents:
        alerts = "; ".join(f"{alert['subject']}: {alert['text']}" for alert in incident.alerts)
        rendered.add_row(
            incident.id, incident.severity, incident.root, ago(incident.since, now), alerts, ", ".join(incident.told)
        )
    screen().print(rendered if standing.incidents else "Nothing is wrong that the router knows of.")
    for silence in standing.silences:
        until = datetime.fromtimestamp(silence.until, UTC)
        line = f"silence {silence.number}: {silence.pattern} until {until:%Y-%m-%d %H:%M} UTC {silence.reason}"
        screen().print(line, markup=False)
    for name, reason in standing.channels_down.items():
        screen().print(f"channel {name}: {reason}", markup=False)


@commands.command()
def silence(
    context: typer.Context,
    pattern: Annotated[
        str | None,
        typer.Argument(help="What is meant, such as flights/*, or flights/flights+ with all below it."),
    ] = None,
    hours: Annotated[float, typer.Option(min=0.01, help="For how long.")] = 2,
    kind: Annotated[list[str] | None, typer.Option(help="Kinds of alerts; all without.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever finds it.")] = "",
    end: Annotated[int | None, typer.Option(help="End the silence of this number.")] = None,
) -> None:
    """Keep alerts from people for a while; what is still wrong when the silence ends is told then."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.alerting.overview import add_silence, end_silence

    location = open_location(context.obj)
    if end is not None:
        end_silence(location, end)
        typer.echo(f"silence {end} is over")
        return
    if pattern is None:
        raise typer.BadParameter("name what is to be silent, or --end a silence")
    until = datetime.now(UTC) + timedelta(hours=hours)
    number = add_silence(location, pattern, kind or [], until, reason)
    typer.echo(f"silence {number}: {pattern} until {until:%Y-%m-%d %H:%M} UTC")


@commands.command()
def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many messages.")] = 50,
    channel: Annotated[str, typer.Option(help="Of which channel.")] = "journal",
    json: Json = False,
) -> None:
    """List what was told, newest first, and whether the channel took it."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_resources.alerts import Outbox

    messages = Outbox(open_location(context.obj).settings.state).history(limit=limit, channel=channel)
    if json:
        print_json([_plain(message) for message in messages])
        return
    rendered = table("AT", "INCIDENT", "EVENT", "TITLE", "SENT", fixed=("AT", "INCIDENT"))
    for message in messages:
        document = message.document
        sent = "waits" if message.sent_at is None else f"{datetime.fromtimestamp(message.sent_at, UTC):%H:%M:%S}"
        state = f"{sent} {message.error}".strip()
        rendered.add_row(document["at"][:19], document["incident"], document["event"], document["title"], state)
    screen().print(rendered)


def _plain(message: "StoredMessage") -> dict[str, Any]:
    sent = None if message.sent_at is None else datetime.fromtimestamp(message.sent_at, UTC)
    return {**message.document, "channel": message.channel, "sent_at": sent, "attempts": message.attempts,
            "error": message.error}  # fmt: skip
