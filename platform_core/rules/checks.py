"""A Pandera check that a user wrote in Python."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pandera.api.checks import Check

from platform_core.rules.base import Rule


@dataclass(frozen=True, kw_only=True)
class CheckRule(Rule):
    """A Pandera check written by the user (`@check`, `@dataframe_check`), judged by Pandera itself."""

    kind: ClassVar[str] = "check"

    check: Check = field(compare=False, default_factory=lambda: Check(bool))
    column: str | None = None

    @property
    def judges_rows(self) -> bool:
        """Always; one verdict for the whole frame counts for every row."""
        return True


def words_of(check: Check, name: str) -> dict[str, Any]:
    """Return the label of a check: what its author wrote, else its name in words."""
    return {"label": check.description or check.title or name.replace("_", " ")}
