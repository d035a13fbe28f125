"""All rules of a dataset over one frame, in one scan; the same masks count, sample and split."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl
from pandera.constants import CHECK_OUTPUT_KEY
from polars.exceptions import PolarsError

from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.errors import RuleError, ShapeError
from platform_core.privacy.masking import masked
from platform_core.quality.drift import distances
from platform_core.quality.results import RuleResult
from platform_core.quality.uniqueness import proven, with_held, with_taken
from platform_core.rules import NOW, WITHIN, Balance, CheckRule, DatasetRule, InPartition, ReferenceRule, RowRule, Rule

SAMPLE = 5
_WHOLE = ""
CLOCK_SKEW = timedelta(minutes=5)
"""So far may the clock that made a row run ahead: its partition counts as begun."""


@dataclass(frozen=True)
class Judgement:
    """A judged frame.

    Attributes:
        dataset: The contract.
        frame: The rows, typed.
        fails: A boolean column for each row rule, by its id; true where the row breaks it.
        measures: What each dataset rule measured, by rule id and partition (`""` where there is none).
    """

    dataset: Dataset
    frame: pl.DataFrame
    fails: pl.DataFrame
    measures: Mapping[str, Mapping[str, float | None]]

    @cached_property
    def refused(self) -> pl.Series:
        """True where a row breaks a rule of severity `error`."""
        columns = [rule.id for rule in self._rules if rule.severity == "error" and rule.id in self.fails.columns]
        if not columns:
            return pl.repeat(value=False, n=self.frame.height, dtype=pl.Boolean, eager=True)
        return self.fails.select(pl.any_horizontal(columns)).to_series()

    @cached_property
    def valid(self) -> pl.DataFrame:
        """The rows that break no rule of severity `error`."""
        return self.frame.filter(~self.refused)

    @cached_property
    def results(self) -> tuple[RuleResult, ...]:
        """One result a rule, in the contract's order; rules over the table are judged once it is written."""
        counts = self.fails.sum().row(0) if self.fails.width else ()
        failed = dict(zip(self.fails.columns, counts, strict=True))
        judged = [rule for rule in self._rules if rule.id in self.measures or not _is_number(rule)]
        return tuple(self._result(rule, failed.get(rule.id)) for rule in judged)

    def broken_rules(self) -> pl.Series:
        """For each refused row, the ids of the rules of severity `error` that it breaks."""
        bad = self.fails.filter(self.refused)
        ids = [rule.id for rule in self._rules if rule.severity == "error" and rule.id in bad.columns]
        named = [pl.when(pl.col(rule_id)).then(pl.lit(rule_id)) for rule_id in ids]
        return bad.select(pl.concat_list(named).list.drop_nulls().alias("rules")).to_series()

    @property
    def _rules(self) -> tuple[Rule, ...]:
        return rules_of(self.dataset)

    def _result(self, rule: Rule, failed: int | None) -> RuleResult:
        if rule.id in self.measures:
            return verdict(rule, self.measures[rule.id], self.frame.height)
        failed = failed or 0
        return RuleResult(rule, failed == 0, failed, self.frame.height, sample=self._sample(rule) if failed else ())

    def _sample(self, rule: Rule) -> list[dict[str, object]]:
        rows = self.frame.filter(self.fails[rule.id]).head(SAMPLE)
        shown = [*self.dataset.key, *(name for name in rule.columns if name not in self.dataset.key)]
        rows = rows.select(name for name in (shown or rows.columns) if name in rows.columns)
        return masked(rows, self.dataset.columns).to_dicts()


@dataclass(frozen=True)
class Beside:
    """What stays in the table beside the judged rows.

    Attributes:
        rows: Rows in the partitions of the judged ones; dataset rules judge them together with the valid rows.
        taken: Keys that other rows have, with the input in column `WITHIN` where those of one input alone count; a row
            with one of them is not unique.
        held: By uniqueness rule, values and keys of other rows; under no other key may a row have such a value.
        past: By drift rule, rows that a partition may be compared with: the rule's columns, and in `PLACE` the
            partition's key.
    """

    rows: pl.DataFrame | None = None
    taken: pl.DataFrame | None = None
    held: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    past: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def judge(  # noqa: PLR0913 - one keyword per fact about the rows
    frame: pl.DataFrame,
    dataset: Dataset,
    references: Mapping[str, pl.DataFrame],
    *,
    unreadable: pl.DataFrame | None = None,
    within: pl.Series | None = None,
    beside: Beside | None = None,
    now: datetime | None = None,
    arrived: datetime | None = None,
    measures: Sequence[Rule] | None = None,
    sure: Collection[str] = (),
) -> Judgement:
    """Return the verdict of every rule of the dataset on the frame.

    Args:
        frame: Rows in the contract's types (`conform` makes them so). A lazy frame is refused by type: Pandera passes
            every value rule on one without a word.
        dataset: The contract.
        references: For each reference rule, by its id, the values that are there: columns named as the rule's own.
            To those of a rule that looks into the dataset itself the frame's own are added.
        unreadable: From `conform`: where a value could not be read.
        within: The input each row came from; a key may come again in a later one. None: all are one input.
        beside: What the table has that stays. None: nothing.
        now: The instant of the judgement, in UTC, for rules that read the clock.
        arrived: When the rows came, in UTC: rows of partitions that have not begun by then lie in none. None: every
            partition has begun.
        measures: The dataset rules to measure; None for all. The others have no result.
        sure: The ids of rules on rows that are known to hold, and are not looked at.

    Raises:
        ShapeError: A column is missing, or has another type than the contract's.
        RuleError: A rule of the contract's own cannot be computed on these rows, or reads a clock that was not given.
        TypeError: The frame is lazy.
    """
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(
            f"{dataset.name}: a {type(frame).__name__} cannot be judged, for its values are not there yet. "
            "Fix: collect() it first."
        )
    _judge_shape(frame, dataset)
    rules = rules_of(dataset)
    references = {**references, **dict(_own_values(frame, dataset, references))}
    by_row = [rule for rule in rules if isinstance(rule, ReferenceRule) and rule.judges_rows]
    label = pl.lit(0) if within is None else within
    clock = _clock(dataset, now)
    judged = _with_references(frame.lazy().with_columns(label.alias(WITHIN), clock), by_row, references).collect()
    fails = _fails(judged, dataset, _types(frame, unreadable), sure)
    if arrived is not None:
        fails = fails.with_columns(_not_begun(frame, fails, dataset, arrived))
    if unreadable is not None:
        fails = fails.with_columns(_excused(fails, rules, unreadable))
    beside = beside or Beside()
    if beside.taken is not None:
        fails = fails.with_columns(with_taken(frame.with_columns(label.alias(WITHIN)), fails, beside.taken))
    fails = fails.with_columns(_custom(frame, rule, dataset.name) for rule in rules if isinstance(rule, CheckRule))
    if within is not None or beside.held:
        fails = fails.with_columns(with_held(frame, fails, dataset, within, beside.held))
    fails = fails.select(rule.id for rule in rules if rule.id in fails.columns)
    judged_rows = Judgement(dataset, frame, fails, {})
    staying = [] if beside.rows is None else [beside.rows.select(frame.columns)]
    valid = judged_rows.valid if dataset.newest is None else dataset.newest_rows(judged_rows.valid)
    written = pl.concat([valid, *staying])
    measured_rules = [rule for rule in rules if is_measured(rule)] if measures is None else measures
    numbers = measured(written.with_columns(clock), dataset, measured_rules, references, past=beside.past)
    return replace(judged_rows, measures=numbers)


def _clock(dataset: Dataset, now: datetime | None) -> pl.Expr:
    """Return the column of the clock.

    Raises:
        RuleError: A rule reads the clock, and none was given: it would be green without having been judged.
    """
    if now is None:
        for rule in rules_of(dataset):
            if rule.reads_clock:
                raise RuleError(dataset.name, rule.id, "reads the clock, and none was given.", "pass now=.")
    return pl.lit(now, dtype=pl.Datetime("us", "UTC")).alias(NOW)


def _judge_shape(frame: pl.DataFrame, dataset: Dataset) -> None:
    wrong = [column.name for column in dataset.columns if frame.schema.get(column.name) != column.dtype]
    extra = [name for name in frame.columns if dataset.column(name) is None]
    if wrong or extra:
        shown_types = ", ".join(f"{name} is {frame.schema.get(name, 'missing')}" for name in [*wrong, *extra])
        raise ShapeError(
            dataset.name, [*wrong, *extra], f"do not have the columns and types of the contract ({shown_types}).",
            f"return exactly {', '.join(f'{column.name}: {column.dtype}' for column in dataset.columns)}.",
        )  # fmt: skip


def _not_begun(frame: pl.DataFrame, fails: pl.DataFrame, dataset: Dataset, arrived: datetime) -> list[pl.Series]:
    """Return the mask of the partition rule with the rows whose partition has not begun; of other columns nothing."""
    time = dataset.partitions.time if dataset.partitions else None
    if time is None or InPartition.kind not in fails.columns:
        return []
    end = time.ends_at(time.key_at(arrived + CLOCK_SKEW)).replace(tzinfo=None)
    ahead = frame.select((pl.col(time.on).cast(pl.Datetime("us")) >= end).fill_null(value=False)).to_series()
    return [fails[InPartition.kind] | ahead]


def _own_values(
    frame: pl.DataFrame, dataset: Dataset, references: Mapping[str, pl.DataFrame]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the values of rules that look into the dataset itself: rows may refer to others that come with them."""
    for rule in rules_of(dataset):
        if isinstance(rule, ReferenceRule) and rule.dataset == dataset.name:
            own_rows = frame.select(pl.col(to).alias(own) for own, to in zip(rule.columns, rule.to, strict=True))
            yield rule.id, pl.concat([references[rule.id], own_rows])


def _found_column(rule: Rule) -> str:
    return f"_found_{rule.id}"


def _with_references(
    frame: pl.LazyFrame, rules: Sequence[Rule], references: Mapping[str, pl.DataFrame]
) -> pl.LazyFrame:
    """Return the frame with a boolean column for each reference rule: true where found, null where a value is null."""
    for rule in rules:
        if isinstance(rule, ReferenceRule):
            keys = (
                references[rule.id]
                .select(rule.columns)
                .unique()
                .with_columns(pl.lit(value=True).alias(_found_column(rule)))
            )
            known = pl.all_horizontal(pl.col(name).is_not_null() for name in rule.columns)
            frame = frame.join(keys.lazy(), on=list(rule.columns), how="left", maintain_order="left").with_columns(
                pl.when(known).then(pl.col(_found_column(rule)).fill_null(value=False)).alias(_found_column(rule))
            )
    return frame


def _fails(frame: pl.DataFrame, dataset: Dataset, types: pl.Series, known: Collection[str]) -> pl.DataFrame:
    """One select over all row rules: the columns are read once.

    Raises:
        RuleError: An expression of the contract's own cannot be computed on the rows that came.
    """
    rules = rules_of(dataset)
    sure = {*known, *proven(frame, rules)}
    masks = {
        rule.id: pl.lit(value=False) if rule.id in sure else ~rule.holds()
        for rule in rules
        if isinstance(rule, RowRule) and not rule.on_input
    }
    masks |= {
        rule.id: ~pl.col(_found_column(rule)).fill_null(value=True)
        for rule in rules
        if isinstance(rule, ReferenceRule) and rule.judges_rows
    }
    try:
        return frame.lazy().select(pl.lit(types), **masks).collect()
    except PolarsError:
        raise _blamed(frame, dataset, masks) from None  # Polars quotes values, which may be personal data


def _blamed(frame: pl.DataFrame, dataset: Dataset, expressions: Mapping[str, pl.Expr]) -> RuleError:
    """Return the error that names the first of the expressions that cannot be computed on the frame."""
    for rule_id, expression in expressions.items():
        try:
            frame.select(expression)
        except PolarsError as error:
            reason = f"raised {type(error).__name__} on the rows that came."
            return RuleError(dataset.name, rule_id, reason, "let it give null where a value has none: strict=False.")
    return RuleError(dataset.name, ", ".join(expressions), "cannot be judged together.", "take one of them out.")


def _excused(fails: pl.DataFrame, rules: Sequence[Rule], unreadable: pl.DataFrame) -> list[pl.Series]:
    """`not_null` masks without the rows whose value was there but unreadable: `types` alone is to blame."""
    blamed = [rule for rule in rules if isinstance(rule, RowRule) and rule.empties]
    return [fails[rule.id] & ~unreadable[rule.columns[0]] for rule in blamed]


def _types(frame: pl.DataFrame, unreadable: pl.DataFrame | None) -> pl.Series:
    if unreadable is None or not unreadable.width:
        return pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True).alias("types")
    return unreadable.select(pl.any_horizontal(pl.all()).alias("types")).to_series()


def _custom(frame: pl.DataFrame, rule: CheckRule, dataset: str) -> pl.Series:
    """Return a user's Pandera check, judged by Pandera; one verdict for the whole frame counts for every row.

    Raises:
        RuleError: The check raised, or its verdicts are not one a row.
    """
    fix = "return one boolean, or a lazy frame of one boolean column with a row for each row."
    try:
        output = rule.check(frame.lazy(), rule.column).check_output
        verdict = output.select(pl.col(CHECK_OUTPUT_KEY)).collect().to_series().fill_null(value=True)
    except Exception as error:  # whatever a user's function raises
        raise RuleError(dataset, rule.id, f"raised {type(error).__name__}.", fix) from error
    if verdict.dtype != pl.Boolean or verdict.len() not in (1, frame.height):
        reason = f"gave {verdict.len()} verdicts of type {verdict.dtype} on {frame.height} rows."
        raise RuleError(dataset, rule.id, reason, fix)
    if verdict.len() == 1 and frame.height != 1:
        verdict = pl.repeat(verdict.item(), frame.height, dtype=pl.Boolean, eager=True)
    failed: pl.Series = ~verdict
    return failed.alias(rule.id)


def measured(
    frame: pl.DataFrame | pl.LazyFrame,
    dataset: Dataset,
    wanted: Sequence[Rule],
    references: Mapping[str, pl.DataFrame],
    *,
    partitions: Sequence[str] = (),
    past: Mapping[str, pl.DataFrame] | None = None,
) -> dict[str, dict[str, float | None]]:
    """Each rule's number over the frame, by partition; of a partition that is named and has no rows, over no rows.

    A lazy frame is read for the columns that the rules need.

    Args:
        frame: The rows.
        dataset: The contract.
        wanted: The rules.
        references: By rule id, as `judge` takes them.
        partitions: Those to be judged in any case.
        past: By drift rule, the rows it may compare with, as in `Beside`; the frame's own partitions stand before them.
    """
    compared = [rule for rule in wanted if isinstance(rule, DatasetRule) and rule.compares_with]
    if compared:
        alone = [rule for rule in wanted if rule not in compared]
        by_rule = measured(frame, dataset, alone, references, partitions=partitions)
        by_rule |= distances(frame.lazy(), dataset, compared, {**references, **(past or {})})
        return {rule.id: by_rule[rule.id] for rule in wanted}
    if not wanted:
        return {}
    joined_rows = _with_references(
        frame.lazy(), [rule for rule in wanted if isinstance(rule, ReferenceRule)], references
    )
    key = dataset.partitions.key() if dataset.partitions else pl.lit(_WHOLE)
    numbers = {rule.id: _measure(rule) for rule in wanted}
    try:
        table = joined_rows.with_columns(key.alias("_key")).group_by("_key").agg(**numbers).collect(engine="streaming")
        empty = sorted({*partitions} - {*table["_key"]}) or ([_WHOLE] if table.is_empty() else [])
        if empty:
            of_none = joined_rows.limit(0).select(**numbers).collect()
            table = pl.concat([table, *(of_none.select(pl.lit(name).alias("_key"), pl.all()) for name in empty)])
    except PolarsError:
        raise _blamed(joined_rows.collect(), dataset, numbers) from None  # as in `_fails`
    table = table.sort("_key")
    return {rule.id: dict(zip(table["_key"], table[rule.id].cast(pl.Float64), strict=True)) for rule in wanted}


def table_results(
    rows: pl.LazyFrame, dataset: Dataset, references: Mapping[str, pl.DataFrame], *, now: datetime
) -> list[RuleResult]:
    """Return the verdicts of the rules over the whole table.

    Args:
        rows: All of its rows.
        dataset: The contract.
        references: By the id of a rule on balance, the other dataset's side; one whose side is not there is not judged.
        now: The instant of the judgement, in UTC.
    """
    rules = [rule for rule in rules_of(dataset) if isinstance(rule, DatasetRule) and rule.over == "table"]
    if not rules:
        return []
    clocked = rows.with_columns(_clock(dataset, now))
    of_partitions = {rule.id: _of_partitions(rows, dataset, rule, references[rule.id]) for rule in rules
                     if isinstance(rule, Balance) and rule.id in references}  # fmt: skip
    numbers = measured(clocked, replace(dataset, partitions=None), rules, {**references, **of_partitions})
    total = rows.select(pl.len()).collect(engine="streaming").item()
    return [verdict(rule, numbers[rule.id], total) for rule in rules]


def _of_partitions(rows: pl.LazyFrame, dataset: Dataset, rule: Balance, side: pl.DataFrame) -> pl.DataFrame:
    """Leave out groups of partitions that the table does not have yet, where the groups say where they lie."""
    key = dataset.partitions.key() if dataset.partitions else None
    if key is None or not set(key.meta.root_names()) <= set(rule.by):
        return side
    made = rows.select(key.alias("key")).unique().collect(engine="streaming").to_series()
    return side.filter(key.is_in(made.implode()))


def _is_number(rule: Rule) -> bool:
    return isinstance(rule, DatasetRule) or is_measured(rule)


def is_measured(rule: Rule) -> bool:
    """Tell whether a rule is a number over the rows of each partition."""
    if isinstance(rule, ReferenceRule):
        return not rule.judges_rows
    return isinstance(rule, DatasetRule) and rule.over == "partition"


def _measure(rule: Rule) -> pl.Expr:
    if isinstance(rule, ReferenceRule):
        return pl.col(_found_column(rule)).mean()
    assert isinstance(rule, DatasetRule)  # noqa: S101 - for the type checker: `is_measured` admits no other
    return rule.measure


def verdict(rule: Rule, by_partition: Mapping[str, float | None], total: int) -> RuleResult:
    """Return a dataset rule's result: it holds where every partition's number lies within its bounds.

    No rows, no verdict.
    """
    known = {key: value for key, value in by_partition.items() if value is not None and not math.isnan(value)}
    outside = beyond_bounds(rule, known)
    worst = _worst(known, outside, _bounds(rule)[0])
    where = ", ".join(f"{key or 'the table'}: {value:.4g}" for key, value in outside.items())
    if not known and isinstance(rule, DatasetRule) and rule.compares_with:
        where = "nothing was compared: no rows before, or too few values"
    return RuleResult(rule, not outside, 0, total, value=worst, partitions=known, reason=where)


def beyond_bounds(rule: Rule, by_partition: Mapping[str, float]) -> dict[str, float]:
    """Return the partitions whose number lies beyond the bounds of a dataset rule, which are both closed."""
    low, high = _bounds(rule)
    return {
        key: value
        for key, value in by_partition.items()
        if (low is not None and value < low) or (high is not None and value > high)
    }


def _bounds(rule: Rule) -> tuple[float | None, float | None]:
    low = rule.coverage if isinstance(rule, ReferenceRule) else getattr(rule, "at_least", None)
    return low, getattr(rule, "at_most", None)


def _worst(known: Mapping[str, float], outside: Mapping[str, float], low: float | None) -> float | None:
    shown = (outside or known).values()
    if not shown:
        return None
    return min(shown) if low is not None else max(shown)
