"""Delta tables lent to a branch and taken back: links to data files, and the log by whole commits."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl

from platform_resources.storage.folder import Folder

if TYPE_CHECKING:
    from deltalake import DeltaTable

_LOG = "_delta_log"
_DIGITS = 20
_OPERATION = "PROMOTE"


def lend_version(table: "DeltaTable", folder: Folder, to: Folder) -> None:
    """Give another folder the files of the opened version, and the log up to it.

    Anything else that lies there, left by a promotion that was interrupted, goes. The log's entries are relative, so
    that they are true of the linked files; its first entries come last, because a log without them is not read.
    """
    paths = set(pl.DataFrame(table.get_add_actions(flatten=True))["path"])
    live = paths | {unquote(path) for path in paths}
    entries = folder.entries()
    for entry in entries:
        if entry.name in live:
            folder.lend(entry.name, to)
    log = [entry.name for entry in entries if _number(entry.name) in range(table.version() + 1)]
    for entry in to.entries():
        if entry.name not in {*live, *log}:
            to.remove(entry.name)
    for name in sorted(log, reverse=True):
        folder.lend(name, to, replace=True)


def take_commits(folder: Folder, other: Folder, version: int, branch: str) -> str | None:
    """Give a table what another did since it began as this one's version, in one commit; return the new version.

    None is returned where the table has another commit by now. A file that came and went in between is named as
    removed only. Transactions of streams go along.
    """
    entries = other.entries()
    since = sorted(entry.name for entry in entries if entry.name.endswith(".json") and _number(entry.name) > version)
    actions = [json.loads(line) for name in since for line in other.read(name).splitlines() if line.strip()]
    net = _net(actions)
    for entry in entries:
        if not entry.name.startswith(f"{_LOG}/"):
            other.lend(entry.name, folder)
    added = sum("add" in action for action in net)
    commit = {
        "timestamp": int(datetime.now(UTC).timestamp() * 1000),
        "operation": _OPERATION,
        "operationParameters": {},
        "engineInfo": "dagster-asset-platform",
        "operationMetrics": {
            "numAddedFiles": added,
            "numRemovedFiles": sum("remove" in action for action in net),
        },
        "branch": branch,
        "branchVersion": str(max(_number(entry.name) for entry in entries)),
    }
    content = "\n".join(json.dumps(action) for action in [{"commitInfo": commit}, *net])
    created = folder.create(f"{_LOG}/{version + 1:0{_DIGITS}}.json", content.encode())
    return str(version + 1) if created else None


def promoted_from(folder: Folder, version: int) -> tuple[str, str] | None:
    """Return the branch, and its table's version, that a commit brought; None for every other commit, or none."""
    name = f"{_LOG}/{version:0{_DIGITS}}.json"
    if all(entry.name != name for entry in folder.entries(_LOG)):
        return None
    actions = [json.loads(line) for line in folder.read(name).splitlines() if line.strip()]
    facts: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    return (facts["branch"], facts["branchVersion"]) if facts.get("operation") == _OPERATION else None


def _net(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep of each file, and of each fact of the table, the last that was said."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for action in actions:
        ((kind, content),) = action.items()
        if kind == "commitInfo":
            continue
        subject = "file" if kind in {"add", "remove"} else kind
        name = content["path"] if subject == "file" else content.get("appId") or content.get("domain") or ""
        last.pop((subject, name), None)
        last[subject, name] = action
    order = ("protocol", "metaData", "txn", "domainMetadata", "remove", "add")
    return sorted(last.values(), key=lambda action: order.index(next(iter(action))))


def _number(name: str) -> int:
    """Read the version that a file of the log is about; -1 for every other file."""
    place, _, file = name.rpartition("/")
    digits = file[:_DIGITS]
    return int(digits) if place == _LOG and len(digits) == _DIGITS and digits.isdigit() else -1
