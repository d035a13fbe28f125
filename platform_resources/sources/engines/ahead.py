"""What is read in a thread, a few pieces ahead of whoever works on it, so that a server and its reader both work."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Piece = TypeVar("Piece")

_AHEAD = 1
_WAIT_SECONDS = 0.2


class _Desk(Generic[Piece]):
    """Where the thread leaves pieces, an error, or the end."""

    def __init__(self) -> None:
        self.pieces: queue.Queue[Piece | Exception | None] = queue.Queue(_AHEAD)
        self.is_closed = False

    def put(self, piece: Piece | Exception | None) -> None:
        while not self.is_closed:
            try:
                self.pieces.put(piece, timeout=_WAIT_SECONDS)
            except queue.Full:
                continue
            return


@contextmanager
def read_ahead(pieces: Iterator[Piece], *, stop: Callable[[], None]) -> Iterator[Iterator[Piece]]:
    """Give the pieces of an iterator that a thread draws from; its error is raised where they are taken.

    Args:
        pieces: Read by the thread alone.
        stop: Has the server stop, where nobody takes what is left.
    """
    desk = _Desk[Piece]()

    def work() -> None:
        try:
            for piece in pieces:
                desk.put(piece)
                if desk.is_closed:
                    return
            desk.put(None)
        except Exception as error:  # noqa: BLE001 - it is raised where the pieces are taken
            desk.put(error)

    def taken() -> Iterator[Piece]:
        while (piece := desk.pieces.get()) is not None:
            if isinstance(piece, Exception):
                desk.is_closed = True
                raise piece
            yield piece
        desk.is_closed = True

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        if not desk.is_closed:
            desk.is_closed = True
            stop()
        thread.join()
