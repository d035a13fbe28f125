"""Rules judged as rules: which repeat another, or follow from others, so that a shorter set says the same.

A rule is left out only where rules that stay imply it for every row, at no lower severity. Contradictions are refused
when a dataset is declared; a rule too many is no error, and is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.rules.base import Rule, Schema, ValueRule, parameters_of
from platform_core.rules.comparison import Compare
from platform_core.rules.completeness import Complete
from platform_core.rules.intervals import Intervals, line_of
from platform_core.rules.nulls import NotNull
from platform_core.rules.partition import InPartition
from platform_core.rules.shape import Columns, Types
from platform_core.rules.shares import Mostly
from platform_core.rules.uniqueness import Unique


@dataclass(frozen=True, kw_only=True)
class ImpliedRule:
    """A rule that others say already.

    Attributes:
        rule: The rule that may go.
        by: The rules that stay and say it.
        is_repeated: Whether one of them says just the same.
    """

    rule: Rule
    by: Sequence[Rule]
    is_repeated: bool = False


def implied_rules(dataset: Dataset) -> list[ImpliedRule]:
    """Name the rules of a dataset that the others say already; without all of them together the rest says the same.

    Only rules that somebody wrote are named, never those that types, keys and partitions bring.
    """
    schema: Schema = {column.name: column.dtype for column in dataset.columns}
    staying = list(rules_of(dataset))
    implied = []
    for rule in reversed(rules_of(dataset)):
        if isinstance(rule, _DERIVED) or rule.id == "key_unique":
            continue
        others = [other for other in staying if other is not rule and _is_as_severe(other, rule)]
        implied_rule = next(_reasons(rule, others, schema), None)
        if implied_rule is not None:
            staying.remove(rule)
            implied.append(implied_rule)
    return list(reversed(implied))


_DERIVED = (Columns, Types, NotNull, InPartition)


def _is_as_severe(one: Rule, other: Rule) -> bool:
    return one.severity == "error" or other.severity == "warn"


def _reasons(rule: Rule, others: Sequence[Rule], schema: Schema) -> Iterator[ImpliedRule]:
    for other in others:
        if type(other) is type(rule) and other.columns == rule.columns and _says_the_same(rule, other):
            yield ImpliedRule(rule=rule, by=(other,), is_repeated=True)
    if isinstance(rule, Complete):
        yield from _by_one(rule, [other for other in others if isinstance(other, NotNull)])
    if isinstance(rule, Mostly):
        yield from _by_one(rule, [other for other in others if _says_the_same(other, rule.rule)])
    if isinstance(rule, Unique):
        alike = [other for other in others if isinstance(other, Unique) and set(other.columns) <= set(rule.columns)]
        yield from (ImpliedRule(rule=rule, by=(other,)) for other in alike)
    if isinstance(rule, Compare):
        yield from _by_steps(rule, [other for other in others if isinstance(other, Compare)], others)
    if isinstance(rule, ValueRule):
        own = [other for other in others if isinstance(other, ValueRule) and other.columns == rule.columns]
        yield from _by_values(rule, own, schema)


def _by_one(rule: Rule, others: Sequence[Rule]) -> Iterator[ImpliedRule]:
    yield from (ImpliedRule(rule=rule, by=(other,)) for other in others if other.columns == rule.columns)


def _says_the_same(one: Rule, other: Rule) -> bool:
    if type(one) is not type(other) or one.columns != other.columns:
        return False
    first, second = parameters_of(one), parameters_of(other)
    return all(_alike(first[name], second[name]) for name in first)


def _alike(one: object, other: object) -> bool:
    if hasattr(one, "meta") and hasattr(other, "meta"):
        return bool(one.meta.eq(other))
    return isinstance(one, type(other)) and bool(one == other)


def _by_values(rule: ValueRule, others: Sequence[ValueRule], schema: Schema) -> Iterator[ImpliedRule]:
    """Yield the fewest of the others whose values together lie within the rule's."""
    for other in others:
        if other.listed is not None and all(rule.accepts(value) for value in other.listed if value is not None):
            yield ImpliedRule(rule=rule, by=(other,))
    line = line_of(schema[rule.column]) if rule.column in schema else None
    if line is None or any(True for value_rule in (rule, *others) for _ in value_rule.flaws(schema)):
        return
    beyond = ~rule.allowed(line)
    bounding = [other for other in others if ~other.allowed(line)]
    if not beyond or not bounding:
        return  # it says nothing of the order of values, or nothing else does
    single = [(other,) for other in bounding]
    for together in (*single, tuple(bounding)):
        if not reduce(Intervals.__and__, (other.allowed(line) for other in together)) & beyond:
            yield ImpliedRule(rule=rule, by=together)


_WEAK = {"<": ("<",), "<=": ("<", "<=", "=="), ">": (">",), ">=": (">", ">=", "=="), "==": ("==",)}


def _by_steps(rule: Compare, comparisons: Sequence[Compare], others: Sequence[Rule]) -> Iterator[ImpliedRule]:
    """Yield a weaker comparison of the same columns, or two steps `a < b`, `b < c` where `b` is never null."""
    never_null = {other.columns[0] for other in others if isinstance(other, NotNull)}
    allowed = _WEAK.get(rule.operator, ())
    for first in comparisons:
        if first.operator not in allowed:
            continue
        if first.columns == rule.columns:
            yield ImpliedRule(rule=rule, by=(first,))
        for second in comparisons:
            if (
                second.operator in allowed
                and first.columns[0] == rule.columns[0]
                and second.columns[1] == rule.columns[1]
                and first.columns[1] == second.columns[0]
                and first.columns[1] in never_null
            ):
                yield ImpliedRule(rule=rule, by=(first, second))
