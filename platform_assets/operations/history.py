"""What Dagster's history says of assets: the last materialisation, and the last verdict of each check.

Importing Dagster and opening its instance takes longer than all the rest of a listing. Where the instance keeps its
history in SQLite, as it does unless `dagster.yaml` says otherwise, two queries of the standard library read it. Those
depend on tables and JSON that Dagster does not promise, so that a test compares both readers on the same history.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from platform_assets.operations.instance import dagster_home, open_instance
from platform_resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

Check = tuple[str, str]
"""A check by the name of its asset and its own."""

Status = Literal["passed", "warned", "failed"]

_STORED_ELSEWHERE = {"storage", "event_log_storage", "local_artifact_storage", "instance_class"}
_KEYS_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class MaterialisationRecord:
    """One materialisation; `metadata` holds the numbers and texts among its metadata, by name."""

    at: datetime
    run_id: str
    partition: str | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a check last said; one that failed with severity WARN has `warned`."""

    status: Status
    description: str
    at: datetime
    run_id: str


class History(Protocol):
    """What happened to assets, by their names `domain/dataset`."""

    def materialisations(self, names: Collection[str]) -> dict[str, MaterialisationRecord]:
        """Give the last materialisation of each asset that has one."""
        ...

    def verdicts(self, checks: Collection[Check]) -> dict[Check, Verdict]:
        """Give the last verdict of each check that has one; runs that only planned it said nothing."""
        ...


@contextmanager
def open_history(settings: Settings) -> Iterator[History]:
    """Open the history of the instance; Dagster is imported only where it is not kept in SQLite, or unreadable there.

    Raises:
        dagster.DagsterError: The instance cannot be opened.
    """
    home = dagster_home(settings)
    if _is_kept_in_sqlite(home):
        history = SqliteHistory(home / "history" / "runs" / "index.db")
        if history.is_readable():
            yield history
            return
    with open_instance(settings) as instance:
        yield InstanceHistory(instance)


def _is_kept_in_sqlite(home: Path) -> bool:
    configuration = home / "dagster.yaml"
    if not configuration.exists():
        return True
    import yaml  # noqa: PLC0415 - for this question alone

    try:
        settings = yaml.safe_load(configuration.read_text()) or {}
    except yaml.YAMLError:
        return False  # Dagster says what is wrong with it
    return isinstance(settings, dict) and not _STORED_ELSEWHERE & settings.keys()


@dataclass(frozen=True)
class SqliteHistory:
    """The history in the index of Dagster's SQLite event log; nothing happened yet where there is no file."""

    index: Path

    def is_readable(self) -> bool:
        """Tell whether the file has the tables and records that are read here; a missing file has nothing to read."""
        if not self.index.exists():
            return True
        queries = (
            "SELECT asset_key, last_materialization, asset_details FROM asset_keys LIMIT 1",
            "SELECT asset_key, check_name, execution_status, evaluation_event FROM asset_check_executions LIMIT 1",
        )
        try:
            for query in queries:
                self._rows(query)
        except sqlite3.Error:
            return False
        stored = self._rows(
            "SELECT last_materialization FROM asset_keys WHERE last_materialization IS NOT NULL LIMIT 1"
        )
        return all(json.loads(text)["__class__"] == "EventLogRecord" for (text,) in stored)

    def materialisations(self, names: Collection[str]) -> dict[str, MaterialisationRecord]:
        """Give the last materialisation of each asset that has one; one before the asset was wiped does not count."""
        query = "SELECT asset_key, last_materialization, asset_details FROM asset_keys WHERE asset_key IN ({keys})"
        records = {}
        for key, text, details in self._rows_of(names, query):
            if text is None:
                continue
            entry = json.loads(text)["event_log_entry"]
            wiped = json.loads(details)["last_wipe_timestamp"] if details else None
            if wiped is None or entry["timestamp"] > wiped:
                records[_name(key)] = stored_materialisation(entry)
        return records

    def verdicts(self, checks: Collection[Check]) -> dict[Check, Verdict]:
        """Give the last verdict of each check that has one."""
        query = (
            "SELECT asset_key, check_name, evaluation_event FROM asset_check_executions WHERE id IN "
            "(SELECT max(id) FROM asset_check_executions WHERE asset_key IN ({keys}) "
            "AND execution_status IN ('SUCCEEDED', 'FAILED') GROUP BY asset_key, check_name)"
        )
        verdicts = {}
        chosen_checks = set(checks)
        for key, check, text in self._rows_of(dict.fromkeys(name for name, _ in checks), query):
            entry = json.loads(text) if text else {}
            event = entry.get("dagster_event") or {}
            judged = event.get("event_type_value") == "ASSET_CHECK_EVALUATION"
            if judged and (_name(key), check) in chosen_checks:
                verdicts[_name(key), check] = _stored_verdict(entry, event["event_specific_data"])
        return verdicts

    def _rows_of(self, names: Iterable[str], query: str) -> Iterator[tuple[Any, ...]]:
        keys = [json.dumps(name.split("/")) for name in names]
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[first : first + _KEYS_AT_ONCE]
            yield from self._rows(query.format(keys=", ".join("?" * len(some))), some)

    def _rows(self, query: str, values: Collection[str] = ()) -> list[tuple[Any, ...]]:
        if not self.index.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.index}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query, tuple(values)).fetchall()


def _name(key: str) -> str:
    return "/".join(json.loads(key))


def stored_materialisation(entry: Mapping[str, Any]) -> MaterialisationRecord:
    """Read a materialisation as Dagster's log has it in JSON."""
    materialisation = entry["dagster_event"]["event_specific_data"]["materialization"]
    values = {item["label"]: _stored_value(item["entry_data"]) for item in materialisation["metadata_entries"]}
    return MaterialisationRecord(
        at=datetime.fromtimestamp(entry["timestamp"], UTC),
        run_id=entry["run_id"],
        partition=materialisation["partition"],
        metadata={label: value for label, value in values.items() if isinstance(value, int | float | str)},
    )


def _stored_value(data: Mapping[str, Any]) -> Any:
    """Read a metadata value: the one field beside its class, whatever it is called."""
    return next((value for field, value in data.items() if field != "__class__"), None)


def _stored_verdict(entry: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Verdict:
    severity = evaluation["severity"]["__enum__"].rpartition(".")[2]
    return Verdict(
        status=_status(passed=evaluation["success"], severity=severity),
        description=evaluation["description"] or "",
        at=datetime.fromtimestamp(entry["timestamp"], UTC),
        run_id=entry["run_id"],
    )


def _status(*, passed: bool, severity: str) -> Status:
    if passed:
        return "passed"
    return "warned" if severity == "WARN" else "failed"


@dataclass(frozen=True)
class InstanceHistory:
    """The history of any instance, by Dagster's own means."""

    instance: "dg.DagsterInstance"

    def materialisations(self, names: Collection[str]) -> dict[str, MaterialisationRecord]:
        """Give the last materialisation of each asset that has one."""
        from dagster import AssetKey  # noqa: PLC0415 - loaded by whoever opened the instance

        events = {name: self.instance.get_latest_materialization_event(AssetKey(name.split("/"))) for name in names}
        return {
            name: MaterialisationRecord(
                at=datetime.fromtimestamp(event.timestamp, UTC),
                run_id=event.run_id,
                partition=event.asset_materialization.partition,
                metadata={
                    label: value.value
                    for label, value in event.asset_materialization.metadata.items()
                    if isinstance(value.value, int | float | str)
                },
            )
            for name, event in events.items()
            if event is not None and event.asset_materialization is not None
        }

    def verdicts(self, checks: Collection[Check]) -> dict[Check, Verdict]:
        """Give the last verdict of each check that has one."""
        from dagster import AssetCheckKey, AssetKey  # noqa: PLC0415 - loaded by whoever opened the instance

        from platform_assets.factory.red_checks import last_judged  # noqa: PLC0415 - for Dagster's own history only

        keys = {AssetCheckKey(AssetKey(name.split("/")), check): (name, check) for name, check in checks}
        records = last_judged(self.instance, list(keys))
        verdicts = {}
        for key, record in records.items():
            entry = record.event
            event = entry.dagster_event if entry else None
            if entry is None or event is None or event.event_type_value != "ASSET_CHECK_EVALUATION":
                continue
            evaluation = event.asset_check_evaluation_data
            verdicts[keys[key]] = Verdict(
                status=_status(passed=evaluation.passed, severity=evaluation.severity.value),
                description=evaluation.description or "",
                at=datetime.fromtimestamp(entry.timestamp, UTC),
                run_id=entry.run_id,
            )
        return verdicts
