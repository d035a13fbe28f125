"""All declared datasets together: what only shows across them is judged here, all at once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import polars as pl

from platform_core.contracts.dataset import Dataset, Transform
from platform_core.contracts.folds import Fold, Lookup, Scored, detector_name
from platform_core.contracts.problems import problems_in, unreadable
from platform_core.contracts.reach import readers_of_all
from platform_core.contracts.ruleset import rules_of
from platform_core.errors import ContractError, Problem
from platform_core.rules import Balance, ReferenceRule


@dataclass(frozen=True)
class Catalog:
    """Datasets and transforms that have been judged together. Build it with `catalog_of`."""

    datasets: Mapping[str, Dataset]
    transforms: Mapping[str, Transform[..., object]]

    def __getitem__(self, name: str) -> Dataset:
        """Return the dataset of that name.

        Raises:
            KeyError: No such dataset; the message lists those there are.
        """
        try:
            return self.datasets[name]
        except KeyError:
            raise KeyError(f"no dataset {name!r}; there are {', '.join(sorted(self.datasets))}") from None

    def references_of(self, dataset: Dataset) -> tuple[ReferenceRule, ...]:
        """Return the rules of a dataset that look into other datasets."""
        return tuple(rule for rule in rules_of(dataset) if isinstance(rule, ReferenceRule))

    def balances_of(self, dataset: Dataset) -> tuple[Balance, ...]:
        """Return the rules of a dataset on what other datasets add up to."""
        return tuple(rule for rule in rules_of(dataset) if isinstance(rule, Balance))

    def looked_into(self, dataset: Dataset) -> list[str]:
        """Name the other datasets that rules of a dataset look into."""
        names = [rule.dataset for rule in rules_of(dataset) if isinstance(rule, ReferenceRule | Balance)]
        return [name for name in dict.fromkeys(names) if name != dataset.name]

    def is_above(self, name: str, below: str) -> bool:
        """Tell whether a dataset is made of another one or looks into it, at whatever distance, or is the same."""
        upstream, visited, waiting = _upstream(self.datasets, self.transforms.values()), set[str](), [below]
        while waiting:
            current = waiting.pop()
            if current not in visited:
                visited.add(current)
                waiting += upstream.get(current, ())
        return name in visited


def catalog_of(datasets: Iterable[Dataset], transforms: Iterable[Transform[..., object]] = ()) -> Catalog:
    """Return the catalog of the given declarations.

    Raises:
        ContractError: With every problem found, in every dataset.
    """
    declared, makers = tuple(datasets), tuple(transforms)
    by_name = {dataset.name: dataset for dataset in declared}
    by_dataset = {id(dataset): problems_in(dataset) for dataset in declared}
    problems = [problem for dataset in declared for problem in by_dataset[id(dataset)]]
    readable = tuple(dataset for dataset in declared if not _is_unreadable(dataset))
    problems += _duplicates(readable)
    problems += _patterns(readable)
    if len(readable) < len(declared):
        raise ContractError(problems)  # what one asks of another cannot be judged before each is read
    problems += _makers(by_name, makers)
    problems += [problem for dataset in declared for problem in _references(by_name, dataset)]
    problems += [problem for dataset in declared for problem in _out_of_reach(by_name, makers, dataset)]
    problems += [problem for dataset in declared for problem in _balances(by_name, dataset)]
    problems += [problem for dataset in declared for problem in _folds(by_name, dataset)]
    problems += _cycles(by_name, makers)
    if problems:
        raise ContractError(problems)
    return Catalog(by_name, {transform.dataset.name: transform for transform in makers})


def _is_unreadable(dataset: Dataset) -> bool:
    """Whether an argument has another type than it must, so that nothing else can be asked of the declaration."""
    return any(True for _ in unreadable(dataset))


def _duplicates(datasets: tuple[Dataset, ...]) -> Iterator[Problem]:
    for name, count in Counter(dataset.name for dataset in datasets).items():
        if count > 1:
            owners = ", ".join(sorted(dataset.owner for dataset in datasets if dataset.name == name))
            yield Problem(name, "name", f"is declared {count} times, by {owners}.", "keep one, rename the others.")


def _patterns(datasets: tuple[Dataset, ...]) -> Iterator[Problem]:
    """Datasets of one domain that would take the same files."""
    takers: dict[tuple[str, str], dict[str, Dataset]] = {}
    for dataset in datasets:
        if dataset.source is not None and dataset.source.claims:
            takers.setdefault((dataset.domain, dataset.source.claims), {})[dataset.name] = dataset
    for (_, pattern), named in takers.items():
        for name in named if len(named) > 1 else ():
            others = ", ".join(other for other in named if other != name)
            yield Problem(name, f"source pattern {pattern!r}", f"is that of {others} too.",
                          "give each its own pattern.")  # fmt: skip


def _makers(by_name: Mapping[str, Dataset], transforms: tuple[Transform[..., object], ...]) -> Iterator[Problem]:
    counter = Counter(transform.dataset.name for transform in transforms)
    for name, dataset in by_name.items():
        if dataset.source is None and not counter[name]:
            yield Problem(name, "source", "is missing, and no transform makes the dataset.", "give source=..., or "
                          f"decorate a function with @{dataset.title}.transform.")  # fmt: skip
        if counter[name] + (dataset.source is not None) > 1:
            yield Problem(name, "transform", "is not the only maker of the dataset.", "keep one source or transform.")
    for transform in transforms:
        for parameter in transform.parameters:
            input_name = transform.input_name(parameter)
            if input_name not in by_name:
                yield Problem(
                    transform.dataset.name, f"transform parameter {parameter!r}", f"stands for {input_name!r}, "
                    "which is not declared.", f"use one of {', '.join(sorted(by_name))}, or name the input: "
                    f"@{transform.dataset.title}.transform({parameter}=...).")  # fmt: skip
        for name in transform.inputs:
            if name not in transform.parameters:
                yield Problem(transform.dataset.name, f"transform input {name!r}", "is no parameter of the function.",
                              f"use one of {', '.join(transform.parameters)}.")  # fmt: skip


def _references(by_name: Mapping[str, Dataset], dataset: Dataset) -> Iterator[Problem]:
    for rule in rules_of(dataset):
        if not isinstance(rule, ReferenceRule):
            continue
        target = by_name.get(rule.dataset)
        culprit = f"rule {rule.id!r}"
        if target is None:
            yield Problem(dataset.name, culprit, f"looks into {rule.dataset!r}, which is not declared.",
                          f"use one of {', '.join(sorted(by_name))}.")  # fmt: skip
            continue
        for name, into in zip(rule.columns, rule.to, strict=False):
            column, own = target.column(into), dataset.column(name)
            if column is None:
                available = ", ".join(target_column.name for target_column in target.columns)
                yield Problem(dataset.name, culprit, f"looks for column {into!r} of {target.name!r}, which is not "
                              "there.", f"use one of {available}.")  # fmt: skip
            elif own is not None and own.dtype != column.dtype:
                yield Problem(dataset.name, culprit, f"compares {own.dtype} with {target.name}.{into}, which is "
                              f"{column.dtype}.", "give both the same type.")  # fmt: skip


def _balances(by_name: Mapping[str, Dataset], dataset: Dataset) -> Iterator[Problem]:
    """Yield a balance with what is not declared or itself, of a stream, or of columns that the other has not."""
    for rule in rules_of(dataset):
        if not isinstance(rule, Balance):
            continue
        target, culprit = by_name.get(rule.dataset), f"rule {rule.id!r}"
        if target is None or target is dataset:
            yield Problem(dataset.name, culprit, f"balances with {rule.dataset!r}, which is no other dataset that is "
                          "declared.", f"use one of {', '.join(sorted(set(by_name) - {dataset.name}))}.")  # fmt: skip
            continue
        if dataset.source is not None and dataset.source.is_stream:
            yield Problem(dataset.name, culprit, "balances a stream, which is never whole.",
                          "declare it of what is made from the stream.")  # fmt: skip
        rows = pl.LazyFrame(schema={column.name: column.dtype for column in target.columns})
        try:
            theirs = rule.side_of(rows).collect_schema()
        except pl.exceptions.PolarsError as error:
            reason = str(error).strip().partition("\n")[0]
            yield Problem(dataset.name, culprit, f"cannot be computed of {target.name}: {reason}.",
                          f"use columns of {', '.join(column.name for column in target.columns)}.")  # fmt: skip
            continue
        for name in rule.by:
            own = dataset.column(name)
            if own is not None and own.dtype != theirs[name]:
                yield Problem(dataset.name, culprit, f"groups by {name}, {own.dtype} here and {theirs[name]} in "
                              f"{target.name}.", "cast one to the type of the other.")  # fmt: skip


def _folds(by_name: Mapping[str, Dataset], dataset: Dataset) -> Iterator[Problem]:
    """Yield a fold reads streams that only add rows, and know when something happened."""
    if not isinstance(dataset.source, Fold):
        return
    for name in dataset.source.inputs:
        above = by_name.get(name)
        topic = above.source.stream if above is not None and above.source is not None else None
        if above is None or topic is None:
            streams = [other.name for other in by_name.values() if other.source is not None and other.source.stream]
            yield Problem(dataset.name, f"source input {name!r}", "is no dataset that reads a topic.",
                          f"use one of {', '.join(sorted(streams)) or 'those with source=Topic(...)'}.")  # fmt: skip
            continue
        time = None if topic.event_time is None else above.column(topic.event_time)
        if time is None or time.nullable or not isinstance(time.dtype, pl.Datetime):
            yield Problem(dataset.name, f"source input {name!r}", "names no column of instants that are never null.",
                          "give Topic(..., event_time=...) of a UtcTimestamp.")  # fmt: skip
        if above.store.mode != "append":
            yield Problem(dataset.name, f"source input {name!r}", f"is stored by {above.store.mode!r}, so that its "
                          "rows change.", "store the stream with Delta(mode='append').")  # fmt: skip
    if isinstance(dataset.source, Lookup):
        yield from _lookups(by_name, dataset, dataset.source)
    if isinstance(dataset.source, Scored):
        yield from _detectors(by_name, dataset, dataset.source)
    if dataset.quarantine is None:
        yield Problem(dataset.name, "quarantine", "is missing, and rows may come late.", "give Quarantine().")
    columns, declared = dataset.source.columns, {column.name for column in dataset.columns}
    if columns is not None and set(columns) != declared:
        yield Problem(dataset.name, "source", f"gives the columns {', '.join(columns)}, but the model has "
                      f"{', '.join(sorted(declared))}.", "declare these columns.")  # fmt: skip


def _lookups(by_name: Mapping[str, Dataset], dataset: Dataset, source: Lookup) -> Iterator[Problem]:
    """Yield a lookup names a table, columns that it has, and a key that both have."""
    table, stream = by_name.get(source.table), by_name.get(source.of)
    if table is None or table.name == dataset.name:
        yield Problem(dataset.name, f"source table {source.table!r}", "is no other dataset that is declared.",
                      f"use one of {', '.join(sorted(set(by_name) - {dataset.name}))}.")  # fmt: skip
        return
    for name in source.looked_into:
        if table.column(name) is None:
            yield Problem(dataset.name, f"source column {name!r}", f"is not in {table.name}.",
                          f"use some of {', '.join(column.name for column in table.columns)}.")  # fmt: skip
    for name in source.key:
        if stream is not None and stream.column(name) is None:
            yield Problem(dataset.name, f"source column {name!r}", f"is not in {stream.name}.",
                          f"use some of {', '.join(column.name for column in stream.columns)}.")  # fmt: skip
    for name in source.take:
        if stream is not None and stream.column(name) is not None:
            yield Problem(dataset.name, f"source column {name!r}", f"is in {stream.name} too.",
                          "take columns that the stream does not have.")  # fmt: skip


def _detectors(by_name: Mapping[str, Dataset], dataset: Dataset, source: Scored) -> Iterator[Problem]:
    """Yield a detector has its name alone; its labels are known by the key of what is scored, and say yes or no."""
    if detector_name(dataset.name) in by_name:
        yield Problem(detector_name(dataset.name), "name", f"is that of the detector of {dataset.name}.", "rename one.")
    if source.labels is None:
        return
    labels, stream = by_name.get(str(source.labels)), by_name.get(source.of)
    if labels is None or labels.name == dataset.name:
        yield Problem(dataset.name, f"source labels {source.labels!r}", "is no other dataset that is declared.",
                      f"use one of {', '.join(sorted(set(by_name) - {dataset.name}))}.")  # fmt: skip
        return
    for place in (labels, *([] if stream is None else [stream])):
        for name in dataset.key:
            if place.column(name) is None:
                yield Problem(dataset.name, f"key {name!r}", f"is not in {place.name}, so that no label is found.",
                              f"use some of {', '.join(column.name for column in place.columns)}.")  # fmt: skip
    column = labels.column(source.label)
    if column is None or column.dtype != pl.Boolean:
        yield Problem(dataset.name, f"source label {source.label!r}", f"is no column of {labels.name} that is true or "
                      "false.", "name a column of bool.")  # fmt: skip


def _out_of_reach(
    by_name: Mapping[str, Dataset], makers: tuple[Transform[..., object], ...], dataset: Dataset
) -> Iterator[Problem]:
    """Readers that look further back than the dataset lets them."""
    if dataset.retention is None or dataset.retention.read_back is None:
        return
    for reader in readers_of_all(dataset, by_name, makers):
        yield Problem(dataset.name, f"retention read_back={dataset.retention.read_back}",
                      f"is not how far back it is read: {reader}.", "take read_back out.")  # fmt: skip


def _cycles(by_name: Mapping[str, Dataset], transforms: tuple[Transform[..., object], ...]) -> Iterator[Problem]:
    """Yield a problem for the first cycle among inputs and references; Dagster would refuse it with less to go on."""
    upstream = _upstream(by_name, transforms)
    done: set[str] = set()
    while ready := {name for name, above in upstream.items() if name not in done and above & upstream.keys() <= done}:
        done |= ready
    stuck = sorted(set(upstream) - done)
    if stuck:
        yield Problem(stuck[0], "inputs and references", f"form a circle through {', '.join(stuck)}.",
                      "take one of them out.")  # fmt: skip


def _upstream(
    by_name: Mapping[str, Dataset], transforms: Iterable[Transform[..., object]]
) -> Mapping[str, AbstractSet[str]]:
    """Return the names of what each dataset is made of and looks into."""
    upstream = {name: set[str]() for name in by_name}
    for transform in transforms:
        inputs = {transform.input_name(parameter) for parameter in transform.parameters}
        upstream.setdefault(transform.dataset.name, set()).update(inputs)
    for name, dataset in by_name.items():
        upstream[name] |= set(dataset.source.upstream if dataset.source else ())
        upstream[name] |= {rule.dataset for rule in rules_of(dataset) if isinstance(rule, ReferenceRule | Balance)} - {
            name
        }
    return upstream
