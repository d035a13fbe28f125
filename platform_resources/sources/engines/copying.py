"""Rows that a driver pushes into a file, pulled out in pieces; it works in a thread, a few pieces ahead."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from platform_resources.sources.engines.base import MOST_ROWS

_AHEAD = 2
_WAIT_SECONDS = 0.2


class RowSink:
    """What a driver takes for a file: each call of `write` brings one row."""

    def __init__(self, piece_bytes: int) -> None:
        """Hand rows on once there are so many bytes of them, or so many rows."""
        self.pieces: queue.Queue[bytes | Exception | None] = queue.Queue(_AHEAD)
        self.is_stopped = False
        self._piece_bytes, self._bytes, self._rows = piece_bytes, 0, list[bytes]()

    def write(self, row: bytes) -> None:
        """Take a row; wait where nobody takes the pieces."""
        self._rows.append(row)
        self._bytes += len(row)
        if self._bytes >= self._piece_bytes or len(self._rows) >= MOST_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hand on what there is."""
        if self._rows:
            rows, self._rows, self._bytes = self._rows, [], 0
            self.put(b"".join(rows))

    def put(self, piece: bytes | Exception | None) -> None:
        """Hand a piece on, an error, or the end."""
        while not self.is_stopped:
            try:
                self.pieces.put(piece, timeout=_WAIT_SECONDS)
            except queue.Full:
                continue
            return


@contextmanager
def copied_rows(
    copy: Callable[[RowSink], None], piece_bytes: int, *, stop: Callable[[], None]
) -> Iterator[Iterator[bytes]]:
    """Give the rows that a driver writes, in pieces; its error is raised where they are read.

    Args:
        copy: Has the driver write into a sink, to the end.
        piece_bytes: Of a piece.
        stop: Has the server stop, where nobody reads on.
    """
    sink = RowSink(piece_bytes)

    def work() -> None:
        try:
            copy(sink)
            sink.flush()
            sink.put(None)
        except Exception as error:  # noqa: BLE001 - it is raised where the rows are read
            sink.put(error)

    def pieces() -> Iterator[bytes]:
        while (piece := sink.pieces.get()) is not None:
            if isinstance(piece, Exception):
                sink.is_stopped = True
                raise piece
            yield piece
        sink.is_stopped = True

    thread = threading.Thread(target=work, name="copy", daemon=True)
    thread.start()
    try:
        yield pieces()
    finally:
        if not sink.is_stopped:
            sink.is_stopped = True
            stop()
        thread.join()
