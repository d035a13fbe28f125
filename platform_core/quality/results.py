"""What a rule found: counts, share, verdict, and a few failing rows with personal data masked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from platform_core.rules import Rule


@dataclass(frozen=True)
class RuleResult:
    """The verdict of one rule.

    Attributes:
        rule: The rule.
        passed: Whether it holds.
        failed: Rows that break it; 0 for a dataset rule.
        total: Rows it judged.
        value: What a dataset rule measured, the worst over the partitions; None for a row rule.
        partitions: What a dataset rule measured in each partition.
        sample: At most five failing rows, personal data masked.
        reason: Why, where the counts do not say it.
        refused_in: Of a row rule the partitions for which nothing was written because of it.
    """

    rule: Rule
    passed: bool
    failed: int
    total: int
    value: float | None = None
    partitions: Mapping[str, float] = field(default_factory=dict)
    sample: Sequence[Mapping[str, Any]] = ()
    reason: str = ""
    refused_in: Sequence[str] = ()

    @property
    def rate(self) -> float:
        """The share of judged rows that break the rule, 0 to 1; 0 where there were none."""
        return self.failed / self.total if self.total else 0.0
