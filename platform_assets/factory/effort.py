"""What a step cost its machine: seconds, processor seconds, peak memory, as metadata of what it made."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import dagster as dg

CPU, PEAK, DURATION = "cpu_seconds", "peak_memory_bytes", "duration_seconds"
_STATUS = Path("/proc/self/status")
_UNIT = 1 if sys.platform == "darwin" else 1024


def measured(body: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Yield the same body, whose outputs say what it took to make them; storing them comes on top."""

    @wraps(body)
    def measuring(*args: Any, **kwargs: Any) -> Iterator[Any]:
        began, started = time.process_time(), time.monotonic()
        for event in body(*args, **kwargs):
            if isinstance(event, dg.Output):
                took = {DURATION: round(time.monotonic() - started, 3)}
                yield event.with_metadata({**event.metadata, **effort(began), **took})
            else:
                yield event

    return measuring


def effort(began: float) -> dict[str, Any]:
    """Processor seconds since `time.process_time()` said `began`, and the most memory that the process has held."""
    return {CPU: round(time.process_time() - began, 3), PEAK: peak_memory()}


def peak_memory() -> int:
    """Return the most that this process has held, in bytes.

    Linux counts the process that this one was forked from into getrusage, and its own apart.
    """
    if _STATUS.exists():
        status_line = next((line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")), None)
        if status_line is not None:
            return int(status_line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
