"""`platform quarantine replay`: as a Dagster backfill where a daemon is alive, else by the same runs in this process.

A row is replayed from its envelope, in the partition it lies in now. A file that could not be read at all is taken in
again from the landing folder.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.entrypoints.door import CommandError, Door
from platform_assets.entrypoints.quarantine import chosen_envelopes, refuse_derived
from platform_assets.factory.specs import partitions_definition
from platform_assets.ingest.inputs import adapter_for
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.replay import homes, replay_tag
from platform_assets.operations.arrivals import Arrival, Reach
from platform_assets.operations.errands import (
    ENDED,
    WELL,
    Errand,
    daemon_is_alive,
    reason_of,
    run_here,
    submit,
)  # fmt: skip
from platform_assets.operations.landing import run_config
from platform_core.contracts import Dataset
from platform_resources.sources import Cursor

_POLL_SECONDS = 1.0
_TAGGED_IDS = 500
"""A tag with more ids than these is a page of text; all open envelopes go by the word `all`."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one envelope.

    Attributes:
        outcome: `merged`, `refused` again, `missing` (its file is not in the landing folder any more), `waiting` for
            a backfill, or what it already was: `replayed` or `discarded`.
        rules: Those that still refuse it.
    """

    id: str
    source: str
    position: int | None
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


def replay(door: Door, name: str, ids: Sequence[str], *, wait: bool | None) -> Replay:
    """The outcome for each envelope asked for, or for all that are open.

    Args:
        door: The platform.
        name: Of the dataset.
        ids: Envelopes; none for all that are open.
        wait: Whether to wait for a backfill; None waits, and makes do without a daemon.

    Raises:
        UnknownName: There is no such dataset or envelope.
        CommandError: The dataset cannot be replayed, a backfill failed, or nobody can do what is not waited for.
        ErrandFailed: A run in this process failed.
    """
    store = door.store(name)
    _refuse_unreplayable(store.dataset)
    asked = chosen_envelopes(store, ids) if ids else store.envelopes(decision="open")
    open_ = asked.filter(pl.col("decision") == "open")
    landed = _landed(door, store.dataset)
    errands = list(_errands(door, store, open_, landed, everything=not ids))
    with door.instance() as instance:
        if errands and daemon_is_alive(instance):
            backfills = tuple(submit(each, door.location.defs, instance, title=f"Replay of {name}") for each in errands)
            if wait is not False:
                _await(instance, backfills, store, open_)
            return Replay(
                dataset=name, backfills=backfills, runs=(), rows=_outcomes(store, asked, landed, pending=wait is False)
            )
        if errands and wait is False:
            raise CommandError(
                f"{name}: --no-wait: no Dagster daemon is alive to run a backfill. "
                "Fix: start one with make dev, or leave --no-wait out to replay in this process."
            )
        runs = tuple(run_id for each in errands for run_id in run_here(each, door.location.defs, instance))
    return Replay(dataset=name, backfills=(), runs=runs, rows=_outcomes(store, asked, landed, pending=False))


def _refuse_unreplayable(dataset: Dataset) -> None:
    refuse_derived(dataset)
    if dataset.store.mode != "merge":
        raise CommandError(
            f"{dataset.name}: is stored by {dataset.store.mode}, so a replayed row cannot be merged into it. "
            "Fix: declare store=Delta(mode='merge'), or materialise the dataset again."
        )


def _landed(door: Door, dataset: Dataset) -> dict[str, Arrival]:
    """The units that the dataset's source has now, by source; their partitions are not looked for yet."""
    units = adapter_for(dataset, door.location.settings).pending(Cursor())
    return {unit.source: Arrival(dataset, unit, ()) for unit in units}


def _errands(
    door: Door, store: QuarantineStore, open_: pl.DataFrame, landed: Mapping[str, Arrival], *, everything: bool
) -> Iterator[Errand]:
    """What has to run for the open envelopes: files first, because taking one in may settle its rows."""
    whole = pl.col("position").is_null()
    sources = open_.filter(whole)["source"].unique(maintain_order=True).to_list()
    files = [landed[source] for source in sources if source in landed]
    if files:
        yield _again(door, files)
    rows = open_.filter(~whole)
    if not rows.is_empty():
        ids = rows["quarantine_id"].to_list()
        all_ = everything or (len(ids) > _TAGGED_IDS and _are_all_open(store, ids))
        yield Errand(
            dataset=store.dataset,
            partitions=_partitions(store, rows),
            tags=replay_tag(None if all_ else ids),
        )


def _are_all_open(store: QuarantineStore, ids: Sequence[str]) -> bool:
    open_ = store.envelopes(decision="open").filter(pl.col("position").is_not_null())
    return set(open_["quarantine_id"]) == set(ids)


def _again(door: Door, files: Sequence[Arrival]) -> Errand:
    reach, adapter = Reach(door.lake, files[0].dataset), adapter_for(files[0].dataset, door.location.settings)
    found = [replace(each, partitions=reach.touched(adapter.identify(each.unit), adapter)) for each in files]
    partitions = sorted({key for each in found for key in each.partitions})
    return Errand(dataset=found[0].dataset, partitions=tuple(partitions), run_config=run_config(found))


def _partitions(store: QuarantineStore, rows: pl.DataFrame) -> tuple[str, ...]:
    """The partitions that the rows lie in; the latest one known where they lie in none, for one must judge them."""
    definition = partitions_definition(store.dataset.partitions)
    if definition is None:
        return ()
    found = homes(store.dataset, rows).drop_nulls().unique().sort().to_list()
    if found:
        return tuple(found)
    keys = definition.get_partition_keys()
    logged = set(store.ingests()["partitions"].explode().drop_nulls().to_list())
    return (max(logged & set(keys), default=keys[0]),)


def _await(instance: dg.DagsterInstance, backfills: Sequence[str], store: QuarantineStore, open_: pl.DataFrame) -> None:
    """Returns when all backfills ended well, or sooner: the daemon looks at them twice a minute only.

    Raises:
        CommandError: One of them failed, or the daemon died meanwhile.
    """
    for backfill_id in backfills:
        while (backfill := instance.get_backfill(backfill_id)) and backfill.status not in ENDED:
            if _all_judged(instance, backfills, store, open_):
                return
            if not daemon_is_alive(instance):
                raise CommandError(
                    f"backfill {backfill_id}: the Dagster daemon died meanwhile. "
                    "Fix: start it again, and it goes on with the backfill; or cancel the backfill in the UI."
                )
            time.sleep(_POLL_SECONDS)
        if backfill and backfill.status not in WELL:
            raise CommandError(f"backfill {backfill_id} failed: {reason_of(instance, backfill)}")


def _all_judged(
    instance: dg.DagsterInstance, backfills: Sequence[str], store: QuarantineStore, open_: pl.DataFrame
) -> bool:
    """Whether ended runs of the backfills closed every envelope, or refused it again."""
    runs = [run for each in backfills for run in instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": each}))]
    if not runs or not all(run.is_finished for run in runs):
        return False
    waiting = store.envelopes(ids=open_["quarantine_id"].to_list(), decision="open")
    return waiting.filter(~pl.col("run_id").is_in([run.run_id for run in runs])).is_empty()


def _outcomes(
    store: QuarantineStore, asked: pl.DataFrame, landed: Mapping[str, Arrival], *, pending: bool
) -> tuple[Outcome, ...]:
    now = {row["quarantine_id"]: row for row in store.envelopes(ids=asked["quarantine_id"].to_list()).to_dicts()}
    return tuple(_outcome(row, now.get(row["quarantine_id"]), landed, pending=pending) for row in asked.to_dicts())


def _outcome(
    before: Mapping[str, Any], now: Mapping[str, Any] | None, landed: Mapping[str, Arrival], *, pending: bool
) -> Outcome:
    """The outcome of one envelope; one that is gone gave way to rows of its file, which was read this time."""
    outcome = _word(before, now, landed, pending=pending)
    refused = outcome == "refused" and now
    return Outcome(
        id=before["quarantine_id"],
        source=before["source"],
        position=before["position"],
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
