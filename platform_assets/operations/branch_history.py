"""What happened to assets in a branch, told to the history of the environment when the branch is promoted."""

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

_PAGE = 1000


def copy_events(
    source: dg.DagsterInstance, target: dg.DagsterInstance, keys: Iterable[dg.AssetKey], graph: Any, branch: str
) -> None:
    """Report the last materialisation of each partition, then the last verdict of each check, inputs first."""
    for key in keys:
        for event in _materialisations(source, key):
            target.report_runless_asset_event(_from_branch(event, branch))
        for check in sorted(graph.get(key).check_keys, key=lambda check: check.name):
            record = source.event_log_storage.get_latest_asset_check_execution_by_key([check]).get(check)
            entry = None if record is None else record.event
            if entry is not None and entry.dagster_event is not None:
                verdict = entry.dagster_event.event_specific_data
                if isinstance(verdict, dg.AssetCheckEvaluation):
                    target.report_runless_asset_event(verdict)


def _materialisations(source: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[dg.AssetMaterialization]:
    """Yield the last materialisation of each partition, the oldest first."""
    last: dict[str | None, dg.AssetMaterialization] = {}
    cursor, has_more = None, True
    while has_more:
        page = source.fetch_materializations(key, limit=_PAGE, cursor=cursor)
        for record in page.records:
            event = record.asset_materialization
            if event is not None:
                last.setdefault(event.partition, event)
        cursor, has_more = page.cursor, page.has_more
    yield from reversed(last.values())


def _from_branch(event: dg.AssetMaterialization, branch: str) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        asset_key=event.asset_key,
        partition=event.partition,
        metadata={**event.metadata, "platform/branch": dg.MetadataValue.text(branch)},
        tags={tag: value for tag, value in (event.tags or {}).items() if not tag.startswith("dagster/")},
    )
