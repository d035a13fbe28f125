"""The asset of a dataset whose source is a topic: a run takes in what the topic has, and ends.

Between runs a worker takes messages in beside Dagster, and reports the same facts; whoever is first commits, and the
table refuses the other.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.factory.checks import check_results
from platform_assets.factory.policy import table_results
from platform_assets.factory.specs import asset_of
from platform_assets.ingest.stream import StreamWorker, Tally
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Catalog, Dataset
from platform_resources.brokers import open_broker
from platform_resources.storage import Lake
from platform_resources.transience import retry_transient

_PATIENCE = timedelta(seconds=1)
"""How long a run waits for a message; a group of Kafka's takes as long to agree on who reads what."""
_SILENT_TURNS = 30


def stream_asset(catalog: Catalog, dataset: Dataset) -> dg.AssetsDefinition:
    """The asset that drains the dataset's topic."""
    above = dict.fromkeys(rule.dataset for rule in catalog.references_of(dataset) if rule.dataset != dataset.name)
    read = [table_spec(dataset), *(table_spec(catalog[name]) for name in above)]

    def drain(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
        broker = open_broker(lake.settings)
        try:
            with retry_transient(), lake.telling(*read):
                worker = StreamWorker(lake, catalog, dataset, broker, run_id=context.run.run_id)
                try:
                    _drain(worker)
                    context.log.info("%s: %d messages", dataset.name, worker.tally.read)
                finally:
                    worker.close()
        finally:
            broker.close()
        tally = worker.take_tally()
        yield from check_results(dataset, [*tally.results.values(), *table_results(lake, dataset)])
        yield dg.MaterializeResult(asset_key=asset_key(dataset.name), metadata=stream_metadata(tally))

    return asset_of(dataset, drain, deps=[asset_key(name) for name in above])


def _drain(worker: StreamWorker) -> None:
    """Take in what is there; what another worker reads is left to it, after a while."""
    silent = 0
    while silent < _SILENT_TURNS:
        if worker.step(timeout=_PATIENCE):
            silent = 0
        elif worker.owns_all() or worker.is_drained():
            return
        else:
            silent += 1


def stream_metadata(tally: Tally) -> Mapping[str, Any]:
    """The facts of a stretch of a stream: messages = valid + quarantined + superseded."""
    return {
        "rows_in": tally.read,
        "rows_valid": tally.valid,
        "rows_quarantined": tally.quarantined,
        "rows_superseded": tally.superseded,
        "micro_batches": tally.commits,
    }
