"""Replays of folds: a Dagster backfill where a daemon is alive, else the same runs in this process; both in the UI."""

import time
from dataclasses import dataclass

import dagster as dg

from platform_assets.factory.partitioning import existing
from platform_assets.factory.stream import replayed_history
from platform_assets.ingest.fold_replay import HISTORY_TAG, HistoryRequest, ReplayedFold, touched_partitions
from platform_assets.location import CodeLocation
from platform_assets.operations.backfills import (
    PartitionRequest,
    RunFailed,
    adjoining_partitions,
    await_backfills,
    daemon_is_alive,
    run_in_process,
    submit_backfill,
)
from platform_assets.operations.datasets import find_dataset
from platform_assets.operations.errors import RequestError
from platform_assets.operations.instance import open_instance
from platform_core.contracts import Dataset
from platform_core.contracts.folds import Fold

_DESCRIPTION = "Stored history folded again, started by platform stream replay"


@dataclass(frozen=True, kw_only=True)
class ReplayedStream:
    """What a replay gave, beside the table.

    Attributes:
        dataset: Its name.
        rows: That came out of the stored history.
        missing: Of them, those that the table did not have, bit for bit.
        extra: Rows of the table that did not come out, where the whole history was asked for.
        restored: Of the missing ones, those that were written again.
        backfill: Dagster's id of the backfill; None where the runs were made in this process.
        runs: Ids of the runs.
        seconds: How long it took.
    """

    dataset: str
    rows: int
    missing: int
    extra: int
    restored: int
    backfill: str | None
    runs: tuple[str, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the table now is what came out again."""
        return self.missing == self.restored and self.extra == 0


def replay_history(location: CodeLocation, name: str, request: HistoryRequest) -> ReplayedStream:
    """Fold the stored history of a dataset's inputs again, and compare what comes out with its table.

    Raises:
        RequestError: The dataset folds no stream, or the backfill failed for another reason than a difference.
        RunFailed: So did a run in this process.
    """
    dataset, began = _fold(location, name), time.monotonic()
    touched = touched_partitions(location.lake, location.catalog, dataset, request)
    partitions = tuple(sorted(existing(dataset.partitions, touched))) if dataset.partitions else ()
    if dataset.partitions and not partitions:
        return ReplayedStream(dataset=name, rows=0, missing=0, extra=0, restored=0, backfill=None, runs=(), seconds=0.0)
    asked, backfill, failure = PartitionRequest(dataset=dataset, partitions=partitions, tags=request.tag()), None, None
    with open_instance(location.settings) as instance:
        try:
            if daemon_is_alive(instance):
                title = f"Replay of {name}"
                backfill = submit_backfill(asked, location.defs, instance, title=title, description=_DESCRIPTION)
                expected = len(adjoining_partitions(asked, instance))
                await_backfills(instance, [backfill], lambda runs: len(runs) == expected)
            else:
                list(run_in_process(asked, location.defs, instance))
        except (RequestError, RunFailed) as error:
            failure = error
        runs = instance.get_runs(dg.RunsFilter(tags={HISTORY_TAG: request.tag()[HISTORY_TAG]}))
        figures = [_figures(instance, run.run_id) for run in runs]
    known_figures = [figure for figure in figures if figure is not None]
    if failure is not None and (not known_figures or all(figure.holds for figure in known_figures)):
        raise failure
    rows, missing, extra, restored = (
        sum(getattr(figure, field) for figure in known_figures) for field in ("rows", "missing", "extra", "restored")
    )
    return ReplayedStream(
        dataset=name, rows=rows, missing=missing, extra=extra, restored=restored, backfill=backfill,
        runs=tuple(run.run_id for run in runs), seconds=time.monotonic() - began,
    )  # fmt: skip


def _fold(location: CodeLocation, name: str) -> Dataset:
    dataset = find_dataset(location.catalog, name)
    if not isinstance(dataset.source, Fold):
        folds = [fold.name for fold in location.catalog.datasets.values() if isinstance(fold.source, Fold)]
        raise RequestError(f"{name} folds no stream. Fix: name one of {', '.join(folds) or 'those with a fold'}.")
    return dataset


def _figures(instance: dg.DagsterInstance, run_id: str) -> ReplayedFold | None:
    """Return what a run found; None where it failed before."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION):
        observation = entry.dagster_event.asset_observation_data.asset_observation if entry.dagster_event else None
        if observation is not None:
            return replayed_history(observation.metadata)
    return None
