"""A long history of Dagster, made fast: one real run of a dataset, cloned into SQLite for many datasets over a year.

Every row keeps the shape that Dagster gave it: events, check executions, asset keys, runs, tags. Plots, tables and the
subsets of planned checks are taken out, and three checks of a dataset are kept, so that 10 M events fit on a disk.
"""

import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

from platform_assets.composition import definitions_of
from platform_assets.location import CodeLocation
from platform_assets.operations.landing import span_tags
from platform_core.contracts import Catalog, DataFrameModel, Dataset, Field, Generated, UtcTimestamp, catalog_of, daily
from platform_resources.settings import Settings

_RUN_OF = 100
_FIRST_DAY = "2026-11-01"
_KEPT_CHECKS = ("id_ge", "schema", "types")
_KEPT_METADATA = {
    "rows_in", "rows_written", "rows_quarantined", "size_bytes", "duration_seconds", "cpu_seconds", "dagster/row_count",
}  # fmt: skip
_EVENTS = "id, run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition"
_CHECKS = (
    "asset_key, check_name, partition, run_id, execution_status, evaluation_event, evaluation_event_timestamp, "
    "evaluation_event_storage_id, materialization_event_storage_id, create_timestamp"
)


class Row(DataFrameModel):
    """A row."""

    id: int = Field(ge=0)
    day: UtcTimestamp


def made_catalog(count: int, *, partitions: int = 10, sources: float = 0.2) -> Catalog:
    """Declare so many datasets in a hundred domains; a share of them are sources, each other is made of one above."""
    end = (datetime.fromisoformat(_FIRST_DAY) + timedelta(days=partitions)).date().isoformat()
    datasets: list[Dataset] = []
    transforms = []
    for number in range(count):
        is_source = number < max(1, count * sources)
        dataset = Dataset(
            f"d{number % 100}/t{number}", Row, owner=f"team:{number % 40}", version="1.0.0",
            source=Generated(rows=1) if is_source else None, partitions=daily(_FIRST_DAY, on="day", end=end),
            freshness=timedelta(hours=24),
        )  # fmt: skip
        if not is_source:
            transforms.append(dataset.transform(above=datasets[number // 3])(lambda above: above))
        datasets.append(dataset)
    return catalog_of(datasets, transforms)


class MadeHistory:
    """The history below `DAGSTER_HOME`, which is set to a folder of this one.

    Attributes:
        names: The datasets in the order of the runs that make them, a hundred each.
        events: How many there are.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, partitions: int = 10) -> None:
        home = folder / "dagster"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        os.environ["DAGSTER_HOME"] = str(home)
        self.names, self.partitions, self.events = names, partitions, 0
        self._round = 0
        self._index, self._runs = home / "history/runs/index.db", home / "history/runs.db"
        self._copy_one_run(folder)

    def _copy_one_run(self, folder: Path) -> None:
        catalog = made_catalog(1, partitions=self.partitions)
        settings = Settings.from_environment({"PLATFORM_STATE": str(folder / "one")})
        location = CodeLocation("tests.declared", settings, definitions_of, declared=catalog)
        with dg.DagsterInstance.get() as instance:
            job = location.defs.resolve_implicit_global_asset_job_def()
            job.get_subset(asset_selection={dg.AssetKey(["d0", "t0"])}).execute_in_process(
                instance=instance, tags=span_tags([_FIRST_DAY]),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )  # fmt: skip
        with sqlite3.connect(self._index) as index:
            rows = index.execute(f"SELECT {_EVENTS} FROM event_logs ORDER BY id").fetchall()
            checks = index.execute(f"SELECT {_CHECKS} FROM asset_check_executions").fetchall()
            (last, details, tags) = index.execute(
                "SELECT last_materialization, asset_details, tags FROM asset_keys"
            ).fetchone()
            for table in ("event_logs", "asset_check_executions", "asset_keys", "asset_event_tags"):
                index.execute(f"DELETE FROM {table}")
        self._checks = [check for check in checks if check[1] in _KEPT_CHECKS and check[4] != "PLANNED"]
        self._rows = [
            (*row[:2], _slim(row[2]), *row[3:])
            for row in rows
            if "CHECK" not in row[3] or any(f'"check_name": "{check}"' in row[2] for check in _KEPT_CHECKS)
        ]
        self._key_rest, self._last = (details, tags), _slim(last)
        with sqlite3.connect(self._runs) as runs:
            self._run_columns = [row[1] for row in runs.execute("PRAGMA table_info(runs)")][1:]
            self._run = runs.execute(f"SELECT {', '.join(self._run_columns)} FROM runs").fetchone()
            self._run_tags = runs.execute("SELECT key, value FROM run_tags").fetchall()
            runs.execute("DELETE FROM runs")
            runs.execute("DELETE FROM run_tags")
        self._run_id = self._rows[0][1]

    def fill(self, events: int, *, days: int, until: datetime) -> None:
        """Add so many events, spread evenly over the days before an instant."""
        runs = max(1, events // self._events_of_run())
        self._set_indices(are_there=False)
        with sqlite3.connect(self._index) as index, sqlite3.connect(self._runs) as store:
            for connection in (index, store):
                connection.execute("PRAGMA synchronous=OFF")
            for number in range(runs):
                self._add_run(index, store, until - timedelta(days=days) * (1 - (number + 1) / runs))
                index.commit()  # else its log beside it grows as large as itself
        self._set_indices(are_there=True)

    def add_run(self, at: datetime, *, failed: int = 0) -> None:
        """Add one more run; the first check of so many of its datasets fails."""
        with sqlite3.connect(self._index) as index, sqlite3.connect(self._runs) as store:
            self._add_run(index, store, at, failed=failed)

    def _events_of_run(self) -> int:
        per_dataset = sum(row[5] is not None for row in self._rows)
        return per_dataset * min(_RUN_OF, len(self.names)) + len(self._rows) - per_dataset

    def _add_run(self, index: sqlite3.Connection, store: sqlite3.Connection, at: datetime, *, failed: int = 0) -> None:
        runs_a_round = -(-len(self.names) // _RUN_OF)
        first = self._round % runs_a_round * _RUN_OF
        day = self._round // runs_a_round % self.partitions
        partition = (datetime.fromisoformat(_FIRST_DAY) + timedelta(days=day)).date().isoformat()
        run_id, self._round = str(uuid.uuid4()), self._round + 1
        stamp, seconds = at.replace(tzinfo=None).isoformat(" "), at.timestamp()
        events, checks, keys, tags = [], [], [], []
        for place, name in enumerate(self.names[first : first + _RUN_OF]):
            numbers = {}
            for row in self._rows:
                if row[5] is not None:
                    event = self._event(row, name, run_id, partition, stamp, seconds)
                    if place < failed and row[3] == "ASSET_CHECK_EVALUATION" and '"id_ge"' in row[2]:
                        event = (*event[:2], event[2].replace('"success": true', '"success": false'), *event[3:])
                    numbers[row[0]] = event
                    events.append(event)
            key = json.dumps(name.split("/"))
            for check in self._checks:
                evaluation = numbers[check[7]]
                status = "FAILED" if '"success": false' in evaluation[2] else "SUCCEEDED"
                checks.append((key, check[1], None, run_id, status, evaluation[2], stamp, evaluation[0],
                               numbers[check[8]][0], stamp))  # fmt: skip
            made = next(event for event in numbers.values() if event[3] == "ASSET_MATERIALIZATION")
            last = self._clone(self._last, name, run_id, partition, seconds)
            keys.append((key, last, run_id, self._key_rest[0], stamp, self._key_rest[1]))
            tags.append((made[0], key, "dagster/data_version", uuid.uuid4().hex, stamp))
        of_run = [row for row in self._rows if row[5] is None]
        events += [self._event(row, "d0/t0", run_id, partition, stamp, seconds) for row in of_run]
        index.executemany(f"INSERT INTO event_logs ({_EVENTS}) VALUES (?,?,?,?,?,?,?,?)", events)
        index.executemany(f"INSERT INTO asset_check_executions ({_CHECKS}) VALUES (?,?,?,?,?,?,?,?,?,?)", checks)
        index.executemany(
            "INSERT INTO asset_keys (asset_key, last_materialization, last_run_id, asset_details, "
            "last_materialization_timestamp, tags) VALUES (?,?,?,?,?,?) ON CONFLICT (asset_key) DO UPDATE SET "
            "last_materialization = excluded.last_materialization, last_run_id = excluded.last_run_id, "
            "last_materialization_timestamp = excluded.last_materialization_timestamp", keys,
        )  # fmt: skip
        index.executemany(
            "INSERT INTO asset_event_tags (event_id, asset_key, key, value, event_timestamp) VALUES (?,?,?,?,?)", tags
        )
        self._add_record(store, run_id, partition, at)

    def _add_record(self, store: sqlite3.Connection, run_id: str, partition: str, at: datetime) -> None:
        values = dict(zip(self._run_columns, self._run, strict=True))
        values |= {
            "run_id": run_id, "partition": partition, "run_body": values["run_body"].replace(self._run_id, run_id),
            "start_time": at.timestamp() - 60, "end_time": at.timestamp(),
            "create_timestamp": (at - timedelta(seconds=60)).replace(tzinfo=None).isoformat(" "),
            "update_timestamp": at.replace(tzinfo=None).isoformat(" "),
        }  # fmt: skip
        columns = ", ".join(self._run_columns)
        store.execute(
            f"INSERT INTO runs ({columns}) VALUES ({', '.join('?' * len(values))})",
            [values[name] for name in self._run_columns],
        )
        store.executemany(
            "INSERT INTO run_tags (run_id, key, value) VALUES (?,?,?)",
            [(run_id, key, partition if key == "dagster/partition" else value) for key, value in self._run_tags],
        )

    def _event(self, row: tuple, name: str, run_id: str, partition: str, stamp: str, seconds: float) -> tuple:
        self.events += 1
        step, key = row[5] and name.replace("/", "__"), row[6] and json.dumps(name.split("/"))
        text = self._clone(row[2], name, run_id, partition, seconds)
        return (self.events, run_id, text, row[3], stamp, step, key, row[7] and partition)

    def _clone(self, text: str, name: str, run_id: str, partition: str, seconds: float) -> str:
        head, _, tail = text.rpartition('"timestamp": ')
        end = min(place for place in (tail.find(","), tail.find("}")) if place >= 0)
        text = f'{head}"timestamp": {seconds}{tail[end:]}'
        text = text.replace(self._run_id, run_id).replace(_FIRST_DAY, partition)
        domain, _, title = name.partition("/")
        return (
            text.replace('["d0", "t0"]', f'["{domain}", "{title}"]')
            .replace("d0__t0", f"{domain}__{title}")
            .replace("d0/t0", name)
        )

    def _set_indices(self, *, are_there: bool) -> None:
        """Take the indices of the log away while it is filled, and make them again."""
        with sqlite3.connect(self._index) as index:
            index.execute("PRAGMA synchronous=OFF")
            if not are_there:
                self._indices = list(self._made_indices(index))
            for name, sql in self._indices:
                index.execute(sql if are_there else f"DROP INDEX {name}")

    def _made_indices(self, index: sqlite3.Connection) -> Iterator[tuple[str, str]]:
        query = (
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND "
            "tbl_name IN ('event_logs', 'asset_check_executions', 'asset_event_tags')"
        )
        yield from index.execute(query).fetchall()

    def sizes(self) -> int:
        """Return the bytes of the history on disk."""
        return sum(path.stat().st_size for path in self._index.parent.parent.rglob("*") if path.is_file())


def _slim(text: str) -> str:
    """Take out of an event's text what is long and read by no door of these."""
    document = json.loads(text)
    record = document.get("event_log_entry", document)
    data = (record.get("dagster_event") or {}).get("event_specific_data") or {}
    if "partitions_subset" in data:
        data["partitions_subset"] = None
    if "materialization" in data:
        entries = data["materialization"]["metadata_entries"]
        data["materialization"]["metadata_entries"] = [entry for entry in entries if entry["label"] in _KEPT_METADATA]
    return json.dumps(document)
