"""Partitions compared with what came before them: which ones, and how far they are from it."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.partitions import Partitions
from platform_core.rules import DatasetRule

PLACE = "_place"
"""The column of past rows that holds their partition's key."""

_VERSION = "version "


def version_compared(rule: DatasetRule) -> str | None:
    """Return the version of the table that a rule compares with; None where it compares with partitions."""
    against = rule.compares_with or ""
    return against.removeprefix(_VERSION) if against.startswith(_VERSION) else None


def partitions_compared(
    rule: DatasetRule, key: str, known: Iterable[str], partitions: Partitions | None
) -> Sequence[str]:
    """Return the earlier ones of the known partitions that a rule compares the partition of a key with.

    None without time.
    """
    if partitions is None:
        return ()
    earlier = sorted(other for other in known if other < key)
    against = rule.compares_with or ""
    if against == "weekday":
        day = partitions.begins_local(key).weekday()
        return [other for other in earlier if partitions.begins_local(other).weekday() == day][-1:]
    return earlier[-int(against.removeprefix("last ")) :] if against.startswith("last ") else earlier[-1:]


def distances(
    frame: pl.LazyFrame, dataset: Dataset, rules: Sequence[DatasetRule], past: Mapping[str, pl.DataFrame]
) -> dict[str, dict[str, float | None]]:
    """Each rule's distance by partition; None where there is nothing, or too little, to compare with.

    Args:
        frame: The rows that are judged.
        dataset: The contract.
        rules: Rules that compare.
        past: By rule id, rows beside the frame's with their partition's key in `PLACE`; rows of a partition that the
            frame has are not looked at, unless they are those of a version, or the other side of a balance.
    """
    key = dataset.partitions.key() if dataset.partitions else pl.lit("")
    names = list(dict.fromkeys(name for rule in rules for name in rule.columns))
    ours = frame.select(*names, key.fill_null("").alias(PLACE)).collect(engine="streaming")
    parts = {str(place): rows for (place,), rows in ours.partition_by(PLACE, as_dict=True).items()}
    if not parts and dataset.partitions is None:
        parts = {"": ours}  # no rows are out of balance with any
    time = dataset.partitions if isinstance(dataset.partitions, Partitions) else None
    return {rule.id: _distances(rule, parts, past.get(rule.id), time) for rule in rules}


def _distances(
    rule: DatasetRule, parts: Mapping[str, pl.DataFrame], past: pl.DataFrame | None, time: Partitions | None
) -> dict[str, float | None]:
    if not rule.compares_partitions:
        return {place: None if past is None else rule.distance(rows, past) for place, rows in parts.items()}
    names = list(rule.columns)
    before = {} if past is None else past.partition_by(PLACE, as_dict=True)
    known = {str(place): rows.select(names) for (place,), rows in before.items()}
    known |= {place: rows.select(names) for place, rows in parts.items() if place}
    distance_by_place: dict[str, float | None] = {}
    for place, rows in parts.items():
        compared = partitions_compared(rule, place, known, time) if place else ()
        distance_by_place[place] = (
            rule.distance(rows, pl.concat([known[partition] for partition in compared])) if compared else None
        )
    return distance_by_place
