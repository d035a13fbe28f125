"""`platform anomalies list | train | evaluate`: the detectors of datasets with scores."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from platform_assets.entrypoints.options import DatasetName, Json
from platform_assets.entrypoints.screen import number, print_result, table

if TYPE_CHECKING:
    from platform_assets.operations.features import DetectorDrift, DetectorVersion
    from platform_core.anomaly import Evaluation

commands = typer.Typer(name="anomalies", help="Detectors that score the rows of streams.", no_args_is_help=True)


@commands.command("list")
def list_all(context: typer.Context, dataset: DatasetName, json: Json = False) -> None:
    """List the versions of a dataset's detector; the last one scores."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.features import list_detectors

    print_result(list_detectors(open_location(context.obj), dataset), _detector_table, json)


@commands.command()
def train(
    context: typer.Context,
    dataset: DatasetName,
    rows: Annotated[int, typer.Option(help="How many of the latest rows it is trained on.", min=2)] = 10_000,
    if_drifted: Annotated[
        float | None, typer.Option(help="Only where a column's median moved by so many usual deviations.", min=0.0)
    ] = None,
    json: Json = False,
) -> None:
    """Trains a detector on the latest rows; workers and runs score by it some seconds later."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.features import train_again, train_on_drift

    if if_drifted is not None:
        drift = train_on_drift(open_location(context.obj), dataset, rows=rows, limit=if_drifted)
        print_result(drift, _drift_line, json)
        return
    trained = train_again(open_location(context.obj), dataset, rows=rows)
    print_result([trained], _detector_table, json)


@commands.command()
def evaluate(
    context: typer.Context,
    dataset: DatasetName,
    labels: Annotated[Path, typer.Argument(help="CSV or Parquet: the dataset's key, and whether a row is odd.")],
    label: Annotated[str, typer.Option(help="The column that says so.")] = "is_odd",
    json: Json = False,
) -> None:
    """Compare scores with labels: precision, recall and AUC, which the asset's page draws over time."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.features import evaluate_detector, read_labels

    evaluation = evaluate_detector(open_location(context.obj), dataset, read_labels(labels), label=label)
    print_result(evaluation, _evaluation_line, json)


def _evaluation_line(evaluation: Evaluation) -> RenderableType:
    figures = [("precision", evaluation.precision), ("recall", evaluation.recall), ("AUC", evaluation.auc)]
    shown = ", ".join(f"{name} {'none' if value is None else f'{value:.3f}'}" for name, value in figures)
    return f"{evaluation.rows:,} labelled rows, {evaluation.odd:,} of them odd: {shown}"


def _drift_line(drift: DetectorDrift) -> RenderableType:
    trained = "trained none" if drift.trained is None else f"trained {drift.trained.version}"
    return f"{drift.dataset}: {drift.column} moved by {drift.shift:.2f} of its usual deviations; {trained}"


def _detector_table(versions: Sequence[DetectorVersion]) -> RenderableType:
    rendered = table("version", "trained at", "rows", numbers=("rows",), fixed=("version",))
    for version in versions:
        rendered.add_row(version.version, f"{version.trained_at:%Y-%m-%d %H:%M:%S}", number(version.rows))
    return rendered
