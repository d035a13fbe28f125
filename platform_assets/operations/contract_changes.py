"""What changed since the contracts were published, with the readers and owners that each change reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.ingest.added_columns import added_before, adds_columns
from platform_assets.location import CodeLocation
from platform_assets.operations.contracts import Registry, comparisons, load, stored_references
from platform_assets.operations.lineage import location_lineage
from platform_core.contracts import Dataset, ReferenceRule, rules_of
from platform_core.errors import ShapeError
from platform_core.interchange.compatibility import Change, Comparison, Level, compare
from platform_core.lineage import Lineage, impact_of
from platform_core.quality import conform, judge
from platform_resources.documents import folder_at, read_document


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
        breaking: What the new contract would refuse of the rows that are there; None where there is no table.
        undeclared: Columns that inputs added to the table, with their types.
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
    breaking: "BreakingRows | None" = None
    undeclared: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class BreakingRows:
    """Rows that are stored, judged by the contract as it is declared now.

    Attributes:
        partitions: The newest ones that were judged; empty where the table has none.
        rows: How many there are.
        breaking: How many would be refused.
    """

    partitions: Sequence[str]
    rows: int
    breaking: int

    @property
    def share(self) -> float:
        """The share that would be refused, 0 to 1."""
        return self.breaking / self.rows if self.rows else 0.0


def changes_of(
    location: CodeLocation,
    registry: Registry,
    *,
    names: Sequence[str] = (),
    against: str | None = None,
    levels: Path | None = None,
    partitions: int = 3,
) -> list[DatasetChanges]:
    """Return the datasets whose contracts differ from those published.

    Args:
        location: What is declared.
        registry: What was published.
        names: Only these datasets; all without.
        against: A published version, the path of a contract file, or a branch, tag or commit whose published contracts
            are meant; the newest published without.
        levels: A YAML or JSON file that says what kinds of changes mean.
        partitions: So many of the newest partitions of a changed dataset are judged by its new contract; 0 for none.

    Raises:
        UnreadableDocument: A file is no YAML or JSON, or `against` names nothing.
        ValueError: `levels` names a kind of change or a level that there is not.
    """
    known = cast("Mapping[str, Level]", dict(read_document(levels))) if levels else None
    if against is not None and Path(against).is_file():
        old = load(Path(against)).dataset
        name = names[0] if names else old.name
        compared = [compare(old, location.catalog[name], levels=known)]
    elif against is None or any(against in registry.versions(name) for name in names or registry.names()):
        compared = list(comparisons(location.catalog, registry, names=names, levels=known, against=against))
    else:
        with folder_at(against, registry.folder) as earlier:
            compared = list(comparisons(location.catalog, Registry(earlier), names=names, levels=known))
    undeclared = {comparison.name: _undeclared(location, comparison.name) for comparison in compared}
    different = [
        comparison
        for comparison in compared
        if comparison.changes or None in (comparison.old_version, comparison.new_version) or undeclared[comparison.name]
    ]
    lineage = location_lineage(location) if different else Lineage({})
    return [
        _touched(comparison, lineage, _breaking(location, comparison, partitions), undeclared[comparison.name])
        for comparison in different
    ]


def _undeclared(location: CodeLocation, name: str) -> list[str]:
    """Name the columns that inputs added to the table, with their types."""
    dataset = location.catalog.datasets.get(name)
    if dataset is None or not adds_columns(dataset):
        return []
    return [f"{column} ({dtype})" for column, dtype in added_before(location.lake, dataset).items()]


def _breaking(location: CodeLocation, comparison: Comparison, partitions: int) -> BreakingRows | None:
    """Judge the newest stored rows by the contract as it is declared now; columns that they lack are null."""
    dataset = location.catalog.datasets.get(comparison.name)
    if dataset is None or not comparison.changes or not partitions or not location.lake.exists(table_spec(dataset)):
        return None
    frame, keys = _newest(location, dataset, partitions)
    lacking = [pl.lit(None, column.dtype).alias(column.name) for column in dataset.columns
               if column.name not in frame.columns]  # fmt: skip
    names = [column.name for column in dataset.columns]
    try:
        typed = conform(frame.with_columns(lacking).select(names), dataset)
    except ShapeError:
        return BreakingRows(partitions=keys, rows=frame.height, breaking=frame.height)
    references = stored_references(location.catalog, location.lake, dataset)
    unknown = {rule.id: typed.frame.select(rule.columns).unique() for rule in rules_of(dataset)
               if isinstance(rule, ReferenceRule) and rule.id not in references}  # fmt: skip
    judged = judge(typed.frame, dataset, {**references, **unknown}, unreadable=typed.unreadable, now=datetime.now(UTC))
    return BreakingRows(partitions=keys, rows=frame.height, breaking=int(judged.refused.sum()))


def _newest(location: CodeLocation, dataset: Dataset, partitions: int) -> tuple[pl.DataFrame, list[str]]:
    spec = table_spec(dataset)
    if dataset.partitions is None:
        return location.lake.read(spec), []
    stored = dataset.partitions.column
    keys = location.lake.read(spec, columns=[stored])[stored].unique().drop_nulls().sort().to_list()[-partitions:]
    return location.lake.read(spec, partitions=keys), keys


def _touched(
    comparison: Comparison, lineage: Lineage, breaking: BreakingRows | None, undeclared: Sequence[str]
) -> DatasetChanges:
    return DatasetChanges(
        name=comparison.name,
        old_version=comparison.old_version,
        new_version=comparison.new_version,
        level="new" if comparison.old_version is None else comparison.level,
        bump=comparison.bump,
        proposed_version=comparison.proposed_version,
        versioned=comparison.is_versioned,
        reader_count=sum(not reader.startswith("quarantine:") for reader in lineage.downstream(comparison.name)),
        changes=[_change(comparison.name, change, lineage) for change in comparison.changes],
        breaking=breaking,
        undeclared=undeclared,
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
