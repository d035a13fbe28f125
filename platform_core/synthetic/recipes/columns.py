"""Columns by recipe: what a distribution, a set, a pattern or a sequence gives for the rows of a block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from platform_core.synthetic.patterns import pattern_of
from platform_core.synthetic.people import people
from platform_core.synthetic.recipes.blocks import Draw

Distribution = Literal["uniform", "normal", "lognormal", "exponential", "beta", "poisson", "zipf"]
ColumnType = Literal["integer", "float", "string", "boolean", "timestamp", "date"]

MICROSECONDS = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class ColumnRecipe:
    """How the values of one column are made.

    Attributes:
        name: The column's.
        type: What its values are.
        distribution: Of numbers. `mean` and `std` are the distribution's own, of a lognormal those of the logarithm.
        low: The least value; numbers and instants are clipped to it.
        high: The greatest value, closed.
        values: Values with their weights; they need not sum to one.
        pattern: A regular expression that texts match.
        words: How many words of a vocabulary make a text.
        decimals: Places that numbers are rounded to.
        unique: Whether no two rows are alike: numbers count up from `low`, texts carry the row's number.
        null_rate: The share of nulls, 0 to 1.
        probability: That a boolean is true.
        mean: See `distribution`; the rate of a Poisson, the scale of an exponential.
        std: See `distribution`.
        generator: Makes the values from a generator of chance, the number of the first row and a number of rows.
        shape: The two parameters of a beta, or the exponent of a Zipf.
        mixture: Distributions with their weights, of which each row takes one.
        open_hours: At which hours of Monday to Friday instants lie, closed, open, in UTC.
        edge_case_rate: The share of values that are extremes: the bounds and zero, or odd texts.
        person: Which part of a person: all such columns of a table speak of the same one.
        countries: How often people of each country come.
    """

    name: str
    type: ColumnType
    distribution: Distribution = "uniform"
    low: float | datetime | None = None
    high: float | datetime | None = None
    values: tuple[tuple[str | float | bool, float], ...] = ()
    pattern: str | None = None
    words: int | None = None
    decimals: int | None = None
    unique: bool = False
    null_rate: float = 0.0
    probability: float = 0.5
    mean: float | None = None
    std: float | None = None
    shape: tuple[float, ...] = ()
    generator: Draw | None = None
    mixture: tuple[tuple[float, "ColumnRecipe"], ...] = ()
    open_hours: tuple[float, float] | None = None
    edge_case_rate: float = 0.0
    person: str | None = None
    countries: tuple[tuple[str, float], ...] = ()

    @property
    def chance(self) -> str:
        """The name of the column's source of chance; columns of a person share one."""
        return self.name if self.person is None else "a person"

    def draw(self, rng: np.random.Generator, start: int, rows: int) -> pl.Series:
        """Draw `rows` values for the rows from number `start` on; nulls as often as `null_rate` says."""
        series = self._values(rng, start, rows)
        if self.edge_case_rate and not self.unique:
            series = self._with_edges(rng, series)
        if not self.null_rate:
            return series
        filled = pl.Series(rng.random(rows) >= self.null_rate)
        return pl.select(pl.when(filled).then(series)).to_series()

    def _values(self, rng: np.random.Generator, start: int, rows: int) -> pl.Series:
        if self.generator is not None:
            return self.generator(rng, start, rows)
        if self.person is not None:
            return people(rng, start, rows, dict(self.countries))[self.person]
        if self.values:
            return _weighted(self.values, rng, rows)
        if self.type == "boolean":
            return pl.Series(rng.random(rows) < self.probability)
        if self.type == "string":
            return self._texts(rng, start, rows)
        if self.type in {"timestamp", "date"}:
            return self._instants(rng, start, rows)
        return self._numbers(rng, start, rows)

    def _with_edges(self, rng: np.random.Generator, values: pl.Series) -> pl.Series:
        edges = self._edges(values.dtype)
        if edges.is_empty():
            return values
        odd = edges.gather(rng.integers(0, edges.len(), values.len(), dtype=np.uint32))
        usual = pl.Series(rng.random(values.len()) >= self.edge_case_rate)
        return pl.select(pl.when(usual).then(values).otherwise(odd)).to_series()

    def _edges(self, dtype: pl.DataType) -> pl.Series:
        """Return the extremes of a column: none where its values are listed or follow a pattern."""
        if self.values or self.pattern is not None or self.person is not None or dtype == pl.Boolean:
            return pl.Series([], dtype=dtype)
        if dtype == pl.String:
            return pl.Series(_ODD_TEXTS)
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if dtype.is_temporal():
            return pl.Series(bounds).cast(dtype)
        inside = [0.0] if (_number(self.low) or 0.0) <= 0 <= (_number(self.high) or 0.0) else []
        return pl.Series([*(float(_number(bound) or 0) for bound in bounds), *inside], dtype=pl.Float64).cast(dtype)

    def _texts(self, rng: np.random.Generator, start: int, rows: int) -> pl.Series:
        if self.pattern is not None:
            texts = pattern_of(self.pattern).body.draw(rng, rows)
        else:
            texts = sentences(rng, rows, self.words or 2)
        if not self.unique:
            return texts
        numbers = pl.int_range(start, start + rows, eager=True).cast(pl.String)
        return pl.select(pl.concat_str(texts, pl.lit("-"), numbers)).to_series()

    def _numbers(self, rng: np.random.Generator, start: int, rows: int) -> pl.Series:
        low, high = _number(self.low), _number(self.high)
        if self.unique:
            return pl.int_range(start, start + rows, eager=True) + int(low if low is not None else 1)
        numbers = self.distributed(rng, rows, low, high)
        if low is not None or high is not None:
            numbers = np.clip(numbers, low, high)
        if self.type == "integer":
            return pl.Series(np.rint(numbers)).cast(pl.Int64)
        return pl.Series(numbers if self.decimals is None else np.round(numbers, self.decimals))

    def distributed(
        self, rng: np.random.Generator, rows: int, low: float | None, high: float | None
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Draw numbers of the distribution, before they are clipped and rounded."""
        if self.mixture:
            parts = np.stack([part.distributed(rng, rows, low, high) for _, part in self.mixture])
            shares = np.cumsum([weight for weight, _ in self.mixture])
            chosen = np.searchsorted(shares / shares[-1], rng.random(rows), side="right")
            mixed: np.ndarray[tuple[int], np.dtype[np.float64]] = parts[
                np.minimum(chosen, len(parts) - 1), np.arange(rows)
            ]
            return mixed
        mean, std = self.mean, self.std if self.std is not None else 1.0
        match self.distribution:
            case "normal":
                numbers = rng.normal(mean or 0.0, std, rows)
            case "lognormal":
                numbers = rng.lognormal(mean or 0.0, std, rows)
            case "exponential":
                numbers = rng.exponential(1.0 if mean is None else mean, rows)
            case "beta":
                first, second = self.shape or (2.0, 5.0)
                width = 1.0 if low is None or high is None else high - low
                numbers = (low or 0.0) + rng.beta(first, second, rows) * width
            case "poisson":
                numbers = rng.poisson(1.0 if mean is None else mean, rows).astype(float)
            case "zipf":
                numbers = rng.zipf(self.shape[0] if self.shape else 2.0, rows).astype(float)
            case "uniform":
                least = 0.0 if low is None else low
                most = least + 1.0 if high is None else high
                if self.type == "integer":
                    return rng.integers(int(least), int(most if high is not None else least + 100) + 1, rows).astype(
                        float
                    )
                numbers = rng.uniform(least, most, rows)
        return numbers

    def _instants(self, rng: np.random.Generator, start: int, rows: int) -> pl.Series:
        low = self.low if isinstance(self.low, datetime) else datetime(2024, 1, 1, tzinfo=UTC)
        high = self.high if isinstance(self.high, datetime) else low.replace(year=low.year + 1)
        span = (high - low) // MICROSECONDS
        seconds = np.arange(start, start + rows) * 1_000_000
        offsets = seconds if self.unique else rng.integers(0, span + 1, rows)
        if self.open_hours is not None and not self.unique:
            days = open_days(low, high, self.open_hours)
            opens, closes = (int(hour * _HOUR) for hour in self.open_hours)
            starts = np.array([(day - low) // MICROSECONDS for day in days], dtype=np.int64)
            offsets = starts[rng.integers(0, starts.size, rows)] + rng.integers(opens, closes, rows)
        instants = pl.Series(offsets).cast(pl.Duration("us")) + pl.lit(low).cast(pl.Datetime("us", "UTC"))
        series = pl.select(instants).to_series()
        return series.dt.date() if self.type == "date" else series


_WORDS: tuple[str, ...] = (
    "amber", "anchor", "autumn", "basin", "beacon", "birch", "bridge", "candle", "canyon", "cedar", "cloud",
    "copper", "coral", "delta", "ember", "fabric", "falcon", "field", "forest", "garden", "glacier", "granite",
    "harbour", "hazel", "island", "ivory", "juniper", "lantern", "linen", "maple", "meadow", "mirror",
    "mosaic", "nectar", "north", "ocean", "olive", "orchard", "paper", "pearl", "pebble", "pine", "prairie",
    "quartz", "rain", "river", "saffron", "sand", "shore", "silver", "spruce", "stone", "summit", "thistle",
    "timber", "valley", "velvet", "violet", "willow", "winter",
)  # fmt: skip


_ODD_TEXTS = ("", " ", "NULL", "'; --", "Zażółć gęślą jaźń", "漢字", "😀", "x" * 255, "line\nbreak", 'a,b;"c"')
_HOUR = 3_600_000_000


def open_days(low: datetime, high: datetime, hours: tuple[float, float]) -> list[datetime]:
    """List the days from Monday to Friday whose open hours lie in [low, high], each as its midnight in UTC."""
    first = low.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [first + timedelta(days=number) for number in range((high - first).days + 1)]
    return [day for day in days if day.weekday() < 5 and day + timedelta(hours=hours[0]) >= low  # noqa: PLR2004 - Saturday
            and day + timedelta(hours=hours[1]) <= high]  # fmt: skip


def sentences(rng: np.random.Generator, rows: int, words: int, vocabulary: Sequence[str] = _WORDS) -> pl.Series:
    """Draw texts of `words` words of a vocabulary each."""
    table = pl.Series(list(vocabulary))
    parts = [table.gather(rng.integers(0, table.len(), rows, dtype=np.uint32)) for _ in range(words)]
    return pl.select(pl.concat_str(parts, separator=" ")).to_series()


def _weighted(values: Sequence[tuple[str | float | bool, float]], rng: np.random.Generator, rows: int) -> pl.Series:
    bounds = np.cumsum([weight for _, weight in values])
    places = np.searchsorted(bounds / bounds[-1], rng.random(rows), side="right")
    return pl.Series([value for value, _ in values]).gather(np.minimum(places, len(values) - 1).astype(np.uint32))


def _number(bound: float | datetime | None) -> float | None:
    return None if bound is None or isinstance(bound, datetime) else float(bound)


def correlated(frame: pl.DataFrame, pairs: Mapping[tuple[str, str], float], rng: np.random.Generator) -> pl.DataFrame:
    """Reorder the second column of each pair so that its ranks go with the first's as the coefficient says.

    The values of a column stay the same, only their rows change, so every marginal is kept (Iman and Conover, 1982).
    Nulls keep their rows.
    """
    for (first, second), coefficient in pairs.items():
        rows = frame.with_row_index("_row").drop_nulls([first, second])
        if rows.height < 2:  # noqa: PLR2004 - one row has no order
            continue
        scores = _normal_scores(rows[first].rank("ordinal").to_numpy())
        target = coefficient * scores + np.sqrt(1 - coefficient**2) * rng.normal(size=rows.height)
        places = np.argsort(np.argsort(target))
        moved = rows[second].sort().gather(places.astype(np.uint32))
        changes = pl.DataFrame({"_row": rows["_row"], second: moved})
        frame = frame.with_row_index("_row").update(changes, on="_row").drop("_row")
    return frame


def _normal_scores(
    ranks: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give each rank the value that a normal distribution has there, from a table of the distribution's quantiles."""
    grid = np.linspace(-6, 6, 4801)
    density = np.exp(-(grid**2) / 2)
    cumulated = np.cumsum(density)
    scores: np.ndarray[tuple[int], np.dtype[np.float64]] = np.interp(
        (ranks - 0.5) / len(ranks), cumulated / cumulated[-1], grid
    )
    return scores
