"""The machine as a process may use it: cores and memory, those of its container where that allows less."""

import os
from pathlib import Path

_LIMIT = Path("/sys/fs/cgroup/memory.max")


def usable_cores() -> int:
    """Return how many cores the scheduler may give this process."""
    known = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(known(0)) if known else os.cpu_count() or 1


def memory_bytes(limit: Path = _LIMIT) -> int:
    """Return the machine's memory, or the limit of the container where that is lower."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit_text = limit.read_text().strip() if limit.exists() else "max"
    return min(installed, int(limit_text)) if limit_text.isdigit() else installed
