"""Column lineage of a Python function, observed: change one value of a small input, and see what moves in the result.

No source is read, so that pandas, Arrow, DuckDB and any library in between are traced alike. An edge is reported only
where a change shows it; what cannot be told apart by experiment is left out. The kinds are told apart so:

- `join`: giving a value another name on both sides changes nothing else, on one side alone it does.
- `group`: rows given twice make no more rows, another name for a whole group changes nothing else, for one row it does.
- `filter`: after the change nothing else in that row reaches the result any more, or rows vanish.
- `value`: rows stay who they are, and a column of them changes.
"""

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import polars as pl

from platform_core.lineage.graph import WHOLE, ColumnEdge, How

Run = Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame]
Frames = Mapping[str, pl.DataFrame]
Place = tuple[str, str]
"""An input and one of its columns."""

_ROWS = 5
_VALUES = 8
_SIGNIFICANT = 9
_PAIRS = 4_096
_NAMES = (pl.String, pl.Categorical, pl.Enum)


class NotObservable(Exception):
    """A function whose result cannot be compared; the message says why."""


@dataclass(frozen=True)
class Observation:
    """What was observed of one function: its edges, and how many times it ran."""

    columns: frozenset[ColumnEdge]
    runs: int


@dataclass(frozen=True, eq=False)
class _Effect:
    """What one change did: rows that went and rows that came, each a tuple of values."""

    row: int
    value: object
    removed: tuple[tuple[object, ...], ...]
    added: tuple[tuple[object, ...], ...]
    before: Frames = field(repr=False)
    frames: Frames = field(repr=False)

    @property
    def growth(self) -> int:
        return len(self.added) - len(self.removed)


def observe(run: Run, inputs: Frames, target: str, *, constants: Iterable[object] = ()) -> Observation:
    """Return the column edges that experiments with a function show; sources are the inputs' names.

    Args:
        run: Makes the result from a frame for each input; it must not change them.
        inputs: A dozen rows each, in which joins match and groups have more than one row.
        target: Name of what the function makes.
        constants: Values that stand in the function, so that its conditions are crossed.

    Raises:
        NotObservable: It fails on the input as it is, yields no rows, or another result for the same input.
    """
    return _Experiment(run, inputs, target, tuple(constants)).observation()


def agreed(observations: Iterable[Observation]) -> frozenset[ColumnEdge]:
    """Return the edges that observations of one function on several inputs show together, each as sure as the surest.

    A column that joins in one input is not taken for a filter in another, where the join did not show. One that is a
    filter in one input and a group in another, and never both in one, is what it is more surely.
    """
    observed = list(observations)
    joins = {
        (edge.source, edge.source_column)
        for observation in observed
        for edge in observation.columns
        if edge.how == "join"
    }
    best: dict[tuple[str, ...], ColumnEdge] = {}
    for observation in observed:
        own = {(edge.source, edge.source_column) for edge in observation.columns if edge.how == "join"}
        for edge in observation.columns:
            place = (edge.source, edge.source_column)
            key = (*place, edge.target_column, edge.how)
            if (place not in joins or place in own) and (key not in best or best[key].sure < edge.sure):
                best[key] = edge
    return frozenset(best.values()) - _weaker_twins(observed, best)


def _weaker_twins(observations: Sequence[Observation], best: Mapping[tuple[str, ...], ColumnEdge]) -> set[ColumnEdge]:
    """Return of a filter and a group of one column that no observation shows together the less sure edge."""
    weaker = set[ColumnEdge]()
    for source, column in {key[:2] for key in best}:
        one, other = (best.get((source, column, WHOLE, how)) for how in ("filter", "group"))
        if one is None or other is None:
            continue
        kinds = ({edge.how for edge in observation.columns if (edge.source, edge.source_column) == (source, column)}
                 for observation in observations)  # fmt: skip
        if not any({"filter", "group"} <= shown for shown in kinds):
            weaker.add(min(one, other, key=lambda edge: edge.sure))
    return weaker


class _Experiment:
    """One function with its input, its result, and a count of runs."""

    def __init__(self, run: Run, inputs: Frames, target: str, constants: tuple[object, ...]) -> None:
        self.run, self.inputs, self.target, self.constants = run, inputs, target, constants
        self.runs = 0
        self.names: list[str] = []
        try:
            frame = run(inputs)
        except Exception as error:  # what a user's function raises is not ours to foresee
            raise NotObservable(f"it fails on generated rows: {type(error).__name__}") from error
        self.names, self.schema = frame.columns, frame.schema
        self.result = _rows(frame)
        if not self.result:
            raise NotObservable("it makes no rows of the generated ones")
        if _difference(self.result, self.rows_of(inputs) or []) != ((), ()):
            raise NotObservable("it makes another result each time")
        self.identities = [
            place for place, column in enumerate(zip(*self.result, strict=True))
            if None not in column and len(set(column)) == len(column) > 1
        ]  # fmt: skip
        self.effects: dict[Place, list[_Effect]] = {}
        self.joined: dict[Place, set[Place]] = {}
        self.living: dict[tuple[Place, int], bool] = {}
        self.latest: tuple[Frames, list[tuple[object, ...]] | None] | None = None

    def rows_of(self, frames: Frames) -> list[tuple[object, ...]] | None:
        """Run; None where the function fails or changes its columns."""
        self.runs += 1
        try:
            frame = self.run(frames)
        except Exception:  # noqa: BLE001 - a value that the function refuses shows nothing
            return None
        return _rows(frame) if frame.columns == self.names else None

    def observation(self) -> Observation:
        places = [(name, column) for name, frame in self.inputs.items() for column in frame.columns]
        for place in places:
            self.effects[place] = list(self.changes(place))
        edges: set[ColumnEdge] = set()
        for place in places:
            if self.effects[place] and place not in self.joined:
                self.find_joins(place)
        for place in places:
            edges |= set(self.judged(place))
        return Observation(frozenset(edges), self.runs)

    def changes(self, place: Place) -> Iterator[_Effect]:
        """Yield what single changes of a column do, where they do anything."""
        name, column = place
        series = self.inputs[name][column]
        for row in range(min(series.len(), 2 * _ROWS)):
            for value in self.candidates(series, row)[: _VALUES if row < _ROWS else 2]:
                effect = self.effect(_with_cell(self.inputs, place, row, value), row, value)
                if effect is not None:
                    yield effect
        for now in [value for value in series.unique(maintain_order=True).to_list() if value is not None][:_ROWS]:
            for value in _fresh(series, now)[:1]:
                effect = self.effect(_with_value(self.inputs, [place], now, value), series.to_list().index(now), value)
                if effect is not None and effect.growth:  # twins of a row can hide what one change would show
                    yield effect

    def effect(self, frames: Frames, row: int, value: object, before: Frames | None = None) -> _Effect | None:
        """Return what a change does; None where it does nothing or the function fails, before or after."""
        before = self.inputs if before is None else before
        base, rows = self.result_of(before), self.rows_of(frames)
        if rows is None or base is None:
            return None
        removed, added = _difference(base, rows)
        return _Effect(row, value, removed, added, before, frames) if removed or added else None

    def result_of(self, frames: Frames) -> list[tuple[object, ...]] | None:
        """Run, but not twice in a row on the same frames."""
        if frames is self.inputs:
            return self.result
        if self.latest is None or self.latest[0] is not frames:
            self.latest = (frames, self.rows_of(frames))
        return self.latest[1]

    def candidates(self, series: pl.Series, row: int) -> list[object]:
        """Return other values for a cell: new ones, those of other rows, constants of the code, null."""
        now = series[row]
        fresh = _fresh(series, now)
        others = [value for value in series.unique(maintain_order=True).to_list() if value is not None and value != now]
        fitting = [constant for constant in self.constants if _fits(series.dtype, constant)]
        near = [
            value
            for values in zip(*(_neighbours(series.dtype, constant) for constant in fitting), strict=True)
            for value in values
        ]
        ordered = [*fresh[:2], *others[:2], *near[:4], None, *near[4:8], *fresh[2:], *others[2:3]]
        return [
            candidate
            for place, candidate in enumerate(ordered)
            if candidate != now and candidate not in ordered[:place]
        ]

    # Joins

    def find_joins(self, place: Place) -> None:
        """Find the columns of other inputs whose values must be those of this column."""
        mates = [mate for mate in self.effects if mate[0] != place[0] and self.overlap(place, mate)]
        for size in (1, 2, 3):
            for chosen in combinations(mates, size):
                if len({mate[0] for mate in chosen}) < size or place in self.joined:
                    continue
                group = (place, *chosen)
                if self.is_join(group):
                    for member in group:
                        self.joined.setdefault(member, set()).update(set(group) - {member})

    def overlap(self, left: Place, right: Place) -> bool:
        one, other = (self.inputs[name][column] for name, column in (left, right))
        return one.dtype == other.dtype and one.dtype != pl.Boolean and bool(self.common((left, right)))

    def common(self, places: Sequence[Place]) -> list[object]:
        values = [set(self.inputs[name][column].drop_nulls().to_list()) for name, column in places]
        first = self.inputs[places[0][0]][places[0][1]].unique(maintain_order=True).to_list()
        return [
            value for value in first if value is not None and all(value in column_values for column_values in values)
        ]

    def is_join(self, places: Sequence[Place]) -> bool:
        """Whether another name for a value leaves the rest as it is in all these columns, but not in any one alone.

        Tried as the input is, then with twins: a left join of which nothing is taken shows only so.
        """
        return (
            self.matches(places, self.inputs)
            or self.moves_together(places)
            or any(
                self.matches(places, {**self.inputs, name: pl.concat([self.inputs[name], self.inputs[name]])})
                for name in dict.fromkeys(name for name, _ in places)
            )
        )

    def moves_together(self, places: Sequence[Place]) -> bool:
        """Whether rows or values are lost when one of these columns is shifted as a whole, but not when all are."""
        if len({self.inputs[name][column].dtype for name, column in places}) > 1:
            return False
        joint = self.renames(places)
        alone = [self.renames([place]) for place in places]
        return (
            bool(joint)
            and all(growth == 0 for growth, _ in joint)
            and all(renames and all(growth < 0 for growth, _ in renames) for renames in alone)
        )

    def matches(self, places: Sequence[Place], before: Frames) -> bool:
        """Whether at least two values of these columns, where there are two, behave as the keys of a join do."""
        common = self.common(places)[:_ROWS]
        proofs = refuted = 0
        for value in common:
            new = _fresh(self.inputs[places[0][0]][places[0][1]], value)[:1]
            joint = self.renamed(places, value, new[0], before) if new else None
            if joint is None:
                continue
            if joint[0] != 0:
                refuted += 1
                continue
            alone = [self.renamed([place], value, new[0], before) for place in places]
            if all(effect is not None and (effect[0] != 0 or effect[1] - joint[1]) for effect in alone):
                if self.is_union(places, value, new[0]):
                    return False
                proofs += 1
        return proofs >= min(2, len(common)) and refuted <= 1 and proofs > refuted

    def is_union(self, places: Sequence[Place], value: object, new: object) -> bool:
        """Whether a new name on any one side comes out in a row of its own: both sides are stacked, not matched."""
        for place in places:
            effect = self.effect(_with_value(self.inputs, [place], value, new), 0, new)
            fresh = _comparable(new)
            if (
                effect is None
                or effect.growth <= 0
                or not any(fresh in row and None not in row for row in effect.added)
            ):
                return False
        return True

    def renamed(
        self, places: Sequence[Place], value: object, new: object, before: Frames
    ) -> tuple[int, set[str]] | None:
        """Return by how many rows the result grows when a value is renamed, and which columns change.

        A result that is the same but for the name grows by none; one that differs otherwise in as many rows, by one.
        """
        base, rows = self.result_of(before), self.rows_of(_with_value(before, places, value, new))
        if rows is None or base is None:
            return None
        removed, added = _difference(base, rows)
        old, fresh = _comparable(value), _comparable(new)
        back = [tuple(old if cell == fresh else cell for cell in row) for row in added]
        if len(places) > 1 and _difference(removed, back) != ((), ()):
            return len(added) - len(removed) or 1, set()
        return len(added) - len(removed), self.changed(removed, added)

    # What each column does

    def judged(self, place: Place) -> Iterator[ColumnEdge]:
        """Yield the edges of one column."""
        mates = self.joined.get(place)
        if mates:
            yield self.edge(place, WHOLE, "join", len(self.effects[place]))
            if not self.leads(place, mates):
                return
            yield from self.judged_effects(place, list(self.changes_beside_join(place, mates)), (place, *sorted(mates)))
        else:
            yield from self.judged_effects(place, self.effects[place], (place,))

    def leads(self, place: Place, mates: Iterable[Place]) -> bool:
        """Whether this side's rows look for the others': it repeats values, or stands first."""
        order = list(self.inputs)

        def rank(place: Place) -> tuple[int, int]:
            series = self.inputs[place[0]][place[1]]
            return (series.n_unique() - series.len(), order.index(place[0]))

        return all(rank(place) <= rank(mate) for mate in mates)

    def changes_beside_join(self, place: Place, mates: Iterable[Place]) -> Iterator[_Effect]:
        """Yield what changes of a join's column do when what they look for is there under the new value as well."""
        series = self.inputs[place[0]][place[1]]
        for row in range(min(series.len(), _ROWS)):
            for value in self.candidates(series, row)[:_VALUES]:
                if value is None:
                    continue
                beside = dict(self.inputs)
                for name, column in mates:
                    frame = beside[name].filter(pl.col(column) != value)
                    twins = frame.filter(pl.col(column) == series[row])
                    twin_values = pl.Series(column, [value] * twins.height, dtype=twins[column].dtype)
                    beside[name] = pl.concat([frame, twins.with_columns(twin_values)])
                effect = self.effect(_with_cell(beside, place, row, value), row, value, beside)
                if effect is not None:
                    yield effect

    def judged_effects(
        self, place: Place, effects: Sequence[_Effect], together: Sequence[Place]
    ) -> Iterator[ColumnEdge]:
        sized = [effect for effect in effects if effect.growth != 0]
        steady = [effect for effect in effects if effect.growth == 0]
        collapsed = self.collapses(place[0])
        if sized:
            renames = self.renames(together)
            lasting = bool(renames) and all(growth == 0 for growth, _ in renames)
            by_null = all(effect.value is None or self.was_null(place, effect) for effect in sized)
            dying = [effect for effect in sized if self.counts(place, effect) and self.changes_life(place, effect)]
            if lasting and not by_null and (not dying or (collapsed and self.is_named(place, renames))):
                if collapsed:
                    yield from self.group(place, len(sized), self.least([columns for _, columns in renames], together))
                return  # without a group rows unfold, and what decides cannot be told
            if collapsed and not by_null and not dying and any(len(effect.removed) > 1 for effect in steady):
                yield self.edge(place, WHOLE, "group", len(sized))
                return
            yield self.edge(place, WHOLE, "filter", len(sized))
            names = {value for row in self.result for value in row if value is not None}
            own = self.inputs[place[0]][place[1]]
            moving = [effect for effect in sized if effect not in dying and {effect.value, own[effect.row]} <= names]
            if collapsed and dying and moving and self.inputs[place[0]][place[1]].dtype in _NAMES:
                yield from self.group(place, len(moving), [columns for _, columns in self.swaps(together)])
                return
        elif collapsed and len(self.result) > 1 and steady and all(len(effect.removed) > 1 for effect in steady):
            return  # rows move between groups, or each group is a share of all: the same to see
        yield from self.judged_steady(place, steady, collapsed=collapsed, decides=bool(sized))

    def is_named(self, place: Place, renames: Sequence[tuple[int, set[str]]]) -> bool:
        """Whether new names change nothing but names: a sum that changes says that other rows take part."""
        changed = set().union(*(columns for _, columns in renames))
        return not any(self.schema[column].is_numeric() for column in changed) and (
            self.inputs[place[0]][place[1]].dtype in _NAMES
        )

    def group(self, place: Place, times: int, renamed: Sequence[set[str]]) -> Iterator[ColumnEdge]:
        """Yield that a column groups, and what is made of its names: what changes in any case when they change."""
        yield self.edge(place, WHOLE, "group", times)
        smallest = min((columns for columns in renamed if columns), key=len, default=set())
        yield from (self.edge(place, column, "value", len(renamed)) for column in smallest)

    def least(self, renamed: Sequence[set[str]], places: Sequence[Place]) -> list[set[str]]:
        """Add what smaller shifts of dates change, within what large ones do: clocks were not always set as today."""
        wide = set().union(*renamed)
        small = self.renames(places, _small_shifts(self.inputs[places[0][0]][places[0][1]]))
        return [*renamed, *(columns for growth, columns in small if growth == 0 and columns <= wide)]

    def swaps(self, places: Sequence[Place]) -> list[tuple[int, set[str]]]:
        """Return what exchanging two values everywhere does, where as many rows stay."""
        outcomes = []
        for one, other in list(combinations(self.common(places), 2))[:_VALUES]:
            frames = _with_value(self.inputs, places, one, other, swap=True)
            rows = self.rows_of(frames)
            if rows is not None:
                removed, added = _difference(self.result, rows)
                if len(removed) == len(added):
                    outcomes.append((0, self.holding(removed, one, other)))
        return outcomes

    def holding(self, rows: Sequence[tuple[object, ...]], *values: object) -> set[str]:
        """Return the columns in which one of some values stands as it is."""
        comparable_values = {_comparable(value) for value in values}
        return {name for row in rows for name, value in zip(self.names, row, strict=True) if value in comparable_values}

    def counts(self, place: Place, effect: _Effect) -> bool:
        """Whether a change tells something about its row: null and zero add nothing, though the row is there."""
        return bool(effect.value) and bool(self.inputs[place[0]][place[1]][effect.row])

    def changes_life(self, place: Place, effect: _Effect) -> bool:
        """Whether the rest of the row reaches the result either before or after a change, but not both."""
        return self.lives(place, effect.row, effect.before) != self.lives(place, effect.row, effect.frames)

    def was_null(self, place: Place, effect: _Effect) -> bool:
        return self.inputs[place[0]][place[1]][effect.row] is None

    def judged_steady(
        self, place: Place, steady: Sequence[_Effect], *, collapsed: bool, decides: bool
    ) -> Iterator[ColumnEdge]:
        """Yield the edges that changes show which leave as many rows as there were."""
        moved: Counter[str] = Counter()
        vanished = 0
        known = set(self.result)
        for effect in steady:
            if set(effect.added) <= known:
                continue  # another row came twice, or the value is one that others have: new values tell more
            counts = self.counts(place, effect)
            if self.gives_way(place, effect) or ((counts or collapsed) and self.changes_life(place, effect)):
                vanished += counts
            elif not collapsed or len(effect.removed) == 1:
                columns = self.changed(effect.removed, effect.added)
                if len(columns) == 1 or len(columns) < len(self.names) or self.lives(place, effect.row, effect.before):
                    moved.update(columns)  # else another row may have come in its place
        if vanished and not decides:
            yield self.edge(place, WHOLE, "filter", vanished)
        yield from (self.edge(place, column, "value", times) for column, times in moved.items())

    def gives_way(self, place: Place, effect: _Effect) -> bool:
        """Whether a row of the result is gone, and one that another row of the input names stands in its place.

        Its name is one of a column from which all names in the result are; else it may be a number by chance.
        """
        frame = self.inputs[place[0]].drop(place[1])
        names = [set(map(_comparable, column)) for column in frame if column.n_unique() == column.len() > 1]
        for column in self.identities:
            whole = {row[column] for row in self.result}
            before, after = ({row[column] for row in rows} for rows in (effect.removed, effect.added))
            if before - after and after - whole and any(whole | after <= own for own in names):
                return True
        return False

    def lives(self, place: Place, row: int, frames: Frames) -> bool:
        """Whether any other value of a row reaches the result."""
        if frames is self.inputs:
            if (place, row) not in self.living:
                self.living[(place, row)] = self.reaches(place, row, frames)
            return self.living[(place, row)]
        return self.reaches(place, row, frames)

    def reaches(self, place: Place, row: int, frames: Frames) -> bool:
        """Try other values of a row, those first that did reach the result."""
        name, column = place
        others = [other for other in self.inputs[name].columns if other != column]
        shown = [
            (other, effect.value) for other in others for effect in self.effects[(name, other)] if effect.row == row
        ]
        tried = [
            (other, value) for other in others for value in self.candidates(self.inputs[name][other], row)[:_VALUES]
        ]
        return any(
            self.effect(_with_cell(frames, (name, other), row, value), row, value, frames)
            for other, value in dict.fromkeys([*shown, *tried])
        )

    def collapses(self, name: str) -> bool:
        """Whether a row given twice makes no more rows."""
        frame = self.inputs[name]
        grows = False
        for row in range(min(frame.height, _ROWS)):
            rows = self.rows_of({**self.inputs, name: pl.concat([frame, frame[row : row + 1]])})
            if rows is None:
                continue
            if len(rows) == len(self.result) and _difference(self.result, rows) != ((), ()):
                return True  # others may grow: a twin can lift a group over a condition on its sum
            grows = grows or len(rows) != len(self.result)
        return not grows

    def renames(
        self, places: Sequence[Place], shifts: Sequence[Callable[[pl.Series], pl.Series]] | None = None
    ) -> list[tuple[int, set[str]]]:
        """Return what giving all values of columns other names does: each a growth and the columns that change."""
        outcomes = []
        for shift in _shifts(self.inputs[places[0][0]][places[0][1]]) if shifts is None else shifts:
            frames = dict(self.inputs)
            for name, column in places:
                frames[name] = frames[name].with_columns(shift(frames[name][column]).alias(column))
            rows = self.rows_of(frames)
            if rows is not None:
                removed, added = _difference(self.result, rows)
                lost = self.lost(removed, added)
                outcomes.append((len(added) - len(removed) or -lost, self.changed(removed, added)))
        return outcomes

    def lost(self, removed: Sequence[tuple[object, ...]], added: Sequence[tuple[object, ...]]) -> int:
        """Return how many columns have more nulls than before: what they were looked up by is no longer there."""
        before, after = ([sum(value is None for value in column) for column in zip(*rows, strict=True)]
                         for rows in (removed, added))  # fmt: skip
        return sum(new > old for old, new in zip(before, after, strict=False))

    def changed(self, removed: Sequence[tuple[object, ...]], added: Sequence[tuple[object, ...]]) -> set[str]:
        """Return the columns in which rows that went differ from those that came.

        Each is matched with the one of its name, in the column that names most of them, and else with the nearest.
        """
        if len(removed) * len(added) > _PAIRS:
            return set(self.names)
        shared = {place: {row[place] for row in removed} & {row[place] for row in added} for place in self.identities}
        name = max(shared, key=lambda place: len(shared[place]), default=None)
        pairs = sorted(
            ((name is None or old[name] != new[name], sum(a != b for a, b in zip(old, new, strict=True)), i, j)
             for i, old in enumerate(removed) for j, new in enumerate(added)),
        )  # fmt: skip
        used_old: set[int] = set()
        used_new: set[int] = set()
        columns: set[str] = set()
        for _, _, i, j in pairs:
            if i in used_old or j in used_new:
                continue
            used_old.add(i)
            used_new.add(j)
            columns |= {name for name, a, b in zip(self.names, removed[i], added[j], strict=True) if a != b}
        return columns

    def edge(self, place: Place, column: str, how: How, times: int) -> ColumnEdge:
        """Return an edge; the more experiments showed it, the surer it is."""
        sure = round(1 - 0.5 ** min(times, 10), 3)
        return ColumnEdge(place[0], place[1], self.target, column, how, sure)


def _rows(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return [tuple(_comparable(value) for value in row) for row in frame.rows()]


def _comparable(value: object) -> object:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else float(f"{value:.{_SIGNIFICANT}g}")
    return repr(value) if isinstance(value, list | dict) else value


def _difference(
    before: Iterable[tuple[object, ...]], after: Iterable[tuple[object, ...]]
) -> tuple[tuple[tuple[object, ...], ...], tuple[tuple[object, ...], ...]]:
    old, new = Counter(before), Counter(after)
    return tuple((old - new).elements()), tuple((new - old).elements())


def _with_cell(frames: Frames, place: Place, row: int, value: object) -> Frames:
    name, column = place
    frame = frames[name]
    values = frame[column].to_list()
    values[row] = value
    return {**frames, name: frame.with_columns(pl.Series(column, values, dtype=frame[column].dtype))}


def _with_value(frames: Frames, places: Iterable[Place], value: object, new: object, *, swap: bool = False) -> Frames:
    renamed = dict(frames)
    for name, column in places:
        series = renamed[name][column]
        values = [new if cell == value else value if swap and cell == new else cell for cell in series.to_list()]
        renamed[name] = renamed[name].with_columns(pl.Series(column, values, dtype=series.dtype))
    return renamed


_YEARS_28 = dt.timedelta(days=10_227)
"""After 28 years a calendar repeats itself: the same weekdays, months and leap years."""


def _fresh(series: pl.Series, now: object) -> list[object]:
    """Return values for a cell that no row has: far off in both directions first."""
    dtype = series.dtype
    if dtype == pl.Boolean:
        return [not now]
    if isinstance(dtype, pl.Enum):
        present = set(series.to_list())
        return [category for category in dtype.categories.to_list() if category not in present]
    if dtype == pl.String:
        return [f"{now}~1", f"~{now}", f"{now}~2"]
    numbers = [value for value in series.drop_nulls().to_list() if isinstance(value, int | float)]
    if dtype.is_integer():
        low, high = _bounds(dtype)
        top, bottom = max(numbers, default=0), min(numbers, default=0)
        return [value for value in (top + 1000, bottom - 1000, top + 7, bottom - 7, top + 1) if low <= value <= high]
    if dtype.is_float():
        top, bottom = max(numbers, default=0.0), min(numbers, default=0.0)
        return [top + 1000.5, bottom - 1000.5, top + 7.25]
    if isinstance(now, dt.date):
        return [now + _YEARS_28, now - _YEARS_28, now + dt.timedelta(days=37), now + dt.timedelta(days=1)]
    return []


def _bounds(dtype: pl.DataType) -> tuple[int, int]:
    frame = pl.select(low=dtype.min(), high=dtype.max())  # type: ignore[attr-defined]  # of whole numbers
    return frame["low"][0], frame["high"][0]


def _fits(dtype: pl.DataType, value: object) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    if dtype == pl.String:
        return isinstance(value, str)
    if isinstance(dtype, pl.Enum):
        return value in dtype.categories.to_list()
    if dtype.is_numeric():
        return isinstance(value, int | float) and (dtype.is_float() or float(value).is_integer())
    return False


def _neighbours(dtype: pl.DataType, value: Any) -> list[object]:
    if dtype.is_integer():
        return [int(value), int(value) + 1, int(value) - 1]
    if dtype.is_float():
        return [float(value), value + 0.5, value - 0.5]
    return [value]


def _shifts(series: pl.Series) -> list[Callable[[pl.Series], pl.Series]]:
    """Return one-to-one changes of a column's values that keep what is equal equal."""
    dtype = series.dtype
    if dtype == pl.String:
        return [lambda column: column + "~1", lambda column: column + "~2"]
    if dtype.is_numeric() and series.drop_nulls().len():
        shift = 1_000 * (1 + math.ceil((abs(series.max()) + abs(series.min())) / 1_000))  # type: ignore[arg-type, operator]  # of numbers
        return [lambda column: (column + shift).cast(dtype), lambda column: (column - shift).cast(dtype)]
    if dtype in (pl.Date, pl.Datetime):
        return [lambda column: column.dt.offset_by("28y"), lambda column: column.dt.offset_by("-28y")]
    if dtype == pl.Boolean:
        return [lambda column: ~column]
    return []


def _small_shifts(series: pl.Series) -> list[Callable[[pl.Series], pl.Series]]:
    if series.dtype in (pl.Date, pl.Datetime):
        return [lambda column: column.dt.offset_by("7d"), lambda column: column.dt.offset_by("364d")]
    return []
