"""Part of the graph, run on generated rows in a lake that is thrown away; the real ingest, transforms and checks.

What is selected runs. What it reads or refers to, and is not selected, is filled with rows that pass its contract and
agree with one another. Nothing outside of a temporary folder is touched, and the folder goes when the run ends; what a
killed one left goes with the next.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar

import dagster as dg
import polars as pl

from platform_assets.location import CodeLocation
from platform_assets.operations.catch_up import run_catch_up, stale_runs, why
from platform_assets.operations.history import InstanceHistory
from platform_assets.operations.overview import DatasetState, overview
from platform_assets.operations.stored_rows import StoredRows
from platform_assets.operations.trials import Trial
from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.sources import Source
from platform_core.errors import CoreError
from platform_core.synthetic import world
from platform_resources.settings import Settings

_PREFIX = "platform-test-"


class NothingSelected(CoreError):
    """A selection that no dataset matches."""

    def __init__(self, patterns: Sequence[str], available: Iterable[str]) -> None:
        self.patterns, self.available = tuple(patterns), tuple(sorted(available))
        shown = ", ".join(self.available)
        super().__init__(f"no dataset matches {', '.join(map(repr, patterns))}. Fix: use names or globs of {shown}.")


@dataclass(frozen=True)
class TrialRows(Source):
    """Rows that were generated for a trial, in the place of the declared source."""

    kind: ClassVar[str] = "rows"
    replaces: ClassVar[bool] = True

    path: str


@dataclass(frozen=True)
class CheckFailure:
    """A check that failed: its rule, how severe that is, and what it says."""

    check: str
    severity: str
    message: str


@dataclass(frozen=True)
class StepReport:
    """What became of one dataset.

    Attributes:
        name: The dataset's.
        selected: Whether it was asked for; else it was filled because one that was reads it.
        rows: In its table; None where it has none.
        quarantined: Rows set aside.
        passed: Checks that passed.
        failures: Checks that did not.
        error: Why its step failed; empty where it did not.
        seconds: Of its step.
    """

    name: str
    selected: bool
    rows: int | None
    quarantined: int
    passed: int
    failures: tuple[CheckFailure, ...] = ()
    error: str = ""
    seconds: float | None = None

    @property
    def stands(self) -> bool:
        """Whether it was made, and no check of severity ERROR failed."""
        return not self.error and self.rows is not None and all(failure.severity == "WARN" for failure in self.failures)


@dataclass
class _Observed:
    """What the events of the runs said."""

    failures: dict[str, dict[str, CheckFailure]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def note(self, event: dg.DagsterEvent) -> None:
        name = (event.step_key or "").replace("__", "/")
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            checks = self.failures.setdefault(evaluation.asset_key.to_user_string(), {})
            checks.pop(evaluation.check_name, None)
            if not evaluation.passed:
                message = evaluation.description or evaluation.check_name
                checks[evaluation.check_name] = CheckFailure(evaluation.check_name, evaluation.severity.value, message)
        elif event.is_step_success:
            self.seconds[name] = event.step_success_data.duration_ms / 1000
        elif event.is_step_failure:
            self.errors[name] = why(event)


def open_trial(tested: CodeLocation, patterns: Sequence[str], *, rows: int, seed: int) -> Trial:
    """Return the selected datasets, with what they need, on generated tables in memory.

    Raises:
        NothingSelected: A pattern matches no dataset.
        CannotGenerate: For a contract no rows were found.
    """
    return Trial(_trial(tested.catalog, _selected(tested.catalog, patterns)), rows=rows, seed=seed)


def generated_tables(tested: CodeLocation, name: str, *, rows: int, seed: int) -> dict[str, pl.DataFrame]:
    """Return rows that pass a dataset's contract, with those of all that it refers to.

    Raises:
        NothingSelected: There is no such dataset.
        CannotGenerate: For a contract no rows were found.
    """
    trial = _trial(tested.catalog, _selected(tested.catalog, [name]))
    return world(Catalog(trial.datasets, {}), seed, rows=rows)


def run_pipeline_test(
    tested: CodeLocation, patterns: Sequence[str], *, rows: int, seed: int, stored: "StoredRows | None" = None
) -> list[StepReport]:
    """Run the selected datasets on generated rows; report each, inputs first.

    Args:
        tested: What is declared; its lake is not touched.
        patterns: Names of datasets, or globs of them.
        rows: Of each table that is filled; fewer where its unique columns leave room for fewer.
        seed: The same seed makes the same rows.
        stored: Real rows that take the place of generated ones where there are any.

    Raises:
        NothingSelected: A pattern matches no dataset.
        CannotGenerate: For a contract no rows were found.
        RequestError: Real rows are not there, and nothing may take their place.
    """
    selected = _selected(tested.catalog, patterns)
    trial = _trial(tested.catalog, selected)
    filled = Catalog({name: dataset for name, dataset in trial.datasets.items() if name not in trial.transforms}, {})
    tables = world(filled, seed, rows=rows)
    if stored is not None:
        tables |= stored.tables(filled, tables)
    with throw_away_folder() as folder:
        datasets = dict(trial.datasets)
        for name, table in tables.items():
            datasets[name] = _with_rows(trial[name], table, folder)
        settings = Settings(state=str(folder), lake=str(folder / "lake"), landing=str(folder / "landing"))
        location = replace(tested, settings=settings, declared=Catalog(datasets, trial.transforms), dbt=None)
        with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
            observed = _Observed()
            for planned in stale_runs(location, instance):
                for event in run_catch_up(planned, location.defs, instance):
                    observed.note(event)
            return _reports(location, overview(location, InstanceHistory(instance)), selected, observed)


def _selected(catalog: Catalog, patterns: Sequence[str]) -> set[str]:
    selected: set[str] = set()
    for pattern in patterns:
        matches = {name for name in catalog.datasets if fnmatchcase(name, pattern)}
        if not matches:
            raise NothingSelected([pattern], catalog.datasets)
        selected |= matches
    return selected


def _trial(catalog: Catalog, selected: set[str]) -> Catalog:
    """The selected datasets with what they need: inputs of their transforms, and all that is referred to."""
    transforms = {name: transform for name, transform in catalog.transforms.items() if name in selected}
    needed: dict[str, None] = {}
    waiting = sorted(selected)
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed[name] = None
        waiting += [rule.dataset for rule in catalog.references_of(catalog[name])]
        if name in transforms:
            waiting += [transforms[name].input_name(parameter) for parameter in transforms[name].parameters]
    return Catalog({name: catalog[name] for name in catalog.datasets if name in needed}, transforms)


def _with_rows(dataset: Dataset, rows: pl.DataFrame, folder: Path) -> Dataset:
    path = folder / "rows" / f"{dataset.name.replace('/', '__')}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(path)
    return replace(dataset, source=TrialRows(str(path)))


@contextmanager
def throw_away_folder() -> Iterator[Path]:
    """Give a folder that goes at the end; folders that nobody holds any more, of killed runs, go at the beginning."""
    root = Path(tempfile.gettempdir())
    for left in root.glob(f"{_PREFIX}*"):
        with (left / ".lock").open("a") if left.is_dir() else tempfile.TemporaryFile() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with (folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reports(
    location: CodeLocation, states: Sequence[DatasetState], selected: set[str], observed: _Observed
) -> list[StepReport]:
    by_name: Mapping[str, DatasetState] = {state.name: state for state in states}
    ordered = [key.to_user_string() for key in location.defs.resolve_asset_graph().toposorted_asset_keys]
    return [
        StepReport(
            name=name,
            selected=name in selected,
            rows=by_name[name].rows,
            quarantined=by_name[name].quarantined,
            passed=by_name[name].verdicts.passed,
            failures=tuple(observed.failures.get(name, {}).values()),
            error=observed.errors.get(name, ""),
            seconds=observed.seconds.get(name),
        )
        for name in ordered
        if name in by_name and name in location.catalog.datasets
    ]


def junit(reports: Sequence[StepReport], *, seconds: float) -> str:
    """Write the reports as JUnit's XML, which CI servers read: a test case a dataset, a failure for what is red."""
    from xml.sax.saxutils import quoteattr  # noqa: PLC0415 - only where it is asked for

    cases = []
    for report in reports:
        red = [f"{failure.check}: {failure.message}" for failure in report.failures if failure.severity != "WARN"]
        message = report.error or "; ".join(red) or ("it was not made" if report.rows is None else "")
        failure = f"<failure message={quoteattr(message)}/>" if message else ""
        domain, _, title = report.name.partition("/")
        cases.append(
            f'<testcase classname={quoteattr(domain)} name={quoteattr(title)} time="{report.seconds or 0:.3f}">'
            f"{failure}</testcase>"
        )
    failed = sum(not report.stands for report in reports)
    head = f'<testsuite name="platform test" tests="{len(reports)}" failures="{failed}" time="{seconds:.3f}">'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}\n' + "\n".join(cases) + "\n</testsuite>\n"
