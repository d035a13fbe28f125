"""Kinds of rules that other installed packages offer as validators; a list of rules names them like our own."""

from collections.abc import Sequence
from typing import Any

from platform_core.plugins import VALIDATORS, PluginError, load_plugins
from platform_core.rules.base import DatasetRule, RowRule, Rule


def installed_kinds(known: Sequence[type[Rule]]) -> tuple[type[Rule], ...]:
    """Load the validators of other packages.

    Args:
        known: Kinds whose words are taken.

    Raises:
        PluginError: One is no kind of rule, or has the word of another.
    """
    by_kind = {kind.kind: kind for kind in known}
    kinds = []
    for name, offered in load_plugins(VALIDATORS).items():
        kind: Any = offered
        if not (isinstance(kind, type) and issubclass(kind, RowRule | DatasetRule)):
            raise PluginError(
                VALIDATORS, name, f"{kind!r} is no kind of rule.",
                "derive a class from ValueRule, RowRule or DatasetRule of platform_core.rules.",
            )  # fmt: skip
        if kind.kind != name or kind.kind in by_kind:
            reason = f"its kind {kind.kind!r} is taken." if kind.kind in by_kind else f"its kind is {kind.kind!r}."
            fix = "give the class a kind of its own, and name the entry point so."
            raise PluginError(VALIDATORS, name, reason, fix)
        by_kind[name] = kind
        kinds.append(kind)
    return tuple(kinds)
