"""Runs in this process as a person watches them: steps while they work, then a table of what there is."""

# ruff: noqa: PLC0415 - commands import what they need when called, so that help answers at once

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from platform_assets.entrypoints.screen import number, plain

if TYPE_CHECKING:
    import dagster as dg
    from rich.progress import Progress, TaskID

    from platform_assets.location import CodeLocation
    from platform_assets.operations.catch_up import CatchUpRun
    from platform_assets.operations.overview import DatasetState

_PIPED_WIDTH = 110


def catch_up(location: CodeLocation, instance: dg.DagsterInstance, console: Console) -> tuple[bool, bool]:
    """Bring everything stale up to date and show it; whether anything was stale, and whether everything stands."""
    from platform_assets.operations.catch_up import awaited_runs, stale_runs, stopped_assets
    from platform_assets.operations.history import InstanceHistory
    from platform_assets.operations.overview import overview

    awaited = awaited_runs(location, instance)
    steps = _follow(console, awaited, location.defs, instance, Steps())
    unreachable: list[str] = []
    notes: list[str] = []
    runs = stale_runs(location, instance, tell=unreachable.append, note=notes.append)
    for message in [*unreachable, *notes]:
        console.print(f"[yellow]{plain(message)}[/]", soft_wrap=True)
    _follow(console, runs, location.defs, instance, steps)
    states = overview(location, InstanceHistory(instance))
    console.print(_summary(states, steps, location.settings.tables_root))
    stopped = stopped_assets(location, instance)
    for name, reason in stopped.items():
        console.print(f"[red]{name}[/]: {plain(reason)}", soft_wrap=True)
    stands = all(state.materialised for state in states) and not steps.failed and not unreachable and not stopped
    return bool(awaited or runs), stands


def progress_console() -> Console:
    """Open the console of standard output, wide enough for the table where it is piped."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPED_WIDTH)


@dataclass
class Steps:
    """What was seen of runs while they worked: seconds by step, the step that made each asset, steps that failed."""

    seconds: dict[str, float] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def took(self, name: str) -> str:
        """Give the seconds of the step that made the asset, in brackets where it made others too."""
        step = self.makers.get(name)
        if step is None or step not in self.seconds:
            return "unchanged"
        shared = sum(maker == step for maker in self.makers.values()) > 1
        return f"({self.seconds[step]:.1f})" if shared else f"{self.seconds[step]:.1f}"


def _follow(
    screen: Console, runs: Sequence[CatchUpRun], defs: dg.Definitions, instance: dg.DagsterInstance, steps: Steps
) -> Steps:
    """Work the runs off, and show progress meanwhile; what is seen is added to the steps."""
    if not runs:
        return steps
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from platform_assets.operations.catch_up import run_catch_up

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=False) as progress:
        for planned in runs:
            bars: dict[str, TaskID] = {}
            for event in run_catch_up(planned, defs, instance):
                _show(progress, bars, event, steps)
    return steps


def _show(progress: Progress, bars: dict[str, TaskID], event: dg.DagsterEvent, steps: Steps) -> None:
    from platform_assets.operations.catch_up import why

    step = event.step_key or ""
    name = step.replace("__", "/")
    if event.is_step_start:
        bars[step] = progress.add_task(name, total=1)
    elif event.is_step_materialization and event.asset_key:
        steps.makers[event.asset_key.to_user_string()] = step
    elif step in bars and event.is_step_success:
        progress.update(bars[step], completed=1, description=f"{name}  [green]done[/]")
        steps.seconds[step] = event.step_success_data.duration_ms / 1000
    elif step in bars and event.is_step_failure:
        steps.failed.append(step)
        progress.update(bars[step], completed=1, description=f"{name}  [red]failed[/]")
        progress.console.print(f"[red]{name}[/]: {plain(why(event))}", soft_wrap=True)


def _summary(states: Sequence[DatasetState], steps: Steps, root: str) -> Table:
    """Tell what there is, a row a dataset: its table below the root, rows, verdicts, seconds of the last run."""
    table = Table(
        title=f"Tables below {root}", title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    table.caption = (
        "seconds in brackets: one step made several tables"
        if any("(" in steps.took(state.name) for state in states)
        else None
    )
    table.add_column("lies at", no_wrap=True)
    for heading in ("rows in", "valid", "quarantined", "passed", "warned", "failed", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for state in states:
        table.add_row(*_cells(state, steps.took(state.name), root))
    return table


def _cells(state: DatasetState, took: str, root: str) -> Iterator[str]:
    yield state.location.removeprefix(f"{root}/")
    yield number(state.rows_in)
    yield number(state.rows)
    yield f"[yellow]{state.quarantined:,}[/]" if state.quarantined else "0"
    yield str(state.verdicts.passed)
    yield f"[yellow]{state.verdicts.warned}[/]" if state.verdicts.warned else "0"
    yield f"[red]{state.verdicts.failed}[/]" if state.verdicts.failed else "0"
    yield took
