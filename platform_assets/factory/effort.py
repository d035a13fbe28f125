"""What a step cost its machine: processor seconds and peak memory, as metadata of what it made; evidence for advice."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import dagster as dg

CPU, PEAK = "cpu_seconds", "peak_memory_bytes"
_UNIT = 1 if sys.platform == "darwin" else 1024


def measured(body: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """The same body, whose outputs say what it took to make them; storing them comes on top."""

    @wraps(body)
    def measuring(*args: Any, **kwargs: Any) -> Iterator[Any]:
        began = time.process_time()
        for event in body(*args, **kwargs):
            yield event.with_metadata({**event.metadata, **effort(began)}) if isinstance(event, dg.Output) else event

    return measuring


def effort(began: float) -> dict[str, Any]:
    """Processor seconds since `time.process_time()` said `began`, and the most memory that the process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    return {CPU: round(time.process_time() - began, 3), PEAK: peak}
