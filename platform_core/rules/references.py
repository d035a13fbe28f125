"""Values are found in another dataset."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from platform_core.rules.base import DbtTest, Dimension, Flaw, Rule, Schema, Severity
from platform_core.rules.sql import identifier


@dataclass(frozen=True, kw_only=True)
class ReferenceRule(Rule):
    """Values must be found in another dataset. With `coverage` 1 rows are judged, below it the share per partition."""

    kind: ClassVar[str] = "references"

    dimension: Dimension = "coverage"
    dataset: str = ""
    to: tuple[str, ...] = ()
    coverage: float = 1.0

    def _label(self) -> str:
        target = f"{self.dataset}.{self.to[0]}" if len(self.to) == 1 else self.dataset
        return f"{', '.join(self.columns)} found in {target}"

    @property
    def judges_rows(self) -> bool:
        """Whether single rows are refused."""
        return self.coverage >= 1.0

    def flaws(self, schema: Schema) -> Iterator[Flaw]:
        """Columns that cannot be paired, and a share that is none."""
        if len(self.columns) != len(self.to):
            yield Flaw(f"pairs {len(self.columns)} columns with {len(self.to)}.", "name as many.")
        if isinstance(self.coverage, bool) or not isinstance(self.coverage, int | float):
            yield Flaw(f"has coverage {self.coverage!r}.", "give a share between 0 and 1.")
        elif not 0 <= self.coverage <= 1:
            yield Flaw(f"has coverage {self.coverage}.", "give a share between 0 and 1.")

    def dbt_test(self, partition: str | None) -> DbtTest:
        """Return the share of rows, those with a null among the columns left out.

        That are found in the other source.
        """
        domain, _, title = self.dataset.partition("/")
        own, target = ([identifier(name) for name in names] for names in (self.columns, self.to))
        return "found_in", {
            "to": f"source('{domain}', '{title}')",
            "filled": " AND ".join(f"row.{name} IS NOT NULL" for name in own),
            "match": " AND ".join(
                f"target.{target_name} = row.{own_name}" for own_name, target_name in zip(own, target, strict=True)
            ),
            "at_least": self.coverage,
        }


def references(
    columns: Sequence[str],
    dataset: str,
    *,
    to: Sequence[str] | None = None,
    coverage: float = 1.0,
    severity: Severity = "error",
) -> ReferenceRule:
    """Return a rule that the values of several columns together are found in columns `to` of another dataset."""
    return ReferenceRule(
        label=f"{', '.join(columns)} found in {dataset}",
        columns=tuple(columns),
        severity=severity,
        dataset=dataset,
        to=tuple(to or columns),
        coverage=coverage,
    )
