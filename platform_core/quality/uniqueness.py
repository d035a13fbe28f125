"""Rules of uniqueness beyond one input: no two rows of the table may share a value, whichever file brought them.

The key that has a value keeps it, and gives it up when a later row of that key, which is not refused, says another.
Inputs come one after another, as if each were a run of its own, so that a verdict does not hang on how files are put
into runs; the rows of one input come at once, so that two keys may swap their values in it.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeGuard

import numpy as np
import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.quality.contest import Contender, Contest
from platform_core.rules import WITHIN, RowRule, Rule

KEY_RULE = "key_unique"
_ROW = "_row"
_PLACES_A_ROW = 16
"""A byte each: of 6 M rows 96 MB at most."""
_FIRST_ROWS = 1_000
"""What is not in order among so many rows is in none."""


def beyond_key(dataset: Dataset) -> tuple[RowRule, ...]:
    """Return the uniqueness rules that the key does not imply."""
    named = [rule for rule in rules_of(dataset) if _is_unique(rule) and rule.id != KEY_RULE]
    return tuple(rule for rule in named if not dataset.key or not set(dataset.key) <= set(rule.columns))


def proven(frame: pl.DataFrame, rules: Sequence[Rule]) -> set[str]:
    """Return the ids of uniqueness rules that no two rows of the frame break.

    Whole numbers that lie close are ticked off, each at its place; rows in order are compared with the row before. Of
    the others 64-bit hashes are counted: as many as rows leave no two alike. That costs a third of finding the first of
    each; where they are fewer, that exact way follows.
    """
    by_id = {rule.id: rule.columns for rule in rules if _is_unique(rule)}
    sure = {rule_id for rule_id, names in by_id.items() if _each_at_its_place(frame, names) or _ascend(frame, names)}
    counts = {rule_id: pl.struct(names).hash().n_unique() for rule_id, names in by_id.items() if rule_id not in sure}
    counted_rows = frame.lazy().select(**counts).collect().to_dicts() if counts else []
    return sure | {rule_id for counted in counted_rows for rule_id, count in counted.items() if count == frame.height}


def _each_at_its_place(frame: pl.DataFrame, names: Sequence[str]) -> bool:
    """Return whether rows differ in whole numbers, days or instants of which there are few more than rows."""
    values = frame.select(names)
    if not all(dtype.is_integer() or dtype.is_temporal() for dtype in values.dtypes):
        return False
    numbers = values.select(pl.all().to_physical())
    ends = numbers.select(pl.all().min().name.prefix("least "), pl.all().max().name.prefix("most ")).row(0, named=True)
    if any(end is None for end in ends.values()) or any(numbers.null_count().row(0)):
        return False
    place, size = pl.lit(0, pl.Int64), 1
    for name in names:
        place += (pl.col(name) - ends[f"least {name}"]).cast(pl.Int64) * size
        size *= ends[f"most {name}"] - ends[f"least {name}"] + 1
        if size > _PLACES_A_ROW * frame.height:
            return False
    ticked = np.zeros(size, dtype=np.bool_)
    ticked[numbers.select(place).to_series().to_numpy()] = True
    return int(np.count_nonzero(ticked)) == frame.height


def _ascend(frame: pl.DataFrame, names: Sequence[str]) -> bool:
    """Return whether each row comes after the row before in the order of the columns; False where a null is."""
    later = pl.lit(value=False)
    for name in reversed(names):
        before = pl.col(name).shift()
        later = (pl.col(name) > before) | ((pl.col(name) == before) & later)
    values = frame.select(names)
    if any(dtype.is_nested() or dtype == pl.Categorical for dtype in values.dtypes):
        return False
    in_order = later.slice(1).fill_null(value=False).all()
    return all(rows.select(in_order).item() for rows in (values.head(_FIRST_ROWS), values))


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
