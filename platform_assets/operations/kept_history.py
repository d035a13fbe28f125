"""Dagster's history for servers that ask often: read once, then only of assets about which something new was said."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from platform_assets.operations.event_log import EventCursor, history_id, newest_event, read_changes, wiped_assets
from platform_assets.operations.history import Check, MaterialisationRecord, Verdict, open_history
from platform_resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

_EVENTS_AT_ONCE = 20_000


class KeptHistory:
    """A `History` that remembers; `refresh` makes it forget what is no longer true."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._materialisations: dict[str, MaterialisationRecord | None] = {}
        self._verdicts: dict[Check, Verdict | None] = {}
        self._cursor: EventCursor | None = None
        self._storage = ""
        self._wiped: dict[str, float] = {}
        self._changed_before: frozenset[str] = frozenset()

    def refresh(self, instance: "dg.DagsterInstance") -> frozenset[str] | None:
        """Forget assets that something happened to since the last refresh, and name them; None stands for all.

        SQLite shows the event of a check before its verdict, so that an asset is read again with the refresh after.
        """
        from dagster import DagsterEventType  # noqa: PLC0415 - loaded by whoever opened the instance

        types = (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_CHECK_EVALUATION)
        storage = history_id(instance)
        wiped, newest = wiped_assets(instance), newest_event(instance)
        if self._cursor is None or storage != self._storage or newest.last < self._cursor.last:
            self._materialisations, self._verdicts = {}, {}
            self._cursor, self._storage, self._wiped = newest, storage, wiped
            self._changed_before = frozenset()
            return None
        changed: frozenset[str] = frozenset()
        lines, cursor = None, self._cursor
        while lines is None or len(lines) == _EVENTS_AT_ONCE:
            lines, cursor = read_changes(instance, cursor, types, limit=_EVENTS_AT_ONCE)
            changed |= {line.asset for line in lines if line.asset is not None}
        changed |= {name for name, at in wiped.items() if self._wiped.get(name) != at}
        self._cursor, self._wiped = cursor, wiped  # only now: where the database goes away amid it, all is read again
        forgotten = changed | self._changed_before
        self._changed_before = changed
        for name in forgotten:
            self._materialisations.pop(name, None)
        for check in [check for check in self._verdicts if check[0] in forgotten]:
            del self._verdicts[check]
        return forgotten

    def materialisations(self, names: Collection[str]) -> dict[str, MaterialisationRecord]:
        """Give the last materialisation of each asset that has one."""
        unread = [name for name in names if name not in self._materialisations]
        if unread:
            with open_history(self._settings) as history:
                self._materialisations |= dict.fromkeys(unread) | history.materialisations(unread)
        records = ((name, self._materialisations[name]) for name in names)
        return {name: record for name, record in records if record is not None}

    def verdicts(self, checks: Collection[Check]) -> dict[Check, Verdict]:
        """Give the last verdict of each check that has one."""
        unread = [check for check in checks if check not in self._verdicts]
        if unread:
            with open_history(self._settings) as history:
                self._verdicts |= dict.fromkeys(unread) | history.verdicts(unread)
        verdicts = ((check, self._verdicts[check]) for check in checks)
        return {check: verdict for check, verdict in verdicts if verdict is not None}
