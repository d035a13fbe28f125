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


def plan_words(plan: TablePlan) -> str:
    """Return what a plan does, in words; `nothing` where it is empty."""
    return "; ".join(_words(plan)) or _NOTHING


def _words(plan: TablePlan) -> Iterator[str]:
    clear = plan.clearing
    if clear.partitions:
        yield f"drop {_count(len(clear.partitions), 'partition')} past their keeping time, {clear.partitions[0]} first"
    if plan.ordering is not None:
        yield f"z-order by {', '.join(plan.ordering.columns)}"
    if plan.compactions:
        divided = plan.compactions[0].partition is not None
        before = sum(compaction.files_before for compaction in plan.compactions)
        after = sum(compaction.files_after for compaction in plan.compactions)
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
    """Return an amount, with as many digits as it takes to see it."""
    return "-" if cost.total == 0 else f"${cost.total:,.2f}" if abs(cost.total) >= 1 else f"${cost.total:.2g}"


def numbers(found: Survey) -> dict[str, Any]:
    """Return the totals: what was, and what is; in a dry run what would be."""
    plans = [table.plan for table in found.tables]
    after = sum(table.files for table in found.tables) if found.applied else sum(plan.files_after for plan in plans)
    worked = [table for table in found.tables if table.done] if found.applied else found.tables
    saved = total(table.plan.saves_a_month for table in worked)
    return {
        "tables": len(plans),
        "files_before": sum(plan.files for plan in plans),
        "files_after": after,
        "size_bytes_before": sum(plan.size_bytes for plan in plans),
        "size_bytes_after": sum(table.size_bytes for table in found.tables),
        "dead_bytes": sum(plan.clearing.size_bytes for plan in plans),
        "requests_a_scan_saved": sum(table.plan.requests_a_scan for table in worked),
        "seconds_a_scan_saved": round(sum(table.plan.seconds_a_scan for table in worked), 3),
        "dollars_a_month_before": round(total(plan.costs_a_month for plan in plans).total, 6),
        "dollars_a_month_saved": round(saved.total, 6),
        "dollars_once": round(total(table.plan.costs_once for table in worked).total, 6),
        "prices": found.prices,
    }


def page(found: Survey, at: datetime) -> str:
    """Return the report as Markdown."""
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
    advice = [piece for surveyed in found.tables for piece in surveyed.plan.advice]
    if advice:
        lines += ["", "## Advice", "", *(f"- **{piece.subject}**: {piece.do}. {piece.evidence}." for piece in advice)]
    if found.failed:
        lines += ["", "## Failed", "", *(f"- **{name}**: {_cell(why)}" for name, why in found.failed.items())]
    return "\n".join(lines) + "\n"


def _summary(facts: Mapping[str, Any], *, applied: bool) -> str:
    sentences = [
        f"{facts['tables']} tables, {readable_bytes(facts['size_bytes_before'])}.",
        f"Files: {facts['files_before']:,} before,",
        f"{facts['files_after']:,} {'after' if applied else 'if carried out'}.",
        f"A reading of all tables saves {facts['requests_a_scan_saved']:,} requests",
        f"and {facts['seconds_a_scan_saved']:.3g} s.",
    ]
    if facts["dollars_a_month_before"]:
        sentences += [
            f"Money: ${facts['dollars_a_month_before']:.2g} a month before,",
            f"${facts['dollars_a_month_saved']:.2g} of it saved, ${facts['dollars_once']:.2g} once",
            f"(prices of {facts['prices']}).",
        ]
    return " ".join(sentences)


def picture(found: Survey) -> str:
    """Files of the tables that have several, most first, what was as a pale bar behind; as a Markdown image."""
    several = [table for table in found.tables if table.plan.files > 1] or found.tables
    known = sorted(several, key=lambda table: (-table.plan.files, table.plan.table))[:_DRAWN]
    now = {table.plan.table: table.files if found.applied else table.plan.files_after for table in known}
    was = {table.plan.table: table.plan.files for table in known}
    svg = bars(now, title="Files, by table; pale: before", was=was)
    return f"![Files, by table](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def _table(tables: Sequence[Surveyed], *, applied: bool) -> Iterator[str]:
    yield f"| table | files | size | {'done' if applied else 'to do'} | saves a month | costs once |"
    yield "|---|---:|---:|---|---:|---:|"
    for table in tables:
        table_plan = table.plan
        files = f"{table_plan.files:,} → {table.files:,}" if table.done else f"{table_plan.files:,}"
        cells = (table_plan.table, files, readable_bytes(table_plan.size_bytes), deed_words(table, applied=applied),
                 dollars(table_plan.saves_a_month), dollars(table_plan.costs_once))  # fmt: skip
        yield f"| {' | '.join(map(_cell, cells))} |"


def deed_words(each: Surveyed, *, applied: bool) -> str:
    """Return what was done to a table, or is to be done, in words."""
    if each.left:
        return f"left: {each.left}"
    if not applied:
        return plan_words(each.plan)
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
        "tables": [_table_record(table, applied=found.applied) for table in found.tables],
        "failed": dict(found.failed),
    }


def _table_record(surveyed: Surveyed, *, applied: bool) -> dict[str, Any]:
    table_plan = surveyed.plan
    return {
        "table": table_plan.table,
        "format": table_plan.format,
        "files": table_plan.files,
        "files_after": surveyed.files if applied else table_plan.files_after,
        "size_bytes": table_plan.size_bytes,
        "told": deed_words(surveyed, applied=applied),
        "left": surveyed.left,
        "compact": [asdict(one) for one in table_plan.compactions],
        "zorder": asdict(table_plan.ordering) if table_plan.ordering else None,
        "drop": list(table_plan.clearing.partitions),
        "vacuum": {
            "files": table_plan.clearing.files,
            "size_bytes": table_plan.clearing.size_bytes,
            "versions": table_plan.clearing.versions,
            "kept_seconds": table_plan.clearing.kept.total_seconds(),
            "worth_it": table_plan.clearing.vacuums,
        },
        "requests_a_scan_saved": table_plan.requests_a_scan,
        "seconds_a_scan_saved": table_plan.seconds_a_scan,
        "costs_a_month": asdict(table_plan.costs_a_month),
        "saves_a_month": asdict(table_plan.saves_a_month),
        "costs_once": asdict(table_plan.costs_once),
        "done": [asdict(one) for one in surveyed.done],
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
