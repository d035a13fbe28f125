"""Transforms tried on generated tables in memory, many times a second: faults, edge cases, changes.

What a step of the graph does to rows happens here by the same functions: conform, judge, refuse, transform. Storage,
partitions and Dagster are left out; `pipeline_test` has those.
"""

import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from platform_core.contracts import Catalog, Dataset, rules_of
from platform_core.contracts.dataset import Transform
from platform_core.errors import ShapeError
from platform_core.quality import conform, judge
from platform_core.quality.judge import table_results
from platform_core.synthetic import CannotBreak, CannotGenerate, faults, lookups, world
from platform_core.synthetic.verdicts import latest
from platform_core.synthetic.world import sides
from platform_resources.storage.frames import from_polars, kind_of, to_polars

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Verdicts:
    """What became of one dataset in a trial.

    Attributes:
        rows: That stand in its table.
        red: The rules that do not hold, with their severities.
        error: Why it could not be made; empty where it was.
    """

    rows: pl.DataFrame
    red: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was tried, and who noticed.

    Attributes:
        dataset: Where it was tried.
        what: A rule that was broken, or a case.
        noticed: `dataset: rule` of every rule that did not hold, or the error.
        slipped: Datasets further down that were made from it without a word.
        stands: Whether it went as it should.
    """

    dataset: str
    what: str
    noticed: tuple[str, ...]
    slipped: tuple[str, ...] = ()
    stands: bool = True


class Trial:
    """Part of a catalog on tables that were generated for it."""

    def __init__(self, catalog: Catalog, *, rows: int = 100, seed: int, tables: Tables | None = None) -> None:
        """Generate a table for each dataset without a transform, unless tables are given."""
        self.catalog = catalog
        self.seed = seed
        self.filled = Catalog(
            {name: dataset for name, dataset in catalog.datasets.items() if name not in catalog.transforms}, {}
        )
        self.tables: dict[str, pl.DataFrame] = world(self.filled, seed, rows=rows) if tables is None else dict(tables)
        self.order = _ordered(catalog)
        instants = (latest(frame, catalog[name]) for name, frame in self.tables.items())
        self.now = max(instants, default=datetime.now(UTC))

        self.calm = self.run()
        """What becomes of the tables as they were generated."""

    def run(
        self, changed: Tables | None = None, *, transforms: Mapping[str, Any] | None = None, below: bool = True
    ) -> dict[str, Verdicts]:
        """Judge the generated tables, some of them changed, and make from what stands what is made from those.

        Args:
            changed: Tables in the place of generated ones.
            transforms: Functions in the place of declared ones.
            below: Whether what is made from them is made anew; else it stays as it was.
        """
        places = {*(changed or {}), *(transforms or {})}
        anew = places | {derived for name in places for derived in _below(self.catalog, name) if below}
        verdicts_by_name: dict[str, Verdicts] = {} if not places else dict(self.calm)
        tables = {name: verdicts.rows for name, verdicts in verdicts_by_name.items()}
        for name in [candidate for candidate in self.order if not places or candidate in anew]:
            dataset = self.catalog[name]
            transform = self.catalog.transforms.get(name)
            try:
                if transform is None:
                    raw = (changed or {}).get(name, self.tables[name])
                else:
                    raw = _run_transform(
                        transform, (transforms or {}).get(name, transform.function), tables, self.catalog
                    )
                verdicts_by_name[name] = judge_table(raw, dataset, tables, self.now)
            except Exception as error:  # noqa: BLE001 - whatever a transform raises is the finding
                verdicts_by_name[name] = Verdicts(
                    _empty(dataset), error=f"{type(error).__name__}: {_first_line(error)}"
                )
            tables[name] = verdicts_by_name[name].rows
        return verdicts_by_name


def try_faults(trial: Trial) -> Iterator[Finding]:
    """Plant each fault of each generated dataset, and tell which checks notice it and what is made from it unseen.

    A fault of a rule of severity `warn` passes by declaration; so that only one that no rule names does not stand.
    """
    for name in trial.filled.datasets:
        dataset, references = trial.catalog[name], lookups(trial.catalog[name], trial.tables)
        for rule in rules_of(dataset):
            try:
                planted = list(
                    faults(dataset, np.random.default_rng(trial.seed), references=references, only={rule.id})
                )
            except (CannotBreak, CannotGenerate):
                continue
            for fault in planted:
                passed_on = rule.severity == "warn"
                verdicts = trial.run({name: fault.frame}, below=passed_on)
                noticed = tuple(findings_of(verdicts, only=name))
                below = _below(trial.catalog, name) if passed_on else set()
                blind = [
                    derived
                    for derived in trial.order
                    if derived in below and not list(findings_of(verdicts, only=derived))
                ]
                is_named = f"{name}: {rule.id}" in noticed or bool(verdicts[name].error)
                fault_text = f"{rule.id} broken{f' ({fault.what})' if fault.what else ''}"
                yield Finding(name, fault_text, noticed, tuple(blind), is_named)


def try_edge_cases(trial: Trial) -> Iterator[Finding]:
    """Give each generated dataset each edge case, and tell what the transforms below make of it.

    A case stands where nothing raises and rows that should be refused are.
    """
    calm = trial.calm
    for name in trial.filled.datasets:
        for edge_case, frame, expects in _edge_cases(trial, name):
            verdicts = trial.run({name: frame})
            concerned = {name, *_below(trial.catalog, name)}
            noticed = [line for line in findings_of(verdicts) if line.split(": ")[0] in concerned]
            usual = set(findings_of(calm))
            raised = [derived for derived in concerned if verdicts[derived].error and not calm[derived].error]
            unseen = expects and not list(findings_of(verdicts, only=name))
            yield Finding(name, edge_case, tuple(line for line in noticed if line not in usual), (),
                          not raised and not unseen)  # fmt: skip


def _edge_cases(trial: Trial, name: str) -> Iterator[tuple[str, pl.DataFrame, bool]]:
    """Yield a name, rows, and whether a rule must notice them."""
    dataset, rows = trial.catalog[name], trial.tables[name]
    yield "no rows", rows.clear(), False
    yield "one row", rows.head(1), False
    yield "rows in reverse", rows.reverse(), False
    yield "rows out of order", rows.sample(fraction=1, shuffle=True, seed=trial.seed), False
    nullable = [column.name for column in dataset.columns if column.nullable and column.name not in dataset.key]
    if nullable:
        yield "null wherever it is allowed", rows.with_columns(pl.lit(None, rows.schema[column]).alias(column)
                                                              for column in nullable), False  # fmt: skip
    if dataset.key and rows.height > 1:
        twice = pl.concat([rows, rows.head(1)])
        yield "a key twice", twice, dataset.source is not None
    ruled = {column for rule in rules_of(dataset) if rule.kind != "nullable" for column in rule.columns}
    texts = [name for name, kind in rows.schema.items() if kind == pl.String and name not in ruled]
    if texts:
        odd = pl.lit("\u0130\u200d\U0001f469\u0301 'quote' \"x\" \\ \u202e")
        yield "unicode in free texts", rows.with_columns(odd.alias(text) for text in texts), False
    numeric = [column.name for column in dataset.columns if rows.schema[column.name].is_numeric()]
    if numeric and rows.height:
        ends = [rows.sort(column).head(1) for column in numeric] + [rows.sort(column).tail(1) for column in numeric]
        yield "the extremes alone", pl.concat(ends).unique(list(dataset.key) or None, keep="first"), False


def judge_table(raw: pl.DataFrame, dataset: Dataset, tables: Tables, now: datetime) -> Verdicts:
    """Tell what becomes of rows that come for a dataset, beside the tables that its rules look into."""
    try:
        conformed = conform(raw, dataset)
    except ShapeError as error:
        return Verdicts(_empty(dataset), {"schema": "error"}, error=_first_line(error))
    judgement = judge(conformed.frame, dataset, lookups(dataset, tables), unreadable=conformed.unreadable, now=now)
    whole = table_results(judgement.valid.lazy(), dataset, sides(dataset, tables), now=now)
    red = {result.rule.id: result.rule.severity for result in [*judgement.results, *whole] if not result.passed}
    stops = "error" in red.values() and dataset.quarantine is None
    return Verdicts(judgement.valid.clear() if stops else judgement.valid, red)


def _run_transform(transform: Transform[..., object], function: Any, tables: Tables, catalog: Catalog) -> pl.DataFrame:
    annotated = typing.get_type_hints(transform.function)
    inputs = {}
    for parameter in transform.parameters:
        above = transform.input_name(parameter)
        kind = kind_of(annotated.get(parameter, pl.LazyFrame)) or "polars.LazyFrame"
        names = [column.name for column in catalog[above].columns]
        inputs[parameter] = from_polars(tables[above].select(names).lazy(), kind)
    result = to_polars(function(**inputs))
    if result is None:
        raise TypeError("returned no table")
    return result.collect() if isinstance(result, pl.LazyFrame) else result


def _ordered(catalog: Catalog) -> list[str]:
    """Names of datasets, inputs and what is referred to first."""
    above = {name: _above(catalog, name) for name in catalog.datasets}
    ordered: list[str] = []
    while len(ordered) < len(above):
        ordered += [name for name, names in above.items() if name not in ordered and names <= set(ordered)]
    return ordered


def _above(catalog: Catalog, name: str) -> set[str]:
    transform = catalog.transforms.get(name)
    inputs = {transform.input_name(parameter) for parameter in transform.parameters} if transform else set()
    return ({*catalog.looked_into(catalog[name])} | inputs) - {name}


def _below(catalog: Catalog, name: str) -> set[str]:
    """Name everything that is made from a dataset by transforms."""
    derived_names: set[str] = set()
    waiting = [name]
    while waiting:
        above = waiting.pop()
        for derived, transform in catalog.transforms.items():
            if derived not in derived_names and above in {
                transform.input_name(parameter) for parameter in transform.parameters
            }:
                derived_names.add(derived)
                waiting.append(derived)
    return derived_names


def findings_of(verdicts: Mapping[str, Verdicts], only: str | None = None) -> Iterable[str]:
    """Yield `dataset: rule` for every rule that does not hold, or `dataset: error`, of all datasets or one."""
    for name, verdict in verdicts.items():
        if only is None or name == only:
            yield from (f"{name}: {rule}" for rule in verdict.red)
            if verdict.error and not verdict.red:
                yield f"{name}: {verdict.error}"


def _empty(dataset: Dataset) -> pl.DataFrame:
    return pl.DataFrame(schema={column.name: column.dtype for column in dataset.columns})


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
