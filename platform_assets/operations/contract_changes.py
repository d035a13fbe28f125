"""What changed since the contracts were published, with the readers and owners that each change reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from platform_assets.location import CodeLocation
from platform_assets.operations.contracts import Registry, comparisons, load
from platform_assets.operations.lineage import location_lineage
from platform_core.interchange.compatibility import Change, Comparison, Level, compare
from platform_core.lineage import Lineage, impact_of
from platform_resources.documents import read_document


@dataclass(frozen=True, kw_only=True)
class TouchedChange:
    """A change, and what it reaches; only an incompatible or convertible one reaches anybody."""

    kind: str
    column: str | None
    before: str
    after: str
    level: str
    direction: str
    readers: Sequence[str]
    owners: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class DatasetChanges:
    """A dataset whose contract changed.

    Attributes:
        level: The most harmful of its changes.
        proposed_version: The least version that they allow.
        versioned: Whether the version moved as much.
        reader_count: How many datasets and models read it, directly or not.
    """

    name: str
    old_version: str | None
    new_version: str | None
    level: str
    bump: str
    proposed_version: str | None
    versioned: bool
    reader_count: int
    changes: Sequence[TouchedChange]


def changes_of(
    location: CodeLocation,
    registry: Registry,
    *,
    names: Sequence[str] = (),
    against: str | None = None,
    levels: Path | None = None,
) -> list[DatasetChanges]:
    """Return the datasets whose contracts differ from those published.

    Args:
        location: What is declared.
        registry: What was published.
        names: Only these datasets; all without.
        against: A published version, or the path of a contract file; the newest published without.
        levels: A YAML or JSON file that says what kinds of changes mean.

    Raises:
        UnreadableDocument: A file is no YAML or JSON.
        ValueError: `levels` names a kind of change or a level that there is not.
    """
    known = cast("Mapping[str, Level]", dict(read_document(levels))) if levels else None
    if against is not None and Path(against).is_file():
        old = load(Path(against)).dataset
        name = names[0] if names else old.name
        found = [compare(old, location.catalog[name], levels=known)]
    else:
        found = list(comparisons(location.catalog, registry, names=names, levels=known, against=against))
    different = [each for each in found if each.changes or each.old_version is None or each.new_version is None]
    lineage = location_lineage(location) if different else Lineage({})
    return [_touched(each, lineage) for each in different]


def _touched(found: Comparison, lineage: Lineage) -> DatasetChanges:
    return DatasetChanges(
        name=found.name,
        old_version=found.old_version,
        new_version=found.new_version,
        level="new" if found.old_version is None else found.level,
        bump=found.bump,
        proposed_version=found.proposed_version,
        versioned=found.is_versioned,
        reader_count=len(lineage.downstream(found.name)),
        changes=[_change(found.name, change, lineage) for change in found.changes],
    )


def _change(name: str, change: Change, lineage: Lineage) -> TouchedChange:
    harmful = change.level in ("convertible", "incompatible")
    impact = impact_of(lineage, name, change.column) if harmful else None
    return TouchedChange(
        kind=change.kind,
        column=change.column,
        before=change.before,
        after=change.after,
        level=change.level,
        direction=change.direction,
        readers=list(impact.datasets) if impact else (),
        owners=list(impact.owners) if impact else (),
    )
