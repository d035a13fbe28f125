"""Folders for what is unpacked, copied and drafted; one may become as large as the source.

A conversion or write that was killed leaves its folder behind, and the next one that begins on the machine removes it.
Whether one is still at work, a lock says that the system gives back with the process.
"""

import errno
import fcntl
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platform_resources.errors import ResourceError, ScratchFull, TableError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_TOLD = re.compile(rf"\(os error ({'|'.join(map(str, _FULL))})\)|No space left on device")
CONVERTING, WRITING = "platform-convert-", "platform-write-"
_LOCK = "lock"


@contextmanager
def scratch_folder(prefix: str = CONVERTING) -> Iterator[Path]:
    """Yield a new folder in `TMPDIR` that is gone afterwards; those of the same prefix that nobody holds go first."""
    _clear(Path(tempfile.gettempdir()), prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        folder = Path(name)
        with (folder / f"new-{_LOCK}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / f"new-{_LOCK}").rename(folder / _LOCK)  # under its name it is locked from the first moment on
            yield folder


@contextmanager
def naming_full_scratch(name: str) -> Iterator[None]:
    """Name a full scratch folder as that, not as a fault of what is read.

    Raises:
        ScratchFull: The disk is full, by whatever library it was noticed.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, ScratchFull | TableError) and _is_full(error):
            raise ScratchFull(name, tempfile.gettempdir()) from error
        raise


def _is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, is a full disk; Rust tells it in its words alone."""
    if error is None or (isinstance(error, ResourceError) and error.__cause__ is None):
        return False
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    return _is_full(error.__cause__) or (not isinstance(error, ResourceError) and bool(_TOLD.search(str(error))))


def _clear(root: Path, prefix: str) -> None:
    """Remove the folders of processes that are no more."""
    for folder in root.glob(f"{prefix}*"):
        with suppress(OSError), (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
