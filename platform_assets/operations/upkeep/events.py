"""Dagster's event log made small: what no page of an asset shows any more is deleted.

Kept are the newest materialisation and observation of each asset and partition, the newest verdict of each check and
partition, everything of runs that have not ended, and everything younger than the limit. The tables are Dagster's own
and not promised; a test prunes a real history.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from platform_assets.location import CodeLocation
from platform_assets.operations.instance import dagster_home, open_instance

if TYPE_CHECKING:
    import sqlalchemy as sa

_PART = 10_000
"""Events that one transaction deletes: half a second."""
_CACHE_KIB = 256 * 1024
"""Memory for pages while events are deleted: each lies in ten indexes, at ten places."""
_PER_ASSET = ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION", "ASSET_MATERIALIZATION_PLANNED")
_UNFINISHED = dg.RunsFilter(
    statuses=[status for status in dg.DagsterRunStatus if status.value not in ("SUCCESS", "FAILURE", "CANCELED")]
)


@dataclass(frozen=True, kw_only=True)
class PrunedEvents:
    """What is deleted, or would be.

    Attributes:
        before: Older events than this.
        events: How many.
        run_logs: Files of single runs, where the history lies in SQLite.
        freed_bytes: On the disk.
        runs_going: Runs that have not ended. With one, SQLite's file keeps its size: to pack it holds up who writes.
        applied: Whether it was done.
    """

    before: datetime
    events: int
    run_logs: int
    freed_bytes: int
    runs_going: int
    applied: bool


def prune_events(location: CodeLocation, before: datetime, *, apply: bool) -> PrunedEvents:
    """Delete events older than an instant that no page of an asset needs, or count them."""
    home = dagster_home(location.settings)
    with open_instance(location.settings) as instance:
        unfinished = {run.run_id for run in instance.get_runs(_UNFINISHED)}
        size = _size(home)
        number, needed = _prune_index(instance, before, unfinished, apply=apply)
        logs = [path for path in _run_logs(home, before) if path.stem not in needed | unfinished]
        freed = sum(path.stat().st_size for path in logs)
        if apply:
            for path in logs:
                for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                    file.unlink(missing_ok=True)
            freed = max(0, size - _size(home))
    return PrunedEvents(
        before=before,
        events=number,
        run_logs=len(logs),
        freed_bytes=freed,
        runs_going=len(unfinished),
        applied=apply,
    )


def _prune_index(
    instance: dg.DagsterInstance, before: datetime, unfinished: set[str], *, apply: bool
) -> tuple[int, set[str]]:
    """Delete from the table of events; return how many, and the runs that kept events belong to."""
    import sqlalchemy as sa
    from dagster._core.storage.event_log import schema  # noqa: PLC0415 - loaded by whoever opened the instance

    events, checks, tags = schema.SqlEventLogStorageTable, schema.AssetCheckExecutionsTable, schema.AssetEventTagsTable

    instant = before.astimezone(UTC).replace(tzinfo=None)
    newest = (
        sa.select(sa.func.max(events.c.id))
        .where(events.c.dagster_event_type.in_(_PER_ASSET))
        .group_by(events.c.dagster_event_type, events.c.asset_key, events.c.partition)
    )
    newest_checks = sa.select(sa.func.max(checks.c.id)).group_by(
        checks.c.asset_key, checks.c.check_name, checks.c.partition
    )
    judged = sa.select(checks.c.evaluation_event_storage_id).where(
        checks.c.id.in_(newest_checks), checks.c.evaluation_event_storage_id.is_not(None)
    )
    chosen = sa.and_(
        events.c.timestamp < instant,
        events.c.id.not_in(newest),
        events.c.id.not_in(judged),
        events.c.run_id.not_in(unfinished) if unfinished else sa.true(),
    )
    old = sa.Table("old_events", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), prefixes=["TEMPORARY"])
    old_ids = sa.select(old.c.id)
    with _connection(instance) as connection:
        old.create(connection)  # to find them reads the whole log, which is done once
        connection.execute(old.insert().from_select(["id"], sa.select(events.c.id).where(chosen)))
        number = int(connection.execute(sa.select(sa.func.count()).select_from(old)).scalar() or 0)
        run_ids = connection.execute(sa.select(events.c.run_id).where(events.c.id.not_in(old_ids)).distinct())
        kept_runs = set(map(str, run_ids.scalars()))
        connection.commit()
        if apply:
            for part in _parts(connection, old):
                connection.execute(tags.delete().where(tags.c.event_id.in_(part)))
                connection.execute(events.delete().where(events.c.id.in_(part)))
                connection.commit()
            connection.execute(
                checks.delete().where(checks.c.create_timestamp < instant, checks.c.id.not_in(newest_checks))
            )
        old.drop(connection)
        connection.commit()
        if apply and not unfinished and connection.dialect.name == "sqlite":
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(sa.text("VACUUM"))  # gives the file's free pages back; a server does that by itself
    return number, kept_runs


@contextmanager
def _connection(instance: dg.DagsterInstance) -> "Iterator[sa.Connection]":
    """Open the table of events for transactions of our own: Dagster's connections are one transaction each."""
    import sqlalchemy as sa

    connect = getattr(instance.event_log_storage, "index_connection")  # noqa: B009 - not part of the base class
    with connect() as dagsters:
        url = dagsters.engine.url
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": 60} if is_sqlite else {})
    try:
        with engine.connect() as connection:
            if is_sqlite:
                connection.execute(sa.text(f"PRAGMA cache_size = -{_CACHE_KIB}"))
            yield connection
    finally:
        engine.dispose()


def _parts(connection: "sa.Connection", old: "sa.Table") -> "Iterator[sa.Select[Any]]":
    """Yield the ids of old events, some thousand at a time.

    Each part is a transaction: the log that SQLite writes ahead stays small, so that what is pruned because the disk is
    full needs no disk, and a run that writes meanwhile waits for one part.
    """
    import sqlalchemy as sa

    last = 0
    while True:
        following = sa.select(old.c.id).where(old.c.id > last).order_by(old.c.id).limit(_PART)
        reached = connection.execute(sa.select(sa.func.max(following.subquery().c.id))).scalar()
        if reached is None:
            return
        yield sa.select(old.c.id).where(old.c.id > last, old.c.id <= reached)
        last = int(reached)


def _run_logs(home: Path, before: datetime) -> Iterator[Path]:
    """Yield the files of single runs that were last written before an instant."""
    for path in (home / "history" / "runs").glob("*.db"):
        if path.stem not in ("index", "runs") and path.stat().st_mtime < before.timestamp():
            yield path


def _size(home: Path) -> int:
    return sum(path.stat().st_size for path in (home / "history").rglob("*") if path.is_file())
