"""Categories in an Arrow file, which keeps one dictionary a column for all of its batches.

A chunk of rows brings a dictionary of its own, and which categories there are is known behind the last one. A file may
add to its dictionaries, but Polars does not read such a file. So the chunks are kept as a stream, which may replace
them, and go to the file with the dictionary of all.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from platform_resources.conversion.targets import has_leaf

if TYPE_CHECKING:
    import pyarrow as pa


def has_categories(schema: pl.Schema) -> bool:
    """Whether chunks of these columns differ in their dictionaries; those of an Enum are all its type's."""
    return any(has_leaf(dtype, lambda leaf: isinstance(leaf, pl.Categorical)) for dtype in schema.values())


class Dictionaries:
    """All categories that were met, in that order."""

    def __init__(self, schema: "pa.Schema") -> None:
        self._known = schema.empty_table()

    def learn(self, rows: "pa.Table") -> None:
        """Learn the categories of the rows."""
        import pyarrow as pa

        columns = [
            column.chunk(column.num_chunks - 1)[:0] for column in self._together(rows).columns if column.num_chunks
        ]
        if columns:
            self._known = pa.Table.from_arrays(columns, schema=self._known.schema)

    def common(self, stream: Path) -> "Iterator[pa.Table]":
        """Yield the batches of an Arrow stream, each with all categories."""
        import pyarrow as pa

        with pa.memory_map(str(stream)) as source:
            for batch in pa.ipc.open_stream(source):
                yield self._together(pa.Table.from_batches([batch]))

    def _together(self, rows: "pa.Table") -> "pa.Table":
        import pyarrow as pa

        return pa.concat_tables([self._known, rows]).unify_dictionaries()
