"""What is learnt of a sample, and rows drawn from it: a Gaussian copula a group, with back-off to wider groups.

Each group of rows has its own spread of every column and its own correlations of normal scores, nulls included as
columns of yes and no. A group of too few rows takes those of the wider group, in the end of the whole sample; one of
fewer than `RARE` is never seen again. No row is kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from platform_core.synthetic.recipes.blocks import BLOCK, generator
from platform_core.synthetic.samples.marginals import (
    RARE,
    ColumnShape,
    Marginal,
    marginal_of,
    numbers_of,
    shape_of,
    shares_below,
    values_at,
)
from platform_core.synthetic.samples.normal import Floats, normal_share, normal_value

VERSION = 1
_OWN_ROWS = 100
"""A group of fewer rows has no correlations of its own."""
_MOST_GROUPS = 5000
Key = tuple[Any, ...]


@dataclass(frozen=True)
class GroupModel:
    """The spread of each column in a group, and the correlations of their normal scores."""

    marginals: Mapping[str, Marginal]
    correlations: Sequence[Sequence[float]]


@dataclass(frozen=True)
class SampleModel:
    """What is kept of a sample.

    Attributes:
        columns: In the sample's order.
        group_by: Columns whose values divide the rows; the first is the widest.
        shares: Of each group that is not rare.
        groups: Models by the first values of a group's key; that of no values is the whole sample's.
        sorted_by: An instant by which the sample was sorted.
        rows: Of the sample.
        suppressed: Rows of rare groups.
    """

    columns: tuple[ColumnShape, ...]
    group_by: tuple[str, ...]
    shares: Mapping[Key, float]
    groups: Mapping[Key, GroupModel]
    sorted_by: str | None
    rows: int
    suppressed: int

    def to_mapping(self) -> dict[str, Any]:
        """Return the model as plain values, for a JSON file."""
        return {
            "version": VERSION, "rows": self.rows, "suppressed": self.suppressed, "sorted_by": self.sorted_by,
            "group_by": list(self.group_by), "columns": [asdict(column) for column in self.columns],
            "shares": [[list(key), share] for key, share in self.shares.items()],
            "groups": [[list(key), {name: asdict(marginal) for name, marginal in group.marginals.items()},
                        [list(row) for row in group.correlations]] for key, group in self.groups.items()],
        }  # fmt: skip

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> "SampleModel":
        """Read a model back; raises ValueError where it is none of this version."""
        if not isinstance(mapping, Mapping) or mapping.get("version") != VERSION:
            raise ValueError(f"is no model of version {VERSION}. Fix: make it by platform synth fit.")
        columns = tuple(ColumnShape(**{**shape, "values": tuple(shape["values"])}) for shape in mapping["columns"])
        groups = {
            tuple(key): GroupModel(
                {name: Marginal(marginal["nulls"], tuple(marginal["curve"])) for name, marginal in marginals.items()},
                correlations,
            )
            for key, marginals, correlations in mapping["groups"]
        }
        shares = {tuple(key): share for key, share in mapping["shares"]}
        return cls(columns, tuple(mapping["group_by"]), shares, groups, mapping["sorted_by"], mapping["rows"],
                   mapping["suppressed"])  # fmt: skip


def fit(sample: pl.DataFrame, *, group_by: Sequence[str] = (), personal: Sequence[str] = ()) -> SampleModel:
    """Learn a sample.

    Args:
        sample: Rows of plain columns.
        group_by: Columns within whose values the others are to go together as they do in the sample.
        personal: Columns of which no value may be kept.

    Raises:
        ValueError: A column is unknown, nested, or cannot divide rows; or no group has enough rows.
    """
    _refuse_unknown(sample, [*group_by, *personal])
    for name in group_by:
        if not (sample.schema[name].is_integer() or sample.schema[name] in (pl.String, pl.Boolean)):
            raise ValueError(f"{name}: {sample.schema[name]} cannot divide rows. Fix: group by texts or whole numbers.")
    sorted_by = next((name for name, kind in sample.schema.items() if kind.is_temporal() and sample[name].is_sorted()
                      and sample[name].null_count() == 0), None)  # fmt: skip
    after = _later_instants(sample)
    between = sample.with_columns(_between(name, first) for name, first in after.items())
    shapes = [shape_of(sample[name], personal=name in personal, after=after.get(name)) for name in sample.columns]
    shapes = [_ordered(shape, between, shapes) if shape.name not in group_by else shape for shape in shapes]
    modelled = [shape for shape in shapes if shape.kind in {"number", "category"} and shape.name not in group_by]
    numbers = {shape.name: numbers_of(between[shape.name], shape) for shape in modelled}
    isnull = {shape.name: sample[shape.name].is_null().to_numpy() for shape in modelled}
    rows_of: dict[Key, Any] = {(): np.arange(sample.height)}
    for length in range(1, len(group_by) + 1):
        numbered = sample.select(group_by[:length]).with_row_index("\0row")
        parts = numbered.partition_by(list(group_by[:length]), as_dict=True)
        rows_of |= {key: part["\0row"].to_numpy() for key, part in parts.items()}
    whole = {key: rows.size for key, rows in rows_of.items() if len(key) == len(group_by)}
    group_sizes = {key: size for key, size in whole.items() if size >= RARE}
    if not group_sizes or len(group_sizes) > _MOST_GROUPS:
        raise ValueError(f"{len(group_sizes):,} groups of {RARE} rows or more. Fix: group by other columns.")
    groups = {
        key: _group(modelled, numbers, isnull, rows)
        for key, rows in rows_of.items()
        if key == () or rows.size >= _OWN_ROWS
    }
    total = sum(group_sizes.values())
    shares = {key: group_sizes[key] / total for key in sorted(group_sizes, key=repr)}
    return SampleModel(tuple(shapes), tuple(group_by), shares, groups, sorted_by, sample.height, sample.height - total)


def _refuse_unknown(sample: pl.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in sample.columns:
            raise ValueError(f"the sample has no column {name!r}. Fix: use one of {', '.join(sample.columns)}.")


def _later_instants(sample: pl.DataFrame) -> dict[str, str]:
    """Find instants that never come before another one of the same type."""
    instants = [name for name, kind in sample.schema.items() if isinstance(kind, pl.Datetime) or kind == pl.Date]
    earlier_by_later: dict[str, str] = {}
    for first, second in combinations(instants, 2):
        if sample.schema[first] == sample.schema[second]:
            for early, late in ((first, second), (second, first)):
                if (
                    late not in earlier_by_later
                    and early not in earlier_by_later
                    and (sample[late] >= sample[early]).all()
                ):
                    earlier_by_later[late] = early
    return earlier_by_later


def _between(name: str, first: str) -> pl.Expr:
    return (pl.col(name).to_physical() - pl.col(first).to_physical()).cast(pl.Float64).alias(name)


def _ordered(shape: ColumnShape, sample: pl.DataFrame, shapes: Sequence[ColumnShape]) -> ColumnShape:
    """Put a category's values in the order of the number that differs most between them, so that both go together."""
    if shape.kind != "category" or sample.schema[shape.name].is_numeric() or len(shape.values) <= 2:  # noqa: PLR2004 - two have one order
        return shape
    numeric = [
        column_shape.name
        for column_shape in shapes
        if column_shape.kind == "number" and not sample.schema[column_shape.name].is_temporal()
    ]
    if not numeric:
        return shape
    ranks = sample.select(pl.col(shape.name), *(pl.col(name).rank() for name in numeric))
    means = ranks.group_by(shape.name).agg(*(pl.col(name).mean() for name in numeric), pl.len())
    weights = means["len"].to_numpy()
    spread = {}
    for name in numeric:
        known = ranks[name].drop_nulls().cast(pl.Float64).to_numpy()
        apart = np.nan_to_num(means[name].cast(pl.Float64).to_numpy() - known.mean()) if known.size else np.zeros(1)
        spread[name] = float((apart**2 * weights).sum() / (known.var() or 1.0)) if known.size else 0.0
    best = max(spread, key=lambda name: spread[name])
    order = dict(means.select(shape.name, best).iter_rows())
    values = sorted(shape.values, key=lambda value: (order.get(value) or 0.0, str(value)))
    return ColumnShape(**{**asdict(shape), "values": tuple(values)})


def _group(
    shapes: Sequence[ColumnShape], numbers: Mapping[str, Floats], isnull: Mapping[str, Any], rows: Any
) -> GroupModel:
    marginals: dict[str, Marginal] = {}
    scores: list[Floats] = []
    for shape in shapes:
        values, gaps = numbers[shape.name][rows], isnull[shape.name][rows]
        marginal = marginal_of(values, shape, float(gaps.mean()))
        marginals[shape.name] = marginal
        scores.append(normal_value(np.clip(shares_below(values, shape, marginal), 1e-6, 1 - 1e-6)))
        if shape.nullable:
            share = marginal.nulls
            scores.append(normal_value(np.where(gaps, share / 2, (1 + share) / 2).clip(1e-6, 1 - 1e-6)))
    return GroupModel(marginals, _correlations(np.array(scores)).tolist() if scores else [])


def _correlations(scores: Floats) -> Floats:
    """Correlate rows of scores pairwise, over the places where both are known, and make the result possible."""
    known = ~np.isnan(scores)
    counts = np.maximum(known @ known.T.astype(float), 1)
    means = np.where(known, scores, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    centred = np.where(known, scores - means[:, None], 0)
    spread = np.sqrt(np.maximum((centred**2).sum(axis=1) / np.maximum(known.sum(axis=1), 1), 1e-12))
    matrix = np.clip((centred @ centred.T) / counts / np.outer(spread, spread), -1, 1)
    np.fill_diagonal(matrix, 1)
    values, vectors = np.linalg.eigh(matrix)
    possible = (vectors * np.maximum(values, 1e-9)) @ vectors.T
    scale = np.sqrt(np.diag(possible))
    return np.asarray(np.round(possible / np.outer(scale, scale), 6))


def draw(model: SampleModel, rows: int, *, seed: int = 0) -> Iterator[pl.DataFrame]:
    """Draw rows, in chunks; the same seed draws the same, and more rows change none of them.

    Where the sample was sorted by an instant the rows are, and come as one chunk; then more rows are other rows.
    """
    chunks = (_chunk(model, start, min(_CHUNK, rows - start), seed) for start in range(0, max(rows, 1), _CHUNK))
    if model.sorted_by is None:
        yield from chunks
    else:
        yield pl.concat(list(chunks)).sort(model.sorted_by, maintain_order=True)


_CHUNK = 32 * BLOCK


def _chunk(model: SampleModel, start: int, rows: int, seed: int) -> pl.DataFrame:
    keys, ends = list(model.shares), np.cumsum(list(model.shares.values()))
    latent = [(shape, "value") for shape in _modelled(model)]
    slots = [(shape, part) for shape, _ in latent for part in (["value", "null"] if shape.nullable else ["value"])]
    blocks = range(start // BLOCK, -(-(start + rows) // BLOCK))
    generators = [generator(seed, "sample", block) for block in blocks]
    choice = np.concatenate([rng.random(BLOCK) for rng in generators] or [np.zeros(0)])[:rows]
    normal = np.concatenate([rng.standard_normal((BLOCK, len(slots))) for rng in generators]
                            or [np.zeros((0, len(slots)))])[:rows]  # fmt: skip
    group = np.minimum(np.searchsorted(ends, choice * ends[-1], side="right"), len(keys) - 1)
    numbers = {shape.name: np.full(rows, np.nan) for shape, _ in latent}
    for place in np.unique(group):
        mine = np.flatnonzero(group == place)
        own = _nearest(model, keys[place])
        scores = normal[mine] @ _root(np.asarray(own.correlations)).T if slots else normal[mine]
        shares = normal_share(scores)
        for slot, (shape, part) in enumerate(slots):
            marginal = own.marginals[shape.name]
            if part == "null":
                numbers[shape.name][mine[shares[:, slot] < marginal.nulls]] = np.nan
            elif marginal.curve and (shape.kind == "number" or sum(marginal.curve) > 0):
                numbers[shape.name][mine] = values_at(shares[:, slot], shape, marginal)
    drawn_columns = {shape.name: _column(shape, numbers, keys, group, model, start, rows) for shape in model.columns}
    for shape in model.columns:
        if shape.after is not None:
            first = drawn_columns[shape.after].to_physical()
            between = pl.Series(numbers[shape.name], nan_to_null=True).cast(pl.Int64).clip(lower_bound=0)
            drawn_columns[shape.name] = (first + between.cast(first.dtype)).cast(_dtype(shape)).alias(shape.name)
    return pl.DataFrame([drawn_columns[shape.name] for shape in model.columns])


def _modelled(model: SampleModel) -> list[ColumnShape]:
    return [
        column
        for column in model.columns
        if column.kind in {"number", "category"} and column.name not in model.group_by
    ]


def _nearest(model: SampleModel, key: Key) -> GroupModel:
    """Find the model of the group, or of the next wider one that has its own."""
    return next(model.groups[key[:length]] for length in range(len(key), -1, -1) if key[:length] in model.groups)


def _root(matrix: Floats) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def _column(
    shape: ColumnShape, numbers: Mapping[str, Floats], keys: Sequence[Key], group: Any, model: SampleModel,
    start: int, rows: int,
) -> pl.Series:  # fmt: skip
    dtype = _dtype(shape)
    if shape.name in model.group_by:
        place = model.group_by.index(shape.name)
        values = pl.Series([key[place] for key in keys], dtype=dtype)
        return values.gather(group).alias(shape.name)
    if shape.kind == "nothing":
        return pl.Series(shape.name, [None] * rows, dtype=dtype)
    if shape.kind == "identifier":
        counted = pl.int_range(start + 1, start + rows + 1, eager=True)
        if shape.prefix is None:
            numbered: pl.Series = counted + 10 ** min(shape.width, 17)
            return numbered.cast(dtype, strict=False).alias(shape.name)
        digits = counted.cast(pl.String).str.zfill(shape.width)
        return pl.select(pl.lit(shape.prefix) + pl.lit(digits)).to_series().alias(shape.name)
    drawn_values = pl.Series(shape.name, numbers[shape.name], nan_to_null=True)
    if shape.kind == "category":
        return pl.Series(list(shape.values), dtype=dtype).gather(drawn_values.cast(pl.UInt32)).alias(shape.name)
    if shape.after is not None:
        return drawn_values
    return (
        drawn_values.cast(pl.Int64).cast(dtype)
        if dtype.is_temporal() or dtype.is_integer()
        else drawn_values.cast(dtype)
    )


def _dtype(shape: ColumnShape) -> pl.DataType:
    """Read the name of a type back."""
    return _type_named(shape.dtype)


def _type_named(name: str) -> pl.DataType:
    head, _, inside = name.partition("(")
    words = [word.partition("=")[2].strip("' )") for word in inside.split(",")] if inside else []
    if head == "Datetime":
        zone = words[1] if len(words) > 1 and words[1] != "None" else None
        return pl.Datetime(words[0], zone)  # type: ignore[arg-type]
    if head == "Duration":
        return pl.Duration(words[0])  # type: ignore[arg-type]
    if head in {"Enum", "Categorical"}:
        return pl.String()
    if head == "Decimal":
        return pl.Float64()
    kind: pl.DataType = getattr(pl, head)()
    return kind
