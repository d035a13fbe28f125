"""Replays of quarantined rows: as a Dagster backfill where a daemon is alive, else by the same runs in this process.

A row is replayed from its envelope, in the partition it lies in now. A file that could not be read at all is taken in
again from the landing folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.factory.partitioning import existing, fallback_key
from platform_assets.ingest.inputs import adapter_for
from platform_assets.ingest.quarantine import QuarantineStore, homes
from platform_assets.ingest.replay import replay_tag
from platform_assets.location import CodeLocation
from platform_assets.operations.arrivals import Arrival, Reach, placed
from platform_assets.operations.backfills import (
    PartitionRequest,
    await_backfills,
    daemon_is_alive,
    run_in_process,
    submit_backfill,
)
from platform_assets.operations.envelopes import place_of, quarantine_of, refuse_derived_dataset, select_envelopes
from platform_assets.operations.errors import RequestError
from platform_assets.operations.instance import open_instance
from platform_assets.operations.landing import run_config
from platform_core.contracts import Dataset
from platform_resources.sources import Cursor

_DESCRIPTION = "Rows from quarantine, started by platform quarantine replay"
_TAGGED_IDS = 500
"""A tag with more ids than these is a page of text; all open envelopes go by the word `all`."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one envelope.

    Attributes:
        place: What a person calls the position, `line 4`; empty where it has no such name.
        outcome: `merged`, `refused` again, `missing` (its file is not in the landing folder any more), `waiting` for
            a backfill, or what it already was: `replayed` or `discarded`.
        rules: Those that still refuse it.
    """

    id: str
    source: str
    position: int | None
    place: str
    outcome: str
    rules: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a replay did.

    Attributes:
        backfills: Ids of the Dagster backfills; empty where the runs were made in this process.
        runs: Ids of the runs made in this process.
    """

    dataset: str
    backfills: tuple[str, ...]
    runs: tuple[str, ...]
    rows: tuple[Outcome, ...]


def replay_envelopes(location: CodeLocation, name: str, ids: Sequence[str], *, wait: bool | None) -> Replay:
    """Replay the selected envelopes, or all that are open.

    Args:
        location: The datasets, their lake and their graph.
        name: Of the dataset.
        ids: Envelopes; none for all that are open.
        wait: Whether to wait for a backfill; None waits, and makes do without a daemon.

    Raises:
        UnknownName: There is no such dataset or envelope.
        RequestError: The dataset cannot be replayed, a backfill failed, or nobody can do what is not waited for.
        RunFailed: A run in this process failed.
    """
    store = quarantine_of(location, name)
    _refuse_unreplayable(store.dataset)
    selected = select_envelopes(store, ids) if ids else store.envelopes(decision="open")
    open_ = selected.filter(pl.col("decision") == "open")
    landed = _landed(location, store.dataset)
    requests = list(_partition_requests(location, store, open_, landed, everything=not ids))
    with open_instance(location.settings) as instance:
        if requests and daemon_is_alive(instance):
            tags = {"title": f"Replay of {name}", "description": _DESCRIPTION}
            backfills = tuple(submit_backfill(request, location.defs, instance, **tags) for request in requests)
            if wait is not False:
                await_backfills(instance, backfills, partial(_are_judged, store, open_))
            return Replay(
                dataset=name,
                backfills=backfills,
                runs=(),
                rows=_outcomes(store, selected, landed, pending=wait is False),
            )
        if requests and wait is False:
            raise RequestError(
                f"{name}: --no-wait: no Dagster daemon is alive to run a backfill. "
                "Fix: start one with make dev, or leave --no-wait out to replay in this process."
            )
        runs = tuple(run_id for request in requests for run_id in run_in_process(request, location.defs, instance))
    return Replay(dataset=name, backfills=(), runs=runs, rows=_outcomes(store, selected, landed, pending=False))


def _refuse_unreplayable(dataset: Dataset) -> None:
    refuse_derived_dataset(dataset)
    is_stream = dataset.source is not None and dataset.source.is_stream  # a message is known by its offset
    if dataset.store.mode != "merge" and not is_stream:
        raise RequestError(
            f"{dataset.name}: is stored by {dataset.store.mode}, so a replayed row cannot be merged into it. "
            "Fix: declare store=Delta(mode='merge'), or materialise the dataset again."
        )


def _landed(location: CodeLocation, dataset: Dataset) -> dict[str, Arrival]:
    """List the units that the dataset's source has now, by source; their partitions are not looked for yet."""
    if dataset.source is not None and dataset.source.inputs:
        return {}  # what a fold reads stays in the tables of its inputs
    units = adapter_for(dataset, location.settings).pending(Cursor())
    return {unit.source: Arrival(dataset, unit, ()) for unit in units}


def _partition_requests(
    location: CodeLocation,
    store: QuarantineStore,
    open_: pl.DataFrame,
    landed: Mapping[str, Arrival],
    *,
    everything: bool,
) -> Iterator[PartitionRequest]:
    """List what has to run for the open envelopes: files first, because taking one in may settle its rows."""
    whole = pl.col("position").is_null()
    sources = open_.filter(whole)["source"].unique(maintain_order=True).to_list()
    files = [landed[source] for source in sources if source in landed]
    if files:
        yield _reingest_request(location, files)
    rows = open_.filter(~whole)
    if not rows.is_empty():
        ids = rows["quarantine_id"].to_list()
        all_ = everything or (len(ids) > _TAGGED_IDS and _are_all_open(store, ids))
        yield PartitionRequest(
            dataset=store.dataset,
            partitions=_partitions(store, rows),
            tags=replay_tag(None if all_ else ids),
        )


def _are_all_open(store: QuarantineStore, ids: Sequence[str]) -> bool:
    open_ = store.envelopes(decision="open").filter(pl.col("position").is_not_null())
    return set(open_["quarantine_id"]) == set(ids)


def _reingest_request(location: CodeLocation, files: Sequence[Arrival]) -> PartitionRequest:
    reach, adapter = Reach(location.lake, files[0].dataset), adapter_for(files[0].dataset, location.settings)
    read = [replace(file, partitions=reach.touched(adapter.identify(file.unit), adapter)) for file in files]
    arrivals = placed(read, {reach.dataset.name: reach})
    partitions = sorted({key for arrival in arrivals for key in arrival.partitions})
    return PartitionRequest(dataset=arrivals[0].dataset, partitions=tuple(partitions), run_config=run_config(arrivals))


def _partitions(store: QuarantineStore, rows: pl.DataFrame) -> tuple[str, ...]:
    """Return the partitions that the rows lie in.

    The latest one known where they lie in none, for one must judge them.
    """
    declared = store.dataset.partitions
    if declared is None:
        return ()
    partitions = homes(store.dataset, rows).drop_nulls().unique().sort().to_list()
    if partitions:
        return tuple(partitions)
    logged = set(store.ingests()["partitions"].explode().drop_nulls().to_list())
    return (max(existing(declared, logged), default=fallback_key(declared)),)


def _are_judged(store: QuarantineStore, open_: pl.DataFrame, runs: Sequence[dg.DagsterRun]) -> bool:
    """Whether the runs closed every envelope, or refused it again."""
    waiting = store.envelopes(ids=open_["quarantine_id"].to_list(), decision="open")
    return waiting.filter(~pl.col("run_id").is_in([run.run_id for run in runs])).is_empty()


def _outcomes(
    store: QuarantineStore, selected: pl.DataFrame, landed: Mapping[str, Arrival], *, pending: bool
) -> tuple[Outcome, ...]:
    now = {row["quarantine_id"]: row for row in store.envelopes(ids=selected["quarantine_id"].to_list()).to_dicts()}
    return tuple(_outcome(row, now.get(row["quarantine_id"]), landed, pending=pending) for row in selected.to_dicts())


def _outcome(
    before: Mapping[str, Any], now: Mapping[str, Any] | None, landed: Mapping[str, Arrival], *, pending: bool
) -> Outcome:
    """Return the outcome of one envelope; one that is gone gave way to rows of its file, which was read this time."""
    outcome = _word(before, now, landed, pending=pending)
    refused = outcome == "refused" and now
    return Outcome(
        id=before["quarantine_id"],
        source=before["source"],
        position=before["position"],
        place=place_of(before["reason"]),
        outcome=outcome,
        rules=tuple(now["rules"]) if refused and now else (),
        reason=now["reason"] if refused and now else "",
    )


def _word(
    before: Mapping[str, Any], now: Mapping[str, Any] | None, landed: Mapping[str, Arrival], *, pending: bool
) -> str:
    if before["decision"] != "open":
        return str(before["decision"])
    if before["position"] is None and before["source"] not in landed:
        return "missing"
    if pending:
        return "waiting"
    return "merged" if now is None or now["decision"] == "replayed" else "refused"
