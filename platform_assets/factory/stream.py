"""The asset of a dataset whose source is a topic: a run takes in what the topic has, and ends.

Between runs a worker takes messages in beside Dagster, and reports the same facts; whoever is first commits, and the
table refuses the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.checks import check_results
from platform_assets.factory.effort import CPU, DURATION, PEAK, peak_memory
from platform_assets.factory.metadata import page_links
from platform_assets.factory.policy import state_of_checks
from platform_assets.factory.specs import asset_of
from platform_assets.ingest.fold_replay import (
    HISTORY_TAG,
    HistoryDiffers,
    ReplayedFold,
    compare_history,
    requested_history,
)
from platform_assets.ingest.fold_worker import FoldWorker
from platform_assets.ingest.ingest import Ingest, Run, ingest
from platform_assets.ingest.inputs import Input, adapter_for, take_inputs
from platform_assets.ingest.references import load_references
from platform_assets.ingest.replay import REPLAY_TAG, replayed_source
from platform_assets.ingest.state import IngestState
from platform_assets.ingest.stream import StreamWorker, Tally
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.folds import Scored, detector_name
from platform_resources.brokers import open_broker
from platform_resources.storage import Lake
from platform_resources.storage.io_manager import commit_metadata
from platform_resources.transience import retry_transient

_PATIENCE = timedelta(seconds=1)
"""How long a run waits for a message; a group of Kafka's takes as long to agree on who reads what."""
_SILENT_TURNS = 30


def stream_asset(
    catalog: Catalog, dataset: Dataset, *, automation: dg.AutomationCondition[Any] | None = None
) -> dg.AssetsDefinition:
    """Yield the asset that drains the dataset's topic; a fold follows its inputs by itself, no detector."""
    above = dict.fromkeys([*(dataset.source.upstream if dataset.source else ()), *catalog.looked_into(dataset)])
    detectors = [detector_name(dataset.name)] if isinstance(dataset.source, Scored) else []
    read = [table_spec(dataset), *(table_spec(catalog[name]) for name in above)]

    def drain(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
        if REPLAY_TAG in context.run.tags:
            with retry_transient(), lake.telling(*read):
                done = _replay(context, lake, catalog, dataset)
                yield from check_results(dataset, state_of_checks(lake, dataset, done[-1].intake.results))
            yield dg.MaterializeResult(asset_key=asset_key(dataset.name), metadata=_replay_metadata(done))
            return
        if HISTORY_TAG in context.run.tags:
            with retry_transient(), lake.telling(*read):
                yield from _replay_history(context, lake, catalog, dataset)
            return
        broker = open_broker(lake.settings)
        try:
            with retry_transient(), lake.telling(*read):
                worker: StreamWorker | FoldWorker
                if dataset.source is not None and dataset.source.stream is None:
                    worker = FoldWorker(lake, catalog, dataset, run_id=context.run.run_id)
                else:
                    worker = StreamWorker(lake, catalog, dataset, broker, run_id=context.run.run_id)
                try:
                    _drain(worker)
                    context.log.info("%s: %d messages", dataset.name, worker.tally.read)
                finally:
                    worker.close()
        finally:
            broker.close()
        tally = worker.take_tally()
        worker.renew_verdicts()
        yield from check_results(dataset, state_of_checks(lake, dataset, [*tally.results.values()]))
        yield dg.MaterializeResult(asset_key=asset_key(dataset.name), metadata=stream_metadata(lake, dataset, tally))

    return asset_of(
        dataset, drain, deps=[asset_key(name) for name in (*above, *detectors)],
        automation_condition=automation if dataset.source is not None and dataset.source.inputs else None,
    )  # fmt: skip


def _drain(worker: StreamWorker | FoldWorker) -> None:
    """Take in what is there; what another worker reads is left to it, after a while."""
    silent = 0
    while silent < _SILENT_TURNS:
        if worker.step(timeout=_PATIENCE):
            silent = 0
        elif worker.owns_all() or worker.is_drained():
            return
        else:
            silent += 1


def _replay(context: dg.AssetExecutionContext, lake: Lake, catalog: Catalog, dataset: Dataset) -> Sequence[Ingest]:
    """Take envelopes in as the run's tag says; the broker has no part in it."""
    references = load_references(lake, catalog, dataset)
    partitions = list(context.partition_keys) if dataset.partitions else None
    source = replayed_source(context.run.tags[REPLAY_TAG])

    def read_inputs(state: IngestState) -> Sequence[Input]:
        adapter = adapter_for(
            dataset, lake.settings, source=source, partitions=partitions, references=lambda: references, store=state
        )
        return take_inputs(adapter, state, again=False, names=(), partitions=partitions)

    run = Run(run_id=context.run.run_id, at=datetime.now(UTC), partitions=partitions, replays=True)
    return ingest(lake, dataset, read_inputs, references, run=run, admits=lambda _: True)


def _replay_history(
    context: dg.AssetExecutionContext, lake: Lake, catalog: Catalog, dataset: Dataset
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Fold history again as the run's tag says, and hold it against the table; a difference fails the run.

    Raises:
        HistoryDiffers: The table is not what came out; the figures are an observation of the asset.
    """
    replayed = compare_history(
        lake,
        catalog,
        dataset,
        requested_history(context.run.tags[HISTORY_TAG]),
        partitions=list(context.partition_keys) if dataset.partitions else None,
        run_id=context.run.run_id,
        at=datetime.now(UTC),
    )
    figures = history_metadata(replayed)
    context.log_event(dg.AssetObservation(asset_key(dataset.name), metadata=figures))
    if not replayed.holds:
        raise HistoryDiffers(dataset.name, replayed)
    yield from check_results(dataset, state_of_checks(lake, dataset, []))
    yield dg.MaterializeResult(asset_key=asset_key(dataset.name), metadata=figures)


_FIGURE = "replayed_"


def history_metadata(replayed: ReplayedFold) -> Mapping[str, int]:
    """Return the figures of a replay of history, as metadata."""
    return {f"{_FIGURE}{name}": value for name, value in asdict(replayed).items()}


def replayed_history(metadata: Mapping[str, dg.MetadataValue[Any]]) -> ReplayedFold:
    """Return the figures that a run of a replay of history left."""
    figures = {name.removeprefix(_FIGURE): value.value for name, value in metadata.items() if name.startswith(_FIGURE)}
    return ReplayedFold(**figures)


def _replay_metadata(done: Sequence[Ingest]) -> Mapping[str, Any]:
    return {
        "rows_in": sum(part.intake.height for part in done),
        "rows_valid": sum(part.table.written.height for part in done),
        "rows_quarantined": sum(part.intake.refused.height for part in done),
    }


def stream_metadata(lake: Lake, dataset: Dataset, tally: Tally) -> Mapping[str, Any]:
    """Return the facts of a stretch of a stream, messages = valid + quarantined + superseded.

    And of its commits as of one.
    """
    stretch = {
        "rows_in": tally.read,
        "rows_valid": tally.valid,
        "rows_quarantined": tally.quarantined,
        "rows_superseded": tally.superseded,
        "micro_batches": tally.commits,
        **({"batch_size": tally.batch_size} if tally.batch_size else {}),
        **({"rows_per_second": round(tally.read / tally.seconds)} if tally.seconds else {}),
        DURATION: round(tally.seconds, 3),
        CPU: round(tally.cpu_seconds, 3),
        PEAK: peak_memory(),
        **page_links(lake.settings, dataset),
    }
    if tally.written is None:
        return stretch
    partitions = sorted(tally.partitions) or None
    return {**stretch, **commit_metadata(lake.location(table_spec(dataset)), tally.written, partitions=partitions)}
