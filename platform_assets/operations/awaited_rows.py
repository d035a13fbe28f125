"""Rows of the future that their day has reached: where a dataset awaits them, they are replayed when it begins."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import polars as pl

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.partitioning import grow, run_keys, span_tags
from platform_assets.ingest.quarantine import QuarantineStore, homes
from platform_assets.ingest.replay import replay_tag
from platform_core.contracts import Catalog, Dataset, Partitions
from platform_core.rules import InPartition
from platform_resources.sources import digest
from platform_resources.storage import Lake

_MOST_IDS = 500
"""So many envelopes are replayed by one run, for their ids stand in a tag; the rest comes next."""
_SECONDS = 60


@dataclass(frozen=True)
class AwaitedRows:
    """Open envelopes of one dataset whose only fault was that their partition had not begun, and now it has."""

    dataset: Dataset
    ids: tuple[str, ...]
    partitions: tuple[str, ...]

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the run that replays them."""
        return {**span_tags(run_keys(self.dataset.partitions, self.partitions)), **replay_tag(self.ids)}


def begun_rows(lake: Lake, catalog: Catalog) -> Iterator[AwaitedRows]:
    """Find the rows that can be taken up now, of each dataset that awaits rows of the future."""
    for dataset in catalog.datasets.values():
        if dataset.quarantine is None or not dataset.quarantine.awaits_future or dataset.partitions is None:
            continue
        waiting = QuarantineStore(lake, dataset).envelopes(decision="open")
        waiting = waiting.filter(pl.col("rules") == pl.lit([InPartition.kind]), pl.col("position").is_not_null()).head(
            _MOST_IDS
        )
        home = homes(dataset, waiting)
        begun = waiting.with_columns(home.alias("home")).filter(pl.col("home").is_not_null())
        by_time = isinstance(dataset.partitions, Partitions)
        groups = [begun] if by_time else begun.partition_by("home", maintain_order=True)
        for rows in groups:  # a run of categories takes the rows of the one that it names
            if rows.height:
                yield AwaitedRows(dataset, tuple(rows["quarantine_id"]), tuple(rows["home"].unique().sort()))


def awaited_rows(catalog: Catalog) -> dg.SensorDefinition:
    """Build the sensor that takes up rows of the future when their partition begins."""
    awaiting = [
        dataset for dataset in catalog.datasets.values() if dataset.quarantine and dataset.quarantine.awaits_future
    ]

    @dg.sensor(
        name="awaited_rows",
        asset_selection=dg.AssetSelection.assets(*(asset_key(dataset.name) for dataset in awaiting)),
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes up quarantined rows of the future when their partition begins.",
    )
    def begun(
        context: dg.SensorEvaluationContext,
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Ask for a run a dataset, or a category of it; its key names the envelopes, so that each is asked for once."""
        begun_datasets = list(begun_rows(lake, catalog))
        for rows in begun_datasets:
            grow(context.instance, rows.dataset.partitions, rows.partitions)
            yield dg.RunRequest(
                run_key=digest(rows.dataset.name, ",".join(rows.ids).encode()), tags=rows.tags,
                asset_selection=[asset_key(rows.dataset.name)],
            )  # fmt: skip
        if not begun_datasets:
            yield dg.SkipReason("no awaited partition has begun")

    return begun
