"""Groups of the embedded log: members and owners are file locks, which the kernel lets go of when a process dies."""

import fcntl
import os
import time
import uuid
from pathlib import Path


class LockedMembership:
    """One member's place in its group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "members").mkdir(parents=True, exist_ok=True)
        self._name = uuid.uuid4().hex
        self._owned: dict[int, int] = {}
        draft = folder / f".{self._name}"
        self._member = os.open(draft, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._member, fcntl.LOCK_EX)
        draft.rename(folder / "members" / self._name)  # seen by others once it is locked
        self._stamp = 0
        self._members: tuple[str, ...] = (self._name,)
        self._asked = float("-inf")

    def members(self) -> tuple[str, tuple[str, ...]]:
        """Return this member and all that live; looked up anew when the folder changed, and each tenth of a second."""
        stamp, now = (self._folder / "members").stat().st_mtime_ns, time.monotonic()
        if stamp != self._stamp or now - self._asked > 0.1:  # noqa: PLR2004 - seconds
            names = sorted(path.name for path in (self._folder / "members").iterdir())
            self._members = tuple(name for name in names if name == self._name or self._lives(name))
            self._stamp, self._asked = stamp, now
        return self._name, self._members

    def claim(self, partition: int) -> bool:
        """Become the owner, or return False while another one is."""
        handle = os.open(self._folder / f"{partition}.owner", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._owned[partition] = handle
        return True

    def owns(self, partition: int) -> bool:
        """Say whether it is the owner; a lock is never taken away."""
        return partition in self._owned

    def release(self, partition: int) -> None:
        """Give the partition up."""
        os.close(self._owned.pop(partition))

    def leave(self) -> None:
        """Give everything up."""
        for partition in list(self._owned):
            self.release(partition)
        (self._folder / "members" / self._name).unlink(missing_ok=True)
        os.close(self._member)

    def _lives(self, name: str) -> bool:
        path = self._folder / "members" / name
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            path.unlink(missing_ok=True)
            return False
        finally:
            os.close(handle)
