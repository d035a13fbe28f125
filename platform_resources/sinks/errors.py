"""What can go wrong between a table and what it is published to; no message holds an address or a row."""

from typing import ClassVar

from platform_resources.errors import ResourceError


class SinkError(ResourceError):
    """Something about what a dataset is published to; `sink` is its name for people."""

    def __init__(self, dataset: str, sink: str, problem: str, *, fix: str) -> None:
        self.dataset, self.sink = dataset, sink
        super().__init__(f"{dataset}: publishing to {sink}: {problem}. Fix: {fix}.")


class SinkUnreachable(SinkError):
    """The far side does not answer, or asks to be left alone for a while."""

    transient: ClassVar[bool] = True

    def __init__(self, dataset: str, sink: str, problem: str) -> None:
        super().__init__(dataset, sink, problem, fix="start it, or wait; what it missed is published then")


class SinkRefused(SinkError):
    """The far side does not take a row, or not from us."""
