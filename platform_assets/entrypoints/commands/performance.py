"""`platform performance`: how long datasets take, what they move and hold, and what that costs."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from platform_assets.operations.performance import Performance, RunPath

commands = typer.Typer()
_BAR = 30


@commands.command()
def performance(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[DATASET]", help="A dataset; all without.")] = None,
    hours: Annotated[float, typer.Option(min=0.01, help="How far back to look.")] = 720,
    run: Annotated[str | None, typer.Option(help="Show what a run waited for, by its id.")] = None,
    json: Json = False,
) -> None:
    """Show durations, throughput, memory, bytes and cost over the last hours, and what is slower than it was."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_result
    from platform_assets.operations.datasets import find_dataset
    from platform_assets.operations.performance import path_of_run, performance_of

    location = open_location(context.obj)
    if run is not None:
        print_result(path_of_run(location, run), _path, json)
        return
    if name is not None:
        find_dataset(location.catalog, name)
    facts = performance_of(location, datetime.now(UTC), hours=hours, name=name)
    print_result(facts, _plot if name is not None else _table, json)


def _table(facts: "list[Performance]") -> "RenderableType":
    from platform_assets.entrypoints.screen import number, size, table

    numbers = ("RUNS", "MEDIAN", "SLOWEST", "ROWS/S", "MEMORY", "COST")
    rendered = table("DATASET", *numbers, "SLOWER", numbers=numbers, fixed=("DATASET",))
    for fact in facts:
        last = fact.last
        rate = last.rows_per_second if last else None
        memory = last.peak_memory_bytes if last else None
        rendered.add_row(
            fact.name, number(fact.runs), _seconds(fact.median_seconds), _seconds(fact.slowest_seconds),
            number(None if rate is None else round(rate)), "-" if memory is None else size(memory),
            f"${fact.cost:.6f}", _slower(fact),
        )  # fmt: skip
    return rendered


def _slower(facts: "Performance") -> str:
    slowdown = facts.slowdown
    return f"{slowdown.share:+.0%} for {slowdown.runs} runs" if slowdown else "-"


def _plot(facts: "list[Performance]") -> "RenderableType":
    """Return the runs of one dataset, a bar each by its seconds."""
    from platform_assets.entrypoints.screen import number, size, table

    numbers = ("SECONDS", "ROWS", "ROWS/S", "MEMORY", "BYTES")
    rendered = table("AT", "RUN", *numbers, "", numbers=numbers, fixed=("AT", "RUN"))
    (dataset,) = facts
    longest = dataset.slowest_seconds or 1.0
    for making in dataset.history:
        rate, memory, written = making.rows_per_second, making.peak_memory_bytes, making.size_bytes
        rendered.add_row(
            f"{making.at:%Y-%m-%d %H:%M}", making.run_id[:8], _seconds(making.seconds), number(making.rows),
            number(None if rate is None else round(rate)), "-" if memory is None else size(memory),
            "-" if written is None else size(written),
            "█" * max(1, round(_BAR * (making.seconds or 0) / longest)) if making.seconds is not None else "",
        )  # fmt: skip
    rendered.caption = f"slower: {_slower(dataset)}"
    return rendered


def _path(run_path: "RunPath") -> "RenderableType":
    from platform_assets.entrypoints.screen import table

    rendered = table("STEP", "START", "SECONDS", "", numbers=("START", "SECONDS"), fixed=("STEP",))
    for step in run_path.path:
        before = " " * round(_BAR * step.start / run_path.seconds) if run_path.seconds else ""
        bar = "█" * max(1, round(_BAR * (step.end - step.start) / run_path.seconds)) if run_path.seconds else ""
        rendered.add_row(step.name, _seconds(step.start), _seconds(step.end - step.start), before + bar)
    rendered.caption = f"run {run_path.run_id} took {run_path.seconds:.1f} s"
    return rendered


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
