"""A whole platform in a folder: landing, lake, Dagster's history; runs work in this process."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.composition import build_location
from platform_assets.factory import asset_key
from platform_assets.ingest import table_spec
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.location import CodeLocation
from platform_assets.operations.catch_up import awaited_runs, run_catch_up, stale_runs, why
from platform_assets.operations.landing import span_tags
from platform_core.contracts import Dataset
from platform_resources.settings import Settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class World:
    """A code location with its own instance."""

    location: CodeLocation
    instance: dg.DagsterInstance

    def land(self, source: str, content: pl.DataFrame | bytes) -> None:
        """Puts a file into the landing folder; a frame is written as the name's ending says."""
        self.location.landing.put(source, content if isinstance(content, bytes) else as_file(source, content))

    def catch_up(self) -> list[dg.DagsterEvent]:
        """Brings everything stale up to date; the events of all runs."""
        events: list[dg.DagsterEvent] = []
        for plan in (
            lambda: awaited_runs(self.location, self.instance),
            lambda: stale_runs(self.location, self.instance),
        ):
            events += [event for run in plan() for event in run_catch_up(run, self.location.defs, self.instance)]
        failures = [why(event) for event in events if event.is_step_failure]
        if failures:
            raise AssertionError("\n".join(failures))
        return events

    def materialise(
        self, *names: str, partitions: Sequence[str] = (), files: Sequence[str] = (), tags: dict[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """One run of the named datasets."""
        job = self.location.defs.resolve_implicit_global_asset_job_def()
        config = {"ops": {names[0].replace("/", "__"): {"config": {"files": list(files)}}}} if files else {}
        return job.get_subset(asset_selection={asset_key(name) for name in names}).execute_in_process(
            instance=self.instance,
            tags={**span_tags(partitions), **(tags or {})},
            run_config={**_QUIET, **config},
            raise_on_error=False,
        )

    def dataset(self, name: str) -> Dataset:
        """The declaration."""
        return self.location.catalog[name]

    def rows(self, name: str) -> pl.DataFrame:
        """The stored rows, the contract's columns only, by key; empty where there is no table."""
        dataset = self.dataset(name)
        names = [column.name for column in dataset.columns]
        if not self.location.lake.exists(table_spec(dataset)):
            return pl.DataFrame(schema={column.name: column.dtype for column in dataset.columns})
        return self.location.lake.scan(table_spec(dataset)).select(names).sort(names).collect()

    def store(self, name: str) -> QuarantineStore:
        """The quarantine and ingest log."""
        return QuarantineStore(self.location.lake, self.dataset(name))

    def checks(self, name: str) -> dict[str, Any]:
        """The latest evaluation of each check that ran, by its name."""
        keys = [check for check in self.location.defs.resolve_asset_graph().asset_check_keys
                if check.asset_key == asset_key(name)]  # fmt: skip
        records = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        return {
            key.name: record.event.dagster_event.asset_check_evaluation_data for key, record in records.items()
            if record.event and record.event.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
        }  # fmt: skip

    def red(self, name: str) -> set[str]:
        """The names of the checks that do not hold."""
        return {check for check, evaluation in self.checks(name).items() if not evaluation.passed}

    def balance(self, name: str) -> tuple[int, int]:
        """Rows that came in, and rows accounted for in table, quarantine and as superseded."""
        store = self.store(name)
        log = store.ingests()
        aside = store.envelopes().filter(
            pl.col("position").is_not_null(), pl.col("decision").is_in(["open", "discarded"])
        )
        return int(log["rows"].sum()), self.rows(name).height + aside.height + int(log["superseded"].sum())


@contextmanager
def world(
    folder: Path, package: str = "tests.declared", *, dbt: Path | None = None, **variables: str
) -> Iterator[World]:
    """A world in a folder; extra settings by their variables."""
    settings = Settings.from_environment({"PLATFORM_STATE": str(folder / "state"), **variables})
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(build_location(package, settings, dbt=dbt), instance)


def as_file(source: str, frame: pl.DataFrame) -> bytes:
    """The frame in the format of the source's ending."""
    buffer = io.BytesIO()
    if source.endswith(".csv"):
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    return buffer.getvalue()


def sales(*rows: tuple[int, str, float | None], month: int = 1, buyer: str | None = "ada@example.com") -> pl.DataFrame:
    """Rows of shop/sales, an hour apart from the second day of the month on."""
    return pl.DataFrame(
        {
            "sale": [row[0] for row in rows],
            "sku": [row[1] for row in rows],
            "price": [row[2] for row in rows],
            "buyer": [buyer] * len(rows),
            "at": [datetime(2024, month, 2, place, tzinfo=UTC) for place in range(len(rows))],
        },
        schema={"sale": pl.Int64, "sku": pl.String, "price": pl.Float64, "buyer": pl.String,
                "at": pl.Datetime("us", "UTC")},
    )  # fmt: skip
