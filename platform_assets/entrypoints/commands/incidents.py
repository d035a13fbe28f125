"""`platform incidents [DATASET]` and `incidents mark`: where something began, and which periods are left out."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from platform_assets.entrypoints.options import DatasetName, Json

if TYPE_CHECKING:
    from platform_core.quality.incidents import Incident, Oddity


class _ListsByDefault(TyperGroup):
    """A group that lists where the first word is none of its commands: `platform incidents shop/sales`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before words that name no command."""
        is_command = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if is_command else ["list", *args])


commands = typer.Typer(name="incidents", cls=_ListsByDefault, help="Where something began: the dataset and the column.")


@commands.command(name="list")
def list_all(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A dataset that they concern; all without.")] = None,
    last: Annotated[int, typer.Option(help="How many of the newest partitions of each dataset to judge.")] = 3,
    json: Json = False,
) -> None:
    """Judges partitions against their own past and names where each incident began; exit code 1 where there is one."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.datasets import find_dataset
    from platform_assets.operations.incidents import incidents_of

    location = open_location(context.obj)
    if name is not None:
        find_dataset(location.catalog, name)
    incidents = incidents_of(location, name, datetime.now(UTC), last=last)
    if json:
        print_json(incidents)
    else:
        text = "\n".join(_words(incident) for incident in incidents)
        screen().print(text or "no incident: every partition is as its own past lets expect", markup=False)
    if incidents:
        raise typer.Exit(1)


def _words(incident: "Incident") -> str:
    """Return an incident as a heading, its evidence and what it reaches."""
    where = f"{incident.dataset}.{incident.column}" if incident.column else f"{incident.dataset} (whole rows)"
    lines = [f"{where} in {', '.join(incident.periods)}"]
    lines += [f"  {_evidence(oddity)}" for oddity in incident.evidence[:3]]
    if incident.also:
        lines.append(f"  also odd there: {', '.join(incident.also)}")
    if incident.reaches:
        lines.append(f"  reaches {', '.join(incident.reaches)}")
    return "\n".join(lines)


def _evidence(oddity: "Oddity") -> str:
    metric = oddity.metric.replace("_", " ")
    band = oddity.band
    return f"{oddity.period}: {metric} {oddity.value:,.4g}, expected {band.low:,.4g} to {band.high:,.4g} ({band.basis})"


@commands.command()
def mark(
    context: typer.Context,
    name: DatasetName,
    first: Annotated[str, typer.Argument(help="The first period, such as 2024-03.")],
    last: Annotated[str | None, typer.Option(help="The last period, closed; the first alone without.")] = None,
    reason: Annotated[str, typer.Option(help="Why it is left out.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Count the periods again.")] = False,
    json: Json = False,
) -> None:
    """Leaves periods out: they are neither judged nor learned from, here and in the history of quality."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.datasets import find_dataset
    from platform_assets.operations.incidents import mark_periods

    location = open_location(context.obj)
    dataset = find_dataset(location.catalog, name)
    mark_periods(location.lake, dataset, first, last=last, reason=reason, at=datetime.now(UTC), left_out=not undo)
    periods = first if last in (None, first) else f"{first} to {last}"
    if json:
        print_json({"dataset": name, "first": first, "last": last or first, "left_out": not undo})
    else:
        screen().print(f"{name}: {periods} {'counts again' if undo else 'is left out'}", markup=False)
