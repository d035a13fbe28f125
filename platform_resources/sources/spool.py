"""Batches of a source that cannot be read twice, on the local disk once they were read, in a file without a name."""

import io
import tempfile
from collections.abc import Iterator, Sequence

import polars as pl

from platform_resources.sources.base import Batch


class SpooledBatches:
    """The rows of a unit, as often as they are asked for: what was read comes from the disk, and then the rest."""

    def __init__(self, first: Sequence[Batch], rest: Iterator[Batch]) -> None:
        """Begin with the batches that were read already; the rest is read as it is asked for."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is read as long as this lives
        self._rest = rest
        for batch in first:
            self._add(batch.rows)

    def __call__(self) -> Iterator[Batch]:
        """Yield the batches in their order."""
        place, first = 0, 1
        while self._file.seek(place) == place and (head := self._file.read(8)):
            size = int.from_bytes(head, "big")
            rows = pl.read_ipc(io.BytesIO(self._file.read(size)))
            yield Batch(rows, first_record=first)
            place, first = place + 8 + size, first + rows.height
        for batch in self._rest:
            self._file.seek(0, io.SEEK_END)
            self._add(batch.rows)
            yield batch

    def _add(self, rows: pl.DataFrame) -> None:
        part = io.BytesIO()
        rows.write_ipc(part, compression="lz4")
        self._file.write(len(part.getbuffer()).to_bytes(8, "big"))
        self._file.write(part.getbuffer())
