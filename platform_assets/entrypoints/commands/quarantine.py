"""`platform quarantine list | show | fix | replay | discard`: rows that were set aside, and what became of them."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from platform_assets.entrypoints.options import DatasetName, Json
from platform_assets.entrypoints.screen import (
    ago,
    at,
    count,
    errors,
    facts,
    joined,
    plain,
    print_json,
    print_result,
    screen,
    styled_table,
)

if TYPE_CHECKING:
    from platform_assets.operations.envelopes import Envelope, OpenedEnvelope, RecordedFix
    from platform_assets.operations.replays import Outcome, Replay

EnvelopeId = Annotated[str, typer.Argument(help="Id of the envelope, as platform quarantine list shows it.")]
Decision = Literal["open", "replayed", "discarded", "all"]

_OUTCOME = {
    "merged": "[green]merged[/]",
    "refused": "[red]still refused[/]",
    "missing": "[red]not in the landing folder[/]",
    "waiting": "[yellow]waiting for the backfill[/]",
    "replayed": "[dim]was merged before[/]",
    "discarded": "[dim]is discarded[/]",
}

_NOTHING = {
    "open": "Nothing is set aside.",
    "replayed": "Nothing was replayed.",
    "discarded": "Nothing is discarded.",
    "all": "Nothing was ever set aside.",
}

commands = typer.Typer(
    name="quarantine", help="Rows that were set aside: look, fix, replay, discard.", no_args_is_help=True
)


@commands.command("list")
def list_(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Argument(help="Name of the dataset; all without.")] = None,
    decision: Annotated[Decision, typer.Option(help="Only envelopes that were so decided.")] = "open",
    rule: Annotated[str | None, typer.Option(help="Only envelopes that break this rule, by its id.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows in the table; 0 for all. JSON has all.")] = 50,
    json: Json = False,
) -> None:
    """List what was set aside, oldest first."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.envelopes import list_envelopes

    envelopes = list_envelopes(open_location(context.obj), dataset, decision, rule)
    print_result(
        envelopes, lambda listed: _list_table(listed, limit=limit, decision=decision, now=datetime.now(UTC)), json
    )


@commands.command()
def show(
    context: typer.Context,
    dataset: DatasetName,
    envelope: EnvelopeId,
    unmask: Annotated[bool, typer.Option("--unmask", help="Show personal data; in development only.")] = False,
    json: Json = False,
) -> None:
    """Show one envelope: the row as it came, why it was refused, its fix; personal data is masked."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.envelopes import envelope_json, read_envelope

    opened = read_envelope(open_location(context.obj), dataset, envelope, unmask=unmask)
    if json:
        print_json(envelope_json(opened))
    else:
        screen().print(_page(opened, datetime.now(UTC)))


@commands.command()
def fix(
    context: typer.Context,
    dataset: DatasetName,
    envelope: EnvelopeId,
    settings: Annotated[
        list[str],
        typer.Option("--set", metavar="COLUMN=VALUE", help="A value to replay with; COLUMN= is null. Repeat."),
    ],
    json: Json = False,
) -> None:
    """Mends one row: a replay, and every later ingest of its source, reads the values set here."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.envelopes import record_fix

    fixed = record_fix(open_location(context.obj), dataset, envelope, settings)
    if json:
        print_json(fixed)
    else:
        screen().print(_fix_text(fixed), soft_wrap=True)


@commands.command()
def replay(
    context: typer.Context,
    dataset: DatasetName,
    envelopes: Annotated[list[str] | None, typer.Argument(help="Ids of envelopes; all open ones without.")] = None,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait", show_default=False, help="Whether to wait for the backfill; it waits unless told."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Merge rows if the rules let them now: as a Dagster backfill, or in this process where no daemon is alive."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.replays import replay_envelopes

    location = open_location(context.obj)
    with errors().status(f"Replaying {dataset}"):
        replayed = replay_envelopes(location, dataset, envelopes or [], wait=wait)
    print_result(replayed, _replay_table, json)


@commands.command()
def discard(
    context: typer.Context,
    dataset: DatasetName,
    envelopes: Annotated[list[str], typer.Argument(help="Ids of envelopes.")],
    reason: Annotated[str, typer.Option(help="Why these rows may be left out; kept with them.")],
    json: Json = False,
) -> None:
    """Leaves rows, or whole files, out for good; they stay listed and counted."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.envelopes import discard_envelopes

    discarded = discard_envelopes(open_location(context.obj), dataset, envelopes, reason)
    if json:
        print_json(discarded)
    else:
        screen().print(f"{dataset}: {count(len(discarded), 'envelope')} discarded", soft_wrap=True, highlight=False)


def _list_table(envelopes: Sequence[Envelope], *, limit: int, decision: str, now: datetime) -> RenderableType:
    """Return the list of envelopes, the first `limit` of them; all for 0."""
    if not envelopes:
        return _NOTHING[decision]
    listed = envelopes[:limit] if limit else envelopes
    several = decision == "all"
    columns = ["id", "dataset", "breaks", "row", *(["decision"] if several else []), "since"]
    rendered = styled_table(*columns, fixed=("id", "dataset", "since"))
    for envelope in listed:
        decided = [_decision(envelope)] if several else []
        breaks = (
            f"{joined(envelope.rules)}{' [green](fixed)[/]' if envelope.fixed and envelope.decision == 'open' else ''}"
        )
        rendered.add_row(
            envelope.id, envelope.dataset, breaks, _place(envelope), *decided, ago(envelope.quarantined_at, now)
        )
    rest = len(envelopes) - len(listed)
    return Group(rendered, f"\n[dim]and {rest:,} more: --limit 0 shows all[/]") if rest else rendered


def _place(envelope: Envelope) -> str:
    """Where a row stood: its file without the domain's folder, with its line or number; the file alone if all of it."""
    name = plain(envelope.source.removeprefix(f"{envelope.dataset.partition('/')[0]}/"))
    if envelope.position is None:
        return f"{name}, whole file"
    return f"{name}, {envelope.place}" if envelope.place else f"{name}:{envelope.position}"


def _decision(envelope: Envelope) -> str:
    return "open" if envelope.decision == "open" else f"[dim]{envelope.decision}[/]"


def _page(opened: OpenedEnvelope, now: datetime) -> Group:
    """One envelope: what and why, then the row a column a line."""
    parts: list[RenderableType] = [facts(_facts(opened, now))]
    if opened.payload is not None:
        parts += ["", _row(opened, opened.payload)]
    if opened.masked and opened.payload is not None and _MASKED in {*opened.payload.values()}:
        parts += ["", "[dim]••• stands for personal data; in development --unmask shows it.[/]"]
    return Group(*parts)


_MASKED = "•••"


def _facts(opened: OpenedEnvelope, now: datetime) -> Iterator[tuple[str, str]]:
    envelope = opened.envelope
    yield "envelope", f"[bold]{envelope.id}[/] of {envelope.dataset}"
    yield "decision", f"{envelope.decision}{f': {plain(opened.note)}' if opened.note else ''}"
    for rule in envelope.rules:
        label = opened.labels.get(rule)
        yield "breaks", f"[red]{rule}[/]{f': {plain(label)}' if label else ' (no rule of the contract any more)'}"
    if not opened.reason.startswith("broken: "):  # which says no more than the rules do
        yield "because", plain(opened.reason)
    yield "came from", _place(envelope)
    if envelope.partition:
        yield "partition", envelope.partition
    yield "set aside", at(envelope.quarantined_at, now)
    yield "by run", opened.run_id


def _row(opened: OpenedEnvelope, payload: Mapping[str, Any]) -> Table:
    columns = ("column", "value", "fixed to") if opened.fix is not None else ("column", "value")
    rendered = styled_table(*columns, fixed=("column",))
    for name, value in payload.items():
        suspect = name in opened.suspects
        cells = [f"[red]{plain(name)}[/]" if suspect else plain(name), plain(value)]
        if opened.fix is not None:
            fixed = opened.fix.get(name)
            cells.append("" if fixed == value else f"[green]{plain(fixed)}[/]")
        rendered.add_row(*cells)
    return rendered


def _fix_text(fix: RecordedFix) -> str:
    """Return what a fix did, and whether it is enough."""
    change = f"{fix.dataset}: envelope {fix.id} differs from the row as it came in {joined(fix.changed, 'nothing')}."
    if not fix.breaks:
        return f"{change}\nBy itself it breaks no rule now. Next: platform quarantine replay {fix.dataset} {fix.id}"
    broken = "; ".join(f"[red]{rule}[/], {plain(label)}" for rule, label in fix.breaks.items())
    return f"{change}\nIt still breaks {broken}"


def _replay_table(replay: Replay) -> RenderableType:
    """Return what became of each row, and in which run or backfill."""
    if not replay.rows:
        return f"{replay.dataset}: nothing is set aside, so nothing was replayed."
    reasons = [_because(row) for row in replay.rows]
    because = ("because",) if any(reasons) else ()
    rendered = styled_table("id", "outcome", *because, "row", fixed=("id", "outcome"))
    for outcome, reason in zip(replay.rows, reasons, strict=True):
        rendered.add_row(
            outcome.id,
            _OUTCOME[outcome.outcome],
            *([reason] if because else []),
            _outcome_place(replay.dataset, outcome),
        )
    counts = Counter(row.outcome for row in replay.rows)
    total = ", ".join(f"{many:,} {_PLAIN[outcome]}" for outcome, many in counts.items())
    return Group(rendered, f"\n{total}{_by(replay)}")


_PLAIN = {
    "merged": "merged",
    "refused": "still refused",
    "missing": "not in the landing folder",
    "waiting": "waiting",
    "replayed": "merged before",
    "discarded": "discarded",
}


def _because(outcome: Outcome) -> str:
    if outcome.outcome == "missing":
        return "land the file again, or discard it"
    if outcome.outcome != "refused":
        return ""
    return plain(outcome.reason) if outcome.position is None else joined(outcome.rules)


def _outcome_place(dataset: str, outcome: Outcome) -> str:
    name = plain(outcome.source.removeprefix(f"{dataset.partition('/')[0]}/"))
    if outcome.position is None:
        return f"{name}, whole file"
    return f"{name}, {outcome.place}" if outcome.place else f"{name}:{outcome.position}"


def _by(replay: Replay) -> str:
    if replay.backfills:
        return f" by {count(len(replay.backfills), 'backfill')}: {joined(replay.backfills)}"
    return f" by {count(len(replay.runs), 'run')} in this process: {joined(replay.runs)}" if replay.runs else ""
