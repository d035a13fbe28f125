"""The asset key of a dataset: its name, part by part."""

import dagster as dg


def asset_key(name: str) -> dg.AssetKey:
    """Give the asset key of the dataset of that name."""
    return dg.AssetKey(name.split("/"))
