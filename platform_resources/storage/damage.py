"""Finding the file that is at fault when a table cannot be read: by looking at the files, not at what a library said.

Vendors say it in a dozen ways, some in a panic, some without the file's name. So nothing is looked for until a read
has failed; then the files that the table names are compared with those that are there.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from platform_resources.errors import TableDamaged

BRING_BACK = "bring it back from a backup, or from the bucket's earlier versions"
MOST_VERSIONS = 50
"""How many earlier versions are looked at for one that is whole."""


@dataclass(frozen=True)
class Lost:
    """A file that is gone or is not what was written.

    Attributes:
        kind: what the table needs it for.
        place: its address.
        problem: what is wrong with it.
        partition: whose rows it held, where it held rows and the table is divided.
    """

    kind: str
    place: str
    problem: str
    partition: str | None = None


def first_lost(files: Iterable[tuple[str, int, str | None]], sizes: Mapping[str, int], kind: str) -> Lost | None:
    """Return the first of the files that is gone or has another size.

    Args:
        files: place, size and partition of each file that is named.
        sizes: the size of each that is there, by place.
        kind: what they are.
    """
    for place, size, partition in files:
        if place not in sizes:
            return Lost(kind, place, "is gone", partition)
        if sizes[place] != size:
            return Lost(kind, place, f"has {sizes[place]:,} of its {size:,} bytes", partition)
    return None


def newest_whole(versions: Iterable[str], lost: Callable[[str], Lost | None]) -> str | None:
    """Return the first of the versions, newest first, that lacks nothing; None where that cannot be told."""
    for number, version in enumerate(versions):
        if number == MOST_VERSIONS:
            return None
        try:
            if lost(version) is None:
                return version
        except Exception:  # noqa: BLE001, S112 - whatever a library says of a version that it cannot read
            continue
    return None


def restorable(table: str, lost: Lost, whole: str | None) -> TableDamaged:
    """Return the error for a table that keeps versions: the newest one that is whole is offered."""
    again = f"overwrite {f'partition {lost.partition}' if lost.partition else 'the table'}"
    ways = [BRING_BACK, f"{again}: materialise it again"]
    if whole:
        back = f"platform table restore … --version {whole} --apply goes back to the newest version that is whole"
        ways.append(f"{back}, and what came after it is materialised again")
    fix = "; or ".join(ways)
    return damaged(table, lost, fix=fix, whole=whole)


def damaged(table: str, lost: Lost, *, fix: str, whole: str | None = None) -> TableDamaged:
    """Return the error."""
    return TableDamaged(table, f"its {lost.kind} {lost.place} {lost.problem}", file=lost.place, fix=fix, whole=whole)


def is_json(content: bytes, *, lines: bool = False) -> bool:
    """Return whether a file is JSON from its first byte to its last; with `lines`, each of its lines, one at least."""
    parts = [part for part in content.splitlines() if part.strip()] if lines else [content]
    try:
        return bool([json.loads(part) for part in parts])
    except ValueError:
        return False
