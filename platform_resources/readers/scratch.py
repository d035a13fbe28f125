"""A conversion's own folder, for what is unpacked, copied and drafted; it may become as large as the source.

A conversion that was killed leaves its folder behind, and the next one that begins on the machine removes it. Whether
one is still at work, a lock says that the system gives back with the process.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "platform-convert-"
_LOCK = "lock"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yields a new folder in `TMPDIR` that is gone afterwards."""
    _clear(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        folder = Path(name)
        with (folder / f"new-{_LOCK}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / f"new-{_LOCK}").rename(folder / _LOCK)  # under its name it is locked from the first moment on
            yield folder


def _clear(root: Path) -> None:
    """Returns when the folders of conversions that are no more are gone."""
    for folder in root.glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
