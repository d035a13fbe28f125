"""`platform anomalies list | train`: the detectors of datasets with scores."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from platform_assets.entrypoints.options import DatasetName, Json
from platform_assets.entrypoints.screen import number, print_result, table

if TYPE_CHECKING:
    from platform_assets.operations.features import DetectorVersion

commands = typer.Typer(name="anomalies", help="Detectors that score the rows of streams.", no_args_is_help=True)


@commands.command("list")
def list_all(context: typer.Context, dataset: DatasetName, json: Json = False) -> None:
    """Lists the versions of a dataset's detector; the last one scores."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.features import list_detectors

    print_result(list_detectors(open_location(context.obj), dataset), _detector_table, json)


@commands.command()
def train(
    context: typer.Context,
    dataset: DatasetName,
    rows: Annotated[int, typer.Option(help="How many of the latest rows it is trained on.", min=2)] = 10_000,
    json: Json = False,
) -> None:
    """Trains a detector on the latest rows; workers and runs that start from now on score by it."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.features import train_again

    trained = train_again(open_location(context.obj), dataset, rows=rows)
    print_result([trained], _detector_table, json)


def _detector_table(versions: Sequence[DetectorVersion]) -> RenderableType:
    rendered = table("version", "trained at", "rows", numbers=("rows",), fixed=("version",))
    for each in versions:
        rendered.add_row(each.version, f"{each.trained_at:%Y-%m-%d %H:%M:%S}", number(each.rows))
    return rendered
