"""The event log of all runs by one cursor: materialisations, check results, ends of runs.

Dagster's own reader of events across runs wants an asset, or walks all runs. The table it keeps them in has a number
that only grows, in SQLite's index as in PostgreSQL; a test reads it. On a server a smaller number may become visible
behind a greater one, because its transaction ended later, so that the last numbers are looked at again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

OVERLAP = 500
"""So many numbers behind the cursor are looked at again."""


@dataclass(frozen=True)
class EventCursor:
    """How far the log was read.

    Attributes:
        last: The greatest number that was read.
        recent: The numbers among the last `OVERLAP` that were read.
    """

    last: int = 0
    recent: frozenset[int] = frozenset()


def newest_event(instance: "dg.DagsterInstance") -> EventCursor:
    """Return a cursor behind everything that happened so far."""
    import sqlalchemy as sa

    table, connect = _table(instance)
    with connect() as connection:
        last = connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0
        recent = connection.execute(sa.select(table.c.id).where(table.c.id > last - OVERLAP)).scalars().all()
    return EventCursor(int(last), frozenset(map(int, recent)))


def read_events(
    instance: "dg.DagsterInstance", cursor: EventCursor, types: Sequence["dg.DagsterEventType"], *, limit: int
) -> tuple[list["dg.EventLogEntry"], EventCursor]:
    """Return events behind the cursor in the order of the log, at most `limit`, and the cursor behind them."""
    import sqlalchemy as sa
    from dagster import EventLogEntry  # noqa: PLC0415
    from dagster._serdes import deserialize_value  # noqa: PLC0415

    table, connect = _table(instance)
    wanted = table.c.dagster_event_type.in_([each.value for each in types])
    entries: list[dg.EventLogEntry] = []
    with connect() as connection:
        behind = sa.select(table.c.id).where(table.c.id > cursor.last - OVERLAP, wanted).order_by(table.c.id)
        numbers = [
            int(each)
            for each in connection.execute(behind.limit(limit + len(cursor.recent))).scalars()
            if each not in cursor.recent
        ][:limit]
        for some in _parts(numbers):
            rows = connection.execute(sa.select(table.c.event).where(table.c.id.in_(some)).order_by(table.c.id))
            entries += [deserialize_value(text, EventLogEntry) for (text,) in rows]
    last = max([cursor.last, *numbers])
    recent = frozenset(each for each in (*cursor.recent, *numbers) if each > last - OVERLAP)
    return entries, EventCursor(last, recent)


def _table(instance: "dg.DagsterInstance") -> tuple[Any, Any]:
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable  # noqa: PLC0415

    storage = instance.event_log_storage
    return SqlEventLogStorageTable, getattr(storage, "index_connection")  # noqa: B009 - not part of the base class


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), 500):
        yield numbers[start : start + 500]
