"""What is on disk of an unfinished download: ranges with their digests, a line each, trusted only after a look.

A line is written after its bytes. A kill leaves whole lines and at most one broken one; a lost machine may leave lines
whose bytes never reached the disk, so every range is read again and compared before it counts.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platform_resources.storage.objects.address import JOURNAL, PART
from platform_resources.storage.objects.facts import Facts


class Journal:
    """The unfinished file of one target and the ranges it holds; one process at a time works on it."""

    def __init__(self, target: Path, handle: int, part: int) -> None:
        self.path, self.part_path = target.with_name(target.name + JOURNAL), target.with_name(target.name + PART)
        self._handle, self.part = handle, part

    def begin(self, facts: Facts, ranges: int) -> dict[int, str]:
        """Return the digests of ranges that an earlier attempt at the same object wrote; else starts anew."""
        head = _head(facts, ranges)
        lines = os.pread(self._handle, os.fstat(self._handle).st_size, 0).split(b"\n")
        if lines[0] == head:
            return {number: digest for number, digest in map(_entry, lines[1:]) if 0 <= number < ranges}
        os.ftruncate(self._handle, 0)  # no head, nothing known: before the file is another size
        os.ftruncate(self.part, facts.size_bytes)  # never to nothing first: ext4 then writes all of it out at the close
        os.write(self._handle, head + b"\n")
        return {}

    def add(self, number: int, digest: str) -> None:
        """Note that a range is there."""
        os.write(self._handle, f"\n{number} {digest}\n".encode())

    def read(self, start: int, size: int) -> bytes:
        """Return bytes of the unfinished file; fewer than asked for where they are not there."""
        return os.pread(self.part, size, start)

    def write(self, content: memoryview, start: int) -> None:
        """Write the bytes into the unfinished file."""
        while content:
            done = os.pwrite(self.part, content, start)
            content, start = content[done:], start + done

    def forget(self) -> None:
        """Remove the unfinished file and the journal."""
        self.part_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


@contextmanager
def journal_of(target: Path) -> Iterator[Journal]:
    """Yield the journal of a target; a second process waits until the first has finished or died."""
    path, part = target.with_name(target.name + JOURNAL), target.with_name(target.name + PART)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle = _locked(path)
    try:
        opened = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            yield Journal(target, handle, opened)
        finally:
            os.close(opened)
    finally:
        os.close(handle)


def _locked(path: Path) -> int:
    """Return the open, locked journal: the one that is still at its place once the lock is there."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)


def _head(facts: Facts, ranges: int) -> bytes:
    named = [facts.bucket, facts.key, facts.etag, facts.version, facts.size_bytes, ranges]
    return json.dumps(named).encode()


def _entry(line: bytes) -> tuple[int, str]:
    number, _, digest = line.partition(b" ")
    return (int(number), digest.decode("ascii", "replace")) if number.isdigit() and digest else (-1, "")
