"""Rules on data, one class a kind; adding a kind is one module and its line in `KINDS`."""

from collections.abc import Mapping

from platform_core.rules.balance import Balance, balance
from platform_core.rules.base import (
    DIMENSIONS,
    NOW,
    SEVERITIES,
    DatasetRule,
    Dimension,
    FileFacts,
    Flaw,
    Over,
    RowRule,
    Rule,
    Severity,
    ShareRule,
    TextTerms,
    ValueRule,
    id_of,
)
from platform_core.rules.bounds import Above, AtLeast, AtMost, Below, Equal, InRange, NotEqual
from platform_core.rules.checks import CheckRule
from platform_core.rules.comparison import Compare, compare
from platform_core.rules.completeness import Complete, complete
from platform_core.rules.distributions import (
    Deviation,
    Distinct,
    Mean,
    Quantile,
    ShareOf,
    deviation,
    distinct,
    mean,
    quantile,
    share_of,
)
from platform_core.rules.drift import DriftRule, Ks, MeanDrift, NewValues, Psi, QuantileDrift, ShareDrift, drift
from platform_core.rules.expressions import Expression, expression
from platform_core.rules.formats import Format
from platform_core.rules.installed import installed_kinds
from platform_core.rules.listing import listed_rules
from platform_core.rules.measures import Measure, measure
from platform_core.rules.nulls import NotNull
from platform_core.rules.partition import InPartition
from platform_core.rules.references import ReferenceRule, references
from platform_core.rules.sets import IsIn, NotIn
from platform_core.rules.shape import Columns, Types
from platform_core.rules.shares import Mostly, OnlyWhere, mostly, only_where
from platform_core.rules.temporal import Fresh, NoGaps, NotFuture, fresh, no_gaps, not_future
from platform_core.rules.texts import Contains, EndsWith, Length, Matches, StartsWith
from platform_core.rules.uniqueness import WITHIN, Unique, unique
from platform_core.rules.volume import Volume, volume

KINDS: tuple[type[Rule], ...] = (
    Columns, Types, NotNull, Unique, InPartition,
    Equal, NotEqual, AtLeast, Above, AtMost, Below, InRange, IsIn, NotIn,
    Matches, Contains, StartsWith, EndsWith, Length, Format,
    Compare, Expression, OnlyWhere, NotFuture, CheckRule, ReferenceRule,
    Complete, Mostly, Volume, Mean, Deviation, Quantile, Distinct, ShareOf, Fresh, NoGaps, Measure, Balance,
    MeanDrift, QuantileDrift, ShareDrift, Psi, Ks, NewValues,
)  # fmt: skip
"""Every kind of rule of our own."""


def all_kinds() -> tuple[type[Rule], ...]:
    """Every kind of rule, those of other installed packages too."""
    return (*KINDS, *installed_kinds(KINDS))


VALUE_KINDS: tuple[type[ValueRule], ...] = tuple(kind for kind in KINDS if issubclass(kind, ValueRule))

FIELD_WORDS: Mapping[str, type[ValueRule]] = {kind.word: kind for kind in VALUE_KINDS if kind.word}
"""The kinds that a keyword of `Field` declares."""


def rules_from(items: object, *, source: str = "rules") -> list[Rule]:
    """Return the rules that a list of `{name, type, field, condition, value, threshold}` says, as YAML or JSON.

    `Dataset(..., rules=rules_from(yaml.safe_load(text)))`: the list is refused whole.

    Raises:
        ContractError: With every entry that is no rule.
    """
    return listed_rules(items, all_kinds(), source)


__all__ = [
    "DIMENSIONS",
    "FIELD_WORDS",
    "KINDS",
    "NOW",
    "SEVERITIES",
    "VALUE_KINDS",
    "WITHIN",
    "Balance",
    "CheckRule",
    "Columns",
    "Compare",
    "DatasetRule",
    "Dimension",
    "DriftRule",
    "Expression",
    "FileFacts",
    "Flaw",
    "InPartition",
    "IsIn",
    "Matches",
    "Mostly",
    "NotIn",
    "NotNull",
    "OnlyWhere",
    "Over",
    "ReferenceRule",
    "RowRule",
    "Rule",
    "Severity",
    "ShareRule",
    "TextTerms",
    "Types",
    "Unique",
    "ValueRule",
    "all_kinds",
    "balance",
    "compare",
    "complete",
    "deviation",
    "distinct",
    "drift",
    "expression",
    "fresh",
    "id_of",
    "mean",
    "measure",
    "mostly",
    "no_gaps",
    "not_future",
    "only_where",
    "quantile",
    "references",
    "rules_from",
    "share_of",
    "unique",
    "volume",
]  # fmt: skip
