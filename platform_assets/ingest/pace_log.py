"""What micro-batches took, kept beside the worker on its disk, for the status of streams and the graph of a run.

A file of JSON lines a dataset in `<state>/workers`; it begins anew at a megabyte, which is some hours of batches.
"""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from platform_core.contracts import Dataset
from platform_core.streaming.pacing import Goal, PaceSample, next_size
from platform_resources.conversion.chunks import resident_bytes
from platform_resources.settings import Settings

_MOST_BYTES = 1 << 20


class PacedSize:
    """The size of a worker's micro-batches, adapted to what they take."""

    def __init__(self, settings: Settings, dataset: Dataset) -> None:
        """Begin with the first size, and with the memory that the process has now as its base."""
        self._goal = Goal(latency=settings.stream_latency, memory_bytes=settings.memory_bytes)
        self._path = pace_path(settings, dataset)
        self._base_bytes = resident_bytes()
        self.messages = self._goal.first_size
        self.at_once = 1

    @property
    def bytes(self) -> int:
        """The most bytes of messages that are asked for at once: rows, judged and written, need several times that."""
        return max(1 << 20, min(64 << 20, self._goal.memory_bytes // 8))

    def adapt(self, messages: int, seconds: float, at: datetime) -> None:
        """Learn from a micro-batch, and note it."""
        if not messages:
            return
        used = max(0, resident_bytes() - self._base_bytes)
        self.messages = next_size(self._goal, self.messages, messages=messages, seconds=seconds, used_bytes=used)
        sample = PaceSample(at, messages, round(seconds, 4), used, self.messages, self.at_once)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > _MOST_BYTES:
            self._path.replace(self._path.with_suffix(".before"))
        with self._path.open("a") as lines:
            lines.write(json.dumps({**asdict(sample), "at": at.isoformat()}) + "\n")


def pace_path(settings: Settings, dataset: Dataset) -> Path:
    """Return the file with what a dataset's micro-batches took on this machine."""
    return Path(settings.state) / "workers" / f"{dataset.name.replace('/', '.')}.jsonl"


def read_samples(settings: Settings, dataset: Dataset) -> list[PaceSample]:
    """Return what the dataset's latest micro-batches took; none where no worker ran on this machine."""
    path = pace_path(settings, dataset)
    samples = []
    for part in (path.with_suffix(".before"), path):
        for line in part.read_text().splitlines() if part.exists() else ():
            if line.endswith("}"):  # else a worker was killed while it wrote
                values = json.loads(line)
                samples.append(PaceSample(**{**values, "at": datetime.fromisoformat(values["at"])}))
    return samples
