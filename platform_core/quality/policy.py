"""The failure policy is the declared shape: whether a verdict lets a run write."""

from collections.abc import Sequence

from platform_core.contracts.dataset import Dataset
from platform_core.quality.results import RuleResult
from platform_core.rules import DatasetRule, ReferenceRule, Rule


def stops(dataset: Dataset, rule: Rule) -> bool:
    """Tell whether nothing is written where the rule does not hold; a row that goes to quarantine stops nothing."""
    refuses_rows = rule.judges_rows or not isinstance(rule, DatasetRule | ReferenceRule)  # or a file: its shape
    return rule.severity == "error" and not (dataset.quarantine is not None and refuses_rows)


def stopping(dataset: Dataset, results: Sequence[RuleResult], *, must_be_read: bool = False) -> list[RuleResult]:
    """List the results for which nothing may be written.

    Args:
        dataset: The contract.
        results: One a rule.
        must_be_read: Refuse a table that has not the contract's columns even beside a quarantine: a transform's result
            is all there is, and to set it aside whole would empty the table.
    """
    return [
        result
        for result in results
        if not result.passed and (stops(dataset, result.rule) or (must_be_read and result.rule.id == "schema"))
    ]
