"""What a sensor watches: a place with units, and a mark of bounded size that says how far it was looked through.

A mark holds no list of units. It holds the instant up to which arrivals were looked at, and a sum over the units from
before: as long as that sum is right, only later arrivals need a look. A unit that went away, or came with an earlier
instant than others, makes the sum wrong, and everything is looked through again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Protocol

from platform_resources.sources.base import SourceAdapter, Unit

_MODULO = 1 << 64


def fingerprint(source: str, stamp: str) -> int:
    """Compute the summand of one version of a unit."""
    return int.from_bytes(blake2b(f"{source}\0{stamp}".encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Mark:
    """How far a feed was looked through.

    Attributes:
        arrived: Units that arrived later, in nanoseconds, are new; of those of the same instant, the ones whose source
            follows `source`.
        source: See there.
        total: The sum of the fingerprints of all that was looked at.
        waiting: Sources that were passed over, because they may still be written.
        listing: The digest of a listing of which nothing was left; as long as it stays, nothing has to be done.
    """

    arrived: int = 0
    source: str = ""
    total: int = 0
    waiting: tuple[str, ...] = ()
    listing: str = ""

    def plus(self, unit: Unit) -> int:
        """Compute the total with that unit."""
        return (self.total + fingerprint(unit.source, unit.stamp)) % _MODULO


class Listing:
    """The units that a feed has now."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = sorted(units, key=lambda unit: (unit.arrived, unit.source))

    @cached_property
    def digest(self) -> str:
        """The same for the same units in the same versions."""
        lines = "\0".join([f"{unit.source}\1{unit.stamp}\1{unit.arrived}" for unit in self.units])
        return blake2b(lines.encode(), digest_size=16).hexdigest()

    def after(self, mark: Mark) -> tuple[list[Unit], int]:
        """Split the units at a mark: those to look at, in the order of arrival, and the total of the others."""
        waiting, behind = set(mark.waiting), (mark.arrived, mark.source)
        new: list[Unit] = []
        total = 0
        for unit in self.units:
            if (unit.arrived, unit.source) > behind or unit.source in waiting:
                new.append(unit)
            else:
                total += fingerprint(unit.source, unit.stamp)
        return new, total % _MODULO


def without(total: int, fingerprints: Sequence[int]) -> int:
    """Take the fingerprints of units that have a later version now out of a total."""
    return (total - sum(fingerprints)) % _MODULO


class Feed(Protocol):
    """A place with units, which several datasets may share; equal feeds are looked at once."""

    @property
    def name(self) -> str:
        """Its name among the feeds of a sensor."""

    def listing(self) -> Listing:
        """List what is there now."""


class WatchedSource(SourceAdapter, Protocol):
    """An adapter of a kind that a sensor watches."""

    @property
    def feed(self) -> Feed:
        """Where its units arrive."""

    def covers(self, unit: Unit) -> bool:
        """Tell whether a unit of the feed is one of this dataset's."""
