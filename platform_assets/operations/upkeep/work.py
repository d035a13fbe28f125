"""A plan carried out on one table, while no writer of it works.

The order is: rows past their keeping time go, files are written anew, then what nobody needs is removed. Each is one
commit; a run that dies between two, or within one, leaves a whole table and work for the next plan.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext

from platform_assets.operations.upkeep.tables import KeptTable
from platform_core.upkeep import TablePlan
from platform_core.upkeep.compaction import Packing, pack_smallest_first
from platform_resources.storage import Lake
from platform_resources.storage.operations import TableOperations


@dataclass(frozen=True, kw_only=True)
class Done:
    """One operation that was carried out.

    Attributes:
        operation: `drop`, `zorder`, `compact`, `vacuum` or `expire`.
        files_removed: Which the latest version does not hold any more; of a vacuum those deleted.
        files_added: Written instead.
        size_bytes: Of the files removed.
        versions: That cannot be read any more.
    """

    operation: str
    files_removed: int = 0
    files_added: int = 0
    size_bytes: int = 0
    versions: int = 0


def carry_out(lake: Lake, table: KeptTable, plan: TablePlan) -> Iterator[Done]:
    """Yield what was done, each as it is done; an operation that found nothing to do is left out."""
    if plan.clearing.partitions:
        lake.delete(table.spec, str(table.spec.partition_column), plan.clearing.partitions)
        yield Done(operation="drop")
    yield from _rewrite(lake, table, plan)
    if plan.clearing.vacuums:
        yield from _clear(lake, table, plan)


def packing_of(operations: TableOperations) -> Packing:
    """Return how files are put together, which the plan and what carries it out share."""
    return operations.packing or pack_smallest_first


def _rewrite(lake: Lake, table: KeptTable, plan: TablePlan) -> Iterator[Done]:
    operations = lake.operations(table.spec)
    if plan.ordering is not None:
        result = operations.zorder(plan.ordering.columns)
    elif plan.compactions:
        partitions = [compaction.partition for compaction in plan.compactions if compaction.partition is not None]
        result = operations.compact(partitions=partitions or None, pack=packing_of(operations))
    else:
        return
    if result.changed:
        yield Done(
            operation=result.operation,
            files_removed=result.files_removed,
            files_added=result.files_added,
            size_bytes=result.bytes_removed,
        )


def _clear(lake: Lake, table: KeptTable, plan: TablePlan) -> Iterator[Done]:
    """Versions are forgotten before their files go, so that no version is offered that cannot be read."""
    operations = lake.operations(table.spec)
    expiry = operations.expire(keep=plan.clearing.kept, dry_run=False)
    if expiry.changed:
        yield Done(operation="expire", versions=len(expiry.versions_removed))
    vacuum = operations.vacuum(keep=plan.clearing.kept, dry_run=False)
    if vacuum.changed:
        yield Done(operation="vacuum", files_removed=vacuum.files_removed, size_bytes=vacuum.bytes_removed)


@contextmanager
def alone(instance: dg.DagsterInstance, run: dg.DagsterRun, table: KeptTable) -> Iterator[bool]:
    """Whether the table's pool has room; while it has, this run holds it, so that writers wait.

    A table whose pool is taken is being written; it is left to the next upkeep rather than waited for. What a dead run
    held is freed with all else that it held.
    """
    step = f"upkeep:{table.spec.path}"
    with InstanceConcurrencyContext(instance, run) as pools:
        claimed = table.pool is None or pools.claim(table.pool, step)
        try:
            yield claimed
        finally:
            pools.free_step(step)
