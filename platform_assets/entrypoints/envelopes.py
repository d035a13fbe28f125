"""`platform quarantine` for people: the list, one envelope, and what became of a fix or a replay."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from platform_assets.entrypoints.quarantine import Held, Mended, Opened
from platform_assets.entrypoints.replays import Outcome, Replay
from platform_assets.entrypoints.screen import ago, at, count, facts, joined, plain, table

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


def listing(held: Sequence[Held], *, limit: int, decision: str, now: datetime) -> RenderableType:
    """The list of envelopes, the first `limit` of them; all for 0."""
    if not held:
        return _NOTHING[decision]
    shown = held[:limit] if limit else held
    several = decision == "all"
    columns = ["id", "dataset", "breaks", "row", *(["decision"] if several else []), "since"]
    made = table(*columns, fixed=("id", "dataset", "since"))
    for each in shown:
        decided = [_decision(each)] if several else []
        breaks = f"{joined(each.rules)}{' [green](fixed)[/]' if each.fixed and each.decision == 'open' else ''}"
        made.add_row(each.id, each.dataset, breaks, place(each), *decided, ago(each.quarantined_at, now))
    left = len(held) - len(shown)
    return Group(made, f"\n[dim]and {left:,} more: --limit 0 shows all[/]") if left else made


def place(held: Held) -> str:
    """Where a row stood: its file without the domain's folder, and the row's number; the file alone if all of it."""
    name = plain(held.source.removeprefix(f"{held.dataset.partition('/')[0]}/"))
    return f"{name}, whole file" if held.position is None else f"{name}:{held.position}"


def _decision(held: Held) -> str:
    return "open" if held.decision == "open" else f"[dim]{held.decision}[/]"


def page(shown: Opened, now: datetime) -> Group:
    """One envelope: what and why, then the row a column a line."""
    parts: list[RenderableType] = [facts(_facts(shown, now))]
    if shown.payload is not None:
        parts += ["", _row(shown, shown.payload)]
    if shown.masked and shown.payload is not None and _MASKED in {*shown.payload.values()}:
        parts += ["", "[dim]••• stands for personal data; in development --unmask shows it.[/]"]
    return Group(*parts)


_MASKED = "•••"


def _facts(shown: Opened, now: datetime) -> Iterator[tuple[str, str]]:
    each = shown.envelope
    yield "envelope", f"[bold]{each.id}[/] of {each.dataset}"
    yield "decision", f"{each.decision}{f': {plain(shown.note)}' if shown.note else ''}"
    for rule in each.rules:
        label = shown.labels.get(rule)
        yield "breaks", f"[red]{rule}[/]{f': {plain(label)}' if label else ' (no rule of the contract any more)'}"
    if each.position is None:
        yield "because", plain(shown.reason)
    yield "came from", place(each)
    if each.partition:
        yield "partition", each.partition
    yield "set aside", at(each.quarantined_at, now)
    yield "by run", shown.run_id


def _row(shown: Opened, payload: Mapping[str, Any]) -> Table:
    columns = ("column", "value", "fixed to") if shown.fix is not None else ("column", "value")
    made = table(*columns, fixed=("column",))
    for name, value in payload.items():
        suspect = name in shown.suspects
        cells = [f"[red]{plain(name)}[/]" if suspect else plain(name), plain(value)]
        if shown.fix is not None:
            fixed = shown.fix.get(name)
            cells.append("" if fixed == value else f"[green]{plain(fixed)}[/]")
        made.add_row(*cells)
    return made


def mended(done: Mended) -> str:
    """What a fix did, and whether it is enough."""
    told = f"{done.dataset}: envelope {done.id} differs from the row as it came in {joined(done.changed, 'nothing')}."
    if not done.breaks:
        return f"{told}\nBy itself it breaks no rule now. Next: platform quarantine replay {done.dataset} {done.id}"
    broken = "; ".join(f"[red]{rule}[/], {plain(label)}" for rule, label in done.breaks.items())
    return f"{told}\nIt still breaks {broken}"


def replayed(done: Replay) -> RenderableType:
    """What became of each row, and in which run or backfill."""
    if not done.rows:
        return f"{done.dataset}: nothing is set aside, so nothing was replayed."
    reasons = [_because(each) for each in done.rows]
    told = ("because",) if any(reasons) else ()
    made = table("id", "outcome", *told, "row", fixed=("id", "outcome"))
    for each, reason in zip(done.rows, reasons, strict=True):
        made.add_row(each.id, _OUTCOME[each.outcome], *([reason] if told else []), _place(done.dataset, each))
    counts = Counter(each.outcome for each in done.rows)
    summed = ", ".join(f"{many:,} {_PLAIN[outcome]}" for outcome, many in counts.items())
    return Group(made, f"\n{summed}{_by(done)}")


_PLAIN = {
    "merged": "merged",
    "refused": "still refused",
    "missing": "not in the landing folder",
    "waiting": "waiting",
    "replayed": "merged before",
    "discarded": "discarded",
}


def _because(each: Outcome) -> str:
    if each.outcome == "missing":
        return "land the file again, or discard it"
    if each.outcome != "refused":
        return ""
    return plain(each.reason) if each.position is None else joined(each.rules)


def _place(dataset: str, each: Outcome) -> str:
    name = plain(each.source.removeprefix(f"{dataset.partition('/')[0]}/"))
    return f"{name}, whole file" if each.position is None else f"{name}:{each.position}"


def _by(done: Replay) -> str:
    if done.backfills:
        return f" by {count(len(done.backfills), 'backfill')}: {joined(done.backfills)}"
    return f" by {count(len(done.runs), 'run')} in this process: {joined(done.runs)}" if done.runs else ""
