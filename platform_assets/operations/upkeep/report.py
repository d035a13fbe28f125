"""What upkeep found and did, as a page for people: numbers first, then a picture, then table by table."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from platform_assets.operations.upkeep.survey import Survey, Surveyed
from platform_core.quality.plot import bars
from platform_core.upkeep import Cost, TablePlan
from platform_core.upkeep.cost import total
from platform_core.upkeep.partitioning import readable_bytes

_DRAWN = 16
_NOTHING = "nothing"


def told(plan: TablePlan) -> str:
    """What a plan does, in words; `nothing` where it is empty."""
    return "; ".join(_words(plan)) or _NOTHING


def _words(plan: TablePlan) -> Iterator[str]:
    clear = plan.clearing
    if clear.partitions:
        yield f"drop {_count(len(clear.partitions), 'partition')} past their keeping time, {clear.partitions[0]} first"
    if plan.ordering is not None:
        yield f"z-order by {', '.join(plan.ordering.columns)}"
    if plan.compactions:
        divided = plan.compactions[0].partition is not None
        before = sum(each.files_before for each in plan.compactions)
        after = sum(each.files_after for each in plan.compactions)
        where = f" in {_count(len(plan.compactions), 'partition')}" if divided else ""
        yield f"compact {before:,} files to {after:,}{where}"
    if clear.vacuums:
        versions = f"forget {_count(clear.versions, 'version')}, " if clear.versions else ""
        more = "the files that they alone hold" if clear.hidden and clear.versions else _count(clear.files, "file")
        size = f", {readable_bytes(clear.size_bytes)}" if clear.size_bytes else ""
        yield f"{versions}remove {more} that nobody needs{size}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def dollars(cost: Cost) -> str:
    """An amount, with as many digits as it takes to see it."""
    return "-" if cost.total == 0 else f"${cost.total:,.2f}" if abs(cost.total) >= 1 else f"${cost.total:.2g}"


def numbers(found: Survey) -> dict[str, Any]:
    """The totals: what was, and what is; in a dry run what would be."""
    plans = [each.plan for each in found.tables]
    after = sum(each.files for each in found.tables) if found.applied else sum(each.files_after for each in plans)
    worked = [each for each in found.tables if each.done] if found.applied else found.tables
    saved = total(each.plan.saves_a_month for each in worked)
    return {
        "tables": len(plans),
        "files_before": sum(each.files for each in plans),
        "files_after": after,
        "size_bytes_before": sum(each.size_bytes for each in plans),
        "size_bytes_after": sum(each.size_bytes for each in found.tables),
        "dead_bytes": sum(each.clearing.size_bytes for each in plans),
        "requests_a_scan_saved": sum(each.plan.requests_a_scan for each in worked),
        "seconds_a_scan_saved": round(sum(each.plan.seconds_a_scan for each in worked), 3),
        "dollars_a_month_before": round(total(each.costs_a_month for each in plans).total, 6),
        "dollars_a_month_saved": round(saved.total, 6),
        "dollars_once": round(total(each.plan.costs_once for each in worked).total, 6),
        "prices": found.prices,
    }


def page(found: Survey, at: datetime) -> str:
    """The report as Markdown."""
    facts = numbers(found)
    lines = [
        f"# Upkeep, {at:%Y-%m-%d %H:%M} UTC",
        "",
        "Carried out." if found.applied else "A dry run: nothing was changed.",
        "",
        _summary(facts, applied=found.applied),
        "",
        picture(found),
        "",
        *_table(found.tables, applied=found.applied),
    ]
    advice = [each for surveyed in found.tables for each in surveyed.plan.advice]
    if advice:
        lines += ["", "## Advice", "", *(f"- **{each.subject}**: {each.do}. {each.evidence}." for each in advice)]
    if found.failed:
        lines += ["", "## Failed", "", *(f"- **{name}**: {_cell(why)}" for name, why in found.failed.items())]
    return "\n".join(lines) + "\n"


def _summary(facts: Mapping[str, Any], *, applied: bool) -> str:
    told = [
        f"{facts['tables']} tables, {readable_bytes(facts['size_bytes_before'])}.",
        f"Files: {facts['files_before']:,} before,",
        f"{facts['files_after']:,} {'after' if applied else 'if carried out'}.",
        f"A reading of all tables saves {facts['requests_a_scan_saved']:,} requests",
        f"and {facts['seconds_a_scan_saved']:.3g} s.",
    ]
    if facts["dollars_a_month_before"]:
        told += [
            f"Money: ${facts['dollars_a_month_before']:.2g} a month before,",
            f"${facts['dollars_a_month_saved']:.2g} of it saved, ${facts['dollars_once']:.2g} once",
            f"(prices of {facts['prices']}).",
        ]
    return " ".join(told)


def picture(found: Survey) -> str:
    """Files of the tables that have several, most first, what was as a pale bar behind; as a Markdown image."""
    several = [each for each in found.tables if each.plan.files > 1] or found.tables
    known = sorted(several, key=lambda each: (-each.plan.files, each.plan.table))[:_DRAWN]
    now = {each.plan.table: each.files if found.applied else each.plan.files_after for each in known}
    was = {each.plan.table: each.plan.files for each in known}
    svg = bars(now, title="Files, by table; pale: before", was=was)
    return f"![Files, by table](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def _table(tables: Sequence[Surveyed], *, applied: bool) -> Iterator[str]:
    yield f"| table | files | size | {'done' if applied else 'to do'} | saves a month | costs once |"
    yield "|---|---:|---:|---|---:|---:|"
    for each in tables:
        made = each.plan
        files = f"{made.files:,} → {each.files:,}" if each.done else f"{made.files:,}"
        cells = (made.table, files, readable_bytes(made.size_bytes), did(each, applied=applied),
                 dollars(made.saves_a_month), dollars(made.costs_once))  # fmt: skip
        yield f"| {' | '.join(map(_cell, cells))} |"


def did(each: Surveyed, *, applied: bool) -> str:
    """What was done to a table, or is to be done, in words."""
    if each.left:
        return f"left: {each.left}"
    if not applied:
        return told(each.plan)
    return "; ".join(
        f"{done.operation} {done.files_removed:,} → {done.files_added:,} files"
        if done.operation in {"compact", "zorder"}
        else f"{done.operation} {done.files_removed:,} files, {readable_bytes(done.size_bytes)}"
        if done.operation == "vacuum"
        else f"{done.operation} {done.versions:,} versions"
        if done.operation == "expire"
        else f"drop {len(each.plan.clearing.partitions)} partitions"
        for done in each.done
    ) or _NOTHING  # fmt: skip


def record(found: Survey) -> dict[str, Any]:
    """Everything that was found, of plain values; the field names are a contract with programs, in docs/cli.md."""
    return {
        "applied": found.applied,
        "totals": numbers(found),
        "tables": [_table_record(each, applied=found.applied) for each in found.tables],
        "failed": dict(found.failed),
    }


def _table_record(each: Surveyed, *, applied: bool) -> dict[str, Any]:
    made = each.plan
    return {
        "table": made.table,
        "format": made.format,
        "files": made.files,
        "files_after": each.files if applied else made.files_after,
        "size_bytes": made.size_bytes,
        "told": did(each, applied=applied),
        "left": each.left,
        "compact": [asdict(one) for one in made.compactions],
        "zorder": asdict(made.ordering) if made.ordering else None,
        "drop": list(made.clearing.partitions),
        "vacuum": {
            "files": made.clearing.files,
            "size_bytes": made.clearing.size_bytes,
            "versions": made.clearing.versions,
            "kept_seconds": made.clearing.kept.total_seconds(),
            "worth_it": made.clearing.vacuums,
        },
        "requests_a_scan_saved": made.requests_a_scan,
        "seconds_a_scan_saved": made.seconds_a_scan,
        "costs_a_month": asdict(made.costs_a_month),
        "saves_a_month": asdict(made.saves_a_month),
        "costs_once": asdict(made.costs_once),
        "done": [asdict(one) for one in each.done],
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
