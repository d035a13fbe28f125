"""The event log of all runs by one cursor: materialisations, check results, ends of runs.

Dagster's own reader of events across runs wants an asset, or walks all runs. The table it keeps them in has a number
that only grows, in SQLite's index as in PostgreSQL; a test reads it. On a server a smaller number may become visible
behind a greater one, because its transaction ended later, so that the last numbers are looked at again.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from platform_assets.operations.history import MaterialisationRecord, stored_materialisation

if TYPE_CHECKING:
    import dagster as dg

_TIMES_AT_ONCE = 500
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
    _, connect = _table(instance)
    with connect() as connection:
        return {name: at.timestamp() for name, at in _wiped(connection).items()}


def materialised_at(instance: "dg.DagsterInstance", names: Iterable[str], since: datetime) -> dict[str, list[datetime]]:
    """Return when assets were materialised since an instant, and the last time before it, the newest first.

    What was wiped does not count. All are read over one connection and without the events' texts: a history of SQLite
    takes longer to be opened than to be asked.
    """
    table, connect = _table(instance)
    times: dict[str, list[datetime]] = {}
    with connect() as connection:
        wiped = _wiped(connection)
        for name in dict.fromkeys(names):
            last: int | None = None
            instants: list[datetime] = []
            while last != 0:
                chosen = _materialisations_of(table, name, wiped, (table.c.id, table.c.timestamp), before=last)
                rows = connection.execute(chosen.limit(_TIMES_AT_ONCE)).all()
                instants += [at.replace(tzinfo=UTC) for _, at in rows]
                is_read = len(rows) < _TIMES_AT_ONCE or instants[-1] < since
                last = 0 if is_read else int(rows[-1][0])
            recent = [at for at in instants if at >= since]
            times[name] = instants[: len(recent) + 1]
    return times


def last_materialisations(
    instance: "dg.DagsterInstance", names: Iterable[str], *, limit: int
) -> dict[str, list[MaterialisationRecord]]:
    """Return the last materialisations of assets, the newest first, at most `limit` each; over one connection."""
    table, connect = _table(instance)
    records: dict[str, list[MaterialisationRecord]] = {}
    with connect() as connection:
        wiped = _wiped(connection)
        for name in dict.fromkeys(names):
            chosen = _materialisations_of(table, name, wiped, (table.c.event,))
            texts = connection.execute(chosen.limit(limit)).scalars()
            records[name] = [stored_materialisation(json.loads(text)) for text in texts]
    return records


def _materialisations_of(
    table: Any, name: str, wiped: Mapping[str, datetime], columns: Iterable[Any], *, before: int | None = None
) -> Any:
    import sqlalchemy as sa

    chosen = sa.select(*columns).where(
        table.c.asset_key == json.dumps(name.split("/")), table.c.dagster_event_type == "ASSET_MATERIALIZATION"
    )
    if name in wiped:
        chosen = chosen.where(table.c.timestamp > wiped[name])
    if before is not None:
        chosen = chosen.where(table.c.id < before)
    return chosen.order_by(table.c.id.desc())


def _wiped(connection: Any) -> dict[str, datetime]:
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import AssetKeyTable  # noqa: PLC0415

    at = AssetKeyTable.c.wipe_timestamp
    rows = connection.execute(sa.select(AssetKeyTable.c.asset_key, at).where(at.is_not(None))).all()
    return {"/".join(json.loads(key)): instant for key, instant in rows}


def _asset_name(key: str | None, event: str | None) -> str | None:
    if key is not None:
        return "/".join(json.loads(key))
    if event is None:
        return None
    return "/".join(json.loads(event)["dagster_event"]["event_specific_data"]["asset_key"]["path"])
