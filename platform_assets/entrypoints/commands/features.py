"""`platform features list | frame | get | check`: what was known of a key before an instant."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType

from platform_assets.entrypoints.options import DatasetName, Json
from platform_assets.entrypoints.screen import number, print_result, screen, table

if TYPE_CHECKING:
    from datetime import datetime

    from platform_assets.operations.features import DeclaredFeature

commands = typer.Typer(name="features", help="What was known of a key before an instant.", no_args_is_help=True)


@commands.command("list")
def list_all(context: typer.Context, json: Json = False) -> None:
    """List the declared features with their windows and keys."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.features import list_features

    print_result(list_features(open_location(context.obj)), _feature_table, json)


@commands.command()
def frame(
    context: typer.Context,
    dataset: DatasetName,
    labels: Annotated[Path, typer.Argument(help="CSV or Parquet with the features' keys and an instant.")],
    out: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    instant: Annotated[str, typer.Option(help="The column of the instant.")] = "at",
) -> None:
    """Write labels with features as of their instants: what was known then, and nothing later."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.features import frame_as_of, read_labels

    feature_rows = frame_as_of(open_location(context.obj), dataset, read_labels(labels), instant=instant)
    feature_rows.write_parquet(out)
    screen().print(f"{feature_rows.height:,} rows, {feature_rows.width} columns written to {out}", soft_wrap=True)


@commands.command()
def get(
    context: typer.Context,
    dataset: DatasetName,
    keys: Annotated[list[str], typer.Argument(help="Of the rows.")],
    json: Json = False,
) -> None:
    """Show the latest features of keys, from the embedded store or Redis."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.features import look_up_features

    print_result(look_up_features(open_location(context.obj), dataset, keys), _documents, json)


@commands.command()
def check(context: typer.Context, dataset: DatasetName, json: Json = False) -> None:
    """Change what comes after some instants, and tells which features change before them: those see the future."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.features import leaks_of

    leaks = leaks_of(open_location(context.obj), dataset)
    print_result(leaks, _leak_lines, json)
    if leaks:
        raise typer.Exit(code=1)


def _feature_table(features: Sequence[DeclaredFeature]) -> RenderableType:
    rendered = table("dataset", "feature", "measure", "seconds", "by", numbers=("seconds",), fixed=("dataset",))
    for feature in features:
        measure = f"{feature.measure}({feature.column})"
        rendered.add_row(
            feature.dataset, feature.feature, measure, number(int(feature.over_seconds)), ", ".join(feature.by)
        )
    return rendered


def _documents(documents: Mapping[str, Any]) -> RenderableType:
    lines = [f"{key}: " + ", ".join(f"{name}={value}" for name, value in row.items()) for key, row in documents.items()]
    return Group(*(lines or ["none of these keys has a row"]))


def _leak_lines(leaks: Mapping[str, datetime]) -> RenderableType:
    lines = [f"{name} sees what comes after {at:%Y-%m-%d %H:%M:%S}" for name, at in leaks.items()]
    return Group(*(lines or ["no feature sees the future"]))
