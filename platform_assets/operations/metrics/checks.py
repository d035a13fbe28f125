"""Metrics of checks: what a dataset's checks said is put into lines once, until it is made or judged anew.

Ten thousand datasets have two hundred thousand checks, and of most of them a page has nothing new to say.
"""

from collections.abc import Iterator, Mapping, Sequence

from platform_assets.location import CodeLocation
from platform_assets.operations.history import Check, History, Verdict
from platform_assets.operations.metrics.families import Family, gauge
from platform_assets.operations.overview import undeclared_assets
from platform_core.contracts import Dataset, rules_of

_STATES = ("passed", "warned", "failed", "unjudged")


class CheckMetrics:
    """The lines of all datasets and other assets of a location."""

    def __init__(self, location: CodeLocation) -> None:
        self._datasets = location.catalog.datasets
        self._checks: dict[str, list[Check]] = {
            name: [(name, rule.id) for rule in rules_of(dataset)] for name, dataset in self._datasets.items()
        }
        for asset in undeclared_assets(location):
            self._checks[asset.name] = [(asset.name, check) for check in asset.checks]
        self._families = _families()
        self._lines: dict[str, Sequence[Sequence[str]]] = {}

    def forget(self, names: frozenset[str] | None) -> None:
        """Forget what was said of these assets, because something happened to them; None stands for all."""
        for name in list(self._lines) if names is None else names:
            self._lines.pop(name, None)

    def families(self, history: History) -> Iterator[Family]:
        """Yield the metric families; only of assets that were forgotten anything is read."""
        unread = [name for name in self._checks if name not in self._lines]
        verdicts = history.verdicts([check for name in unread for check in self._checks[name]])
        for name in unread:
            self._lines[name] = self._lines_of(name, verdicts)
        families = _families()
        for place, family in enumerate(families):
            family.extend(line for name in self._checks for line in self._lines[name][place])
        yield from families

    def _lines_of(self, name: str, verdicts: Mapping[Check, Verdict]) -> tuple[list[str], list[str], list[str]]:
        states, broken, score = self._families
        numbers = dict.fromkeys(_STATES, 0)
        for check in self._checks[name]:
            numbers[verdicts[check].status if check in verdicts else "unjudged"] += 1
        judged = sum(numbers.values()) - numbers["unjudged"]
        dataset = self._datasets.get(name)
        groups = _not_passed(dataset, verdicts) if dataset is not None else {}
        return (
            [states.line([name, state], number) for state, number in numbers.items()] if self._checks[name] else [],
            [broken.line([name, severity, dimension], number) for (severity, dimension), number in groups.items()],
            [score.line([name], numbers["passed"] / judged)] if judged else [],
        )


def _families() -> tuple[Family, Family, Family]:
    return (
        gauge("dataset_checks", "Checks by what they last said", "dataset", "state"),
        gauge("dataset_checks_not_passed", "Checks that do not hold", "dataset", "severity", "dimension"),
        gauge("dataset_checks_passed_ratio", "The share of judged checks that hold; 1 is best", "dataset"),
    )


def _not_passed(dataset: Dataset, verdicts: Mapping[Check, Verdict]) -> dict[tuple[str, str], int]:
    """Count the checks that do not hold, by the severity of what they said and by dimension."""
    dimensions = {str(rule.dimension or "none") for rule in rules_of(dataset)}
    groups = {(severity, dimension): 0 for dimension in sorted(dimensions) for severity in ("warn", "error")}
    for rule in rules_of(dataset):
        verdict = verdicts.get((dataset.name, rule.id))
        if verdict is not None and verdict.status != "passed":  # a rule of severity error may only warn
            groups["warn" if verdict.status == "warned" else "error", rule.dimension or "none"] += 1
    return groups
