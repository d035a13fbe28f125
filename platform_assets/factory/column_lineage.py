"""Column lineage as Dagster's metadata: of a transform whose lazy plan says for sure what each column is made of."""

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_core.contracts import Catalog, Transform
from platform_core.lineage.declared import transform_lineage
from platform_core.lineage.graph import WHOLE

KEY = "dagster/column_lineage"


def column_lineage(catalog: Catalog, transform: Transform[..., object]) -> dict[str, dg.TableColumnLineage]:
    """Return the metadata of a materialisation; empty where the plan cannot be read."""
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for edge in sorted(transform_lineage(catalog, transform).columns):
        if edge.target_column != WHOLE:
            dep = dg.TableColumnDep(asset_key(edge.source), edge.source_column)
            deps.setdefault(edge.target_column, []).append(dep)
    return {KEY: dg.TableColumnLineage(deps)} if deps else {}
