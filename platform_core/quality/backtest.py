"""What a rule would have said of rows that are there already: when it would have fired, and on how many rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from platform_core.contracts import Dataset, Rule, rules_of
from platform_core.quality.judge import judge


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict of a rule on the rows of one partition or version.

    Attributes:
        label: The partition's key, or the version.
        rows: Judged.
        failed: Rows that break the rule; 0 for a rule on the whole.
        value: What a rule on the whole measured; None for a rule on rows.
        fired: Whether the rule would have been red.
        quarantined: Rows that would have been set aside: those that break a rule of severity `error`.
    """

    label: str
    rows: int
    failed: int
    value: float | None
    fired: bool
    quarantined: int


def backtest(
    rule: Rule,
    dataset: Dataset,
    frames: Iterable[tuple[str, pl.DataFrame]],
    references: Mapping[str, pl.DataFrame],
) -> Iterator[Verdict]:
    """Judge each frame by one rule.

    Args:
        rule: One of the dataset's own, or another on its columns.
        dataset: The contract; the rest of its rules do not count.
        frames: Rows in the contract's types, with what they are called.
        references: For each reference rule of the dataset, by its id, the values that are there.
    """
    with_rule = dataset
    if rule not in rules_of(dataset):
        with_rule = replace(dataset, rules=[*(other for other in dataset.rules if other.id != rule.id), rule])
    for label, frame in frames:
        result = next(verdict for verdict in judge(frame, with_rule, references).results if verdict.rule.id == rule.id)
        yield Verdict(
            label=label,
            rows=frame.height,
            failed=result.failed,
            value=result.value,
            fired=not result.passed,
            quarantined=result.failed if rule.severity == "error" else 0,
        )
