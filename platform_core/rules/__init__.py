"""Rules on data, one class a kind; adding a kind is one module and its line in `KINDS`."""

from platform_core.rules.base import (
    DIMENSIONS,
    SEVERITIES,
    DatasetRule,
    Dimension,
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
from platform_core.rules.completeness import Complete, complete
from platform_core.rules.expressions import Expression, expression
from platform_core.rules.measures import Measure, measure
from platform_core.rules.nulls import NotNull
from platform_core.rules.partition import InPartition
from platform_core.rules.references import ReferenceRule, references
from platform_core.rules.sets import IsIn, NotIn
from platform_core.rules.shape import Columns, Types
from platform_core.rules.texts import Contains, EndsWith, Length, Matches, StartsWith
from platform_core.rules.uniqueness import WITHIN, Unique, unique
from platform_core.rules.volume import Volume, volume

KINDS: tuple[type[Rule], ...] = (
    Columns, Types, NotNull, Unique, InPartition,
    Equal, NotEqual, AtLeast, Above, AtMost, Below, InRange, IsIn, NotIn,
    Matches, Contains, StartsWith, EndsWith, Length,
    Expression, CheckRule, ReferenceRule, Complete, Volume, Measure,
)  # fmt: skip
"""Every kind of rule."""

VALUE_KINDS: tuple[type[ValueRule], ...] = tuple(kind for kind in KINDS if issubclass(kind, ValueRule))

FIELD_WORDS = {kind.word: kind for kind in VALUE_KINDS if kind.word}
"""The kinds that a keyword of `Field` declares."""

__all__ = [
    "DIMENSIONS",
    "FIELD_WORDS",
    "KINDS",
    "SEVERITIES",
    "VALUE_KINDS",
    "WITHIN",
    "CheckRule",
    "Columns",
    "DatasetRule",
    "Dimension",
    "Expression",
    "Flaw",
    "InPartition",
    "NotIn",
    "NotNull",
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
    "complete",
    "expression",
    "id_of",
    "measure",
    "references",
    "unique",
    "volume",
]  # fmt: skip
