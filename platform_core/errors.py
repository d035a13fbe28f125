"""Errors of the core: each names the dataset, the culprit and the fix, and carries them as data."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a declaration."""

    dataset: str
    culprit: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.dataset}: {self.culprit}: {self.message} Fix: {self.fix}"


class CoreError(Exception):
    """The base of every error the core raises."""


class ContractError(CoreError):
    """Declarations that cannot stand; all problems found are reported together."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the declared datasets:\n{lines}")


class ShapeError(CoreError):
    """A frame whose columns cannot be read as its contract says; no single row is to blame."""

    def __init__(self, dataset: str, culprits: Iterable[str], reason: str, fix: str) -> None:
        self.dataset = dataset
        self.culprits = tuple(culprits)
        self.reason = reason
        self.fix = fix
        super().__init__(f"{dataset}: {', '.join(self.culprits)}: {reason} Fix: {fix}")


class RuleError(CoreError):
    """A rule that cannot be judged on the rows that came; no single row is to blame."""

    def __init__(self, dataset: str, rule: str, reason: str, fix: str) -> None:
        self.dataset, self.rule, self.reason, self.fix = dataset, rule, reason, fix
        super().__init__(f"{dataset}: rule {rule!r} {reason} Fix: {fix}")
