"""Recipes from a mapping, as a YAML file has it: read whole, or refused with every culprit.

The shape is `synthetic_data: {seed, tabular: {name, num_rows, schema: [...], correlations: [...]},
time_series: {name, start_date, end_date, frequency, metrics: [...]}, images: {...}}`; each part may be left out, and
`tabular` and `time_series` may be lists.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, get_args

from platform_core.errors import ContractError, Problem
from platform_core.synthetic.patterns import UnreadablePatternError, pattern_of
from platform_core.synthetic.people import COUNTRIES, PARTS
from platform_core.synthetic.recipes.blocks import Draw
from platform_core.synthetic.recipes.columns import ColumnRecipe, ColumnType, Distribution, open_days
from platform_core.synthetic.recipes.images import ImageKind, ImageRecipe
from platform_core.synthetic.recipes.series import (
    Anomalies,
    AnomalyKind,
    Metric,
    Season,
    SeriesRecipe,
    Trend,
    TrendKind,
)
from platform_core.synthetic.recipes.tables import TableRecipe

_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")
_TYPES = {
    "int": "integer",
    "bigint": "integer",
    "double": "float",
    "number": "float",
    "text": "string",
    "str": "string",
    "bool": "boolean",
    "datetime": "timestamp",
    "categorical": "string",
    "category": "string",
}


NO_GENERATORS: Mapping[str, Draw] = MappingProxyType({})


@dataclass(frozen=True)
class Recipes:
    """What one file asks for."""

    seed: int
    tables: tuple[TableRecipe, ...] = ()
    series: tuple[SeriesRecipe, ...] = ()
    images: tuple[ImageRecipe, ...] = ()


def recipes_of(
    mapping: Mapping[str, Any], *, name: str = "recipe", generators: Mapping[str, Draw] = NO_GENERATORS
) -> Recipes:
    """Read the recipes of a mapping.

    Args:
        mapping: What the file says.
        name: What messages call the file.
        generators: What a column's word `generator` may name.

    Raises:
        ContractError: With every word that is unknown or out of its bounds.
    """
    reading = _Reading(name, [], generators)
    top = mapping.get("synthetic_data", mapping) if isinstance(mapping, Mapping) else None
    if not isinstance(top, Mapping):
        raise ContractError(
            [Problem(name, "synthetic_data", "is no mapping.", "write synthetic_data: {tabular: ...}.")]
        )
    reading.only(top, "synthetic_data", {"seed", "tabular", "time_series", "images"})
    tables = tuple(reading.table(part, place) for place, part in reading.parts(top, "tabular"))
    series = tuple(reading.series(part, place) for place, part in reading.parts(top, "time_series"))
    pictures = tuple(reading.images(part, place) for place, part in reading.parts(top, "images"))
    names = [table.name for table in tables] + [one.name for one in series] + [picture.name for picture in pictures]
    for repeated in sorted({other for other in names if names.count(other) > 1}):
        reading.refuse(f"name {repeated!r}", "is given to more than one part.", "give each its own name.")
    if not names:
        reading.refuse("synthetic_data", "asks for nothing.", "give tabular, time_series or images.")
    seed = reading.count(top.get("seed", 0), "seed")
    if reading.problems:
        raise ContractError(reading.problems)
    return Recipes(seed, tables, series, pictures)


def refined_table(
    part: Mapping[str, Any], dataset: str, kinds: Mapping[str, str | None], generators: Mapping[str, Draw]
) -> tuple[TableRecipe, list[Problem]]:
    """Read a table that refines a dataset, whose columns have the given types, and all that is wrong with it.

    Args:
        part: The words of a table, without its name.
        dataset: The dataset's name.
        kinds: By column its type; None where a recipe has no values of it.
        generators: What a column's word `generator` may name.
    """
    reading = _Reading(dataset, [], generators)
    reading.only(part, "synthetic", {"schema", "correlations"})
    schema = []
    for column in reading.mappings(part.get("schema"), "synthetic.schema"):
        name = column.get("name")
        kind = kinds.get(str(name))
        place = f"synthetic.schema: column {name!r}"
        if name not in kinds:
            reading.refuse(place, "is no column of the dataset.", f"use one of {', '.join(kinds)}.")
            continue
        for word in ("type", "unique"):
            if word in column:
                reading.refuse(f"{place}: {word!r}", "is the contract's to say.", "take the word out.")
        if kind is None and set(column) - {"name", "null_rate"}:
            reading.refuse(place, "has a type of which a recipe makes no values.", "say null_rate alone.")
        schema.append({**{word: value for word, value in column.items() if word != "unique"}, "type": kind or "string"})
    if reading.problems and not schema:
        return TableRecipe(name=dataset, columns=()), reading.problems
    correlations = part.get("correlations") or []
    return reading.table({"schema": schema, "correlations": correlations}, "synthetic"), reading.problems


@dataclass(frozen=True)
class _Reading:
    """One pass over a file; problems are gathered, and each word has a value that lets the pass go on."""

    name: str
    problems: list[Problem]
    generators: Mapping[str, Draw]

    def refuse(self, culprit: str, message: str, fix: str) -> None:
        self.problems.append(Problem(self.name, culprit, message, fix))

    def only(self, part: Mapping[str, Any], place: str, words: set[str]) -> None:
        for word in part:
            if word not in words:
                self.refuse(f"{place}: {word!r}", "is no word of a recipe.", f"use one of {', '.join(sorted(words))}.")

    def mappings(self, given: Any, place: str) -> list[Mapping[str, Any]]:
        """Read a mapping, or a list of them; nothing is an empty list."""
        listed = [] if given is None else given if isinstance(given, list) else [given]
        for part in listed:
            if not isinstance(part, Mapping):
                self.refuse(f"{place}: {part!r}", "is no mapping.", "write {word: value, ...}.")
        return [part for part in listed if isinstance(part, Mapping)]

    def parts(self, top: Mapping[str, Any], word: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the parts of a word with their places."""
        listed = self.mappings(top.get(word), word)
        for number, part in enumerate(listed):
            yield (f"{word}[{number}]" if len(listed) > 1 else word), part

    def table(self, part: Mapping[str, Any], place: str) -> TableRecipe:
        self.only(part, place, {"name", "num_rows", "schema", "correlations"})
        columns = tuple(
            self.column(column, f"{place}.schema") for column in self.mappings(part.get("schema"), f"{place}.schema")
        )
        if not columns:
            self.refuse(f"{place}.schema", "has no column.", "list columns as {name, type, ...}.")
        names = [column.name for column in columns]
        for repeated in sorted({column for column in names if names.count(column) > 1}):
            self.refuse(f"{place}.schema: column {repeated!r}", "is listed more than once.", "name each column once.")
        correlations = []
        for pair in self.mappings(part.get("correlations"), f"{place}.correlations"):
            first, second = (*pair.get("columns", ()), None, None)[:2]
            coefficient = self.number(pair.get("value", 0), f"{place}.correlations: value")
            if first not in names or second not in names:
                self.refuse(f"{place}.correlations", f"names {first!r} and {second!r}.", f"use two of {names}.")
            elif not -1 <= coefficient <= 1:
                self.refuse(f"{place}.correlations", f"has {pair.get('value')}.", "give a coefficient in [-1, 1].")
            else:
                correlations.append((str(first), str(second), coefficient))
        rows = self.count(part.get("num_rows", 1000), f"{place}.num_rows")
        return TableRecipe(
            name=str(part.get("name", "table")), columns=columns, rows=rows, correlations=tuple(correlations)
        )

    def column(self, part: Mapping[str, Any], place: str) -> ColumnRecipe:
        name = str(part.get("name", ""))
        place = f"{place}: column {name!r}"
        self.only(
            part,
            place,
            {
                "name",
                "type",
                "distribution",
                "range",
                "values",
                "pattern",
                "words",
                "decimals",
                "unique",
                "null_rate",
                "probability",
                "mean",
                "std",
                "shape",
                "generator",
                "mixture",
                "business_hours",
                "edge_case_rate",
                "person",
                "countries",
            },
        )
        generator = part.get("generator")
        if generator is not None and not callable(generator) and generator not in self.generators:
            available = ", ".join(sorted(self.generators)) or "none is installed"
            self.refuse(f"{place}: generator {generator!r}", "is not installed.", f"use one of these: {available}.")
        if not name:
            self.refuse(place, "has no name.", "give name.")
        declared = str(part.get("type", "string"))
        kind = self.one_of(_TYPES.get(declared, declared), get_args(ColumnType), f"{place}: type")
        distribution = self.one_of(
            part.get("distribution", "uniform"), get_args(Distribution), f"{place}: distribution"
        )
        low, high = self.bounds(part.get("range"), kind, place)
        pattern = part.get("pattern")
        if pattern is not None:
            try:
                pattern_of(str(pattern))
            except UnreadablePatternError as error:
                self.refuse(f"{place}: pattern", f"cannot be drawn: {error}.", "use classes, groups and repeats.")
        values = part.get("values") or ()
        weighted = values.items() if isinstance(values, Mapping) else [(value, 1.0) for value in values]
        weights = tuple((value, self.number(weight, f"{place}: values")) for value, weight in weighted)
        if weights and (min(weight for _, weight in weights) < 0 or not sum(weight for _, weight in weights)):
            self.refuse(f"{place}: values", "have a weight below zero, or none above it.", "give shares above zero.")
        person = part.get("person")
        if person is not None:
            person = self.one_of(person, PARTS, f"{place}: person")
            kind = "string"
        return ColumnRecipe(
            mixture=self.mixture(part.get("mixture"), f"{place}: mixture"),
            open_hours=self.open_hours(part.get("business_hours"), kind, low, high, place),
            edge_case_rate=self.share(part.get("edge_case_rate", 0.0), f"{place}: edge_case_rate"),
            person=person,
            countries=self.countries(part.get("countries"), f"{place}: countries"),
            name=name,
            type=kind,
            distribution=distribution,
            low=low,
            high=high,
            values=weights,
            pattern=pattern,
            words=part.get("words"),
            decimals=part.get("decimals"),
            unique=bool(part.get("unique", False)),
            null_rate=self.share(part.get("null_rate", 0.0), f"{place}: null_rate"),
            probability=self.share(part.get("probability", 0.5), f"{place}: probability"),
            mean=None if part.get("mean") is None else self.number(part["mean"], f"{place}: mean"),
            std=None if part.get("std") is None else self.number(part["std"], f"{place}: std"),
            generator=generator if callable(generator) else self.generators.get(str(generator)),
            shape=tuple(self.number(one, f"{place}: shape") for one in _listed(part.get("shape"))),
        )

    def mixture(self, given: Any, place: str) -> tuple[tuple[float, ColumnRecipe], ...]:
        parts = []
        for part in self.mappings(given, place):
            self.only(part, place, {"weight", "distribution", "mean", "std", "shape", "range"})
            weight = self.number(part.get("weight", 1.0), f"{place}: weight")
            if weight <= 0:
                self.refuse(f"{place}: weight {weight}", "is not above zero.", "give shares above zero.")
            words = {word: value for word, value in part.items() if word != "weight"}
            parts.append((weight, self.column({"name": "a part", "type": "float", **words}, place)))
        return tuple(parts)

    def open_hours(self, given: Any, kind: str, low: Any, high: Any, place: str) -> tuple[float, float] | None:
        """Read `true`, which is [9, 17), or a pair of hours."""
        if given is None or given is False:
            return None
        place = f"{place}: business_hours"
        pair = [9, 17] if given is True else given
        if kind != "timestamp" or not isinstance(pair, list) or len(pair) != 2:  # noqa: PLR2004 - from, to
            self.refuse(f"{place} {given!r}", "is no pair of hours of a timestamp.", "write true, or [9, 17].")
            return None
        opens, closes = (self.number(hour, place) for hour in pair)
        if not 0 <= opens < closes <= 24:  # noqa: PLR2004 - hours of a day
            self.refuse(f"{place} {given!r}", "is no span of a day.", "give hours in [0, 24], the first one lower.")
            return None
        if isinstance(low, datetime) and isinstance(high, datetime) and not open_days(low, high, (opens, closes)):
            self.refuse(f"{place} {given!r}", "leaves no open day in the range.", "widen the range.")
            return None
        return opens, closes

    def countries(self, given: Any, place: str) -> tuple[tuple[str, float], ...]:
        pairs = given.items() if isinstance(given, Mapping) else [(name, 1.0) for name in given or COUNTRIES]
        return tuple(
            (self.one_of(name, tuple(COUNTRIES), place), max(1e-9, self.number(weight, place)))
            for name, weight in pairs
        )  # fmt: skip

    def bounds(self, given: Any, kind: str, place: str) -> tuple[Any, Any]:
        if given is None:
            return None, None
        if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:  # noqa: PLR2004 - low, high
            self.refuse(f"{place}: range {given!r}", "is no pair.", "write [low, high].")
            return None, None
        read: Callable[[Any, str], Any] = self.instant if kind in {"timestamp", "date"} else self.number
        low, high = (read(bound, f"{place}: range") for bound in given)  # instants or numbers, alike
        if low is not None and high is not None and low > high:
            self.refuse(f"{place}: range", f"begins at {low}, above {high}.", "swap the bounds.")
        return low, high

    def series(self, part: Mapping[str, Any], place: str) -> SeriesRecipe:
        self.only(part, place, {"name", "start_date", "end_date", "frequency", "metrics"})
        start = self.instant(part.get("start_date"), f"{place}.start_date")
        end = self.instant(part.get("end_date"), f"{place}.end_date")
        if start >= end:
            self.refuse(f"{place}.end_date", f"{end} is not after {start}.", "end the series after its start.")
        frequency = self.span(part.get("frequency", "1d"), f"{place}.frequency")
        metrics = tuple(
            self.metric(metric, f"{place}.metrics") for metric in self.mappings(part.get("metrics"), f"{place}.metrics")
        )
        if not metrics:
            self.refuse(f"{place}.metrics", "are missing.", "list metrics as {name, trend, seasonality, ...}.")
        earlier: set[str] = set()
        for metric in metrics:
            for other, _ in metric.correlates:
                if other not in earlier:
                    self.refuse(
                        f"{place}.metrics: {metric.name!r}",
                        f"correlates with {other!r}.",
                        "name a metric that is listed before.",
                    )
            earlier.add(metric.name)
        return SeriesRecipe(
            name=str(part.get("name", "series")), start=start, end=end, frequency=frequency, metrics=metrics
        )

    def metric(self, part: Mapping[str, Any], place: str) -> Metric:
        name = str(part.get("name", ""))
        place = f"{place}: {name!r}"
        self.only(
            part,
            place,
            {
                "name",
                "base",
                "trend",
                "seasonality",
                "noise",
                "persistence",
                "gap_share",
                "anomalies",
                "holidays",
                "correlates",
            },
        )
        if not name:
            self.refuse(place, "has no name.", "give name.")
        persistence = self.number(part.get("persistence", 0.0), f"{place}: persistence")
        if not 0 <= persistence < 1:
            self.refuse(f"{place}: persistence", f"is {persistence}.", "give a number in [0, 1).")
        return Metric(
            name=name,
            base=self.number(part.get("base", 0.0), f"{place}: base"),
            trend=self.trend(part.get("trend"), place),
            seasons=tuple(self.season(season, place) for season in _listed(part.get("seasonality"))),
            noise=self.number(part.get("noise", 0.0), f"{place}: noise"),
            persistence=persistence if 0 <= persistence < 1 else 0.0,
            gap_share=self.share(part.get("gap_share", 0.0), f"{place}: gap_share"),
            anomalies=tuple(
                self.anomalies(kind, place) for kind in self.mappings(part.get("anomalies"), f"{place}: anomalies")
            ),
            holidays=tuple(
                (str(day), self.number(effect, f"{place}: holidays"))
                for day, effect in (part.get("holidays") or {}).items()
            ),
            correlates=tuple(
                (str(other), self.number(value, f"{place}: correlates"))
                for other, value in (part.get("correlates") or {}).items()
            ),
        )

    def trend(self, given: Any, place: str) -> Trend:
        if given is None:
            return Trend()
        part: Mapping[str, Any] = given if isinstance(given, Mapping) else {"kind": given}
        self.only(part, f"{place}: trend", {"kind", "slope", "capacity", "changes"})
        kind = self.one_of(part.get("kind", "linear"), get_args(TrendKind), f"{place}: trend")
        changes = tuple(
            (self.instant(at, f"{place}: trend"), self.number(slope, f"{place}: trend"))
            for at, slope in part.get("changes", ())
        )
        return Trend(
            kind=kind,
            slope=self.number(part.get("slope", 0.0), f"{place}: slope"),
            capacity=self.number(part.get("capacity", 1.0), f"{place}: capacity"),
            changes=changes,
        )

    def season(self, given: Any, place: str) -> Season:
        named = {"daily": "1d", "weekly": "1w", "yearly": "365d", "hourly": "1h"}
        part: Mapping[str, Any] = given if isinstance(given, Mapping) else {"period": given}
        self.only(part, f"{place}: seasonality", {"period", "amplitude", "phase"})
        word = str(part.get("period"))
        period = self.span(named.get(word, word), f"{place}: seasonality")
        return Season(
            period=period,
            amplitude=self.number(part.get("amplitude", 1.0), f"{place}: amplitude"),
            phase=self.number(part.get("phase", 0.0), f"{place}: phase"),
        )

    def anomalies(self, part: Mapping[str, Any], place: str) -> Anomalies:
        self.only(part, f"{place}: anomalies", {"kind", "count", "size", "length"})
        kind = self.one_of(part.get("kind", "spike"), get_args(AnomalyKind), f"{place}: anomalies")
        return Anomalies(
            kind=kind,
            count=self.count(part.get("count", 1), f"{place}: anomalies"),
            size=self.number(part.get("size", 6.0), f"{place}: size"),
            length=max(1, self.count(part.get("length", 1), f"{place}: length")),
        )

    def images(self, part: Mapping[str, Any], place: str) -> ImageRecipe:
        self.only(part, place, {"name", "kind", "count", "width", "height", "channels"})
        kind = self.one_of(part.get("kind", "shapes"), get_args(ImageKind), f"{place}: kind")
        channels = self.one_of(part.get("channels", 3), (1, 3), f"{place}: channels")
        size = [max(1, self.count(part.get(word, 32), f"{place}: {word}")) for word in ("width", "height")]
        return ImageRecipe(
            name=str(part.get("name", "images")),
            kind=kind,
            width=size[0],
            height=size[1],
            count=self.count(part.get("count", 10), f"{place}: count"),
            channels=channels,
        )

    def one_of(self, value: Any, allowed: tuple[Any, ...], place: str) -> Any:
        if value in allowed:
            return value
        self.refuse(f"{place} {value!r}", "is unknown.", f"use one of {', '.join(map(str, allowed))}.")
        return allowed[0]

    def count(self, value: Any, place: str) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self.refuse(f"{place} {value!r}", "is no count.", "give a whole number, 0 or more.")
        return 0

    def share(self, value: Any, place: str) -> float:
        if isinstance(value, int | float) and 0 <= value <= 1:
            return float(value)
        self.refuse(f"{place} {value!r}", "is no share.", "give a number in [0, 1].")
        return 0.0

    def number(self, value: Any, place: str) -> float:
        return float(self._read(value, place, float, "give a number.") or 0.0)

    def instant(self, value: Any, place: str) -> datetime:
        fix = "write 2024-01-31 or 2024-01-31T12:00:00Z."
        instant: datetime | None = self._read(value, place, _instant, fix)
        return instant or datetime(2024, 1, 1, tzinfo=UTC)

    def span(self, value: Any, place: str) -> timedelta:
        span: timedelta | None = self._read(value, place, _span, "write 15min, 1h, 1d or 1w.")
        return span or timedelta(days=1)

    def _read(self, value: Any, place: str, read: Callable[[Any], Any], fix: str) -> Any:
        try:
            return read(value)
        except (TypeError, ValueError):
            self.refuse(f"{place} {value!r}", "cannot be read.", fix)
            return None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _instant(value: Any) -> datetime:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _span(value: Any) -> timedelta:
    match = _SPAN.fullmatch(str(value).strip())
    if match is None or not float(match.group(1)):
        raise ValueError(value)
    return timedelta(**{_UNITS[match.group(2)]: float(match.group(1))})
