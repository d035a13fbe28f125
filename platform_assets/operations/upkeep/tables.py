"""Which tables upkeep looks after: that of every asset, and those that lie beside a dataset's own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import dagster as dg

from platform_assets.factory import asset_key
from platform_assets.ingest import ingests_spec, quarantine_spec, superseded_spec, table_spec, verdicts_spec
from platform_core.contracts import Catalog, Dataset, Retention
from platform_core.contracts.partitions import Partitioning
from platform_core.contracts.reach import ingest_reads_all, readers_of_all
from platform_resources.storage import TableSpec

DEPENDENCY = "is made from all of it"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """An asset that is made from a table; `alike` where one of its partitions is made from one of the table's."""

    key: dg.AssetKey
    alike: bool


@dataclass(frozen=True, kw_only=True)
class KeptTable:
    """A table in the lake, with what is declared of it.

    Attributes:
        name: The dataset's or asset's, `domain/dataset`; of tables beside it, their path.
        spec: Where it lies.
        key: The asset that writes it.
        pool: That admits one writer at a time; None where the asset has none.
        readers: The assets made from it.
        whole_readers: Who needs rows of every age, in words.
    """

    name: str
    spec: TableSpec
    key: dg.AssetKey
    pool: str | None
    partitions: Partitioning | None = None
    retention: Retention = field(default_factory=Retention)
    freshness: timedelta | None = None
    readers: tuple[Reader, ...] = ()
    whole_readers: tuple[str, ...] = ()


def kept_tables(catalog: Catalog, assets: Iterable[dg.AssetsDefinition]) -> list[KeptTable]:
    """Return the tables of all assets, in the order of their names; an asset without a table has none."""
    known = {spec.key: (spec, definition) for definition in assets for spec in definition.specs}
    readers = _readers({key: spec for key, (spec, _) in known.items()})
    tables: list[KeptTable] = []
    for key, (spec, definition) in known.items():
        table = TableSpec.from_metadata(spec.metadata)
        if table is not None:
            pool = getattr(definition.node_def, "pool", None)
            kept_table = KeptTable(
                name=key.to_user_string(), spec=table, key=key, pool=pool, readers=tuple(readers.get(key, ()))
            )
            tables += _with_declaration(kept_table, catalog)
    return sorted(tables, key=lambda candidate: candidate.spec.path)


def chosen(tables: Sequence[KeptTable], names: Sequence[str]) -> list[KeptTable]:
    """Return the tables of those names, the ones beside them included; all for no name.

    Raises:
        KeyError: There is no such table; its second argument lists those there are.
    """
    keys = {table.key.to_user_string() for table in tables}
    for name in names:
        if name not in keys:
            raise KeyError(name, sorted(keys))
    return [table for table in tables if not names or table.key.to_user_string() in names]


def _readers(specs: Mapping[dg.AssetKey, dg.AssetSpec]) -> Mapping[dg.AssetKey, list[Reader]]:
    readers_by_key: dict[dg.AssetKey, list[Reader]] = {}
    for key, spec in specs.items():
        for above in {dep.asset_key for dep in spec.deps} & specs.keys():
            alike = spec.partitions_def is not None and spec.partitions_def == specs[above].partitions_def
            readers_by_key.setdefault(above, []).append(Reader(key=key, alike=alike))
    return readers_by_key


def _with_declaration(kept_table: KeptTable, catalog: Catalog) -> Iterator[KeptTable]:
    dataset = catalog.datasets.get(kept_table.name)
    if dataset is None or asset_key(dataset.name) != kept_table.key:
        yield replace(kept_table, whole_readers=tuple(_undeclared(kept_table, {})))
        return
    retention = dataset.retention or Retention()
    declared = list(readers_of_all(dataset, catalog.datasets, catalog.transforms.values()))
    yield replace(
        kept_table,
        partitions=dataset.partitions,
        retention=retention,
        freshness=dataset.freshness,
        whole_readers=(*declared, *ingest_reads_all(dataset), *_undeclared(kept_table, catalog.datasets)),
    )
    beside = Retention(versions=retention.versions)
    for spec in _beside(dataset):
        yield KeptTable(name=spec.path, spec=spec, key=kept_table.key, pool=kept_table.pool, retention=beside)


def _beside(dataset: Dataset) -> Iterator[TableSpec]:
    if dataset.quarantine is not None:
        yield quarantine_spec(dataset)
    if not dataset.is_made or dataset.quarantine is not None:
        yield ingests_spec(dataset)
    if table_spec(dataset).replaces:
        yield superseded_spec(dataset)
    yield verdicts_spec(dataset)


def _undeclared(kept_table: KeptTable, datasets: Mapping[str, Any]) -> Iterator[str]:
    """Readers that no declaration knows, such as dbt models, and that are not divided as the table is."""
    for reader in kept_table.readers:
        if not reader.alike and reader.key.to_user_string() not in datasets:
            yield f"{reader.key.to_user_string()} {DEPENDENCY}"
