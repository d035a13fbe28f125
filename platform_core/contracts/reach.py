"""Who needs every row of a dataset, whatever its age: what no declaration may put out of reach."""

from collections.abc import Iterable, Iterator, Mapping

from platform_core.contracts.dataset import Dataset, Transform
from platform_core.contracts.ruleset import rules_of
from platform_core.rules import DatasetRule, ReferenceRule, RowRule


def readers_of_all(
    dataset: Dataset, datasets: Mapping[str, Dataset], transforms: Iterable[Transform[..., object]]
) -> Iterator[str]:
    """Yield declared readers of the whole table, in words.

    References, rules over the table, transforms not divided alike.
    """
    for other in datasets.values():
        for rule in rules_of(other):
            if isinstance(rule, ReferenceRule) and rule.dataset == dataset.name:
                yield f"rule {rule.id!r} of {other.name} looks into it"
    for rule in rules_of(dataset):
        if isinstance(rule, DatasetRule) and rule.over == "table":
            yield f"its rule {rule.id!r} judges the whole table"
    for transform in transforms:
        reads = {transform.input_name(name) for name in transform.parameters}
        if dataset.name in reads and not _alike(dataset, transform.dataset):
            yield f"{transform.dataset.name} is made from all of it"


def ingest_reads_all(dataset: Dataset) -> Iterator[str]:
    """Why a run looks at rows of every age: for keys and values elsewhere, and for what a revised input brought."""
    for rule in rules_of(dataset):
        if isinstance(rule, RowRule) and rule.compares_rows and _beyond_key(dataset, rule):
            yield f"its rule {rule.id!r} looks for equal values in every partition"
    if dataset.store.mode != "merge":
        return
    if dataset.source is not None:
        yield "its ingest looks for the rows that an earlier version of a file brought"
    elif dataset.partitions is not None and not set(dataset.partitions.columns) <= set(dataset.key):
        yield "its merge looks for keys in every partition"


def _beyond_key(dataset: Dataset, rule: RowRule) -> bool:
    """Whether the key does not imply the rule, so that it is judged over the table."""
    return rule.id != "key_unique" and not (dataset.key and set(dataset.key) <= set(rule.columns))


def _alike(dataset: Dataset, other: Dataset) -> bool:
    """Whether a run of one partition of `other` reads one partition of the dataset."""
    ours = dataset.partitions.time if dataset.partitions else None
    theirs = other.partitions.time if other.partitions else None
    return bool(ours and theirs and (ours.grain, ours.zone) == (theirs.grain, theirs.zone))
