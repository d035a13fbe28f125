"""`platform demo`: the main job on real input, from files that land to marts, with nothing else running."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import dagster as dg
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from platform_assets.entrypoints.instance import open_instance
from platform_assets.entrypoints.sample import publish
from platform_assets.operations.catch_up import CatchUpRun, run_catch_up, stale_runs, why
from platform_assets.operations.overview import DatasetState, overview
from platform_resources.settings import Settings
from platform_resources.sources import Landing

_PIPED_WIDTH = 110


def run(console: Console | None = None) -> bool:
    """Whether every dataset stands: publishes the sample, brings what is stale up to date, shows what there is."""
    from platform_assets.definitions import location  # noqa: PLC0415 - importing builds the whole graph

    screen = console or Console()
    if not screen.is_terminal:
        screen = Console(width=_PIPED_WIDTH)
    settings = Settings.from_environment()
    published = publish(Landing(settings))
    screen.print(f"{published} new files published to {settings.landing}/flights", soft_wrap=True)
    with open_instance(settings) as instance:
        runs = stale_runs(location, instance)
        steps = _follow(screen, runs, location.defs, instance)
        states = overview(location, instance)
        screen.print(summary(states, steps, settings.tables_root))
        screen.print(_last_line(runs))
    return all(state.materialised for state in states)


@dataclass
class Steps:
    """What was seen of a run while it worked: seconds by step, and the step that made each asset."""

    seconds: dict[str, float] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)

    def took(self, name: str) -> str:
        """Seconds of the step that made the asset, in brackets where it made others too."""
        step = self.makers.get(name)
        if step is None or step not in self.seconds:
            return "unchanged"
        shared = sum(maker == step for maker in self.makers.values()) > 1
        return f"({self.seconds[step]:.1f})" if shared else f"{self.seconds[step]:.1f}"


def _follow(screen: Console, runs: Sequence[CatchUpRun], defs: dg.Definitions, instance: dg.DagsterInstance) -> Steps:
    """What the runs did; progress shows while they work."""
    steps = Steps()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=False) as progress:
        for planned in runs:
            bars: dict[str, TaskID] = {}
            for event in run_catch_up(planned, defs, instance):
                _show(progress, bars, event, steps)
    return steps


def _show(progress: Progress, bars: dict[str, TaskID], event: dg.DagsterEvent, steps: Steps) -> None:
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
        progress.update(bars[step], completed=1, description=f"{name}  [red]failed[/]")
        progress.console.print(f"[red]{name}[/]: {why(event)}", soft_wrap=True)


def summary(states: Sequence[DatasetState], steps: Steps, root: str) -> Table:
    """What there is, a row a dataset: its table below the root, rows, verdicts, seconds of the last run."""
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
    yield _number(state.rows_in)
    yield _number(state.rows)
    yield f"[yellow]{state.quarantined:,}[/]" if state.quarantined else "0"
    yield str(state.verdicts.passed)
    yield f"[yellow]{state.verdicts.warned}[/]" if state.verdicts.warned else "0"
    yield f"[red]{state.verdicts.failed}[/]" if state.verdicts.failed else "0"
    yield took


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _last_line(runs: Sequence[CatchUpRun]) -> str:
    done = "Everything was up to date. " if not runs else ""
    return f"{done}Open the UI with [bold]make dev[/], at http://localhost:3000"
