"""Whether a process of this machine still works: by its number and by when it started, for numbers come again."""

import os
from math import inf
from pathlib import Path

_CLOCK_SECONDS = 2.0
"""By how much the kernel's account of a process's start may differ from the event log's."""


def is_working(pid: int, instant: float) -> bool:
    """Whether the process that had the number at the instant, in seconds since the epoch, still works."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _started(pid) <= instant + _CLOCK_SECONDS


def _started(pid: int) -> float:
    """When the process with the number started; a dead one whose parent has not asked for it never did.

    Without `/proc`, as on macOS, the number alone has to do. A container numbers its processes from 1 again after each
    start, so there the number alone would find another process.
    """
    if not Path("/proc/stat").exists():
        return 0.0
    try:
        status_line = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return inf
    state, *fields = status_line.rpartition(")")[2].split()
    booted = next(line.split()[1] for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return inf if state == "Z" else float(booted) + int(fields[18]) / os.sysconf("SC_CLK_TCK")
