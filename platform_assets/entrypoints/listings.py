"""`platform datasets` for people: a list that fits a terminal, a line a dataset where it is piped, and a page."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import Console, Group, RenderableType
from rich.table import Table

from platform_assets.entrypoints.dataset_facts import ColumnFacts, Freshness, InputFacts, Line, Page, RuleFacts
from platform_assets.entrypoints.screen import ago, at, count, facts, joined, number, plain, table
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


def listing(lines: Sequence[Line], console: Console, now: datetime) -> Table:
    """The list of datasets, as wide as the console allows."""
    return _wide(lines, now) if console.width >= _WIDE else _narrow(lines, now)


def _narrow(lines: Sequence[Line], now: datetime) -> Table:
    """Two lines a dataset."""
    made = table(
        "dataset", "source → store", "rows", "checks", "quarantine", "last filled",
        numbers=("rows",), fixed=("dataset", "source → store", "last filled"),
    )  # fmt: skip
    for each in lines:
        made.add_row(
            f"[bold]{each.name}[/]\n[dim]{_joined(each.owner, each.version)}[/]",
            f"{each.source}{f' → {each.format}' if each.format else ''}\n[dim]{_joined(each.mode, each.partitions)}[/]",
            number(each.rows),
            "\n".join(_verdict_lines(each.checks, each.rule_count)),
            _open(each.quarantine_open),
            f"{ago(each.materialised_at, now)}\n{_FRESH[each.freshness.state]}",
        )
    return made


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
    made = table(*names, numbers=counts, fixed=names)
    for each in lines:
        checks = (each.checks.passed, each.checks.warned, each.checks.failed)
        made.add_row(
            each.name, plain(each.owner), each.version or "-", each.source,
            " ".join(word for word in (each.format, each.mode) if word) or "-",
            each.partitions or "-", number(each.rule_count), number(each.rows), *map(number, checks),
            number(each.quarantine_open), ago(each.materialised_at, now), _FRESH[each.freshness.state],
        )  # fmt: skip
    return made


def page(shown: Page, now: datetime) -> Group:
    """All that is known of a dataset, in sections."""
    sections: list[RenderableType] = [
        f"[bold]{shown.dataset.name}[/]  {shown.dataset.version or ''}  {plain(shown.dataset.owner)}",
        plain(shown.description),
        "",
        facts(_facts(shown, now)),
        *_section("Columns", _columns(shown.columns)),
        *_section("Rules", _rules(shown.rules)),
    ]
    if shown.inputs:
        sections += _section("Inputs", _inputs(shown.inputs, now))
    return Group(*sections)


def _section(title: str, content: RenderableType) -> list[RenderableType]:
    return ["", f"[bold]{title}[/]", content]


def _facts(shown: Page, now: datetime) -> Iterator[tuple[str, str]]:
    line = shown.dataset
    yield "lies at", plain(line.location)
    yield "kept as", _joined(line.format, f"{line.mode} on {joined(shown.key)}" if shown.key else line.mode)
    yield "partitions", line.partitions or "none"
    yield "reads", plain(joined(shown.reads, "nothing: its rows are generated"))
    if shown.tags:
        yield "tags", plain(joined(shown.tags))
    yield "rows", number(line.rows)
    last = shown.last_materialisation
    yield "last filled", at(last.at, now) if last else "never"
    if last:
        taken = f", {count(last.rows_in, 'row')} in" if last.rows_in is not None else ""
        yield "by run", f"{last.run_id}{taken}"
    yield "freshness", _freshness(line.freshness, now)
    yield "checks", ", ".join(_verdict_lines(line.checks, line.rule_count))
    if shown.quarantine:
        held = shown.quarantine
        kept = f"kept for {held.keep_days} days"
        yield "quarantine", f"{held.open:,} open, {held.replayed:,} replayed, {held.discarded:,} discarded; {kept}"
    elif line.version:
        yield "quarantine", "none: one bad row writes nothing"
    if shown.retention:
        yield "kept", shown.retention.told


def _freshness(known: Freshness, now: datetime) -> str:
    if known.within_seconds is None:
        return _FRESH[known.state]
    limit = f"every {timedelta(seconds=known.within_seconds).total_seconds() / 3600:g} h"
    return f"{_FRESH[known.state]}, wanted {limit}{f', due {at_due(known.due_at, now)}' if known.due_at else ''}"


def at_due(due: datetime, now: datetime) -> str:
    """An instant that may lie ahead."""
    return f"since {ago(due, now)}" if due < now else f"{due:%Y-%m-%d %H:%M} UTC"


def _columns(columns: Sequence[ColumnFacts]) -> Table:
    made = table("column", "type", "null", "unit", "personal", "description", fixed=("column",))
    for each in columns:
        kind = each.type.replace("Datetime(time_unit='us', time_zone='UTC')", "Timestamp UTC")
        null = "yes" if each.nullable else "[dim]never[/]"
        made.add_row(each.name, kind, null, plain(each.unit or ""), each.pii or "", plain(each.description))
    return made


def _rules(rules: Sequence[RuleFacts]) -> Table:
    made = table("rule", "verdict", "severity", "says", fixed=("rule", "verdict"))
    for each in rules:
        told = each.told if each.told and each.status != "passed" else each.label
        made.add_row(each.id, _STATUS.get(each.status, "[dim]never judged[/]"), each.severity, plain(told))
    return made


def _inputs(inputs: Sequence[InputFacts], now: datetime) -> Table:
    counted = ("rows", "valid", "quarantined", "superseded")
    made = table("source", *counted, "taken in", numbers=counted, fixed=("source",))
    for each in inputs[:_SHOWN_INPUTS]:
        numbers = (each.rows, each.valid, each.quarantined, each.superseded)
        made.add_row(plain(each.source), *map(number, numbers), ago(each.ingested_at, now))
    if len(inputs) > _SHOWN_INPUTS:
        made.add_row(f"[dim]and {len(inputs) - _SHOWN_INPUTS} more: --json shows all[/]")
    totals = (sum(getattr(each, name) for each in inputs) for name in counted)
    made.add_row("[bold]all[/]", *(f"[bold]{total:,}[/]" for total in totals))
    return made
