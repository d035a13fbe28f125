"""How rows of a dataset are drawn: every column's source, what is computed, what is nulled, what must be tested after.

A plan holds all rules but one that it may break. What a rule allows is drawn directly wherever it can be; only
expressions and hand-written checks are left to trial.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np
import polars as pl

from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset
from platform_core.rules import CheckRule, DatasetRule, NotIn, ReferenceRule, RowRule, Rule, ShareRule, ValueRule
from platform_core.rules.formats import Format
from platform_core.synthetic.equations import Equation, equations
from platform_core.synthetic.errors import CannotGenerate
from platform_core.synthetic.person_columns import (
    NUMBERED,
    PROBE,
    Follower,
    Person,
    countries_for,
    follower_of,
    holds_country,
    persons_of,
)
from platform_core.synthetic.pools import pools_of
from platform_core.synthetic.recipes.columns import correlated
from platform_core.synthetic.refinements import refined_sources, refinement_of
from platform_core.synthetic.sources import Product, Source, column_source, pool_source, size, with_products
from platform_core.synthetic.texts import listed
from platform_core.synthetic.values import NoValueError, Values, values_of

Streams = Callable[[str], np.random.Generator]
"""The source of chance of a column, or of what else is drawn, by its name."""

SMALL = 1 << 26
"""Products of up to so many rows begin again at their end, for rows that were drawn and not kept."""

_NULLS = 0.1
"""The share of nulls in a nullable column of which no rule speaks."""


@dataclass(frozen=True)
class Wish:
    """What is asked of a plan.

    Attributes:
        dataset: The contract.
        rules: The rules that hold.
        references: By rule id, the values that are there, columns named as the rule's own.
        window: Where instants lie: closed, open.
        rows: How many rows will be drawn.
        broken: The rule that every row breaks, if any.
    """

    dataset: Dataset
    rules: tuple[Rule, ...]
    references: Mapping[str, pl.DataFrame]
    window: tuple[datetime, datetime]
    rows: int
    broken: Rule | None = None

    def rules_on(self, column: str) -> list[ValueRule]:
        """Return the rules on the values of one column, and that no text of it means null where it comes from."""
        own = [rule for rule in self.value_rules if rule.columns[0] == column]
        source, declared = self.dataset.source, self.dataset.column(column)
        words = source.null_words(column) if source is not None else None
        if words and declared is not None and declared.dtype == pl.String:
            own.append(NotIn(id="no_null_word", columns=(column,), forbidden_values=tuple(words)))
        return own

    @property
    def value_rules(self) -> list[ValueRule]:
        """The rules on the value of single columns."""
        return [rule for rule in self.rules if isinstance(rule, ValueRule)]

    @property
    def broken_value(self) -> ValueRule | None:
        """The broken rule, if it is one on the value of a single column."""
        return self.broken if isinstance(self.broken, ValueRule) else None

    @property
    def reference_rules(self) -> list[ReferenceRule]:
        """The reference rules that hold."""
        return [rule for rule in self.rules if isinstance(rule, ReferenceRule)]

    @property
    def uniques(self) -> list[tuple[str, ...]]:
        """The sets of columns in which no two rows are alike, the smallest first."""
        column_sets = {rule.columns for rule in self.rules if isinstance(rule, RowRule) and rule.compares_rows}
        return sorted(column_sets, key=lambda names: (len(names), names))

    @property
    def emptied(self) -> str | None:
        """The column that the broken rule wants null."""
        return None if self.broken is None else self.broken.empties


@dataclass(frozen=True)
class Plan:
    """A way to draw rows.

    Attributes:
        wish: What was asked.
        sources: Columns drawn independently of the rows there are.
        followers: Columns of persons, which follow the country in the row.
        products: Columns drawn without repetition.
        guarded: The unique sets of columns that products alone do not keep apart.
        choices: For each equality, the ways to compute a side.
        nulls: The share of nulls by column.
        misses: By column with a reference that need not always be found: the share that is not, and its values.
        tests: Rules that rows are tried against; the broken one among them must fail.
        correlations: Pairs of columns whose ranks go together.
    """

    wish: Wish
    sources: tuple[Source, ...]
    followers: tuple[Follower, ...]
    products: tuple[Product, ...]
    guarded: tuple[tuple[str, ...], ...]
    choices: tuple[tuple[Equation, ...], ...]
    nulls: Mapping[str, float]
    misses: Mapping[str, tuple[float, Values]]
    tests: tuple[Rule, ...]
    correlations: Mapping[tuple[str, str], float]

    @property
    def certain(self) -> bool:
        """Whether every row that is drawn is kept."""
        loose = any(isinstance(rule, ShareRule) or (isinstance(rule, ReferenceRule) and not rule.judges_rows)
                    for rule in self.wish.rules)  # fmt: skip
        return not (self.tests or self.guarded or loose)

    def draw(self, streams: Streams, rows: int, cursor: int, reach: int | None) -> pl.DataFrame:
        """At most so many rows, untested; of products the ones behind the cursor, of pools rows within reach."""
        parts = []
        for product in self.products:
            if product.count > SMALL:
                rows = min(rows, max(0, product.count - cursor))
            parts.append(product.draw(cursor, rows))
            rows = min(rows, parts[-1].height)
        parts = [part.head(rows) for part in parts]
        parts += [source.draw(streams(",".join(source.columns)), rows, cursor, reach) for source in self.sources]
        names = [column.name for column in self.wish.dataset.columns]
        frame = pl.concat(parts, how="horizontal") if parts else pl.DataFrame(height=rows)
        for follower in self.followers:
            frame = follower.filled(frame, streams(follower.chance), cursor)
        frame = frame.select(names)
        if self.correlations:
            frame = correlated(frame, self.correlations, streams("correlations"))
        return self._with_nulls(streams, self._solved(streams, self._with_misses(streams, frame)))

    def _with_misses(self, streams: Streams, frame: pl.DataFrame) -> pl.DataFrame:
        for name, (share, values) in self.misses.items():
            rng = streams(f"{name} missed")
            missed = pl.Series(rng.random(frame.height) < share)
            free = values.draw(rng, frame.height)
            frame = frame.with_columns(pl.when(missed).then(free).otherwise(pl.col(name)).alias(name))
        return frame

    def _solved(self, streams: Streams, frame: pl.DataFrame) -> pl.DataFrame:
        ways = [choice[int(streams(f"{choice[0].column} solved").integers(len(choice)))] for choice in self.choices]
        for way in ways * max(len(ways), 1):  # as often as there are equations: one may feed another
            frame = way.solved(frame)
        return frame

    def _with_nulls(self, streams: Streams, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(
            pl.when(pl.Series(streams(f"{name} null").random(frame.height) >= share)).then(pl.col(name)).alias(name)
            for name, share in self.nulls.items()
        )


def plan_of(wish: Wish, streams: Streams) -> Plan:
    """Return the plan for a wish.

    Raises:
        CannotGenerate: A column has no value, a reference leads nowhere, or fewer rows can differ than are wanted.
    """
    sources, followers = _sources(wish, streams)
    _judge_room(wish, sources, followers)
    apart, products = with_products(sources, wish.uniques, lambda name: int(streams(f"{name} order").integers(2**62)))
    choices = _choices(wish)
    guarded = _guarded(wish, products, followers, choices)
    tests = (*(rule for follower in followers for rule in follower.rules), *_tests(wish, choices))
    return Plan(wish, apart, tuple(followers), products, guarded, choices, _nulls(wish), _misses(wish, streams), tests,
                _correlations(wish, apart))  # fmt: skip


def room(wish: Wish, streams: Streams) -> int | None:
    """How many rows the unique columns leave room for; None where that is practically endless."""
    sources, followers = _sources(wish, streams)
    rooms = [size(sources, unique) for unique in _numbered(wish, followers)]
    return min((room for room in rooms if room is not None), default=None)


def _numbered(wish: Wish, followers: Sequence[Follower]) -> list[tuple[str, ...]]:
    """Return the unique sets that leave room for a number of rows: those without a column of a person."""
    names = {column.name for follower in followers for column in follower.columns}
    return [unique for unique in wish.uniques if not names & set(unique)]


def _sources(wish: Wish, streams: Streams) -> tuple[list[Source], list[Follower]]:
    _judge_references(wish)
    pools = pools_of(wish.reference_rules, wish.references, wish.value_rules, wish.broken_value)
    sources = [pool_source(pool) for pool in pools if pool.height]
    empty = _empty(wish, [pool for pool in pools if not pool.height])
    drawn = {name for source in sources for name in source.columns} | set(empty)
    refined = _refined_sources(wish, streams, drawn)
    drawn |= {name for source in refined for name in source.columns}
    sources += refined
    free = [column for column in wish.dataset.columns if column.name not in drawn]
    followers = _followers(wish, free, sources, streams)
    followed = {column.name for follower in followers for column in follower.columns}
    sources += [column_source(column.name, _values(wish, column, streams(f"{column.name} tried")))
                for column in free if column.name not in followed]  # fmt: skip
    return sources + [_null_source(wish.dataset, name) for name in empty], followers


def _followers(wish: Wish, free: Sequence[Column], sources: Sequence[Source], streams: Streams) -> list[Follower]:
    """Return the columns of persons, of those that are free, not listed, and not about the broken rule."""
    followers = []
    broken = wish.broken.columns if wish.broken is not None else ()
    for person in persons_of(wish.dataset):
        columns = [column for column in free if column.name in person.parts and column.name not in broken
                   and column.name != person.country and listed(wish.rules_on(column.name), None) is None]  # fmt: skip
        columns, different = _differing(wish, person, columns)
        if not columns:
            continue
        rng = streams(f"{person.chance} tried")
        rules = {column.name: wish.rules_on(column.name) for column in columns}
        countries = _some_countries(wish, person, free, sources, rng)
        follower = follower_of(person, columns, rules, rng, countries=countries, different=different)
        followers += [follower] if follower is not None else []
    return followers


def _differing(wish: Wish, person: Person, columns: Sequence[Column]) -> tuple[list[Column], frozenset[str]]:
    """Return the columns that can differ as they must, and which of them differ by the row's number."""
    names, different, alike = [column.name for column in columns], set[str](), set[str]()
    for unique in wish.uniques:
        if set(unique) <= set(names):
            numbered = [name for name in unique if person.parts[name] in NUMBERED]
            different |= set(numbered[:1])
            alike |= set() if numbered else set(unique)
    return [column for column in columns if column.name not in alike], frozenset(different)


def _some_countries(
    wish: Wish, person: Person, free: Sequence[Column], sources: Sequence[Source], rng: np.random.Generator
) -> pl.Series | None:
    """Return some values of the column that says a person's country; None where there is none, or no value."""
    name = person.country
    source = next((source for source in sources if name in source.columns), None)
    column = next((column for column in free if column.name == name), None)
    if source is None and column is not None:
        source = column_source(column.name, _values(wish, column, rng))
    if source is None or name is None:
        return None
    countries = source.draw(rng, PROBE, 0, None)[name]
    return countries if countries.drop_nulls().len() else None


def _refined_sources(wish: Wish, streams: Streams, drawn: Collection[str]) -> list[Source]:
    """Return the columns of which the dataset's section says how they are spread.

    Not one whose rule every row breaks.
    """
    refinement = refinement_of(wish.dataset)
    broken = wish.broken.columns if wish.broken is not None else ()
    columns = {name: recipe for name, recipe in refinement.columns.items() if name not in {*drawn, *broken}}
    if not columns:
        return []
    rules = {name: wish.rules_on(name) for name in columns}
    try:
        return refined_sources(wish.dataset, replace(refinement, columns=columns), rules, wish.window, streams("tried"))
    except NoValueError as error:
        culprit = f"synthetic section ({', '.join(columns)})"
        raise CannotGenerate(wish.dataset.name, culprit, str(error), "let it agree with the rules.") from error


def _correlations(wish: Wish, sources: Sequence[Source]) -> dict[tuple[str, str], float]:
    """Pairs of columns that go together; not one that a broken rule is about, or that is drawn as a key."""
    free = {name for source in sources for name in source.columns}
    free -= set(wish.broken.columns) if wish.broken is not None else set()
    pairs = refinement_of(wish.dataset).correlations
    return {pair: value for pair, value in pairs.items() if free.issuperset(pair)}


def _guarded(
    wish: Wish,
    products: Sequence[Product],
    followers: Sequence[Follower],
    choices: tuple[tuple[Equation, ...], ...],
) -> tuple[tuple[str, ...], ...]:
    """Return the unique sets in which rows may be alike.

    Small products begin again, equations write over what was drawn. Columns of people that carry the row's number
    differ.
    """
    computed = {way.column for ways in choices for way in ways}
    apart = [
        set(product.unique) for product in products if product.count > SMALL and not set(product.unique) & computed
    ]
    apart += [{name} for follower in followers for name in follower.different if name not in computed]
    return tuple(unique for unique in wish.uniques if not any(names <= set(unique) for names in apart))


def _judge_references(wish: Wish) -> None:
    known = [*wish.reference_rules, *([wish.broken] if isinstance(wish.broken, ReferenceRule) else [])]
    for rule in known:
        if rule.id not in wish.references:
            raise CannotGenerate(
                wish.dataset.name, f"rule {rule.id!r}", f"looks into {rule.dataset!r}, whose rows were not given.",
                f"pass references={{{rule.id!r}: frame}} with columns {', '.join(rule.columns)}.",
            )  # fmt: skip


def _empty(wish: Wish, pools: Sequence[pl.DataFrame]) -> list[str]:
    """Return the columns that can only be null because nothing is there to refer to."""
    names = [name for pool in pools for name in pool.columns]
    for name in names:
        column = wish.dataset.column(name)
        if column is None or not column.nullable:
            rules = [rule for rule in wish.reference_rules if name in rule.columns]
            raise CannotGenerate(
                wish.dataset.name, f"rule {rules[0].id!r}",
                f"no row of {rules[0].dataset!r} has values that the rules on {', '.join(rules[0].columns)} allow.",
                f"give rows of {rules[0].dataset!r} that do.",
            )  # fmt: skip
    return names


def _null_source(dataset: Dataset, name: str) -> Source:
    column = dataset.column(name)
    dtype = column.dtype if column is not None else pl.Null()
    nulls = pl.Series(name, [None], dtype=dtype)
    return Source((name,), lambda _, rows, __, ___: nulls.new_from_index(0, rows).to_frame(), lambda _: None)


def _values(wish: Wish, column: Column, rng: np.random.Generator) -> Values:
    broken = wish.broken_value
    broken = broken if broken is not None and broken.columns[0] == column.name else None
    countries = _countries(wish, column) if broken is None else None
    if countries is not None:
        return Values(lambda rng, rows: countries.gather(rng.integers(0, countries.len(), rows, dtype=np.uint32)))
    try:
        return values_of(
            column, wish.rules_on(column.name), rng, window=wish.window, key=_key(wish, column),
            broken=broken,
        )  # fmt: skip
    except NoValueError as error:
        rules = [rule.id for rule in wish.rules_on(column.name)]
        culprit = f"column {column.name!r} ({', '.join(rules) or 'no rule'})"
        raise CannotGenerate(
            wish.dataset.name,
            culprit,
            str(error),
            error.fix,
        ) from error


def _countries(wish: Wish, column: Column) -> pl.Series | None:
    """List the countries of a column that holds a person's; None where rules name its values, or they must differ."""
    rules = wish.rules_on(column.name)
    if _key(wish, column) is not None or not holds_country(column, rules):
        return None
    is_listed = listed([rule for rule in rules if not isinstance(rule, Format)], None) is not None
    return None if is_listed else countries_for(column, rules)


def _key(wish: Wish, column: Column) -> Literal["alone", "part"] | None:
    """Whether a column must differ alone, or as part of a key."""
    if (column.name,) in wish.uniques:
        return "alone"
    return "part" if any(column.name in unique for unique in wish.uniques) else None


def _judge_room(wish: Wish, sources: Sequence[Source], followers: Sequence[Follower]) -> None:
    for unique in _numbered(wish, followers):
        most = size(sources, unique)
        if most is not None and most < wish.rows:
            raise CannotGenerate(
                wish.dataset.name, ", ".join(unique), f"only {most} rows can differ, and {wish.rows} are wanted.",
                f"ask for {most} rows or fewer, or allow more values.",
            )  # fmt: skip


def _choices(wish: Wish) -> tuple[tuple[Equation, ...], ...]:
    """For each equality, the ways to compute a side; a side that refers elsewhere only where there is no other."""
    equalities = [
        ways for rule in (*wish.rules, wish.broken) if isinstance(rule, RowRule) and rule.equality is not None
        for ways in equations(rule.equality, wish.dataset, broken=rule is wish.broken)
    ]  # fmt: skip
    strict = {name for rule in wish.reference_rules if rule.judges_rows for name in rule.columns}
    strict |= {name for unique in wish.uniques for name in unique}
    return tuple(tuple(way for way in ways if way.column not in strict) or ways for ways in equalities)


def _nulls(wish: Wish) -> dict[str, float]:
    full_columns = {name for unique in wish.uniques for name in unique}
    full_columns |= set(wish.dataset.partitions.columns) if wish.dataset.partitions else set()
    emptied_columns = {rule.empties for rule in wish.rules if isinstance(rule, RowRule) and rule.empties is not None}
    about = {wish.broken.columns} if isinstance(wish.broken, RowRule | ReferenceRule) else set()
    full_columns |= emptied_columns | {name for names in about for name in names}
    shares = {
        column.name: _NULLS for column in wish.dataset.columns if column.nullable and column.name not in full_columns
    }
    null_shares = refinement_of(wish.dataset).nulls
    for rule in wish.rules:
        if isinstance(rule, DatasetRule) and rule.empties in shares:
            shares[rule.empties] = (1 - (rule.at_least or 0)) / 2
    shares |= {name: share for name, share in null_shares.items() if name in shares}
    return shares if wish.emptied is None else {**shares, wish.emptied: 1.0}


def _misses(wish: Wish, streams: Streams) -> dict[str, tuple[float, Values]]:
    """Columns with one loose reference and nothing else that ties them."""
    tied = [name for rule in wish.reference_rules for name in rule.columns]
    tied += [name for unique in wish.uniques for name in unique]
    loose = [rule for rule in wish.reference_rules if not rule.judges_rows and len(rule.columns) == 1]
    free = [(rule, wish.dataset.column(rule.columns[0])) for rule in loose if tied.count(rule.columns[0]) == 1]
    return {column.name: ((1 - rule.coverage) / 2, _values(wish, column, streams(f"{column.name} tried elsewhere")))
            for rule, column in free if column}  # fmt: skip


def _tests(wish: Wish, choices: tuple[tuple[Equation, ...], ...]) -> tuple[Rule, ...]:
    """Return the rules that draws do not satisfy by themselves, the broken one last."""
    computed = {way.column for ways in choices for way in ways}
    tried: list[Rule] = [rule for rule in wish.rules if isinstance(rule, CheckRule)]
    tried += [rule for rule in wish.rules if isinstance(rule, RowRule) and _is_left_to_trial(rule)]
    tried += [rule for rule in wish.value_rules if rule.columns[0] in computed]
    tried += [rule for rule in wish.rules if isinstance(rule, RowRule)
              and rule.empties in computed and rule.empties != wish.emptied]  # fmt: skip
    tried += [rule for rule in wish.reference_rules if rule.judges_rows and computed & set(rule.columns)]
    by_trial = isinstance(wish.broken, CheckRule | ReferenceRule | RowRule) and wish.emptied is None
    return (*tried, *([wish.broken] if wish.broken is not None and by_trial else []))


def _is_left_to_trial(rule: RowRule) -> bool:
    """Whether no draw by itself keeps the rule."""
    return not (isinstance(rule, ValueRule) or rule.compares_rows or rule.on_input or rule.empties or rule.reads_clock)
