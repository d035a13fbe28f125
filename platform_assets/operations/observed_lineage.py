"""Column lineage of Python transforms by experiment: made once for a version of the code, kept, and dead with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_type_hints

import polars as pl

from platform_assets.factory.observations import (
    ObservedTransform,
    keep_observation,
    kept_observation,
    transform_version,
)
from platform_assets.location import CodeLocation
from platform_assets.operations.errors import UnknownName
from platform_core.contracts import Catalog, Transform
from platform_core.lineage import ColumnEdge, Lineage, Unknown
from platform_core.lineage.fingerprint import code_constants
from platform_core.lineage.observed import NotObservable, agreed, observe
from platform_core.synthetic import CannotGenerate, world
from platform_resources.storage.frames import from_polars, kind_of, to_polars

_ROWS = 14
_SEEDS = (1, 2)


def observe_transforms(location: CodeLocation, names: Sequence[str]) -> Iterator[ObservedTransform]:
    """Observe the transforms of these datasets, all without names, and keep what was seen.

    Raises:
        UnknownName: A name is that of no dataset with a transform.
    """
    transforms = location.catalog.transforms
    for name in names:
        if name not in transforms:
            raise UnknownName("dataset with a transform", name, transforms)
    for name in names or sorted(transforms):
        observed = observe_transform(location.catalog, transforms[name])
        keep_observation(location.settings, observed)
        yield observed


def observed_lineage(location: CodeLocation, lineage: Lineage) -> Lineage:
    """Return the lineage with what was observed of transforms whose code is the same, where nothing better is known."""
    unknown = {entry.name: entry for entry in lineage.unknown}
    edges: set[ColumnEdge] = set()
    for name, transform in location.catalog.transforms.items():
        if name not in unknown:
            continue
        observed_transform = kept_observation(location.settings, location.catalog, transform)
        if observed_transform is None:
            reason = f"{unknown[name].reason}; `platform lineage observe {name}` finds them by experiment"
            unknown[name] = Unknown(name, reason)
        elif observed_transform.reason:
            unknown[name] = Unknown(name, f"observed, but {observed_transform.reason}")
        else:
            edges |= set(observed_transform.edges)
            del unknown[name]
    return replace(lineage, columns=lineage.columns | edges, unknown=frozenset(unknown.values()))


def observe_transform(catalog: Catalog, transform: Transform[..., object]) -> ObservedTransform:
    """Experiment with one transform on generated rows of its inputs."""
    name, version = transform.dataset.name, transform_version(catalog, transform)
    observations, reason = [], ""
    for seed in _SEEDS:
        try:
            frames = _inputs(catalog, transform, seed)
            observations.append(observe(_runner(transform), frames, name, constants=code_constants(transform.function)))
        except (NotObservable, CannotGenerate) as error:
            reason = str(error)
    edges = sorted(replace(edge, source=transform.input_name(edge.source)) for edge in agreed(observations))
    return ObservedTransform(
        name=name, version=version, edges=tuple(edges), runs=sum(observation.runs for observation in observations),
        reason="" if observations else reason,
    )  # fmt: skip


def _inputs(catalog: Catalog, transform: Transform[..., object], seed: int) -> dict[str, pl.DataFrame]:
    """Generate rows of the inputs that agree with one another, repeat values to group by, and match where joined.

    Raises:
        NotObservable: An input is declared by no contract.
        CannotGenerate: For a contract no rows were found.
    """
    sources = {parameter: transform.input_name(parameter) for parameter in transform.parameters}
    foreign = [name for name in sources.values() if name not in catalog.datasets]
    if foreign:
        raise NotObservable(f"its input {foreign[0]} has no contract to generate rows from")
    needed: dict[str, None] = {}
    waiting = list(sources.values())
    while waiting:
        if (name := waiting.pop()) not in needed:
            needed[name] = None
            waiting += [rule.dataset for rule in catalog.references_of(catalog[name])]
    part = Catalog({name: catalog[name] for name in needed}, {})
    tables = world(part, seed, rows=_ROWS)
    frames = {parameter: tables[source] for parameter, source in sources.items()}
    frames = {parameter: _repeated(frame, catalog[sources[parameter]].key) for parameter, frame in frames.items()}
    return _matched(frames)


def _repeated(frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Give the last third of the rows the values of the first, but for the last column of the key."""
    third = frame.height // 3
    again = [column for column in frame.columns if not key or column != key[-1]]
    if not third:
        return frame
    later = frame[-third:].with_columns(frame[:third].select(again))
    return pl.concat([frame[:-third], later.select(frame.columns)])


def _matched(frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Let columns of one name hold the same values in most rows of each later input, where they share none."""
    matched: dict[str, pl.DataFrame] = {}
    for name, frame in frames.items():
        result = frame
        for earlier in matched.values():
            rows = min(earlier.height, result.height) * 2 // 3
            for column in set(earlier.columns) & set(result.columns):
                if earlier[column].dtype != result[column].dtype:
                    continue
                if set(earlier[column].drop_nulls().to_list()) & set(result[column].drop_nulls().to_list()):
                    continue
                values = pl.concat([earlier[column][:rows], result[column][rows:]])
                result = result.with_columns(values.alias(column))
        matched[name] = result
    return matched


def _runner(transform: Transform[..., object]) -> Any:
    hints = {name: hint for name, hint in _hints(transform).items() if name in transform.parameters}
    kinds = {name: kind_of(hints.get(name, pl.LazyFrame)) or "polars.LazyFrame" for name in transform.parameters}

    def run(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        transformed = to_polars(transform(**{name: from_polars(frames[name], kind) for name, kind in kinds.items()}))
        if transformed is None:
            raise NotObservable("it returns no table")
        return transformed.collect() if isinstance(transformed, pl.LazyFrame) else transformed

    return run


def _hints(transform: Transform[..., object]) -> Mapping[str, Any]:
    try:
        return get_type_hints(transform.function)
    except NameError:
        return {}
