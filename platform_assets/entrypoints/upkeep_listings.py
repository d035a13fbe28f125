"""`platform upkeep` for people: plans and what was done, the bucket's rules, advice."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from platform_assets.entrypoints.screen import count, plain, table
from platform_assets.entrypoints.upkeep import Lifecycles
from platform_core.upkeep import Advice
from platform_core.upkeep.partitioning import readable_bytes

_CHANGES = {"add": "[green]add[/]", "change": "[yellow]change[/]", "remove": "[red]remove[/]", "keep": "[dim]keep[/]"}


def surveyed(found: Mapping[str, Any]) -> Group:
    """Every table with what it needs, or what was done to it; then the totals."""
    if not found["tables"] and not found["failed"]:
        return Group("No table has been written yet: materialise an asset, or run make demo.")
    parts: list[RenderableType] = [_tables(found), "", *_totals(found)]
    parts += [f"[red]{name}[/]: {plain(why)}" for name, why in found["failed"].items()]
    return Group(*parts)


def _tables(found: Mapping[str, Any]) -> Table:
    did = "done" if found["applied"] else "to do"
    numbers = ("files", "size", "saves a month")
    made = table("table", "files", "size", "saves a month", did, numbers=numbers, fixed=("table",))
    for each in found["tables"]:
        made.add_row(
            each["table"], f"{each['files']:,}", readable_bytes(each["size_bytes"]),
            _dollars(sum(each["saves_a_month"].values())),
            "[dim]nothing[/]" if each["told"] == "nothing" else plain(each["told"]),
        )  # fmt: skip
    return made


def _totals(found: Mapping[str, Any]) -> Iterator[str]:
    told = found["totals"]
    after = "after" if found["applied"] else "if carried out"
    yield f"{count(told['tables'], 'table')}, {told['files_before']:,} files before, {told['files_after']:,} {after}"
    if told["requests_a_scan_saved"]:
        yield (f"a reading of all saves {count(told['requests_a_scan_saved'], 'request')} and "
               f"{told['seconds_a_scan_saved']:.2g} s")  # fmt: skip
    if told["dollars_a_month_before"]:
        yield (f"{_dollars(told['dollars_a_month_before'])} a month, {_dollars(told['dollars_a_month_saved'])} saved, "
               f"{_dollars(told['dollars_once'])} once (prices of {told['prices']})")  # fmt: skip
    if not found["applied"]:
        yield "[dim]nothing was changed: platform upkeep apply carries it out[/]"


def _dollars(amount: float) -> str:
    return "-" if amount == 0 else f"${amount:,.2f}" if abs(amount) >= 1 else f"${amount:.2g}"


def rules(found: Lifecycles) -> Group:
    """What becomes of each rule of the platform's, and why."""
    made = table("", "rule", "was", "is" if found.applied else "would be", fixed=("", "rule"))
    for each in found.changes:
        made.add_row(_CHANGES[each.change], plain(each.id), plain(_terms(each.before)), plain(_terms(each.after)))
    reasons = table("dataset", "why", fixed=("dataset",))
    for name, why in found.why.items():
        reasons.add_row(name, plain("; ".join(why)))
    done = "put into" if found.applied else "not yet in"
    same = all(each.change == "keep" for each in found.changes)
    last = "the bucket says all of it already" if same else f"{done} bucket {found.bucket}"
    others = count(found.others, "rule of others", "rules of others")
    return Group(made, "", reasons, "", f"{last}; {others} left alone; ${found.saves_a_year:.2f} a year saved")


def _terms(rule: Mapping[str, Any] | None) -> str:
    """What a rule says, without its name and status."""
    if rule is None:
        return "-"
    words = [f"{move['StorageClass']} after {move['Days']} d" for move in rule.get("Transitions", ())]
    told = {name: rule[name] for name in _TOLD if rule.get(name)}
    words += [f"{_TOLD[name]} {next(iter(value.values()))} d" for name, value in told.items()]
    return ", ".join(words) or json.dumps(rule, default=str)


_TOLD = {
    "Expiration": "gone after",
    "NoncurrentVersionExpiration": "earlier versions gone after",
    "AbortIncompleteMultipartUpload": "uploads given up after",
}


def advised(found: Sequence[Advice]) -> RenderableType:
    """Each piece of advice with its numbers."""
    if not found:
        return "No advice: no table is of a bad size, none of the assets that ran three times asks for another machine."
    made = table("about", "do", "because", fixed=("about",))
    for each in found:
        made.add_row(plain(each.subject), plain(each.do), plain(each.evidence))
    return made
