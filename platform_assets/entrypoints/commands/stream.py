"""`platform stream run | capture | status | restart | pace | replay | read | produce | certify`: beside Dagster."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType

from platform_assets.entrypoints.options import DatasetName, Json
from platform_assets.entrypoints.screen import count, number, print_result, screen, styled_table

if TYPE_CHECKING:
    from platform_assets.operations.history_replays import ReplayedStream
    from platform_assets.operations.stream_certificate import Certificate
    from platform_assets.operations.streams import StreamState

commands = typer.Typer(
    name="stream", help="Topics taken in beside Dagster, micro-batch by micro-batch.", no_args_is_help=True
)


@commands.command()
def run(
    context: typer.Context,
    datasets: Annotated[list[str] | None, typer.Argument(help="Datasets whose source is a topic.")] = None,
    all_streams: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two micro-batches: fewer is fresher.", min=0.0)] = 1.0,
    report: Annotated[bool, typer.Option(help="Report to Dagster every few seconds.")] = True,
    at_once: Annotated[
        int | None, typer.Option(help="Topics taken in at the same time, at most; as many as processors.", min=1)
    ] = None,
) -> None:
    """Take topics in until it is stopped by Ctrl+C or SIGTERM, and reports to Dagster."""
    from dataclasses import replace
    from datetime import timedelta

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.stream_requests import choose_streams, run_worker
    from platform_assets.operations.streams import Pace

    location = open_location(context.obj)
    chosen = choose_streams(location, datasets or [], all_streams=all_streams)
    pace = Pace(once=once, every=timedelta(seconds=every), is_reported=report)
    pace = pace if at_once is None else replace(pace, at_once=at_once)
    run_worker(location, chosen, pace, lambda line: print(line, flush=True))


@commands.command()
def capture(
    context: typer.Context,
    datasets: Annotated[list[str] | None, typer.Argument(help="Datasets that name a database.")] = None,
    all_streams: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    once: Annotated[bool, typer.Option("--once", help="End behind what was committed before.")] = False,
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Read changes of databases into their topics by Debezium's engine, as `run` does in a process beside it."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.stream_requests import capture_streams

    capture_streams(
        open_location(context.obj), datasets or [], lambda line: print(line, flush=True),
        all_streams=all_streams, once=once, is_attached=attached,
    )  # fmt: skip


@commands.command()
def status(context: typer.Context, json: Json = False) -> None:
    """Show how far each dataset is behind its topic, by partition, and how fast it is taken in."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.stream_requests import list_streams

    print_result(list_streams(open_location(context.obj)), _state_table, json)


@commands.command()
def restart(
    context: typer.Context,
    dataset: DatasetName,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Read it from its first message.")] = False,
    keep_position: Annotated[bool, typer.Option("--keep-position", help="Go on behind the table's position.")] = False,
) -> None:
    """Goes on with a topic that was deleted and created again, which workers refuse to read."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.errors import RequestError
    from platform_assets.operations.stream_requests import restart_stream

    if from_beginning == keep_position:
        raise RequestError("it was not said where to go on. Fix: name --from-beginning or --keep-position.")
    moved = restart_stream(open_location(context.obj), dataset, from_beginning=from_beginning)
    where = "from its first message" if from_beginning else "behind the table's position"
    outcome = f"the topic is read on {where}" if moved else "the topic is the one that was read; nothing was changed"
    screen().print(f"{dataset}: {outcome}", soft_wrap=True)


@commands.command()
def pace(
    context: typer.Context, dataset: DatasetName, out: Annotated[Path, typer.Argument(help="An SVG file to write.")]
) -> None:
    """Draws the sizes, times and memory of a stream's micro-batches on this machine, beside the goals."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.stream_requests import write_pace

    write_pace(open_location(context.obj), dataset, out)
    screen().print(f"{out}", soft_wrap=True)


@commands.command()
def replay(
    context: typer.Context,
    dataset: DatasetName,
    since: Annotated[
        datetime | None, typer.Option("--from", help="Only what came out from this instant on, UTC.")
    ] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Only what came out before this instant, UTC.")] = None,
    restore: Annotated[bool, typer.Option("--restore", help="Write the rows that the table lacks.")] = False,
    json: Json = False,
) -> None:
    """Folds the stored history again by a Dagster backfill, and compares what comes out with the table, bit for bit."""
    from datetime import UTC

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.ingest.fold_replay import HistoryRequest
    from platform_assets.operations.history_replays import replay_history

    edges = [None if edge is None else edge.replace(tzinfo=UTC) for edge in (since, until)]
    request = HistoryRequest(since=edges[0], until=edges[1], restores=restore)
    replayed = replay_history(open_location(context.obj), dataset, request)
    print_result(replayed, _replay_line, json)
    if not replayed.holds:
        raise typer.Exit(code=1)


@commands.command()
def read(
    context: typer.Context,
    dataset: DatasetName,
    out: Annotated[Path | None, typer.Argument(help="A Parquet file to write; the count alone without.")] = None,
) -> None:
    """Read a stream as of this moment: its table, and what the topic holds beyond it, by the same rules."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.stream_requests import read_stream

    rows = read_stream(open_location(context.obj), dataset)
    if out is not None:
        rows.write_parquet(out)
    screen().print(f"{dataset}: {rows.height:,} rows as of now" + (f", in {out}" if out else ""), soft_wrap=True)


@commands.command()
def produce(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(help="The topic, without the environment's prefix.")],
    file: Annotated[Path | None, typer.Argument(help="A file of JSON lines.")] = None,
    generate: Annotated[int, typer.Option(help="Instead of a file: so many rows made from the contract.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Of generated rows.")] = 0,
) -> None:
    """Send the lines of a file, or generated rows, to a topic."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.errors import RequestError
    from platform_assets.operations.stream_requests import send_file, send_generated

    if (file is None) == (generate == 0):
        raise RequestError("there is no file and no number of rows, or both. Fix: name a file, or --generate ROWS.")
    location = open_location(context.obj)
    if file is not None:
        sent = send_file(location, topic, file)
    else:
        sent = send_generated(location, topic, count=generate, seed=seed)
    screen().print(f"{count(sent, 'message')} sent to {topic}")


@commands.command()
def certify(
    context: typer.Context,
    dataset: DatasetName,
    kills: Annotated[int, typer.Option(help="How often its worker is killed.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Of the moments and the messages.")] = 0,
    store: Annotated[
        str | None, typer.Option(help="delta-append, delta-merge, iceberg-append or iceberg-merge, not its own.")
    ] = None,
    json: Json = False,
) -> None:
    """Kills a worker at random moments and named points, and counts what was lost or came twice."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.stream_requests import certify_stream

    tell = (lambda line: None) if json else (lambda line: print(line, flush=True))  # noqa: ARG005 - JSON stands alone
    certificate = certify_stream(open_location(context.obj), dataset, kills=kills, seed=seed, tell=tell, store=store)
    print_result(certificate, _certificate_lines, json)
    if not certificate.holds:
        raise typer.Exit(code=1)


def _state_table(states: Sequence[StreamState]) -> RenderableType:
    numbers = ("partition", "first", "position", "end", "lag", "rows/s", "batch")
    rendered = styled_table("dataset", "topic", *numbers, numbers=numbers, fixed=("dataset", "topic"))
    for state in states:
        lag = f"[yellow]{state.lag:,}[/]" if state.lag else "0"
        places = map(number, (state.partition, state.first, state.position, state.end))
        size = "" if state.batch_size is None else number(state.batch_size)
        rendered.add_row(state.dataset, state.topic, *places, lag, f"{state.rate:,.0f}", size)
    return rendered


def _replay_line(replayed: ReplayedStream) -> RenderableType:
    verdict = "bit for bit those of the table"
    if replayed.missing or replayed.extra:
        written = f", {replayed.restored:,} were written again" if replayed.restored else ""
        verdict = (
            f"{replayed.missing:,} are not in the table{written}, {replayed.extra:,} of the table did not come out"
        )
    place = f"backfill {replayed.backfill}" if replayed.backfill else f"run {', '.join(replayed.runs)}"
    return f"{replayed.dataset}: {replayed.rows:,} rows in {replayed.seconds:.1f} s, {verdict} ({place})"


def _certificate_lines(certificate: Certificate) -> RenderableType:
    return Group(
        f"{certificate.kills} kills in {certificate.seconds:.0f} s: {certificate.sent:,} messages sent, "
        f"{certificate.rows:,} rows in the table, {certificate.quarantined:,} set aside, "
        f"{certificate.versions} versions",
        "Died " + ", ".join(f"{point}: {times}" for point, times in certificate.points.items()),
        f"lost {certificate.lost}, duplicated {certificate.duplicated}",
        f"{certificate.folded:,} rows of folds: {certificate.fold_differences} differ from a replay or stand twice",
    )
