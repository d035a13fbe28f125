"""Workers that work at once: one more while their rounds meet the goals of latency and memory, half where one missed.

Most of a micro-batch of a small topic is waiting for disks and for the network, which others can use. Topics come
before the folds that they feed, so that nobody is handed rows while he works.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from platform_assets.ingest.fold_worker import FoldWorker
from platform_assets.ingest.stream import StreamWorker
from platform_core.streaming.pacing import Goal, next_size
from platform_resources.conversion.chunks import resident_bytes
from platform_resources.errors import ResourceError
from platform_resources.settings import Settings

Worker = StreamWorker | FoldWorker


class Crew:
    """The workers of one process."""

    def __init__(self, settings: Settings, workers: Mapping[str, Worker], *, most: int) -> None:
        """Begin with one at a time; `most` is how many may work at once."""
        topics = [worker for worker in workers.values() if isinstance(worker, StreamWorker)]
        self._rounds = topics, [worker for worker in workers.values() if not isinstance(worker, StreamWorker)]
        self._goal = Goal(
            latency=settings.stream_latency, memory_bytes=settings.memory_bytes, least=1,
            most=max(1, min(most, len(topics))), step=1,
        )  # fmt: skip
        self._base_bytes = resident_bytes()
        self._pool = ThreadPoolExecutor(self._goal.most, thread_name_prefix="stream")
        self.at_once = 1

    def step(self) -> int:
        """Let each worker take a step, and return how many messages and rows they took.

        Raises:
            ResourceError: A worker failed; the others ended their steps. One that is worth no other try comes first.
        """
        messages_taken = 0
        for workers in self._rounds:
            steps = list(self._steps(workers))
            errors = [step.error for step in steps if step.error is not None]
            if errors:
                raise min(errors, key=lambda error: isinstance(error, ResourceError) and error.transient)
            messages_taken += sum(step.taken for step in steps)
            if workers is self._rounds[0]:
                self._adapt(steps)
        return messages_taken

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown()

    def _steps(self, workers: Sequence[Worker]) -> Iterator["_Step"]:
        for start in range(0, len(workers), self.at_once):
            group = workers[start : start + self.at_once]
            if len(group) == 1:
                yield _step(group[0])
                continue
            futures: list[Future[_Step]] = [self._pool.submit(_step, worker) for worker in group]
            yield from [future.result() for future in futures]

    def _adapt(self, steps: "Sequence[_Step]") -> None:
        busy = [step for step in steps if step.taken]
        if not busy:
            return
        used = max(0, resident_bytes() - self._base_bytes)
        slowest = max(step.seconds for step in busy)
        self.at_once = next_size(self._goal, self.at_once, messages=len(busy), seconds=slowest, used_bytes=used)
        for worker in self._rounds[0]:
            worker.size.at_once = self.at_once


class _Step:
    """What one worker did: messages or rows, seconds, and what went wrong."""

    def __init__(self, taken: int, seconds: float, error: Exception | None) -> None:
        self.taken, self.seconds, self.error = taken, seconds, error


def _step(worker: Worker) -> _Step:
    began = time.monotonic()
    try:
        return _Step(worker.step(), time.monotonic() - began, None)
    except Exception as error:  # noqa: BLE001 - raised by the crew, when the others ended their steps
        return _Step(0, time.monotonic() - began, error)
