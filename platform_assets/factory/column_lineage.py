"""Column lineage as Dagster's metadata: what a transform's lazy plan says for sure, else what experiments showed."""

from collections.abc import Iterable

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.observations import kept_observation
from platform_core.contracts import Catalog, Transform
from platform_core.lineage import ColumnEdge
from platform_core.lineage.declared import transform_lineage
from platform_core.lineage.graph import WHOLE
from platform_resources.settings import Settings

KEY = "dagster/column_lineage"


def planned_columns(catalog: Catalog, transform: Transform[..., object]) -> dict[str, dg.TableColumnLineage]:
    """Return the metadata of a materialisation by the plan; empty where it cannot be read."""
    return _metadata(transform_lineage(catalog, transform).columns)


def observed_columns(
    settings: Settings, catalog: Catalog, transform: Transform[..., object]
) -> dict[str, dg.TableColumnLineage]:
    """Return it by experiments with this version of the code (`platform lineage observe`); empty where there are none.

    Edges by which a column decides on rows, and not on a value, are left out: Dagster's metadata has no place for them.
    """
    observed = kept_observation(settings, catalog, transform)
    return _metadata(observed.edges) if observed is not None else {}


def _metadata(edges: Iterable[ColumnEdge]) -> dict[str, dg.TableColumnLineage]:
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for edge in sorted(edges):
        if edge.target_column != WHOLE:
            dep = dg.TableColumnDep(asset_key(edge.source), edge.source_column)
            deps.setdefault(edge.target_column, []).append(dep)
    return {KEY: dg.TableColumnLineage(deps)} if deps else {}
