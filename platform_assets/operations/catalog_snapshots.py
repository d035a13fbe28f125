"""Snapshots of everything for the catalog: each begins with the one before, and reads what changed since.

What happened is read behind a cursor over Dagster's event log; tables are read where they were written, for a limited
time at once. A dataset whose table was not read yet is there, with its declaration and its checks, and without rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from platform_assets.discovery import glossary
from platform_assets.location import CodeLocation
from platform_assets.operations.catalog_search import CatalogEntry, SearchIndex
from platform_assets.operations.dataset_readings import DatasetReadings, behind_of, readings_store
from platform_assets.operations.datasets import freshness_of
from platform_assets.operations.history import Check, MaterialisationRecord, Verdict
from platform_assets.operations.instance import open_instance
from platform_assets.operations.kept_history import KeptHistory
from platform_assets.operations.lineage import lineage_files, location_lineage
from platform_assets.operations.overview import UndeclaredAsset, Verdicts, count_verdicts, undeclared_assets
from platform_core.contracts import Dataset, Term, rules_of
from platform_core.lineage import Lineage


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment."""

    entries: Mapping[str, CatalogEntry]
    lineage: Lineage
    terms: Sequence[Term]
    index: SearchIndex
    at: datetime


@dataclass(frozen=True)
class _Structure:
    """What changes only with the code, dbt's manifest and experiments; `stamp` tells when."""

    stamp: tuple[tuple[str, int], ...]
    lineage: Lineage
    undeclared: Mapping[str, UndeclaredAsset]
    checks: Mapping[str, Sequence[Check]]


class SnapshotReader:
    """Reads one snapshot after another; not for two threads at once."""

    def __init__(self, location: CodeLocation) -> None:
        self._location = location
        self._history = KeptHistory(location.settings)
        self._readings = DatasetReadings(location, readings_store(location))
        self._terms = glossary(location.package, location.catalog) if location.declared is None else ()
        self._structure: _Structure | None = None
        self._snapshot: Snapshot | None = None

    def read(self, now: datetime) -> Snapshot:
        """Read what changed, and give the new snapshot."""
        structure = self._read_structure()
        with open_instance(self._location.settings) as instance:
            self._history.refresh(instance)
            records = self._history.materialisations(structure.checks)
            verdicts = self._history.verdicts([check for checks in structure.checks.values() for check in checks])
            self._readings.read_due(instance, records)
        entries = {entry.name: entry for entry in self._entries(structure, records, verdicts, now)}
        before = self._snapshot
        if before is not None and before.lineage is structure.lineage and before.entries.keys() == entries.keys():
            index = before.index
            index.update(entry for name, entry in entries.items() if entry != before.entries[name])
        else:
            index = SearchIndex(entries.values())
        self._snapshot = Snapshot(entries, structure.lineage, self._terms, index, now)
        return self._snapshot

    def _read_structure(self) -> _Structure:
        location = self._location
        stamp = tuple((str(path), _stamp(path)) for path in lineage_files(location.settings))
        if self._structure is None or self._structure.stamp != stamp:
            undeclared = {asset.name: asset for asset in undeclared_assets(location)}
            checks: dict[str, Sequence[Check]] = {
                dataset.name: [(dataset.name, rule.id) for rule in rules_of(dataset)]
                for dataset in location.catalog.datasets.values()
            }
            checks |= {name: [(name, check) for check in asset.checks] for name, asset in undeclared.items()}
            self._structure = _Structure(stamp, location_lineage(location), undeclared, checks)
        return self._structure

    def _entries(
        self,
        structure: _Structure,
        records: Mapping[str, MaterialisationRecord],
        verdicts: Mapping[Check, Verdict],
        now: datetime,
    ) -> Iterator[CatalogEntry]:
        counts = {
            name: count_verdicts(verdicts[check] for check in checks if check in verdicts)
            for name, checks in structure.checks.items()
        }
        freshness = {
            dataset.name: freshness_of(dataset, _at(records, dataset.name), now).state
            for dataset in self._location.catalog.datasets.values()
        }
        red = {name for name in structure.checks if counts[name].failed or freshness.get(name) == "fail"}
        red_above: dict[str, list[str]] = {}
        for name in sorted(red):
            for below in structure.lineage.downstream(name):
                red_above.setdefault(below, []).append(name)
        terms: dict[str, list[str]] = {}
        for term in self._terms:
            for dataset_name, _ in term.places():
                terms.setdefault(dataset_name, []).append(term.name)
        for name in sorted(structure.checks, key=lambda name: name.split("/")):
            filled = _at(records, name)
            is_red = name in red
            dataset = self._location.catalog.datasets.get(name)
            node = structure.lineage.nodes.get(name)
            reading = self._readings.newest(name, behind_of(records, name)) if dataset is not None else None
            promises_kept = [promise.kept for promise in reading.promises.values()] if reading is not None else []
            facts = _of_declared(dataset) if dataset is not None else _of_undeclared(structure.undeclared[name])
            yield CatalogEntry(
                name=name,
                domain=name.partition("/")[0],
                owner=facts.owner,
                version=facts.version,
                source=facts.source,
                description=facts.description,
                tags=tuple(dict.fromkeys(dataset.tags if dataset is not None else node.tags if node else ())),
                terms=tuple(dict.fromkeys(terms.get(name, ()))),
                columns=tuple(node.columns if node else ()),
                score=reading.score if reading is not None else None,
                state="red" if is_red else "unknown" if filled is None else "green",
                rows=reading.rows if reading is not None else _rows(records, name) if dataset is None else None,
                materialised_at=filled,
                freshness=freshness.get(name, "not_applicable"),
                **_counted(counts[name]),
                quarantine_open=(reading.quarantined or 0) if reading is not None else 0,
                sla_kept=None if not promises_kept else all(is_kept is not False for is_kept in promises_kept),
                red_upstream=tuple(red_above.get(name, ())),
            )


@dataclass(frozen=True, kw_only=True)
class _Declaration:
    owner: str
    version: str
    source: str
    description: str


def _of_declared(dataset: Dataset) -> _Declaration:
    source = "transform" if dataset.source is None else dataset.source.title
    return _Declaration(owner=dataset.owner, version=dataset.version, source=source, description=dataset.about)


def _of_undeclared(asset: UndeclaredAsset) -> _Declaration:
    return _Declaration(owner=", ".join(asset.owners), version="", source=asset.source, description=asset.description)


def _counted(counts: Verdicts) -> dict[str, int]:
    return {"checks_passed": counts.passed, "checks_warned": counts.warned, "checks_failed": counts.failed}


def _at(records: Mapping[str, MaterialisationRecord], name: str) -> datetime | None:
    return records[name].at if name in records else None


def _rows(records: Mapping[str, MaterialisationRecord], name: str) -> int | None:
    rows = records[name].metadata.get("dagster/row_count") if name in records else None
    return rows if isinstance(rows, int) else None


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
