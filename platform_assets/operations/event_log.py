"""The event log of all runs by one cursor: materialisations, check results, ends of runs.

Dagster's own reader of events across runs wants an asset, or walks all runs. The table it keeps them in has a number
that only grows, in SQLite's index as in PostgreSQL; a test reads it. On a server a smaller number may become visible
behind a greater one, because its transaction ended later, so that the last numbers are looked at again.
"""

import json
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
    of_types = table.c.dagster_event_type.in_([type_.value for type_ in types])
    entries: list[dg.EventLogEntry] = []
    with connect() as connection:
        behind = sa.select(table.c.id).where(table.c.id > cursor.last - OVERLAP, of_types).order_by(table.c.id)
        numbers = [
            int(number)
            for number in connection.execute(behind.limit(limit + len(cursor.recent))).scalars()
            if number not in cursor.recent
        ][:limit]
        for some in _parts(numbers):
            rows = connection.execute(sa.select(table.c.event).where(table.c.id.in_(some)).order_by(table.c.id))
            entries += [deserialize_value(text, EventLogEntry) for (text,) in rows]
    last = max([cursor.last, *numbers])
    recent = frozenset(number for number in (*cursor.recent, *numbers) if number > last - OVERLAP)
    return entries, EventCursor(last, recent)


def history_id(instance: "dg.DagsterInstance") -> str:
    """Return what tells this history from another, as it was given when it began."""
    return str(getattr(instance.run_storage, "get_run_storage_id")())  # noqa: B009 - of SQL storages, not of the base class


def _table(instance: "dg.DagsterInstance") -> tuple[Any, Any]:
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable  # noqa: PLC0415

    storage = instance.event_log_storage
    return SqlEventLogStorageTable, getattr(storage, "index_connection")  # noqa: B009 - not part of the base class


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), 500):
        yield numbers[start : start + 500]


def read_changes(
    instance: "dg.DagsterInstance", cursor: EventCursor, types: Sequence["dg.DagsterEventType"], *, limit: int
) -> tuple[list["EventLine"], EventCursor]:
    """Return what the columns of the log say of events behind the cursor, at most `limit`, and the cursor behind them.

    A check's result names its asset only in its text, which is read for those alone.
    """
    import sqlalchemy as sa

    table, connect = _table(instance)
    of_types = table.c.dagster_event_type.in_([type_.value for type_ in types])
    text = sa.case((table.c.dagster_event_type == "ASSET_CHECK_EVALUATION", table.c.event), else_=None)
    query = sa.select(table.c.id, table.c.dagster_event_type, table.c.asset_key, table.c.run_id, text)
    with connect() as connection:
        behind = query.where(table.c.id > cursor.last - OVERLAP, of_types).order_by(table.c.id)
        rows = connection.execute(behind.limit(limit + len(cursor.recent))).all()
    lines = [
        EventLine(int(number), event_type, _asset_name(key, event), run_id)
        for number, event_type, key, run_id, event in rows
        if number not in cursor.recent
    ][:limit]
    numbers = [line.number for line in lines]
    last = max([cursor.last, *numbers])
    recent = frozenset(number for number in (*cursor.recent, *numbers) if number > last - OVERLAP)
    return lines, EventCursor(last, recent)


@dataclass(frozen=True)
class EventLine:
    """An event without its text; `asset` is the name of the asset that it is about, or None."""

    number: int
    event_type: str
    asset: str | None
    run_id: str


def wiped_assets(instance: "dg.DagsterInstance") -> dict[str, float]:
    """Return when assets were last wiped, in seconds since the epoch, by name; the log says nothing of it."""
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import AssetKeyTable  # noqa: PLC0415

    _, connect = _table(instance)
    at = AssetKeyTable.c.wipe_timestamp
    with connect() as connection:
        rows = connection.execute(sa.select(AssetKeyTable.c.asset_key, at).where(at.is_not(None))).all()
    return {"/".join(json.loads(key)): at.timestamp() for key, at in rows}


def _asset_name(key: str | None, event: str | None) -> str | None:
    if key is not None:
        return "/".join(json.loads(key))
    if event is None:
        return None
    return "/".join(json.loads(event)["dagster_event"]["event_specific_data"]["asset_key"]["path"])
