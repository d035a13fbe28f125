"""What a dataset's owner promises beside freshness; ODCS's `slaProperties`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Sla:
    """Promises to readers; None promises nothing.

    Attributes:
        availability: The share of time in which the table can be read, in (0, 1].
        latency: The longest time from a row's arrival to its being readable.
        throughput: Rows a second that the dataset keeps up with.
    """

    availability: float | None = None
    latency: timedelta | None = None
    throughput: float | None = None

    def broken_terms(self) -> Iterator[tuple[str, str]]:
        """Yield the terms that promise what cannot be, each with the fix."""
        if self.availability is not None and not 0 < self.availability <= 1:
            yield f"availability {self.availability}", "give a share in (0, 1], such as 0.999."
        if self.latency is not None and self.latency <= timedelta(0):
            yield f"latency {self.latency}", "give a time above zero."
        if self.throughput is not None and self.throughput <= 0:
            yield f"throughput {self.throughput}", "give rows a second above zero."
