"""`platform upkeep plan | apply | lifecycle | advise`: what tables need, the bucket's rules, advice."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

import json as json_
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from platform_assets.entrypoints.options import Json
from platform_assets.entrypoints.screen import count, plain, print_result, size, styled_table

if TYPE_CHECKING:
    from platform_assets.operations.upkeep.actions import Lifecycles
    from platform_core.upkeep import Advice

Tables = Annotated[list[str] | None, typer.Option("--table", help="Only this dataset; repeat it for more.")]

_CHANGES = {"add": "[green]add[/]", "change": "[yellow]change[/]", "remove": "[red]remove[/]", "keep": "[dim]keep[/]"}

commands = typer.Typer(name="upkeep", help="What tables need, what they cost, and doing it.", no_args_is_help=True)


@commands.command()
def plan(context: typer.Context, only: Tables = None, json: Json = False) -> None:
    """Says what every table needs, and what it would gain; changes nothing."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.upkeep.actions import plan_upkeep
    from platform_assets.operations.upkeep.report import record

    print_result(record(plan_upkeep(open_location(context.obj), only or [])), _survey, json)


@commands.command()
def apply(context: typer.Context, only: Tables = None, json: Json = False) -> None:
    """Carries the plan out, as a run of the asset platform/upkeep in this process."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.upkeep.actions import apply_upkeep

    print_result(apply_upkeep(open_location(context.obj), only or []), _survey, json)


@commands.command()
def lifecycle(
    context: typer.Context,
    apply: Annotated[bool, typer.Option("--apply", help="Put the rules into the bucket.")] = False,
    json: Json = False,
) -> None:
    """Compare the bucket's lifecycle rules with those that contracts and readings want."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.upkeep.actions import compare_lifecycles

    print_result(compare_lifecycles(open_location(context.obj), apply=apply), _rules, json)


@commands.command()
def advise(context: typer.Context, json: Json = False) -> None:
    """Says which partitions, machine and concurrency the tables and runs speak for, with the numbers."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.upkeep.actions import advise as advise_

    print_result(advise_(open_location(context.obj)), _advice, json)


@commands.command()
def events(
    context: typer.Context,
    days: Annotated[float, typer.Option(min=0, help="Keep what is younger than so many days.")] = 90,
    apply: Annotated[bool, typer.Option("--apply", help="Delete; else it is only counted.")] = False,
    json: Json = False,
) -> None:
    """Make Dagster's event log small: deletes old events that no asset's page needs."""
    from datetime import UTC, datetime, timedelta

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import size
    from platform_assets.operations.upkeep.events import prune_events

    before = datetime.now(UTC) - timedelta(days=days)
    print_result(
        prune_events(open_location(context.obj), before, apply=apply),
        lambda done: (
            f"{done.events:,} events and {done.run_logs:,} logs of runs older than {done.before:%Y-%m-%d}, "
            f"{size(done.freed_bytes)}{'' if done.applied else '; --apply deletes them'}"
            f"{f'; {done.runs_going:,} runs go on, so a file of SQLite keeps its size' if done.runs_going else ''}"
        ),
        json,
    )


def _survey(survey: Mapping[str, Any]) -> Group:
    """Every table with what it needs, or what was done to it; then the totals."""
    if not survey["tables"] and not survey["failed"]:
        return Group("No table has been written yet: materialise an asset, or run make demo.")
    parts: list[RenderableType] = [_tables(survey), "", *_totals(survey)]
    parts += [f"[red]{name}[/]: {plain(why)}" for name, why in survey["failed"].items()]
    return Group(*parts)


def _tables(survey: Mapping[str, Any]) -> Table:
    did = "done" if survey["applied"] else "to do"
    numbers = ("files", "size", "saves a month")
    rendered = styled_table("table", "files", "size", "saves a month", did, numbers=numbers, fixed=("table",))
    for entry in survey["tables"]:
        rendered.add_row(
            entry["table"], f"{entry['files']:,}", size(entry["size_bytes"]),
            _dollars(sum(entry["saves_a_month"].values())),
            "[dim]nothing[/]" if entry["told"] == "nothing" else plain(entry["told"]),
        )  # fmt: skip
    return rendered


def _totals(survey: Mapping[str, Any]) -> Iterator[str]:
    totals = survey["totals"]
    after = "after" if survey["applied"] else "if carried out"
    files = f"{totals['files_before']:,} files before, {totals['files_after']:,} {after}"
    yield f"{count(totals['tables'], 'table')}, {files}"
    if totals["requests_a_scan_saved"]:
        yield (f"a reading of all saves {count(totals['requests_a_scan_saved'], 'request')} and "
               f"{totals['seconds_a_scan_saved']:.2g} s")  # fmt: skip
    if totals["dollars_a_month_before"]:
        saved = f"{_dollars(totals['dollars_a_month_saved'])} saved, {_dollars(totals['dollars_once'])} once"
        yield f"{_dollars(totals['dollars_a_month_before'])} a month, {saved} (prices of {totals['prices']})"
    if not survey["applied"]:
        yield "[dim]nothing was changed: platform upkeep apply carries it out[/]"


def _dollars(amount: float) -> str:
    return "-" if amount == 0 else f"${amount:,.2f}" if abs(amount) >= 1 else f"${amount:.2g}"


def _rules(lifecycles: Lifecycles) -> Group:
    """Return what becomes of each rule of the platform's, and why."""
    rendered = styled_table("", "rule", "was", "is" if lifecycles.applied else "would be", fixed=("", "rule"))
    for change in lifecycles.changes:
        rendered.add_row(
            _CHANGES[change.change], plain(change.id), plain(_terms(change.before)), plain(_terms(change.after))
        )
    reasons = styled_table("dataset", "why", fixed=("dataset",))
    for name, why in lifecycles.why.items():
        reasons.add_row(name, plain("; ".join(why)))
    done = "put into" if lifecycles.applied else "not yet in"
    same = all(change.change == "keep" for change in lifecycles.changes)
    last = "the bucket says all of it already" if same else f"{done} bucket {lifecycles.bucket}"
    others = count(lifecycles.others, "rule of others", "rules of others")
    return Group(rendered, "", reasons, "", f"{last}; {others} left alone; ${lifecycles.saves_a_year:.2f} a year saved")


def _terms(rule: Mapping[str, Any] | None) -> str:
    """Return what a rule says, without its name and status."""
    if rule is None:
        return "-"
    words = [f"{move['StorageClass']} after {move['Days']} d" for move in rule.get("Transitions", ())]
    terms = {name: rule[name] for name in _WORDS if rule.get(name)}
    words += [f"{_WORDS[name]} {next(iter(value.values()))} d" for name, value in terms.items()]
    return ", ".join(words) or json_.dumps(rule, default=str)


_WORDS = {
    "Expiration": "gone after",
    "NoncurrentVersionExpiration": "earlier versions gone after",
    "AbortIncompleteMultipartUpload": "uploads given up after",
}


def _advice(advice: Sequence[Advice]) -> RenderableType:
    """Each piece of advice with its numbers."""
    if not advice:
        return "No advice: no table is of a bad size, none of the assets that ran three times asks for another machine."
    rendered = styled_table("about", "do", "because", fixed=("about",))
    for piece in advice:
        rendered.add_row(plain(piece.subject), plain(piece.do), plain(piece.evidence))
    return rendered
