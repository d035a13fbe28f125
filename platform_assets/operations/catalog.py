"""What the catalog's doors tell: every dataset with its state, score, promises, terms and lineage; a search over all.

A snapshot is read from the declarations, the lake and Dagster's history, and kept for a while. It holds no row and no
value of a table; samples are read when they are asked for, masked.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from platform_assets.factory.asset_keys import asset_key
from platform_assets.location import CodeLocation
from platform_assets.operations.attempts import Attempts
from platform_assets.operations.catalog_search import CatalogEntry, SearchQuery
from platform_assets.operations.catalog_snapshots import Snapshot, SnapshotReader
from platform_assets.operations.datasets import describe_dataset
from platform_assets.operations.errors import UnknownName
from platform_assets.operations.instance import open_instance
from platform_assets.operations.quarantine_page import QuarantinePage, describe_quarantine
from platform_assets.operations.report import dataset_report
from platform_assets.operations.sla import sla_of
from platform_assets.operations.tables import RowChoice, read_rows
from platform_core.interchange.odcs import to_odcs
from platform_core.lineage import Lineage, impact_of
from platform_core.lineage.picture import picture
from platform_core.lineage.render import plain_impact

SLA_DAYS = 30.0
SAMPLE_ROWS = 100


class PlatformCatalog:
    """The catalog of a code location.

    Args:
        location: The datasets and their lake.
        keep_seconds: How old a snapshot may be.
        clock: Seconds that only grow.
    """

    def __init__(
        self, location: CodeLocation, *, keep_seconds: float = 15, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.location, self._keep_seconds, self._clock = location, keep_seconds, clock
        self._lock = threading.Lock()
        self._reader = SnapshotReader(location)
        self._kept: tuple[float, Snapshot] | None = None
        self._is_kept_fresh = False

    def snapshot(self) -> Snapshot:
        """Give the snapshot, read anew where it is too old; those who ask at once share one reading.

        While `keep_fresh` reads beside, nobody waits for it but for the first.
        """
        cached = self._kept
        if cached is not None and self._is_kept_fresh:
            return cached[1]
        return self._refreshed()

    def keep_fresh(self, is_stopped: threading.Event) -> None:
        """Read whenever the last snapshot is too old, until it is stopped; what cannot be read is tried again.

        Meanwhile the last snapshot is shown, which says of when it is.
        """
        attempts = Attempts("the catalog cannot be read")
        self._is_kept_fresh = True
        attempts.make(self._refreshed)
        while not is_stopped.wait(max(0.1, self._keep_seconds / 10)):
            attempts.make(self._refreshed)

    def _refreshed(self) -> Snapshot:
        with self._lock:
            if self._kept is None or self._clock() - self._kept[0] > self._keep_seconds:
                snapshot = self._reader.read(datetime.now(UTC))
                self._kept = (self._clock(), snapshot)
            return self._kept[1]

    def search(self, query: SearchQuery) -> dict[str, Any]:
        """Find datasets; the best match first, by name without a text."""
        total, names = self.snapshot().index.search(query)
        entries = self.snapshot().entries
        return {"total": total, "datasets": [asdict(entries[name]) for name in names if name in entries]}

    def entry(self, name: str) -> CatalogEntry:
        """Look up a dataset.

        Raises:
            UnknownName: There is none of that name.
        """
        entries = self.snapshot().entries
        if name not in entries:
            raise UnknownName("dataset", name, entries)
        return entries[name]

    def describe(self, name: str) -> dict[str, Any]:
        """Tell all of one dataset.

        Raises:
            UnknownName: There is none of that name.
        """
        entry, snapshot = self.entry(name), self.snapshot()
        page = asdict(describe_dataset(self.location, name, datetime.now(UTC)))
        described = {column["name"].lower() for column in page["columns"]}
        undescribed = [column for column in entry.columns if column.lower() not in described]
        nothing = {"type": "", "nullable": True, "unit": None, "pii": None, "description": ""}
        columns = [*page["columns"], *({"name": column, **nothing} for column in undescribed)]
        promises = sla_of(self.location, datetime.now(UTC), days=SLA_DAYS, name=name)
        terms = {
            column: [term.name for term in snapshot.terms if (name, column) in term.places()]
            for column in entry.columns
        }
        return {
            **page,
            "columns": columns,
            "entry": asdict(entry),
            "terms_by_column": {column: names for column, names in terms.items() if names},
            "promises": [asdict(promise) for line in promises for promise in line.promises],
            "upstream": snapshot.lineage.upstream(name, depth=1),
            "consumers": snapshot.lineage.downstream(name),
        }

    def contract(self, name: str) -> dict[str, Any]:
        """Return the contract of a declared dataset as ODCS.

        Raises:
            UnknownName: There is none of that name.
        """
        datasets = self.location.catalog.datasets
        if name not in datasets:
            raise UnknownName("declared dataset", name, datasets)
        return to_odcs(datasets[name])

    def materialisations(self, name: str, *, limit: int) -> list[dict[str, Any]]:
        """List the last materialisations, the newest first.

        Raises:
            UnknownName: There is none of that name.
        """
        self.entry(name)
        with open_instance(self.location.settings) as instance:
            records = instance.fetch_materializations(asset_key(name), limit=limit).records
        return [
            {
                "at": datetime.fromtimestamp(record.timestamp, UTC),
                "run_id": record.run_id,
                "partition": record.partition_key,
                "rows": _rows_of(record),
            }
            for record in records
        ]

    def sample(self, name: str, *, rows: int) -> dict[str, Any]:
        """Return a few rows; personal data is masked.

        Raises:
            UnknownName: There is none of that name, or it has no table.
        """
        self.entry(name)
        read = read_rows(
            self.location, name, "table", RowChoice(None, None, (), (), min(rows, SAMPLE_ROWS)), unmask=False
        )
        return asdict(read)

    def quarantine(self, name: str, *, decision: str, rule: str | None) -> QuarantinePage:
        """Tell what the rules of a dataset set aside; personal data is masked.

        Raises:
            UnknownName: There is none of that name.
            RequestError: The dataset has no quarantine.
        """
        return describe_quarantine(self.location, name, decision=decision, rule=rule)

    def report(self, name: str) -> str:
        """Return the page of a declared dataset as `platform report` writes it.

        Raises:
            UnknownName: There is none of that name.
        """
        return dataset_report(self.location, name, datetime.now(UTC), link=lambda other: f"/#/report/{other}")

    def lineage(self, name: str, *, column: str | None = None, depth: int | None = None) -> dict[str, Any]:
        """Return the picture around a dataset, both ways, and the columns that one of its columns reaches or needs.

        Raises:
            UnknownName: There is no such dataset or column.
        """
        snapshot = self.snapshot()
        graph = snapshot.lineage
        if name not in graph.nodes:
            raise UnknownName("dataset", name, graph.nodes)
        names = {name, *graph.upstream(name, depth=depth), *graph.downstream(name, depth=depth)}
        drawn = {**picture(graph.part(names), states_of(snapshot.entries.values())), "focus": name}
        if column is not None:
            if column not in graph.nodes[name].columns:
                raise UnknownName("column", column, graph.nodes[name].columns, where=f"{name}: ")
            drawn["column"] = column
            drawn["column_upstream"] = sorted(graph.column_upstream(name, column, depth=depth))
            drawn["column_downstream"] = sorted(graph.column_downstream(name, column, depth=depth))
        return drawn

    def whole_lineage(self) -> dict[str, Any]:
        """Return the picture of everything."""
        return self.drawn(self.snapshot().lineage)

    def drawn(self, lineage: Lineage) -> dict[str, Any]:
        """Return the picture of a lineage, with the states of its datasets."""
        return picture(lineage, states_of(self.snapshot().entries.values()))

    def impact(self, name: str, *, column: str | None = None) -> dict[str, Any]:
        """Tell what a change touches.

        Raises:
            UnknownName: There is no such dataset or column.
        """
        graph = self.snapshot().lineage
        if name not in graph.nodes:
            raise UnknownName("dataset", name, graph.nodes)
        if column is not None and column not in graph.nodes[name].columns:
            raise UnknownName("column", column, graph.nodes[name].columns, where=f"{name}: ")
        return dict(plain_impact(impact_of(graph, name, column)))

    def home(self) -> dict[str, Any]:
        """Tell what changed last, what is red, and whose it is."""
        snapshot = self.snapshot()
        changed = [entry for entry in snapshot.entries.values() if entry.materialised_at]
        changed.sort(key=lambda entry: str(entry.materialised_at), reverse=True)
        red = [entry for entry in snapshot.entries.values() if entry.state == "red" or entry.quarantine_open]
        return {
            "at": snapshot.at,
            "datasets": len(snapshot.entries),
            "changed": [asdict(entry) for entry in changed[:10]],
            "red": [asdict(entry) for entry in sorted(red, key=lambda entry: (entry.state != "red", entry.name))],
            "red_by_owner": dict(Counter(entry.owner or "nobody" for entry in red).most_common()),
        }

    def owners(self) -> list[dict[str, Any]]:
        """List owners with what they answer for."""
        return _grouped(self.snapshot().entries.values(), lambda entry: entry.owner or "nobody")

    def domains(self) -> list[dict[str, Any]]:
        """List domains with what is in them."""
        return _grouped(self.snapshot().entries.values(), lambda entry: entry.domain)

    def terms(self) -> list[dict[str, Any]]:
        """List the glossary."""
        return [asdict(term) for term in self.snapshot().terms]


def states_of(entries: Iterable[CatalogEntry]) -> dict[str, dict[str, Any]]:
    """Return what the picture of the lineage shows on each node."""
    return {
        entry.name: {
            "state": entry.state,
            "freshness": entry.freshness,
            "quarantine": entry.quarantine_open,
            "failed": entry.checks_failed,
            "warned": entry.checks_warned,
            "red_upstream": list(entry.red_upstream),
        }
        for entry in entries
    }


def _grouped(entries: Iterable[CatalogEntry], key: Callable[[CatalogEntry], str]) -> list[dict[str, Any]]:
    groups: dict[str, list[CatalogEntry]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return [
        {
            "name": name,
            "datasets": [entry.name for entry in group],
            "red": [entry.name for entry in group if entry.state == "red"],
            "quarantine_open": sum(entry.quarantine_open for entry in group),
        }
        for name, group in sorted(groups.items())
    ]


def _rows_of(record: Any) -> int | None:
    value = record.asset_materialization.metadata.get("dagster/row_count") if record.asset_materialization else None
    return value.value if value is not None and isinstance(value.value, int) else None
