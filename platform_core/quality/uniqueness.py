"""Rules of uniqueness beyond one input: no two rows of the table may share a value, whichever file brought them.

The key that has a value keeps it, and gives it up when a later row of that key, which is not refused, says another.
Inputs come one after another, as if each were a run of its own, so that a verdict does not hang on how files are put
into runs; the rows of one input come at once, so that two keys may swap their values in it.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeGuard

import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.quality.contest import Contender, Contest
from platform_core.rules import WITHIN, RowRule, Rule

KEY_RULE = "key_unique"
_ROW = "_row"


def beyond_key(dataset: Dataset) -> tuple[RowRule, ...]:
    """Return the uniqueness rules that the key does not imply."""
    named = [rule for rule in rules_of(dataset) if _is_unique(rule) and rule.id != KEY_RULE]
    return tuple(rule for rule in named if not dataset.key or not set(dataset.key) <= set(rule.columns))


def proven(frame: pl.DataFrame, rules: Sequence[Rule]) -> set[str]:
    """Return the ids of uniqueness rules that no two rows of the frame break.

    As many hashes as rows leave no two alike.

    Counting 64-bit hashes costs a third of finding the first of each; where they are fewer, the exact way follows.
    """
    counts = {rule.id: pl.struct(rule.columns).hash().n_unique() for rule in rules if _is_unique(rule)}
    counted_rows = frame.lazy().select(**counts).collect().to_dicts() if counts else []
    return {rule_id for counted in counted_rows for rule_id, count in counted.items() if count == frame.height}


def with_taken(frame: pl.DataFrame, fails: pl.DataFrame, taken: pl.DataFrame) -> pl.Series:
    """Return the key rule's verdicts, false as well for rows whose key another row of the table has."""
    used = taken.unique().with_columns(pl.lit(value=True).alias("_used"))
    joined = frame.select(taken.columns).join(used, on=taken.columns, how="left", maintain_order="left")
    return (fails[KEY_RULE] | joined["_used"].fill_null(value=False)).alias(KEY_RULE)


def with_held(
    frame: pl.DataFrame,
    fails: pl.DataFrame,
    dataset: Dataset,
    within: pl.Series | None,
    held: Mapping[str, pl.DataFrame],
) -> Iterator[pl.Series]:
    """Yield the verdicts of the uniqueness rules beyond the key: true where another key has the row's value.

    Args:
        frame: The run's rows, of all inputs, in their order.
        fails: The verdicts of all rules; a row that others refuse has no value.
        dataset: The contract.
        within: The input of each row; None: all are of one.
        held: By rule id, values and keys of rows that stay in the table; a rule without an entry has none.
    """
    rules = beyond_key(dataset)
    rows = frame.with_columns(
        pl.int_range(pl.len()).alias(_ROW), (pl.lit(0) if within is None else within).alias(WITHIN)
    )
    free = rows.filter(~_refused_by_others(fails, dataset, rules))
    strict = [rule for rule in rules if rule.severity == "error"]
    for together in [strict, *([rule] for rule in rules if rule not in strict)]:
        broken = _broken(free, together, list(dataset.key) or [_ROW], held)
        for at, rule in enumerate(together):
            at_fault = [place for place, which in broken if which == at]
            yield (
                pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
                .scatter(at_fault, values=True)
                .alias(rule.id)
            )


def _refused_by_others(fails: pl.DataFrame, dataset: Dataset, rules: Sequence[RowRule]) -> pl.Series:
    mine = {rule.id for rule in rules}
    others = [rule.id for rule in rules_of(dataset) if rule.severity == "error" and rule.id in fails.columns]
    return fails.select(
        pl.any_horizontal(pl.repeat(value=False, n=fails.height), *(name for name in others if name not in mine))
    ).to_series()


def _broken(
    free: pl.DataFrame, rules: Sequence[RowRule], key: Sequence[str], stored: Mapping[str, pl.DataFrame]
) -> list[tuple[int, int]]:
    """Rows, and which of the rules they break. Only rows are looked at that share a value, and others of their keys."""
    theirs = [_owners(stored.get(rule.id), free, rule, key) for rule in rules]
    fought = [_fought(free, rule, key, others) for rule, others in zip(rules, theirs, strict=True)]
    if all(values.is_empty() for values in fought):
        return []
    contest = Contest()
    by = [f"_by_{name}" for name in key]
    keys = []
    for at, (rule, others, values) in enumerate(zip(rules, theirs, fought, strict=True)):
        mine = others.join(values, on=list(rule.columns), how="semi")
        for value, owner in zip(_tuples(mine, rule.columns), _tuples(mine, by), strict=True):
            contest.stand(owner, {at: value})
        keys += [
            mine.select(pl.col(by).name.replace("^_by_", "")),
            free.join(values, on=list(rule.columns), how="semi"),
        ]
    involved = pl.concat([key_rows.select(key) for key_rows in keys]).unique()
    rows = free.join(involved, on=list(key), how="semi", maintain_order="left", nulls_equal=True)
    inputs = zip(rows[WITHIN].to_list(), _contenders(rows, rules, key), strict=True)
    groups = [[row for _, row in group] for _, group in groupby(inputs, key=lambda input_: input_[0])]
    return [pair for group in groups for pair in contest.take(group)]


def _contenders(rows: pl.DataFrame, rules: Sequence[RowRule], key: Sequence[str]) -> Iterator[Contender]:
    values = [_tuples(rows, rule.columns) for rule in rules]
    for place, owner, *row_values in zip(rows[_ROW].to_list(), _tuples(rows, key), *values, strict=True):
        yield Contender(place, owner, {at: value for at, value in enumerate(row_values) if None not in value})


def _fought(free: pl.DataFrame, rule: RowRule, key: Sequence[str], others: pl.DataFrame) -> pl.DataFrame:
    """Return the values that more than one key says; a null among the columns is no value."""
    ours = free.select(*rule.columns, *(pl.col(name).alias(f"_by_{name}") for name in key))
    known = pl.concat([ours, others]).drop_nulls(list(rule.columns))
    by = pl.struct(f"_by_{name}" for name in key)
    return known.group_by(rule.columns).agg(by.n_unique().alias("_keys")).filter(pl.col("_keys") > 1).drop("_keys")


def _owners(stored: pl.DataFrame | None, free: pl.DataFrame, rule: RowRule, key: Sequence[str]) -> pl.DataFrame:
    """Return the table's values and keys; rows without a key are numbered below those of the run."""
    owners = free.clear() if stored is None else stored.with_columns((-1 - pl.int_range(pl.len())).alias(_ROW))
    return owners.select(*rule.columns, *(pl.col(name).alias(f"_by_{name}") for name in key))


def _tuples(frame: pl.DataFrame, names: Sequence[str]) -> list[tuple[Hashable, ...]]:
    return [
        tuple(value if isinstance(value, Hashable) else repr(value) for value in row)
        for row in frame.select(names).rows()
    ]


def _is_unique(rule: Rule) -> TypeGuard[RowRule]:
    return isinstance(rule, RowRule) and rule.compares_rows
