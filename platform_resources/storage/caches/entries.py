"""What an entry on disk is: bytes whose name says their checksum, their size and the boot they were written in."""

import hashlib
import mmap
import re
import zlib
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

UNKNOWN = "unknown"
NAME = re.compile(r"(?P<sum>[0-9a-f]{8})-(?P<size>[0-9]+)-(?P<boot>[0-9a-f]{8}|unknown)")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BLOCK = 1 << 20


class Draft(FileIO):
    """An entry while it is written; unlike a raw file it writes all it is given, or raises."""

    def write(self, content: "Buffer", /) -> int:
        """Return how many bytes there were."""
        view = memoryview(content).cast("B")
        written = 0
        while written < view.nbytes:
            written += super().write(view[written:]) or 0
        return written


def summed(path: Path) -> tuple[str, int]:
    """Return checksum and size of a file: CRC-32 of what is below a mebibyte, and of the sums of whole mebibytes.

    The sum of a block's numbers finds what disks do to files, zeros and stray bits, at the speed of memory: CRC-32 of
    all bytes would be a fifth of what filling costs. It is no guard against a forger.
    """
    size = path.stat().st_size
    if size < _BLOCK:
        return summed_content(path.read_bytes())
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as content:
        return summed_content(content)


def summed_content(content: "bytes | mmap.mmap") -> tuple[str, int]:
    """Return the same of what a file holds."""
    blocks = len(content) // _BLOCK
    sums = b""
    if blocks:
        import numpy as np  # noqa: PLC0415 - by those alone who fill

        numbers = np.frombuffer(content, dtype=np.uint64, count=blocks * _BLOCK // 8).reshape(blocks, -1)
        sums = np.add.reduce(numbers, axis=1).tobytes()
    return f"{zlib.crc32(content[blocks * _BLOCK :], zlib.crc32(sums)):08x}", len(content)


def boot() -> str:
    """Return eight digits that are new with every start of the machine, or "unknown" where it does not tell."""
    try:
        return hashlib.sha256(_BOOT_ID.read_bytes()).hexdigest()[:8]
    except OSError:
        return UNKNOWN
