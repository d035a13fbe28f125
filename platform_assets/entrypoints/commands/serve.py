"""`platform serve metrics | push`: the state of the platform for a monitoring system, a door for records."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from platform_assets.operations.metrics import Exporter

commands = typer.Typer(name="serve", help="Servers over what the platform knows.", no_args_is_help=True)


@commands.callback()
def group() -> None:
    """Servers over what the platform knows."""


@commands.command()
def metrics(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 9464,
    every: Annotated[float, typer.Option(min=0, help="Seconds for which a page is kept.")] = 15,
    once: Annotated[bool, typer.Option("--once", help="Print the page and end.")] = False,
) -> None:
    """Serve runs, datasets, checks, quarantines, ticks and daemons at /metrics, as OpenMetrics."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.metrics import Exporter, render_metrics

    location = open_location(context.obj)
    if once:
        typer.echo(render_metrics(location), nl=False)
        return
    exporter, stopped = Exporter(location, keep_seconds=every), Event()
    Thread(target=exporter.keep_fresh, args=(stopped,), daemon=True).start()
    with ThreadingHTTPServer((host, port), handler_of(exporter)) as server:
        typer.echo(f"http://{host}:{server.server_address[1]}/metrics")
        server.serve_forever()


@commands.command()
def push(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 9465,
    most_bytes: Annotated[int, typer.Option(min=1, help="Bytes of a body at most.")] = 8 << 20,
    most_requests: Annotated[int, typer.Option(min=1, help="Requests at work at once.")] = 16,
    most_lag: Annotated[int, typer.Option(min=0, help="Messages that the worker may be behind.")] = 1_000_000,
) -> None:
    """Take records in at POST /datasets/DOMAIN/DATASET: judged at the door, durable before they are acknowledged."""
    import uvicorn

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.push_gateway import build_gateway
    from platform_assets.operations.push import PushDesk, ledger_of
    from platform_resources.brokers import open_broker

    location = open_location(context.obj)
    desk = PushDesk(location, open_broker(location.settings), ledger_of(location.settings), most_lag)
    app = build_gateway(desk, most_bytes=most_bytes, most_requests=most_requests)
    server = uvicorn.Server(uvicorn.Config(app, host, port, log_level="warning", access_log=False))
    listening = server.config.bind_socket()
    listening.listen(server.config.backlog)  # who reads the address may connect at once
    typer.echo(f"http://{host}:{listening.getsockname()[1]}/datasets/")
    server.run([listening])


@commands.command()
def catalog(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 3001,
    every: Annotated[float, typer.Option(min=0, help="Seconds for which what was read is kept.")] = 15,
    name: Annotated[list[str] | None, typer.Option(help="A name under which it answers, beside the address.")] = None,
    mcp: Annotated[bool, typer.Option("--mcp", help="Talk to an assistant over standard input instead.")] = False,
) -> None:
    """Serve the catalog: pages, an API with OpenAPI, and a door for assistants at /mcp."""
    import sys

    from platform_assets.entrypoints.catalog.mcp import answer_lines
    from platform_assets.entrypoints.catalog.tokens import read_tokens
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.catalog import PlatformCatalog

    location = open_location(context.obj)
    platform_catalog = PlatformCatalog(location, keep_seconds=every)
    if mcp:
        for line in answer_lines(platform_catalog, sys.stdin):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        return
    import uvicorn

    from platform_assets.entrypoints.catalog.api import build_app

    tokens = read_tokens(location.settings.catalog_tokens)
    if not tokens.scopes and host not in _LOOPBACK:
        fix = "set PLATFORM_CATALOG_TOKENS, or listen on 127.0.0.1"
        raise typer.BadParameter(f"{host} is no loopback address, and nobody needs a token. Fix: {fix}.")
    app = build_app(platform_catalog, tokens, hosts=("localhost", *_LOOPBACK, host, *(name or ())))
    typer.echo(f"The catalog: http://{host}:{port}/  (API: /api/openapi.json)")
    Thread(target=platform_catalog.keep_fresh, args=(Event(),), daemon=True).start()
    uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False)


_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@commands.command()
def cloudwatch(
    context: typer.Context,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two pushes.")] = 60,
    once: Annotated[bool, typer.Option("--once", help="One push, then end.")] = False,
) -> None:
    """Pushes records, failures, sizes and durations to CloudWatch, in the namespaces DataPipeline/<dataset>."""
    import time

    from platform_assets.entrypoints.interrupts import stop_on_signals
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.cloudwatch import push_points
    from platform_assets.operations.instance import open_instance
    from platform_resources.telemetry.cloudwatch import CloudWatchRefused

    location = open_location(context.obj)
    with open_instance(location.settings) as instance, stop_on_signals() as is_stopped:
        while True:
            try:
                typer.echo(f"{push_points(location, instance)} points")
            except CloudWatchRefused as refused:
                if once:
                    raise
                typer.echo(str(refused), err=True)
            deadline = time.monotonic() + every
            while not once and not is_stopped() and time.monotonic() < deadline:
                time.sleep(0.1)
            if once or is_stopped():
                return


def handler_of(exporter: Exporter) -> type[BaseHTTPRequestHandler]:
    """Make the class that answers requests with the exporter's page."""
    from platform_assets.operations.metrics import CONTENT_TYPE

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(HTTPStatus.NOT_FOUND, "Metrics are at /metrics")
                return
            page = exporter.newest_page()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            with suppress(ConnectionError):  # the scraper went away
                self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the library gives
            """Say nothing: a scrape every few seconds is no news."""

    return Handler
