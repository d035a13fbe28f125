"""Incremental = full: whatever pieces rows arrive in, the table is the one that a rebuild from all of them makes.

Rows are cut into files, some of them with a newer row under a key that came before; the files arrive in a random order,
in random runs, and some come again. Each run is judged and committed by the functions that a step of the graph calls,
on a lake that is thrown away.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.ingest.added_columns import added_before, adds_columns
from platform_assets.ingest.ingest import Run, ingest
from platform_assets.ingest.inputs import Input
from platform_assets.operations.pipeline_test import throw_away_folder
from platform_assets.operations.trials import Finding, Trial
from platform_core.contracts import Catalog, DataFrameModel, Dataset, rules_of
from platform_core.rules import RowRule
from platform_core.synthetic import lookups
from platform_resources.settings import Settings
from platform_resources.storage import Lake

_MOST_ROWS = 300
_MOST_FILES, _MOST_REPEATS = 6, 3
_REVISED, _APART, _AGAIN = 0.5, 0.5, 0.4
"""The chance that a delivery has revised rows, that a file comes in a run of its own, that files come again."""

_ADDED: Mapping[str, tuple[object, ...]] = {
    "whole": (1, 2, None), "fraction": (0.25, 1.5, None), "day": (date(2024, 2, 29), None), "text": ("x", "007", None),
}  # fmt: skip
"""Values of columns that files have and the contract lacks, by type."""

_NARROWER: Mapping[pl.DataType, pl.DataType] = {pl.Int64(): pl.Int32(), pl.Float64(): pl.Float32()}

_BEGUN = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Growth:
    """A contract that grows while its files come.

    Attributes:
        older: What it was.
        runs: How many runs know it so.
        column: What it lacked; empty where nothing.
        narrower: Columns that had narrower types.
    """

    older: Dataset
    runs: int
    column: str
    narrower: tuple[str, ...]

    def __str__(self) -> str:
        lack = f" without {self.column}" if self.column else ""
        types = f" with narrower {', '.join(self.narrower)}" if self.narrower else ""
        return f"for {self.runs} runs a contract{lack}{types}"


@dataclass(frozen=True)
class Delivery:
    """Files in the order in which they first arrive, and the runs that take them in.

    Attributes:
        files: Rows by the name of the file.
        runs: The names that each run takes in; a name that comes again is the same content delivered again.
        revised: How many rows are newer ones under a key that is in another file.
        lacking: The column that the first file lacks; empty where none does.
        added: Columns beyond the contract that later files have.
        growth: The contract that the first runs know; None where it does not change.
    """

    files: Mapping[str, pl.DataFrame]
    runs: Sequence[Sequence[str]]
    revised: int
    lacking: str = ""
    added: tuple[str, ...] = ()
    growth: Growth | None = None

    def __str__(self) -> str:
        repeats = sum(map(len, self.runs)) - len(self.files)
        parts = [
            f"{len(self.files)} files in {len(self.runs)} runs, {repeats} repeated, {self.revised} rows revised",
            f"the first without {self.lacking}" if self.lacking else "",
            f"later ones with {', '.join(self.added)}" if self.added else "",
            str(self.growth or ""),
        ]
        return ", ".join(filter(None, parts))


def try_deliveries(trial: Trial, *, deliveries: int = 5) -> Iterator[Finding]:
    """Deliver the rows of each dataset that merges so many times, and compare with a rebuild.

    A delivery stands where the table has the same rows as one run over all files makes, and, where nothing was revised,
    as one file with all rows does.
    """
    for name in trial.filled.datasets:
        dataset = trial.catalog[name]
        if reason_untried(dataset):
            continue
        references = lookups(dataset, trial.tables)
        rng = np.random.default_rng([trial.seed, zlib.crc32(name.encode())])
        for _ in range(deliveries):
            delivery = draw_delivery(dataset, trial.tables[name].head(_MOST_ROWS), rng)
            difference = compare_delivery(dataset, delivery, references)
            yield Finding(name, str(delivery), (difference,) if difference else (), (), not difference)


def untried(catalog: Catalog) -> dict[str, str]:
    """Name the datasets of which no delivery is tried, with the reason."""
    reasons = dict.fromkeys(catalog.transforms, "made by a transform from whole tables")
    return reasons | {name: reason for name, dataset in catalog.datasets.items()
                      if name not in reasons and (reason := reason_untried(dataset))}  # fmt: skip


def reason_untried(dataset: Dataset) -> str:
    """Say why deliveries say nothing of a dataset; empty where they do."""
    if dataset.source is None or dataset.is_made or dataset.source.inputs:
        return "made from other datasets"
    if dataset.source.is_stream:
        return "a stream; platform stream certify tries it"
    return "" if table_spec(dataset).mode == "merge" else "overwrites what it ingests"


def draw_delivery(dataset: Dataset, rows: pl.DataFrame, rng: np.random.Generator) -> Delivery:
    """Cut rows into files and runs at random; half of the deliveries have revised rows, where there is a key.

    A revision leaves unique columns as they are: whether a value is free is judged when its row comes, so that two rows
    that swap values do depend on the pieces that they come in.
    """
    pieces = rng.integers(0, rng.integers(1, _MOST_FILES + 1), rows.height)
    shuffled = rows.with_columns(_piece=pl.Series(pieces))[rng.permutation(rows.height)]
    files = [piece.drop("_piece") for piece in shuffled.partition_by("_piece")] or [rows]
    revised = 0
    if dataset.key and len(files) > 1 and rng.random() < _REVISED:
        newer, place = _revisions(dataset, rows, rng), int(rng.integers(len(files)))
        files[place] = pl.concat([files[place], newer]).unique(list(dataset.key), keep="last", maintain_order=True)
        revised = newer.height
    named = {f"rows-{number}": files[place] for number, place in enumerate(rng.permutation(len(files)))}
    lacking = _column_that_may_lack(dataset, rng)
    if lacking:
        named["rows-0"] = named["rows-0"].drop(lacking)
    runs: list[list[str]] = []
    for number, name in enumerate(named):
        if not runs or rng.random() < _APART:
            runs.append([])
        runs[-1].append(name)
        if number and rng.random() < _AGAIN:
            runs.append([str(file_name) for file_name in rng.choice(list(named)[: number + 1], _MOST_REPEATS)])
    runs = [list(dict.fromkeys(run)) for run in runs]
    growth = _growth(dataset, runs, rng, lacking)
    if growth is not None:
        named = {name: _as_in_older(rows, growth) if _first_run(runs, name) < growth.runs else rows
                 for name, rows in named.items()}  # fmt: skip
    named, added = _with_added_columns(dataset, named, rng)
    return Delivery(named, runs, revised, lacking, added, growth)


def _first_run(runs: Sequence[Sequence[str]], name: str) -> int:
    return next(number for number, run in enumerate(runs) if name in run)


def _with_added_columns(
    dataset: Dataset, named: Mapping[str, pl.DataFrame], rng: np.random.Generator
) -> tuple[dict[str, pl.DataFrame], tuple[str, ...]]:
    """Give files behind the first columns that the contract lacks, each of one type, where the table takes them.

    Of a file that lacks a declared column none is taken: it may be misspelt.
    """
    files = dict(named)
    whole = [name for name, rows in files.items() if {column.name for column in dataset.columns} <= set(rows.columns)]
    later = [name for name in whole if name != next(iter(files))]
    if not adds_columns(dataset) or not later:
        return files, ()
    kinds = rng.choice(list(_ADDED), int(rng.integers(1, len(_ADDED) + 1)), replace=False)
    for kind in kinds:
        values = pl.Series(_ADDED[kind])
        for name in later[int(rng.integers(len(later))) :]:
            drawn = values.gather(rng.integers(0, values.len(), files[name].height)).alias(f"added_{kind}")
            files[name] = files[name].with_columns(drawn)
    return files, tuple(f"added_{kind}" for kind in kinds)


def _growth(dataset: Dataset, runs: Sequence[Sequence[str]], rng: np.random.Generator, lacking: str) -> Growth | None:
    """Draw an older contract for the first runs, where the table takes new columns and wider types of a contract."""
    if dataset.store.evolution != "add" or len(runs) == 1:
        return None
    tied = {*dataset.key, *(name for rule in dataset.rules for name in rule.columns), dataset.newest,
            *(dataset.partitions.columns if dataset.partitions else ())}  # fmt: skip
    free = [column for column in dataset.columns if column.name not in tied]
    may_lack = dataset.source is not None and dataset.source.spelling.missing_columns == "null"
    lackable = [column.name for column in free if column.nullable and column.name != lacking] if may_lack else []
    column = str(rng.choice(lackable)) if lackable else ""
    numbers = [each.name for each in free if each.dtype in _NARROWER and each.name != column]
    narrower = tuple(name for name in numbers if rng.random() < _APART)
    if not column and not narrower:
        return None
    return Growth(_older(dataset, column, narrower), int(rng.integers(1, len(runs))), column, narrower)


def _older(dataset: Dataset, without: str, narrower: Sequence[str]) -> Dataset:
    """Return the dataset before a column was declared and types became wider, with the rules that Fields say."""
    labels = {str(field.alias or label): label for label, (_, field) in dataset.model.__fields__.items()}
    columns = [column for column in dataset.columns if column.name != without]
    types = {labels[column.name]: _NARROWER[column.dtype] if column.name in narrower else column.dtype
             for column in columns}  # fmt: skip
    fields = {label: dataset.model.__fields__[label][1] for label in types}
    model = type(dataset.model.__name__, (DataFrameModel,), {"__annotations__": types, **fields,
                                                             "__doc__": dataset.model.__doc__})  # fmt: skip
    assert issubclass(model, DataFrameModel)  # noqa: S101 - for the type checker: its base is one
    return replace(dataset, model=model)


def _as_in_older(rows: pl.DataFrame, growth: Growth) -> pl.DataFrame:
    """Return the rows of a file from before the change: numbers that the narrower types hold, without the column."""
    fits = [pl.col(name).cast(_NARROWER[rows.schema[name]], strict=False).cast(rows.schema[name])
            for name in growth.narrower]  # fmt: skip
    return rows.with_columns(fits).drop(growth.column or (), strict=False)


def _column_that_may_lack(dataset: Dataset, rng: np.random.Generator) -> str:
    """Draw a column that files may lack, from before it was declared; half of the deliveries have none."""
    source = dataset.source
    if source is None or source.spelling.missing_columns != "null" or rng.random() < _REVISED:
        return ""
    names = [column.name for column in dataset.columns if column.nullable and column.name not in dataset.key]
    return str(rng.choice(names)) if names else ""


def _revisions(dataset: Dataset, rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Draw up to half of the rows, with the values of other rows in columns that need not differ."""
    unique = [rule for rule in rules_of(dataset) if isinstance(rule, RowRule) and rule.compares_rows]
    fixed = {*dataset.key, *(name for rule in unique for name in rule.columns)}
    others = rows.select(name for name in rows.columns if name not in fixed)[rng.permutation(rows.height)]
    newer = pl.concat([rows.select(sorted(fixed)), others], how="horizontal").select(rows.columns)
    return newer[rng.permutation(rows.height)[: int(rng.integers(rows.height // 2 + 1))]]


def compare_delivery(dataset: Dataset, delivery: Delivery, references: Mapping[str, pl.DataFrame]) -> str:
    """Say how the table that a delivery makes differs from a rebuild; empty where it does not."""
    with throw_away_folder() as folder:
        table = _table(folder / "runs", dataset, delivery.files, delivery.runs, references, delivery.growth)
        rebuilds = {"one run over all files": (delivery.files, [list(delivery.files)])}
        if not delivery.revised:
            whole = pl.concat(list(delivery.files.values()), how="diagonal")
            rebuilds["one file with all rows"] = ({"rows": whole}, [["rows"]])
        for number, (variant, (files, runs)) in enumerate(rebuilds.items()):
            rebuilt = _table(folder / f"rebuild-{number}", dataset, files, runs, references)
            if table.schema != rebuilt.schema:
                return f"beside {variant}, other columns: {_other_columns(table, rebuilt)}"
            if not table.equals(rebuilt):
                lacks = rebuilt.join(table, on=table.columns, how="anti", nulls_equal=True).height
                more = table.join(rebuilt, on=table.columns, how="anti", nulls_equal=True).height
                return (
                    f"beside {variant}, {lacks} rows lack, {more} are others, {table.height} of {rebuilt.height} rows"
                )
    return ""


def _other_columns(table: pl.DataFrame, rebuilt: pl.DataFrame) -> str:
    mine, theirs = ({f"{name} ({dtype})" for name, dtype in frame.schema.items()} for frame in (table, rebuilt))
    return f"{', '.join(sorted(mine - theirs)) or 'none'} in the place of {', '.join(sorted(theirs - mine)) or 'none'}"


def _table(
    folder: Path,
    dataset: Dataset,
    files: Mapping[str, pl.DataFrame],
    runs: Sequence[Sequence[str]],
    references: Mapping[str, pl.DataFrame],
    growth: Growth | None = None,
) -> pl.DataFrame:
    """Take the files in, run by run, and return the rows of the table in an order of their own."""
    lake = Lake(Settings(state=str(folder), lake=str(folder / "lake"), landing=str(folder / "landing")))
    for number, names in enumerate(runs):
        inputs = [Input(name, ingest_id=hashlib.blake2b(name.encode()).hexdigest(), raw=files[name]) for name in names]
        run = Run(run_id=f"run-{number}", at=_BEGUN + timedelta(minutes=number))
        contract = growth.older if growth is not None and number < growth.runs else dataset
        ingest(lake, contract, lambda _, run_inputs=inputs: run_inputs, references, run=run, admits=lambda _: True)  # type: ignore[misc]
    columns = [*(column.name for column in dataset.columns), *sorted(added_before(lake, dataset))]
    rows = lake.scan(table_spec(dataset)).select(columns).collect()
    return rows.sort([name for name, kind in rows.schema.items() if not kind.is_nested()])
