"""What experiments with transforms showed of their columns, kept by the version of the code, and dead with it."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from platform_core.contracts import Catalog, Transform
from platform_core.lineage import ColumnEdge
from platform_core.lineage.fingerprint import code_version
from platform_resources.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ObservedTransform:
    """What experiments with one transform showed.

    Attributes:
        name: Of the dataset that it makes.
        version: Of the code and of the schemas that were observed.
        edges: From columns of inputs; empty where there is a reason.
        runs: How often the function ran.
        reason: Why nothing could be observed; empty where it could.
    """

    name: str
    version: str
    edges: Sequence[ColumnEdge]
    runs: int
    reason: str = ""


def keep_observation(settings: Settings, observed: ObservedTransform) -> None:
    """Write what was observed of a transform, in place of what was before."""
    path = _path(settings, observed.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = {"version": observed.version, "runs": observed.runs, "reason": observed.reason,
               "edges": [astuple(edge) for edge in observed.edges]}  # fmt: skip
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(written))
    draft.replace(path)


def kept_observation(
    settings: Settings, catalog: Catalog, transform: Transform[..., object]
) -> ObservedTransform | None:
    """Return what was observed of a transform as it is now; None where that was never done, or of other code."""
    name = transform.dataset.name
    try:
        written = json.loads(_path(settings, name).read_text())
    except (FileNotFoundError, ValueError):
        return None
    if written["version"] != transform_version(catalog, transform):
        return None
    edges = tuple(ColumnEdge(*edge) for edge in written["edges"])
    return ObservedTransform(
        name=name, version=written["version"], edges=edges, runs=written["runs"], reason=written["reason"]
    )


def transform_version(catalog: Catalog, transform: Transform[..., object]) -> str:
    """Return the version of a transform's code and of the columns that it reads and makes."""
    read = [transform.input_name(parameter) for parameter in transform.parameters]
    schemas = [
        (name, [(column.name, str(column.dtype)) for column in catalog[name].columns])
        for name in (*read, transform.dataset.name)
        if name in catalog.datasets
    ]
    return code_version(transform.function, schemas)


def _path(settings: Settings, name: str) -> Path:
    return Path(settings.state) / "lineage" / settings.environment / f"{name.replace('/', '__')}.json"
