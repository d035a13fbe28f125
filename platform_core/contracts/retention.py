"""How long rows and earlier versions of a table are kept, and how far back it is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

VERSIONS = timedelta(days=7)
"""How long earlier versions are kept where nothing is declared."""

SHORTEST_VERSIONS = timedelta(days=1)
"""A reader that began with a version may need its files for as long."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """What upkeep may clear away, and what may be kept where reading waits; the default clears no row.

    Attributes:
        keep: How long a partition is kept after its end; its rows go when it is over. None keeps rows for ever.
        versions: How long an earlier version of the table can be read and restored, and a run that began with it can
            go on; None is seven days.
        read_back: How far back from now readers look, counted from a partition's end. What is older may be archived,
            where a read waits for hours. None: all of it is read.
    """

    keep: timedelta | None = None
    versions: timedelta | None = None
    read_back: timedelta | None = None

    @property
    def versions_kept(self) -> timedelta:
        """How long earlier versions are kept."""
        return VERSIONS if self.versions is None else self.versions

    @property
    def told(self) -> str:
        """All of it in words."""
        rows = "rows for ever" if self.keep is None else f"rows {self.keep.days} days"
        back = "" if self.read_back is None else f", read {self.read_back.days} days back"
        return f"{rows}, earlier versions {self.versions_kept.days} days{back}"

    def contradictions(
        self, *, partitioned: bool, stored_as: str, freshness: timedelta | None
    ) -> Iterator[tuple[str, str, str]]:
        """Yield what cannot hold together with the rest of the declaration: culprit, message, fix."""
        for name, period in {"keep": self.keep, "versions": self.versions, "read_back": self.read_back}.items():
            if period is not None and period <= timedelta(0):
                yield f"retention {name}={period}", "is no time.", "use within(days=...) above zero."
            elif period is not None and name != "versions" and not partitioned:
                yield f"retention {name}", "needs partitions, for rows age by partition.", "declare partitions=..."
        if self.keep is not None and self.read_back is not None and self.read_back > self.keep:
            yield (f"retention read_back={self.read_back}", f"looks further back than rows are kept ({self.keep}).",
                   "raise keep, or lower read_back.")  # fmt: skip
        for name, period in {"keep": self.keep, "read_back": self.read_back}.items():
            if period is not None and freshness is not None and period < freshness:
                message = f"is shorter than freshness ({freshness}), so that a table may be fresh and gone."
                yield f"retention {name}={period}", message, f"raise {name}, or lower freshness."
        yield from self._versions(stored_as)

    def _versions(self, stored_as: str) -> Iterator[tuple[str, str, str]]:
        if self.versions is None:
            return
        if stored_as == "parquet":
            yield "retention versions", "are kept by Delta and Iceberg alone.", "take it out, or use store=Delta()."
        elif timedelta(0) < self.versions < SHORTEST_VERSIONS:
            yield f"retention versions={self.versions}", "is shorter than a reader may take.", "give a day at least."
