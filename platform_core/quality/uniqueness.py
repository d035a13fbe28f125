"""Rules of uniqueness beyond one input: no two rows of the table may share a value, whichever file brought them.

`holds` judges the rows of one input. Here they are compared with the rows before them: the table's that stay, then the
run's in their order. The first row with a value has it; another row may not, unless it has the same key, for then it is
a later version of that row.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.rules import RowRule, Rule
from platform_core.contracts.ruleset import rules_of

KEY_RULE = "key_unique"
_ROW = "_row"


def beyond_key(dataset: Dataset) -> tuple[RowRule, ...]:
    """The uniqueness rules that the key does not imply."""
    named = [rule for rule in rules_of(dataset) if _is_unique(rule) and rule.id != KEY_RULE]
    return tuple(rule for rule in named if not dataset.key or not set(dataset.key) <= set(rule.columns))


def proven(frame: pl.DataFrame, rules: Sequence[Rule]) -> set[str]:
    """The ids of uniqueness rules that no two rows of the frame break: as many hashes as rows leave no two alike.

    Counting 64-bit hashes costs a third of finding the first of each; where they are fewer, the exact way follows.
    """
    counts = {rule.id: pl.struct(rule.columns).hash().n_unique() for rule in rules if _is_unique(rule)}
    found = frame.lazy().select(**counts).collect().to_dicts() if counts else []
    return {rule_id for counted in found for rule_id, count in counted.items() if count == frame.height}


def with_taken(frame: pl.DataFrame, fails: pl.DataFrame, taken: pl.DataFrame) -> pl.Series:
    """The key rule's verdicts, false as well for rows whose key another row of the table has."""
    used = taken.unique().with_columns(pl.lit(value=True).alias("_used"))
    joined = frame.select(taken.columns).join(used, on=taken.columns, how="left", maintain_order="left")
    return (fails[KEY_RULE] | joined["_used"].fill_null(value=False)).alias(KEY_RULE)


def with_held(
    frame: pl.DataFrame, fails: pl.DataFrame, dataset: Dataset, held: Mapping[str, pl.DataFrame]
) -> Iterator[pl.Series]:
    """The verdicts of uniqueness rules, false as well for rows whose value an earlier row has under another key.

    Args:
        frame: The run's rows, of all inputs, in their order.
        fails: The verdicts so far.
        dataset: The contract.
        held: By rule id, values and keys of rows that stay in the table; a rule without an entry has none.
    """
    rules = beyond_key(dataset)
    sure = proven(frame, rules)
    for rule in rules:
        others = held.get(rule.id)
        if rule.id not in sure or (others is not None and not others.is_empty()):
            yield (fails[rule.id] | _held(frame, rule, dataset.key, others)).alias(rule.id)


def _is_unique(rule: Rule) -> TypeGuard[RowRule]:
    return isinstance(rule, RowRule) and rule.kind == "unique"


def _held(frame: pl.DataFrame, rule: RowRule, key: Sequence[str], others: pl.DataFrame | None) -> pl.Series:
    """True where an earlier row has the value under another key; a null among the columns is no value."""
    by = [f"_by_{name}" for name in (key or (_ROW,))]
    ours = _owners(frame.with_columns(pl.int_range(pl.len()).alias(_ROW)), rule, key)
    theirs = (
        ours.clear() if others is None else _owners(others.with_columns(pl.lit(-1, pl.Int64).alias(_ROW)), rule, key)
    )
    first = pl.concat([theirs, ours]).unique(list(rule.columns), keep="first", maintain_order=True)
    joined = ours.join(first, on=list(rule.columns), how="left", maintain_order="left", suffix="_first")
    known = pl.all_horizontal(pl.col(name).is_not_null() for name in rule.columns)
    other = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_first")) for name in by)
    return joined.select(known & other).to_series()


def _owners(frame: pl.DataFrame, rule: RowRule, key: Sequence[str]) -> pl.DataFrame:
    return frame.select(*rule.columns, *(pl.col(name).alias(f"_by_{name}") for name in (key or (_ROW,))))
