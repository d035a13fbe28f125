"""Generated rows as a source: one unit, or one for each partition of the run. Who makes the rows is the context's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_resources.sources.base import Batch, Cursor, SourceContext, Unit, digest


@dataclass(frozen=True)
class GeneratedRows:
    """The rows of one seed; the same seed, contract and references make the same rows.

    Attributes:
        rows: How many.
        seed: The seed.
        world: The world of which they are a table, with its scale; empty where the contract makes them.
        context: The surroundings.
    """

    rows: int
    seed: int
    world: str
    context: SourceContext

    def describe(self) -> str:
        """Say how many rows of which seed there are."""
        if self.world:
            return f"a table of the world {self.world} of seed {self.seed}"
        return f"{self.rows} generated rows of seed {self.seed}"

    @property
    def stamp(self) -> str:
        """Another for another version, number of rows, seed, or world."""
        about = f"{self.rows}:{self.seed}" if not self.world else f"{self.world}:{self.seed}"
        return digest(self.context.dataset, f"{self.context.version}:{about}".encode())

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """List the units, unless the log knows their stamp."""
        if self.stamp in cursor.log["stamp"]:
            return []
        partitions = self.context.partitions
        names = ["generated"] if partitions is None else [f"generated/{partition}" for partition in partitions]
        return [self.identify(Unit(name, self.stamp)) for name in names]

    def identify(self, unit: Unit) -> Unit:
        """Return the unit with the id of its stamp, which decides the rows."""
        return Unit(unit.source, unit.stamp, ingest_id=digest(unit.source, unit.stamp.encode()))

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the rows, made once for all units of the run."""
        del columns
        rows = self.context.shared.get(self.stamp)
        if rows is None:
            rows = self.context.shared[self.stamp] = self.context.generate(self.rows, self.seed)
        _, _, partition = unit.source.partition("/")
        yield Batch(rows.filter(self.context.partition_keys(rows) == partition) if partition else rows)


def open_source(options: Mapping[str, Any], context: SourceContext) -> GeneratedRows:
    """Open the generator of a dataset."""
    world = f"{options['world']} at scale {options['scale']:g}" if options["world"] else ""
    return GeneratedRows(options["rows"], options["seed"], world, context)
