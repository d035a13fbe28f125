"""`platform push grant | list | revoke`: who may push records to which datasets."""

# ruff: noqa: PLC0415 - commands import what they need when called, so that help answers at once

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.entrypoints.options import Json
from platform_assets.entrypoints.screen import print_result, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from platform_resources.sources.push_ledger import Token

commands = typer.Typer(name="push", help="Tokens of the push gateway.", no_args_is_help=True)


@commands.command()
def grant(
    name: Annotated[str, typer.Argument(help="What people call the producer.")],
    datasets: Annotated[list[str], typer.Argument(help="Names or patterns, such as 'commerce/*'.")],
    rate: Annotated[int, typer.Option(min=0, help="Records a second that each gateway takes of it; 0 for any.")] = 0,
) -> None:
    """Print a new token, once; one of that name before is worth nothing any more."""
    import time

    from platform_assets.operations.push import ledger_of
    from platform_resources.settings import Settings

    typer.echo(ledger_of(Settings.from_environment()).grant(name, datasets, at=time.time(), rate=rate))


@commands.command("list")
def list_tokens(json: Json = False) -> None:  # noqa: FBT002 - a flag
    """List who may push to which datasets."""
    from platform_assets.operations.push import ledger_of
    from platform_resources.settings import Settings

    print_result(ledger_of(Settings.from_environment()).tokens(), _token_table, json)


@commands.command()
def revoke(name: Annotated[str, typer.Argument(help="As it was granted.")]) -> None:
    """Forgets a token, at once."""
    from platform_assets.operations.errors import UnknownName
    from platform_assets.operations.push import ledger_of
    from platform_resources.settings import Settings

    ledger = ledger_of(Settings.from_environment())
    if not ledger.revoke(name):
        raise UnknownName("token", name, [token.name for token in ledger.tokens()])
    typer.echo(f"{name} may push no more")


def _token_table(tokens: Sequence[Token]) -> RenderableType:
    rendered = table("name", "datasets", "records a second", numbers=("records a second",))
    for token in tokens:
        rendered.add_row(token.name, ", ".join(token.datasets), f"{token.rate:,}" if token.rate else "any")
    return rendered
