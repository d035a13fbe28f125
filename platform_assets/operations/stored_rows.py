"""Real rows for a test: tables or files of another place, masked on the way in, and what is taken where they lack."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.operations.errors import RequestError
from platform_core.contracts import Catalog, Dataset
from platform_core.errors import CoreError
from platform_core.quality import conform, judge
from platform_core.synthetic import lookups
from platform_core.synthetic.verdicts import latest
from platform_resources.errors import ResourceError
from platform_resources.settings import Settings
from platform_resources.storage.formats import FORMATS
from platform_resources.storage.table import TableSpec

Selection = Literal["latest", "version", "sample"]
CACHE, SYNTHETIC, FAIL = "cache", "synthetic", "fail"
FALLBACKS = (SYNTHETIC, CACHE, FAIL)
"""What may stand in for a table that lacks, besides the address of another S3 endpoint."""


class UnfitRows(CoreError):
    """Rows that a test may not take; the message says why."""


@dataclass(frozen=True)
class DataManagement:
    """How real rows are taken, and what stands in for them.

    Attributes:
        fallback: In the order in which they are tried: addresses of other S3 endpoints, `cache`, `synthetic`; `fail`,
            or the end of it, fails the test.
        cache: Where rows that were taken are kept, masked; None keeps none.
        cache_ttl: How old they may be.
        strict: Takes no table that lacks a column of its contract.
        convert: Reads values of another type as that of the contract; else such a table is not taken.
        quality_threshold: The share of rows, 0 to 1, that must pass the contract's rules on rows.
    """

    fallback: tuple[str, ...] = (SYNTHETIC,)
    cache: Path | None = None
    cache_ttl: timedelta = timedelta(hours=24)
    strict: bool = False
    convert: bool = True
    quality_threshold: float = 0.0


@dataclass
class StoredRows:
    """Where real rows lie, and which of them are taken.

    Attributes:
        place: Folders or s3:// prefixes in which tables lie as in a lake's environment, `domain/dataset/v1`, in the
            order in which they are tried.
        settings: How S3 is reached.
        select: The latest version; `version` for the one of `version`; `sample` for `rows` of them by chance.
        version: Of every table, with `version`.
        rows: At most, with `sample`.
        seed: Of the chance.
        management: What stands in for a table that lacks, and which rows fit.
        paths: Where a table lies below the place, by dataset, if elsewhere.
        notes: What was taken from where, by dataset; filled by `tables`.
        fallen: The datasets for which something stood in; filled by `tables`.
    """

    place: Sequence[str]
    settings: Settings
    select: Selection = "latest"
    version: str | None = None
    rows: int = 1000
    seed: int = 0
    management: DataManagement = field(default_factory=DataManagement)
    paths: Mapping[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    fallen: set[str] = field(default_factory=set)

    def tables(self, catalog: Catalog, generated: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        """Read a table for each dataset that has one; personal data is replaced by generated values, null stays null.

        Raises:
            RequestError: A table cannot be taken from anywhere, and generated rows may not stand in.
        """
        stored_tables: dict[str, pl.DataFrame] = {}
        for name, dataset in catalog.datasets.items():
            rows = self._read(dataset, {**generated, **stored_tables})
            if rows is not None:
                stored_tables[name] = rows
        return stored_tables

    def _read(self, dataset: Dataset, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame | None:
        """Return masked rows; None for generated ones."""
        reasons: list[str] = []
        for number, (place, settings) in enumerate(self._attempts()):
            if place == FAIL:
                break
            if place == SYNTHETIC:
                self._note(dataset, "generated rows", reasons)
                return None
            try:
                came = self._cached(dataset) if place == CACHE else self._rows_at(dataset, place.rstrip("/"), settings)
                rows = _masked(came, dataset, tables[dataset.name])  # a cache may be older than a contract's mark
                self._refuse_unfit(rows, dataset, tables)
                if place != CACHE:
                    self._keep(dataset, rows)
            except (ResourceError, CoreError) as error:
                reasons.append(f"{_place_text(place, settings)}: {str(error).partition('. Fix:')[0]}")
                continue
            self._note(dataset, f"{rows.height:,} rows of {_place_text(place, settings)}", reasons if number else [])
            return rows
        raise RequestError(
            f"{dataset.name}: no rows. {'; '.join(reasons)}. Fix: correct --data, or allow --fallback synthetic."
        )

    def _attempts(self) -> Iterator[tuple[str, Settings]]:
        """Yield the places in order, then what stands in for them."""
        settings = replace(self.settings, branch=None)
        yield from ((place, settings) for place in self.place)
        for fallback in self.management.fallback:
            if fallback in FALLBACKS:
                yield fallback, settings
                continue
            other = replace(settings, s3=replace(settings.s3, endpoint_url=fallback, other_endpoints=()))
            yield from ((place, other) for place in self.place if place.startswith("s3://"))

    def _note(self, dataset: Dataset, origin: str, reasons: Sequence[str]) -> None:
        self.notes[dataset.name] = f"{origin}, because {'; '.join(reasons)}" if reasons else origin
        if reasons:
            self.fallen.add(dataset.name)

    def _rows_at(self, dataset: Dataset, place: str, settings: Settings) -> pl.DataFrame:
        declared = table_spec(dataset)
        path = self.paths.get(dataset.name, declared.path).strip("/")
        spec = TableSpec(path=path, format=declared.format, partition_column=declared.partition_column)
        table = FORMATS[spec.format](spec, f"{place}/{spec.path}", settings)
        names = [column.name for column in dataset.columns]
        version = self.version if self.select == "version" else None
        if version is not None:
            table.refuse_lacking("history")
        with table.telling():
            frame = table.scan(partitions=None, columns=None, version=version)
            rows = frame.select([name for name in names if name in frame.collect_schema().names()]).collect()
        if self.select == "sample" and rows.height > self.rows:
            rows = rows.sample(self.rows, seed=self.seed)
        return rows

    def _refuse_unfit(self, rows: pl.DataFrame, dataset: Dataset, tables: Mapping[str, pl.DataFrame]) -> None:
        declared = {column.name: column.dtype for column in dataset.columns}
        if self.management.strict and (lacking := declared.keys() - set(rows.columns)):
            raise UnfitRows(f"lacks {', '.join(sorted(lacking))}, and strict takes whole tables")
        others = [name for name, kind in rows.schema.items() if kind != declared[name]]
        if others and not self.management.convert:
            mismatches = ", ".join(f"{name} is {rows.schema[name]}, not {declared[name]}" for name in others)
            raise UnfitRows(f"{mismatches}, and nothing is converted")
        if self.management.quality_threshold <= 0 or rows.is_empty():
            return
        conformed, now = conform(rows, dataset), latest(tables[dataset.name], dataset)
        references = lookups(dataset, tables)
        judged = judge(conformed.frame, dataset, references, unreadable=conformed.unreadable, now=now)
        share = judged.valid.height / rows.height
        if share < self.management.quality_threshold:
            raise UnfitRows(f"{share:.1%} of its rows pass, below {self.management.quality_threshold:.1%}")

    def _keep(self, dataset: Dataset, rows: pl.DataFrame) -> None:
        """Keep masked rows for the next test, whole or not at all."""
        path = self._cache_path(dataset)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".draft")
            rows.write_parquet(draft)
            draft.rename(path)

    def _cached(self, dataset: Dataset) -> pl.DataFrame:
        path = self._cache_path(dataset)
        if path is None or not path.exists():
            raise UnfitRows("holds no rows of it")
        age = timedelta(seconds=time.time() - path.stat().st_mtime)
        if age > self.management.cache_ttl:
            path.unlink()
            raise UnfitRows(f"its rows were {age.total_seconds() / 3600:.1f} hours old")
        names = {column.name for column in dataset.columns}
        try:
            rows = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            path.unlink()
            raise UnfitRows(f"its rows cannot be read: {str(error).partition(chr(10))[0]}") from error
        return rows.select(name for name in rows.columns if name in names)

    def _cache_path(self, dataset: Dataset) -> Path | None:
        folder = self.management.cache
        return None if folder is None else folder / f"{dataset.name}.parquet"


def _place_text(place: str, settings: Settings) -> str:
    at = settings.s3.endpoint_url if place.startswith("s3://") else None
    return f"{place} at {at}" if at else "the cache" if place == CACHE else place


def _masked(rows: pl.DataFrame, dataset: Dataset, generated: pl.DataFrame) -> pl.DataFrame:
    """Put generated values in the place of personal data: equal values become equal ones, where there are enough."""
    personal = [column.name for column in dataset.columns if column.pii is not None and column.name in rows.columns]
    for name in personal:
        values = rows[name].drop_nulls().unique(maintain_order=True)
        stand_ins = generated[name].drop_nulls().unique(maintain_order=True)
        if stand_ins.is_empty():
            rows = rows.with_columns(pl.lit(None, rows.schema[name]).alias(name))
            continue
        places = pl.int_range(values.len(), eager=True) % stand_ins.len()
        pairs = pl.DataFrame({name: values, "\0new": stand_ins.gather(places)})
        joined = rows.select(name).join(pairs, on=name, how="left", maintain_order="left")
        rows = rows.with_columns(joined["\0new"].alias(name))
    return rows
