"""Rules from a list of mappings, as YAML and JSON hold them: refused whole, with every culprit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from polars.exceptions import PolarsError

from platform_core.errors import ContractError, Problem
from platform_core.rules.base import DIMENSIONS, SEVERITIES, DatasetRule, RowRule, Rule, ValueRule
from platform_core.rules.shares import mostly, only_where

_WORDS = frozenset({
    "name", "type", "field", "fields", "condition", "value", "threshold", "where", "severity", "dimension", "blocking",
    "label", "at_least", "at_most", "over",
})  # fmt: skip


def listed_rules(items: object, kinds: Sequence[type[Rule]], source: str) -> list[Rule]:
    """Return the rules that a list of `{name, type, field, condition, value, threshold, ...}` says.

    Args:
        items: The list, as `yaml.safe_load` or `json.loads` gives it.
        kinds: The kinds that may be named.
        source: What the list is called in messages.

    Raises:
        ContractError: With every entry that is no rule; no rule is made then.
    """
    known = {word: kind for kind in kinds for word in (kind.kind, getattr(kind, "word", "")) if word}
    if isinstance(items, Mapping) and set(items) == {"rules"}:
        items = items["rules"]
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        raise ContractError([Problem(source, "the list", f"is {items!r:.80}.", "write a list of mappings.")])
    rules: list[Rule] = []
    problems: list[Problem] = []
    for place, item in enumerate(items, start=1):
        item_problems = list(_problems(source, place, item, known))
        problems += item_problems
        if not item_problems:
            try:
                rules.append(_rule(item, known[item["type"]]))
            except (TypeError, ValueError, LookupError, AttributeError, PolarsError) as error:
                reason = str(error).strip().partition("\n")[0].rstrip(".")
                problems.append(Problem(source, _culprit(place, item), f"{reason}.", "see the words of a declaration."))
    if problems:
        raise ContractError(problems)
    return rules


def _culprit(place: int, item: Mapping[str, Any]) -> str:
    return f"rule {place} ({item.get('name') or item.get('type')})"


def _problems(source: str, place: int, item: object, known: Mapping[str, type[Rule]]) -> Iterator[Problem]:
    if not isinstance(item, Mapping):
        yield Problem(source, f"rule {place}", f"is {item!r:.80}.", "write a mapping with type and field.")
        return
    culprit = _culprit(place, item)
    for word in sorted(map(str, item.keys() - _WORDS)):
        yield Problem(source, culprit, f"has the word {word!r}.", f"use one of {', '.join(sorted(_WORDS))}.")
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in known:
        yield Problem(source, culprit, f"has the type {kind!r}.", f"use one of {', '.join(sorted(known))}.")
    for word, allowed in (("severity", SEVERITIES), ("dimension", DIMENSIONS)):
        if item.get(word) is not None and item[word] not in allowed:
            yield Problem(source, culprit, f"has the {word} {item[word]!r}.", f"use one of {', '.join(allowed)}.")
    threshold = item.get("threshold")
    if threshold is not None and not (
        isinstance(threshold, int | float) and not isinstance(threshold, bool) and 0 < threshold <= 1
    ):
        yield Problem(source, culprit, f"has the threshold {threshold!r}.", "give a share of rows in (0, 1].")
    if item.get("blocking") not in (None, True, False):
        yield Problem(source, culprit, f"has blocking {item['blocking']!r}.", "write true or false.")


def _rule(item: Mapping[str, Any], kind: type[Rule]) -> Rule:
    named = item.get("fields", item.get("field", ()))
    columns = (named,) if isinstance(named, str) else tuple(named)
    if issubclass(kind, ValueRule) and len(columns) != 1:
        raise TypeError(f"names {len(columns)} fields, and judges one")
    words = {"id": "name", "label": "label", "severity": "severity", "dimension": "dimension", "blocking": "blocking"}
    common = {word: item[key] for word, key in words.items() if item.get(key) is not None}
    if not isinstance(item.get("where", ""), str | None):
        raise TypeError(f"has where {item['where']!r}, which is no SQL")
    where, threshold = item.get("where"), item.get("threshold")
    if threshold is not None and threshold < 1 and issubclass(kind, DatasetRule):
        item, threshold = {**item, "at_least": threshold}, None
    rule = kind.of_item(columns, item, common)
    if where is not None:
        restricted = rule.restricted(where)
        rule = restricted or replace(only_where(_on_rows(rule, "where"), where), blocking=rule.blocking)
    if threshold is not None and threshold < 1:
        shared = mostly(_on_rows(rule, "threshold"), at_least=threshold, severity=item.get("severity", "warn"))
        rule = replace(shared, blocking=rule.blocking)
    return rule


def _on_rows(rule: Rule, word: str) -> RowRule:
    if not isinstance(rule, RowRule):
        raise TypeError(f"is no rule on rows, which {word!r} needs")
    return rule
