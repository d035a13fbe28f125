"""One dataset's asset: which body fills it, and the specs it shows."""

from typing import Any

import dagster as dg

from platform_assets.factory.ingest import ingest_asset
from platform_assets.factory.stream import stream_asset
from platform_assets.factory.transform import transform_asset
from platform_core.contracts import Catalog, Dataset


def asset_for(
    catalog: Catalog, dataset: Dataset, *, automation: dg.AutomationCondition[Any] | None = None
) -> dg.AssetsDefinition:
    """Return the asset of a dataset: ingested where it has a source, transformed where a function makes it.

    Args:
        catalog: All declared datasets.
        dataset: The one to build.
        automation: When a transformed dataset follows its inputs by itself.
    """
    transform = catalog.transforms.get(dataset.name)
    if transform is None and dataset.source is not None and dataset.source.is_stream:
        return stream_asset(catalog, dataset, automation=automation)
    if transform is None:
        return ingest_asset(catalog, dataset)
    return transform_asset(catalog, transform, automation=automation)
