"""The sensor of sources that are asked: databases and addresses, each as often as its declaration says.

A tick first takes the source's cheap probe, and looks at a table or page only when that is another than at the last
tick. A unit is asked for once, and once more after a while when no run took it in.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import dagster as dg

from platform_assets.factory.asset_keys import asset_key
from platform_assets.ingest.inputs import adapter_for, cursor_of
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.operations.arrivals import Arrival, Reach, placed
from platform_assets.operations.arrivals import Cursor as Turn
from platform_assets.operations.landing import requests, traced_requests
from platform_core.contracts import Catalog, Dataset
from platform_resources.settings import Settings
from platform_resources.sources import Landing
from platform_resources.sources.base import PolledSource, SourceUnreachable
from platform_resources.storage import Lake

_SECONDS = 5
_PATIENCE = timedelta(minutes=15)
"""So long a unit that was asked for may be pending before it is asked for again, for its run may have failed."""


@dataclass(frozen=True)
class Poll:
    """What was learnt of one source.

    Attributes:
        at: When it was asked last, in ISO 8601; empty for never.
        probe: Its probe then.
        asked: The ids of the units that runs were asked for, and that were still pending.
        asked_at: When they were, in ISO 8601.
    """

    at: str = ""
    probe: str = ""
    asked: tuple[str, ...] = ()
    asked_at: str = ""

    def is_due(self, dataset: Dataset, now: datetime) -> bool:
        """Tell whether the declared time has passed."""
        every = dataset.source.polled_every if dataset.source else None
        return every is not None and (not self.at or now - datetime.fromisoformat(self.at) >= every)


@dataclass(frozen=True)
class PollCursor:
    """What the sensor remembers: the turn, which makes runs' keys new, and by dataset what was learnt."""

    turn: Turn
    polls: Mapping[str, Poll] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str | None, now: datetime) -> "PollCursor":
        """Read what `write` wrote; a new cursor of that instant for None."""
        if not text:
            return cls(Turn(now.isoformat()))
        raw = json.loads(text)
        polls = {name: Poll(**{**poll, "asked": tuple(poll["asked"])}) for name, poll in raw["polls"].items()}
        return cls(Turn(raw["epoch"], raw["turn"]), polls)

    def write(self) -> str:
        """Write the cursor as text."""
        polls = {name: asdict(poll) for name, poll in self.polls.items()}
        return json.dumps({"epoch": self.turn.epoch, "turn": self.turn.turn, "polls": polls})


def poll_sources(
    lake: Lake, settings: Settings, datasets: Sequence[Dataset], cursor: PollCursor, now: datetime
) -> tuple[list[Arrival], PollCursor, list[str]]:
    """Ask the sources that are due; return what is new, the cursor after it, and which ones could not be asked."""
    arrivals: list[Arrival] = []
    polls, unreachable = dict(cursor.polls), []
    for dataset in datasets:
        poll = polls.get(dataset.name, Poll())
        if not poll.is_due(dataset, now):
            continue
        try:
            news, poll = _poll(lake, settings, dataset, poll, now)
        except SourceUnreachable as error:
            unreachable.append(f"{dataset.name}: {error}")
            news, poll = [], replace(poll, probe="")
        polls[dataset.name] = replace(poll, at=now.isoformat())
        arrivals += news
    return arrivals, replace(cursor, polls=polls), unreachable


def _poll(lake: Lake, settings: Settings, dataset: Dataset, poll: Poll, now: datetime) -> tuple[list[Arrival], Poll]:
    adapter = cast("PolledSource", adapter_for(dataset, settings))
    probe = adapter.probe()
    if probe and probe == poll.probe and not poll.asked:
        return [], poll
    reach = Reach(lake, dataset)
    if not reach.is_open:
        return [], poll
    units = adapter.pending(cursor_of(QuarantineStore(lake, dataset)))
    is_forgotten = bool(poll.asked) and now - datetime.fromisoformat(poll.asked_at) >= _PATIENCE
    known = () if is_forgotten else poll.asked
    read = [Arrival(dataset, unit, reach.touched(unit, adapter)) for unit in units if unit.ingest_id not in known]
    news = placed(read, {dataset.name: reach})
    asked_at = now.isoformat() if news else poll.asked_at
    return news, replace(poll, probe=probe, asked=tuple(unit.ingest_id for unit in units), asked_at=asked_at)


def source_sensor(catalog: Catalog, domain: str) -> dg.SensorDefinition:
    """Build the sensor that asks the databases and addresses of a domain's datasets what is new."""
    datasets = [
        dataset
        for dataset in catalog.datasets.values()
        if dataset.domain == domain and dataset.source and dataset.source.polled_every
    ]

    @dg.sensor(
        name=f"{domain}_sources",
        asset_selection=dg.AssetSelection.assets(*(asset_key(dataset.name) for dataset in datasets)).downstream(),
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Asks the sources of {domain}/ whether anything changed, and starts what takes it in.",
    )
    def polled(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], landing: dg.ResourceParam[Landing]
    ) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        before = PollCursor.read(context.cursor, now)
        arrivals, after, unreachable = poll_sources(lake, landing.settings, datasets, before, now)
        for message in unreachable:
            context.log.warning(message)
        if not arrivals:
            context.update_cursor(after.write())
            return dg.SkipReason("; ".join(unreachable) or f"no source of {domain}/ has anything new")
        after = replace(after, turn=replace(after.turn, turn=after.turn.turn + 1))
        graph = context.repository_def.asset_graph if context.repository_def else None
        runs = traced_requests(landing.settings, f"{domain}_sources", requests(arrivals, after.turn, graph))
        return dg.SensorResult(run_requests=runs, cursor=after.write())

    return polled
