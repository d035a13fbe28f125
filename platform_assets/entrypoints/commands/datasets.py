"""`platform datasets` and `platform datasets show`: a list that fits a terminal, and a page."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table

from platform_assets.entrypoints.options import Json
from platform_assets.entrypoints.screen import (
    ago,
    at,
    count,
    facts,
    joined,
    number,
    plain,
    print_json,
    screen,
    styled_table,
)

if TYPE_CHECKING:
    from platform_assets.operations.dataset_facts import ColumnFacts, Freshness, InputFacts, Line, Page, RuleFacts
    from platform_assets.operations.overview import Verdicts

_WIDE = 170
_FRESH = {
    "pass": "[green]fresh[/]",
    "fail": "[red]overdue[/]",
    "unknown": "[yellow]never filled[/]",
    "not_applicable": "[dim]no limit[/]",
}
_STATUS = {"passed": "[green]passed[/]", "warned": "[yellow]warned[/]", "failed": "[red]failed[/]"}
_SHOWN_INPUTS = 24

commands = typer.Typer(name="datasets", help="What datasets there are, and how they stand.")


@commands.callback(invoke_without_command=True)
def list_all(
    context: typer.Context,
    domain: Annotated[str | None, typer.Option(help="Only the datasets of this domain.")] = None,
    json: Json = False,
) -> None:
    """List all datasets: owner, version, storage, rows, checks, quarantine, freshness."""
    if context.invoked_subcommand is not None:
        return
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.datasets import list_datasets

    now = datetime.now(UTC)
    lines = list_datasets(open_location(context.obj), domain, now)
    if json:
        print_json(lines)
        return
    console = screen()
    console.print(_list_table(lines, console, now))


@commands.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name, domain/dataset.")],
    json: Json = False,
) -> None:
    """Show one dataset: contract, last materialisation, checks, freshness, quarantine, inputs."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.dataset_facts import json_of
    from platform_assets.operations.datasets import describe_dataset

    now = datetime.now(UTC)
    page = describe_dataset(open_location(context.obj), name, now)
    if json:
        print_json(json_of(page))
    else:
        screen().print(_page(page, now))


def _list_table(lines: Sequence[Line], console: Console, now: datetime) -> Table:
    """Return the list of datasets, as wide as the console allows."""
    return _wide(lines, now) if console.width >= _WIDE else _narrow(lines, now)


def _narrow(lines: Sequence[Line], now: datetime) -> Table:
    """Two lines a dataset."""
    rendered = styled_table(
        "dataset", "source → store", "rows", "checks", "quarantine", "last filled",
        numbers=("rows",), fixed=("dataset", "source → store", "last filled"),
    )  # fmt: skip
    for line in lines:
        rendered.add_row(
            f"[bold]{line.name}[/]\n[dim]{_joined(line.owner, line.version)}[/]",
            f"{line.source}{f' → {line.format}' if line.format else ''}\n[dim]{_joined(line.mode, line.partitions)}[/]",
            number(line.rows),
            "\n".join(_verdict_lines(line.checks, line.rule_count)),
            _open(line.quarantine_open),
            f"{ago(line.materialised_at, now)}\n{_FRESH[line.freshness.state]}",
        )
    return rendered


def _open(count_: int | None) -> str:
    if count_ is None:
        return "[dim]-[/]"
    return f"[yellow]{count_:,} open[/]" if count_ else "[dim]none open[/]"


def _joined(*words: str | None) -> str:
    return plain(", ".join(word for word in words if word))


def _verdict_lines(verdicts: Verdicts, rules: int) -> Iterator[str]:
    if not verdicts.passed + verdicts.warned + verdicts.failed:
        yield f"[dim]{rules} never judged[/]"
        return
    yield f"{verdicts.passed} of {rules} passed"
    bad = [f"[yellow]{verdicts.warned} warned[/]"] if verdicts.warned else []
    bad += [f"[red]{verdicts.failed} failed[/]"] if verdicts.failed else []
    if bad:
        yield ", ".join(bad)


def _wide(lines: Sequence[Line], now: datetime) -> Table:
    """One line a dataset, a column for everything."""
    counts = ("rules", "rows", "passed", "warned", "failed", "open")
    names = ("dataset", "owner", "version", "source", "store", "partitions", *counts, "last filled", "freshness")
    rendered = styled_table(*names, numbers=counts, fixed=names)
    for line in lines:
        checks = (line.checks.passed, line.checks.warned, line.checks.failed)
        rendered.add_row(
            line.name, plain(line.owner), line.version or "-", line.source,
            " ".join(word for word in (line.format, line.mode) if word) or "-",
            line.partitions or "-", number(line.rule_count), number(line.rows), *map(number, checks),
            number(line.quarantine_open), ago(line.materialised_at, now), _FRESH[line.freshness.state],
        )  # fmt: skip
    return rendered


def _page(page: Page, now: datetime) -> Group:
    """All that is known of a dataset, in sections."""
    sections: list[RenderableType] = [
        f"[bold]{page.dataset.name}[/]  {page.dataset.version or ''}  {plain(page.dataset.owner)}",
        plain(page.description),
        "",
        facts(_facts(page, now)),
        *_section("Columns", _columns(page.columns)),
        *_section("Rules", _rules(page.rules)),
    ]
    if page.inputs:
        sections += _section("Inputs", _inputs(page.inputs, now))
    return Group(*sections)


def _section(title: str, content: RenderableType) -> list[RenderableType]:
    return ["", f"[bold]{title}[/]", content]


def _facts(page: Page, now: datetime) -> Iterator[tuple[str, str]]:
    line = page.dataset
    yield "lies at", plain(line.location)
    yield "kept as", _joined(line.format, f"{line.mode} on {joined(page.key)}" if page.key else line.mode)
    yield "partitions", line.partitions or "none"
    yield "reads", plain(joined(page.reads, "nothing: its rows are generated"))
    if page.tags:
        yield "tags", plain(joined(page.tags))
    yield "rows", number(line.rows)
    last = page.last_materialisation
    yield "last filled", at(last.at, now) if last else "never"
    if last:
        rows = f", {count(last.rows_in, 'row')} in" if last.rows_in is not None else ""
        yield "by run", f"{last.run_id}{rows}"
    yield "freshness", _freshness(line.freshness, now)
    yield "checks", ", ".join(_verdict_lines(line.checks, line.rule_count))
    if page.quarantine:
        quarantine = page.quarantine
        keeps = f"kept for {quarantine.keep_days} days"
        yield (
            "quarantine",
            f"{quarantine.open:,} open, {quarantine.replayed:,} replayed, {quarantine.discarded:,} discarded; {keeps}",
        )
    elif line.version:
        yield "quarantine", "none: one bad row writes nothing"
    if page.retention:
        yield "kept", page.retention.told


def _freshness(freshness: Freshness, now: datetime) -> str:
    if freshness.within_seconds is None:
        return _FRESH[freshness.state]
    limit = f"every {timedelta(seconds=freshness.within_seconds).total_seconds() / 3600:g} h"
    due = f", due {at_due(freshness.due_at, now)}" if freshness.due_at else ""
    return f"{_FRESH[freshness.state]}, wanted {limit}{due}"


def at_due(due: datetime, now: datetime) -> str:
    """Return an instant that may lie ahead."""
    return f"since {ago(due, now)}" if due < now else f"{due:%Y-%m-%d %H:%M} UTC"


def _columns(columns: Sequence[ColumnFacts]) -> Table:
    rendered = styled_table("column", "type", "null", "unit", "personal", "description", fixed=("column",))
    for column in columns:
        kind = column.type.replace("Datetime(time_unit='us', time_zone='UTC')", "Timestamp UTC")
        null = "yes" if column.nullable else "[dim]never[/]"
        rendered.add_row(column.name, kind, null, plain(column.unit or ""), column.pii or "", plain(column.description))
    return rendered


def _rules(rules: Sequence[RuleFacts]) -> Table:
    rendered = styled_table("rule", "verdict", "severity", "says", fixed=("rule", "verdict"))
    for rule in rules:
        says = rule.told if rule.told and rule.status != "passed" else rule.label
        rendered.add_row(rule.id, _STATUS.get(rule.status, "[dim]never judged[/]"), rule.severity, plain(says))
    return rendered


def _inputs(inputs: Sequence[InputFacts], now: datetime) -> Table:
    counted = ("rows", "valid", "quarantined", "superseded")
    rendered = styled_table("source", *counted, "taken in", numbers=counted, fixed=("source",))
    for input_ in inputs[:_SHOWN_INPUTS]:
        numbers = (input_.rows, input_.valid, input_.quarantined, input_.superseded)
        rendered.add_row(plain(input_.source), *map(number, numbers), ago(input_.ingested_at, now))
    if len(inputs) > _SHOWN_INPUTS:
        rendered.add_row(f"[dim]and {len(inputs) - _SHOWN_INPUTS} more: --json shows all[/]")
    totals = (sum(getattr(input_, name) for input_ in inputs) for name in counted)
    rendered.add_row("[bold]all[/]", *(f"[bold]{total:,}[/]" for total in totals))
    return rendered
