"""Partitions of one dataset that somebody asks for, done by a Dagster backfill or by the same runs in this process."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionStatus, PartitionBackfill
from dagster._core.utils import make_new_backfill_id
from dagster._daemon.controller import get_daemon_statuses
from dagster._daemon.daemon import BackfillDaemon
from dagster._time import get_current_timestamp

from platform_assets.factory import asset_key
from platform_assets.factory.specs import partitions_definition
from platform_assets.operations.catch_up import why
from platform_assets.operations.landing import span_tags
from platform_core.contracts import Dataset
from platform_core.errors import CoreError

ALIVE_SECONDS = 90
"""A daemon whose last heartbeat is older is taken for dead; Dagster's own limit is half an hour."""


ENDED = {*BULK_ACTION_TERMINAL_STATUSES, BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED_FAILED}
WELL = {BulkActionStatus.COMPLETED, BulkActionStatus.COMPLETED_SUCCESS}


class ErrandFailed(CoreError):
    """A run that was made in this process failed."""


@dataclass(frozen=True, kw_only=True)
class Errand:
    """Partitions of one dataset to be materialised for one reason; no partitions where it has none."""

    dataset: Dataset
    partitions: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)


def daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon that runs backfills gave a sign of life within `ALIVE_SECONDS`."""
    kind = BackfillDaemon.daemon_type()
    statuses = get_daemon_statuses(
        instance, [kind], ignore_errors=True, heartbeat_interval_seconds=0, heartbeat_tolerance_seconds=ALIVE_SECONDS
    )
    return statuses[kind].healthy is True


def submit(errand: Errand, defs: dg.Definitions, instance: dg.DagsterInstance, *, title: str) -> str:
    """The id of the backfill that was asked for."""
    graph, key = defs.resolve_asset_graph(), asset_key(errand.dataset.name)
    definition = graph.get(key).partitions_def
    subset = AssetGraphSubset(  # type: ignore[call-arg]  # mypy takes its annotated __hash__ for a third field
        partitions_subsets_by_asset_key=(
            {key: definition.subset_with_partition_keys(errand.partitions)} if definition else {}
        ),
        non_partitioned_asset_keys=set() if definition else {key},
    )
    backfill_id = make_new_backfill_id()
    instance.add_backfill(
        PartitionBackfill.from_asset_graph_subset(
            backfill_id=backfill_id,
            backfill_timestamp=get_current_timestamp(),
            tags=dict(errand.tags),
            dynamic_partitions_store=instance,
            asset_graph_subset=subset,
            title=title,
            description="Rows from quarantine, started by platform quarantine replay",
            run_config=dict(errand.run_config) or None,
        )
    )
    return backfill_id


def run_here(errand: Errand, defs: dg.Definitions, instance: dg.DagsterInstance) -> Iterator[str]:
    """The ids of the runs made: one for each stretch of adjoining partitions, as a backfill would make them.

    Raises:
        ErrandFailed: A run failed; those before it stand.
    """
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={asset_key(errand.dataset.name)})
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    for stretch in _stretches(errand):
        result = job.execute_in_process(
            instance=instance,
            tags={**errand.tags, **span_tags(stretch)},
            run_config={**quiet, **errand.run_config},
            raise_on_error=False,
        )
        if not result.success:
            told = "; ".join(failures(instance, result.run_id)) or "see the run in the UI"
            raise ErrandFailed(f"run {result.run_id} failed: {told}")
        yield result.run_id


def _stretches(errand: Errand) -> list[tuple[str, ...]]:
    """The partitions, cut where two do not adjoin; one empty stretch where there are none."""
    definition = partitions_definition(errand.dataset.partitions)
    if definition is None:
        return [()]
    place = {key: at for at, key in enumerate(definition.get_partition_keys())}
    stretches: list[list[str]] = []
    for key in errand.partitions:
        if stretches and place[key] == place[stretches[-1][-1]] + 1:
            stretches[-1].append(key)
        else:
            stretches.append([key])
    return [tuple(each) for each in stretches]


def reason_of(instance: dg.DagsterInstance, backfill: PartitionBackfill) -> str:
    """Why a backfill failed, in the words of its runs."""
    if backfill.error:
        return backfill.error.message.strip()
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill.backfill_id}))
    told = [reason for run in runs for reason in failures(instance, run.run_id)]
    return "; ".join(dict.fromkeys(told)) or f"its status is {backfill.status.value}"


def failures(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """The reasons why steps of the run failed."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return [why(entry.dagster_event) for entry in entries if entry.dagster_event]
