"""Partitions of one dataset that somebody asks for, done by a Dagster backfill or by the same runs in this process."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from platform_assets.factory.partitioning import adjoining, grow, partitions_definition, span_tags
from platform_assets.operations.catch_up import why
from platform_assets.operations.dead_runs import fail_dead_runs
from platform_assets.operations.errors import RequestError
from platform_core.contracts import Dataset
from platform_core.errors import CoreError

ALIVE_SECONDS = 90
"""A daemon whose last heartbeat is older is taken for dead; Dagster's own limit is half an hour."""


_POLL_SECONDS = 1.0

ENDED_STATUSES = {*BULK_ACTION_TERMINAL_STATUSES, BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED_FAILED}
SUCCESSFUL_STATUSES = {BulkActionStatus.COMPLETED, BulkActionStatus.COMPLETED_SUCCESS}


class RunFailed(CoreError):
    """A run that was made in this process failed."""


@dataclass(frozen=True, kw_only=True)
class PartitionRequest:
    """Partitions of one dataset to be materialised for one reason; no partitions where it has none."""

    dataset: Dataset
    partitions: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)


def daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    """Tell whether a daemon that runs backfills gave a sign of life within `ALIVE_SECONDS`."""
    kind = BackfillDaemon.daemon_type()
    statuses = get_daemon_statuses(
        instance, [kind], ignore_errors=True, heartbeat_interval_seconds=0, heartbeat_tolerance_seconds=ALIVE_SECONDS
    )
    return statuses[kind].healthy is True


def submit_backfill(
    request: PartitionRequest, defs: dg.Definitions, instance: dg.DagsterInstance, *, title: str, description: str
) -> str:
    """Ask the daemon for a backfill; its id."""
    graph, key = defs.resolve_asset_graph(), asset_key(request.dataset.name)
    grow(instance, request.dataset.partitions, request.partitions)
    definition = graph.get(key).partitions_def
    subset = AssetGraphSubset(  # type: ignore[call-arg]  # mypy takes its annotated __hash__ for a third field
        partitions_subsets_by_asset_key=(
            {key: definition.subset_with_partition_keys(request.partitions)} if definition else {}
        ),
        non_partitioned_asset_keys=set() if definition else {key},
    )
    backfill_id = make_new_backfill_id()
    instance.add_backfill(
        PartitionBackfill.from_asset_graph_subset(
            backfill_id=backfill_id,
            backfill_timestamp=get_current_timestamp(),
            tags=dict(request.tags),
            dynamic_partitions_store=instance,
            asset_graph_subset=subset,
            title=title,
            description=description,
            run_config=dict(request.run_config) or None,
        )
    )
    return backfill_id


def runs_of(instance: dg.DagsterInstance, backfills: Sequence[str]) -> list[dg.DagsterRun]:
    """List the runs of backfills."""
    return [run for each in backfills for run in instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": each}))]


def await_backfills(
    instance: dg.DagsterInstance, backfills: Sequence[str], is_done: Callable[[Sequence[dg.DagsterRun]], bool]
) -> None:
    """Wait until backfills ended well, or their runs ended and did it: the daemon looks at them twice a minute only.

    Args:
        instance: Dagster's history.
        backfills: Their ids.
        is_done: Is asked of runs all of which ended.

    Raises:
        RequestError: One of them failed, or the daemon died meanwhile.
    """
    for backfill_id in backfills:
        while (backfill := instance.get_backfill(backfill_id)) and backfill.status not in ENDED_STATUSES:
            runs = runs_of(instance, backfills)
            if runs and all(run.is_finished for run in runs) and is_done(runs):
                return
            if not daemon_is_alive(instance):
                raise RequestError(
                    f"backfill {backfill_id}: the Dagster daemon died meanwhile. "
                    "Fix: start it again, and it goes on with the backfill; or cancel the backfill in the UI."
                )
            time.sleep(_POLL_SECONDS)
        if backfill and backfill.status not in SUCCESSFUL_STATUSES:
            raise RequestError(f"backfill {backfill_id} failed: {backfill_failure(instance, backfill)}")


def run_in_process(request: PartitionRequest, defs: dg.Definitions, instance: dg.DagsterInstance) -> Iterator[str]:
    """Make the runs in this process, one for each group of adjoining partitions as a backfill would; their ids.

    Raises:
        RunFailed: A run failed; those before it stand.
    """
    fail_dead_runs(instance)  # one that a `kill -9` left behind would keep its pool from this one for ever
    grow(instance, request.dataset.partitions, request.partitions)
    job = defs.resolve_implicit_global_asset_job_def()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    for group in adjoining_partitions(request, instance):
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[asset_key(request.dataset.name)],  # of the run, so that the UI shows its target
            tags={**request.tags, **span_tags(group)},
            run_config={**quiet, **request.run_config},
            raise_on_error=False,
        )
        if not result.success:
            reasons = "; ".join(step_failures(instance, result.run_id)) or "see the run in the UI"
            raise RunFailed(f"run {result.run_id} failed: {reasons}")
        yield result.run_id


def adjoining_partitions(request: PartitionRequest, instance: dg.DagsterInstance) -> list[tuple[str, ...]]:
    """Divide the partitions where two do not adjoin, a run each; one empty group where there are none."""
    definition = partitions_definition(request.dataset.partitions)
    with dg.partition_loading_context(dynamic_partitions_store=instance):
        return [()] if definition is None else adjoining(definition, request.partitions)


def backfill_failure(instance: dg.DagsterInstance, backfill: PartitionBackfill) -> str:
    """Say why a backfill failed, in the words of its runs."""
    if backfill.error:
        return backfill.error.message.strip()
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill.backfill_id}))
    reasons = [reason for run in runs for reason in step_failures(instance, run.run_id)]
    return "; ".join(dict.fromkeys(reasons)) or f"its status is {backfill.status.value}"


def step_failures(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """List the reasons why steps of the run failed."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return [why(entry.dagster_event) for entry in entries if entry.dagster_event]
