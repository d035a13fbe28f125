"""Rules that a table keeps by what its files say of themselves: no row is read for them, and the verdict says so."""

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of, schema_of
from platform_core.rules import CheckRule, Columns, FileFacts, Rule, Types


def proven_rules(dataset: Dataset, files: Sequence[FileFacts], stored: Mapping[str, pl.DataType]) -> tuple[Rule, ...]:
    """List the rules that hold for every row of a table, by what is known of its files; none where nothing is known.

    Args:
        dataset: The contract.
        files: All files of the table.
        stored: The types of the table's columns; nothing is proven of a column that has another type than the
            contract's, for its values are cast when they are read.
    """
    if not files:
        return ()
    schema = schema_of(dataset)
    same = {name for name, dtype in schema.items() if stored.get(name) == dtype}
    rules: list[Rule] = []
    for rule in rules_of(dataset):
        if isinstance(rule, Columns | Types):
            if len(same) == len(schema) and (isinstance(rule, Columns) or _in_calendar(schema, files)):
                rules.append(rule)
        elif same.issuperset(rule.columns) and rule.proven(files, schema):
            rules.append(rule)
    return tuple(rules)


def _in_calendar(schema: Mapping[str, pl.DataType], files: Sequence[FileFacts]) -> bool:
    """Whether all days and instants are ones that can be shown: where a file gives their bounds, they are."""
    names = [name for name, dtype in schema.items() if isinstance(dtype, pl.Date | pl.Datetime)]
    return all(
        name in file.bounds or file.rows == 0 or file.nulls.get(name) == file.rows for file in files for name in names
    )


def needed_columns(dataset: Dataset, proven: Collection[Rule]) -> set[str]:
    """Name the columns that must be read to judge the other rules."""
    others = [rule for rule in rules_of(dataset) if rule not in proven]
    if any(isinstance(rule, CheckRule) for rule in others):  # a user's function may look at any
        return {column.name for column in dataset.columns}
    return {name for rule in others for name in rule.columns}
