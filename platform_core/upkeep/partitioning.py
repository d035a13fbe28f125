"""Whether a table's partitions are of a good size, with the sizes that say so; advice, for a person to declare."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from platform_core.contracts.partitions import GRAINS, Grain, Partitions
from platform_core.upkeep.facts import TableFacts

TINY_BYTES = 8 << 20
HUGE_BYTES = 8 << 30
MANY = 24
"""Fewer partitions than this are no burden, however small."""

_COARSER: Sequence[Grain] = ("hourly", "daily", "monthly")
_LENGTHS: dict[Grain, int] = {"daily": len("2013-01-31"), "monthly": len("2013-01")}


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One piece of advice: what to do, and the numbers behind it."""

    subject: str
    do: str
    evidence: str


def partition_advice(facts: TableFacts) -> list[Advice]:
    """Return what the sizes of the partitions, and the readings, speak for; empty where all is well."""
    if not facts.files:
        return []
    if facts.partitions is None:
        return _undivided(facts)
    if not isinstance(facts.partitions, Partitions):
        return []  # what categories there are is not for the platform to say
    sizes = [sum(file.size_bytes for file in files) for files in facts.by_partition().values()]
    if len(sizes) >= MANY and median(sizes) < TINY_BYTES:
        return [_coarser(facts, sizes)]
    if median(sizes) > HUGE_BYTES and facts.partitions.grain != "hourly":
        mine = GRAINS.index(facts.partitions.grain)
        finer = max((grain for grain in _COARSER if GRAINS.index(grain) < mine), key=GRAINS.index)
        evidence = f"{len(sizes)} partitions, {readable_bytes(median(sizes))} in the middle one"
        return [Advice(subject=facts.name, do=f"declare {finer} partitions", evidence=evidence)]
    return []


def _coarser(facts: TableFacts, sizes: Sequence[int]) -> Advice:
    """Return the finest grain whose partitions are not tiny; none at all where even months are."""
    evidence = f"{len(sizes)} partitions, {readable_bytes(median(sizes))} in the middle one"
    for grain, grouped in _regrouped(facts):
        if median(grouped) >= TINY_BYTES or len(grouped) < MANY:
            would = f"as {grain} ones they would be {len(grouped)} of {readable_bytes(median(grouped))}"
            return Advice(subject=facts.name, do=f"declare {grain} partitions", evidence=f"{evidence}; {would}")
    return Advice(
        subject=facts.name,
        do="declare no partitions",
        evidence=f"{evidence}; {readable_bytes(facts.size_bytes)} in all",
    )


def _regrouped(facts: TableFacts) -> list[tuple[Grain, list[int]]]:
    """Return the sizes of partitions of every coarser grain; the key of a coarser one begins the keys that it holds."""
    if not isinstance(facts.partitions, Partitions):
        return []
    regrouped = []
    for grain in _COARSER:
        if GRAINS.index(grain) <= GRAINS.index(facts.partitions.grain):
            continue
        length = _LENGTHS[grain]
        sizes: Counter[str] = Counter()
        for file in facts.files:
            sizes[(file.partition or "")[:length]] += file.size_bytes
        regrouped.append((grain, list(sizes.values())))
    return regrouped


def _undivided(facts: TableFacts) -> list[Advice]:
    """Partitions for a huge table without, by the column that its readings filter on most."""
    if facts.size_bytes <= HUGE_BYTES:
        return []
    counted = Counter(column for read in facts.history.reads for column in set(read.filters))
    evidence = f"{readable_bytes(facts.size_bytes)} in one partition"
    if not counted:
        return [
            Advice(
                subject=facts.name, do="declare partitions on the time column that readers filter on", evidence=evidence
            )
        ]
    column, reads = min(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    share = f"{reads} of {len(facts.history.reads)} readings filter on {column}"
    return [Advice(subject=facts.name, do=f"declare partitions on {column}", evidence=f"{evidence}; {share}")]


def readable_bytes(size: float) -> str:
    """Return a size in the largest unit of which there is one."""
    unit = next((candidate for candidate in reversed(_UNITS) if size >= _UNITS[candidate]), "B")
    return f"{size / _UNITS[unit]:.3g} {unit}"


_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
