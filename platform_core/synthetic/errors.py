"""What the generator refuses: rows that no draw satisfies, rules that no row can break."""

from platform_core.errors import CoreError


class CannotGenerate(CoreError):
    """No rows were found that the contract allows."""

    def __init__(self, dataset: str, culprit: str, reason: str, fix: str) -> None:
        self.dataset = dataset
        self.culprit = culprit
        self.reason = reason
        self.fix = fix
        super().__init__(f"{dataset}: {culprit}: {reason} Fix: {fix}")


class CannotBreak(CoreError):
    """A rule that no row of the dataset's types can break: its check would be green for ever."""

    def __init__(self, dataset: str, rule: str, why: str) -> None:
        self.dataset = dataset
        self.rule = rule
        self.why = why
        super().__init__(f"{dataset}: rule {rule!r} cannot be broken: {why} Fix: take it out, or sharpen it.")
