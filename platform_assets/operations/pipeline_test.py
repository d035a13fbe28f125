"""Part of the graph, run on generated rows in a lake that is thrown away; the real ingest, transforms and checks.

What is selected runs: datasets, dbt models, assets written by hand. A dataset that it reads or refers to, and that is
not selected, is filled with rows that pass its contract and agree with one another; a model or asset above it has no
contract to fill it from, and runs. Nothing outside of a temporary folder is touched, and the folder goes when the run
ends; what a killed one left goes with the next.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Literal

import dagster as dg
import polars as pl

from platform_assets.dbt_outline import Model, staged_models
from platform_assets.discovery import by_hand
from platform_assets.factory.effort import PEAK
from platform_assets.location import CodeLocation
from platform_assets.operations.catch_up import CatchUpRun, run_catch_up, stale_runs, why
from platform_assets.operations.edges import EdgeReport, judge_edges
from platform_assets.operations.history import InstanceHistory
from platform_assets.operations.mutation.expected_rows import ExpectedRows
from platform_assets.operations.mutation.models import CompiledProject
from platform_assets.operations.mutation.mutants import Difference, MutationTrial
from platform_assets.operations.overview import DatasetState, overview
from platform_assets.operations.stored_rows import StoredRows
from platform_assets.operations.trials import Trial
from platform_core.contracts import Balance, Catalog, Dataset
from platform_core.contracts.sources import Source
from platform_core.errors import CoreError
from platform_core.synthetic import world
from platform_core.synthetic.world import NO_COUNTS
from platform_core.synthetic.worlds import world_tables
from platform_resources.scratch import scratch_folder
from platform_resources.settings import Settings

_PREFIX = "platform-test-"

Compiles = Literal["nothing", "models", "models and tests"]


class NothingSelected(CoreError):
    """A selection that nothing matches."""

    def __init__(self, patterns: Sequence[str], available: Iterable[str]) -> None:
        self.patterns, self.available = tuple(patterns), tuple(sorted(available))
        shown = ", ".join(self.available)
        super().__init__(f"nothing matches {', '.join(map(repr, patterns))}. Fix: use names or globs of {shown}.")


@dataclass(frozen=True)
class TrialRows(Source):
    """Rows that were generated for a trial, in the place of the declared source."""

    kind: ClassVar[str] = "rows"
    replaces: ClassVar[bool] = True
    fills_partitions: ClassVar[bool] = False

    path: str


@dataclass(frozen=True)
class CheckFailure:
    """A check that failed: its rule, how severe that is, and what it says."""

    check: str
    severity: str
    message: str


@dataclass(frozen=True)
class StepReport:
    """What became of one dataset, dbt model or asset written by hand.

    Attributes:
        name: Its key.
        selected: Whether it was asked for; else it was filled, or made, because one that was reads it.
        rows: In its table; None where it has none, or does not say.
        quarantined: Rows set aside.
        passed: Checks that passed.
        made: Whether it was.
        failures: Checks that did not pass.
        error: Why its step failed; empty where it did not.
        seconds: Of its step; of a dbt model what dbt measured.
        peak_memory_bytes: The most that the process had held when it was made; None where its step does not say.
    """

    name: str
    selected: bool
    rows: int | None
    quarantined: int
    passed: int
    made: bool
    failures: tuple[CheckFailure, ...] = ()
    error: str = ""
    seconds: float | None = None
    peak_memory_bytes: int | None = None

    @property
    def stands(self) -> bool:
        """Whether it was made, and no check of severity ERROR failed."""
        return not self.error and self.made and all(failure.severity == "WARN" for failure in self.failures)


@dataclass(frozen=True)
class PipelineReport:
    """What became of every step, inputs first, and whether the two ends of every edge fit.

    Attributes:
        steps: Inputs first.
        edges: Between the steps.
        manifest: Of dbt, with the SQL that its models and tests were compiled to; None where no model ran.
    """

    steps: tuple[StepReport, ...]
    edges: tuple[EdgeReport, ...]
    manifest: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def stands(self) -> bool:
        """Whether every step stands and every edge fits."""
        return all(step.stands for step in self.steps) and all(edge.fits for edge in self.edges)


@dataclass(frozen=True)
class _Scope:
    """What a test runs.

    Attributes:
        selected: What was asked for.
        needed: That, and all that it needs, of datasets, models and assets written by hand.
        catalog: The needed datasets; those that are not selected have no transform.
    """

    selected: frozenset[str]
    needed: frozenset[str]
    catalog: Catalog

    @property
    def beside(self) -> frozenset[str]:
        """Models and assets written by hand that are needed."""
        return self.needed - self.catalog.datasets.keys()


@dataclass
class _Observed:
    """What the events of the runs said."""

    failures: dict[str, dict[str, CheckFailure]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)

    def note(self, event: dg.DagsterEvent) -> None:
        name = (event.step_key or "").replace("__", "/")
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            checks = self.failures.setdefault(evaluation.asset_key.to_user_string(), {})
            checks.pop(evaluation.check_name, None)
            if not evaluation.passed:
                message = evaluation.description or evaluation.check_name
                checks[evaluation.check_name] = CheckFailure(evaluation.check_name, evaluation.severity.value, message)
        elif event.is_step_materialization:
            self._note_effort(event.step_materialization_data.materialization)
        elif event.is_step_success:
            self.seconds.setdefault(name, event.step_success_data.duration_ms / 1000)
        elif event.is_step_failure:
            self.errors[name] = why(event)

    def _note_effort(self, materialisation: dg.AssetMaterialization) -> None:
        name = materialisation.asset_key.to_user_string()
        peak, seconds = (materialisation.metadata.get(metric) for metric in (PEAK, "dbt_seconds"))
        if isinstance(peak, dg.IntMetadataValue) and peak.value is not None:
            self.memory[name] = peak.value
        if isinstance(seconds, dg.FloatMetadataValue) and seconds.value is not None:
            self.seconds[name] = seconds.value


def open_trial(tested: CodeLocation, patterns: Sequence[str], *, rows: int, seed: int) -> Trial:
    """Return the selected datasets, with what they need, on generated tables in memory.

    Raises:
        NothingSelected: A pattern matches no dataset.
        CannotGenerate: For a contract no rows were found.
    """
    return Trial(_trial(tested.catalog, patterns), rows=rows, seed=seed)


def open_mutation_trial(
    tested: CodeLocation, report: PipelineReport, *, rows: int, seed: int, expected: ExpectedRows
) -> MutationTrial:
    """Return what a test ran, on designed or approved rows in memory, for changes to it."""
    selected = {step.name for step in report.steps if step.selected}
    catalog = tested.catalog
    datasets = {step.name: catalog[step.name] for step in report.steps
                if step.name in catalog.datasets and not _is_model(catalog[step.name])}  # fmt: skip
    transforms = {name: transform for name, transform in catalog.transforms.items() if name in selected}
    project = CompiledProject(report.manifest) if report.manifest else None
    contracts = {step.name: catalog[step.name] for step in report.steps
                 if step.name in catalog.datasets and step.name not in datasets}  # fmt: skip
    declared = Catalog(datasets, transforms)
    return MutationTrial(declared, rows=rows, seed=seed, expected=expected, project=project, contracts=contracts)


def generated_tables(tested: CodeLocation, name: str, *, rows: int, seed: int) -> dict[str, pl.DataFrame]:
    """Return rows that pass a dataset's contract, with those of all that it refers to.

    Raises:
        NothingSelected: There is no such dataset.
        CannotGenerate: For a contract no rows were found.
    """
    trial = _trial(tested.catalog, [name])
    return world(Catalog(trial.datasets, {}), seed, rows=rows)


def run_pipeline_test(
    tested: CodeLocation,
    patterns: Sequence[str],
    *,
    rows: int,
    seed: int,
    stored: "StoredRows | None" = None,
    counts: Mapping[str, int] = NO_COUNTS,
    compiles: Compiles = "models and tests",
) -> PipelineReport:
    """Run what is selected on generated rows; report each step, inputs first, and each edge.

    Args:
        tested: What is declared; its lake is not touched.
        patterns: Names of datasets, dbt models and assets written by hand, or globs of them.
        rows: Of each table that is filled; fewer where its unique columns leave room for fewer.
        seed: The same seed makes the same rows.
        stored: Real rows that take the place of generated ones where there are any.
        counts: Of the tables that have another number of rows.
        compiles: What the report's manifest has SQL of: to compare with approved rows models, to try changes tests too.

    Raises:
        NothingSelected: A pattern matches nothing.
        CannotGenerate: For a contract no rows were found.
        RequestError: Real rows are not there, and nothing may take their place.
    """
    with throw_away_folder() as folder:
        settings = Settings(state=str(folder), lake=str(folder / "lake"), landing=str(folder / "landing"))
        models = _models(tested, settings, patterns)
        scope = _scope(tested, patterns, models)
        models = [model for model in models if model.name in scope.needed]
        made_names = {*scope.catalog.transforms, *(name for name, dataset in tested.catalog.datasets.items()
                                             if models and _is_model(dataset))}  # fmt: skip
        filled = Catalog(
            {name: dataset for name, dataset in scope.catalog.datasets.items() if name not in made_names}, {}
        )
        given = world_tables(filled, rows=rows, seed=seed)
        tables = world(filled, seed, rows=rows, counts=counts, given=given)
        if stored is not None:
            given |= stored.tables(filled, tables)
            tables |= given
        declared = tested.catalog if models else scope.catalog  # dbt wants every source that its project names
        datasets = dict(declared.datasets)
        for name in declared.datasets.keys() - made_names:
            if name in tables or declared[name].source is not None:
                dataset = declared[name]
                balanced = {name, *(rule.dataset for rule in declared.balances_of(dataset))} <= given.keys()
                if name in tables and not balanced and declared.balances_of(dataset):
                    dataset = _without_balances(dataset)  # no other ones: what dbt reads of them is parsed once
                datasets[name] = _with_rows(dataset, tables.get(name), folder)
        transforms = {name: transform for name, transform in declared.transforms.items() if name not in tables}
        dbt = tested.dbt if models else None
        location = replace(tested, settings=settings, declared=Catalog(datasets, transforms), dbt=dbt)
        with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
            observed = _Observed()
            for planned in _planned(stale_runs(location, instance), scope.needed):
                for event in run_catch_up(planned, location.defs, instance):
                    observed.note(event)
            states = overview(location, InstanceHistory(instance))
            steps, edges = _reports(location, states, scope, observed), judge_edges(location, scope.needed)
            return PipelineReport(steps, edges, _compiled_anew(location, models, compiles))


def _models(tested: CodeLocation, settings: Settings, patterns: Sequence[str]) -> Sequence[Model]:
    """Read the dbt models; none, without waiting for dbt, where all patterns name datasets that dbt does not make."""
    datasets = tested.catalog.datasets
    if tested.dbt is None or all(pattern in datasets and not _is_model(datasets[pattern]) for pattern in patterns):
        return []
    return staged_models(settings, tested.catalog, tested.dbt)[1]


def _compiled_anew(location: CodeLocation, models: Sequence[Model], compiles: Compiles) -> dict[str, Any] | None:
    """Compile models and their tests as for tables that are not there: the SQL of a run names the run's partitions."""
    if location.dbt is None or not models or compiles == "nothing":
        return None
    staged, _ = staged_models(location.settings, location.catalog, location.dbt)
    if staged is None:
        return None
    wants_tests = compiles == "models and tests"
    tests = [test for model in models for check in model.checks for test in check.tests if wants_tests]
    return staged.compile([*(model.selector for model in models), *tests])


def _is_model(dataset: Dataset) -> bool:
    """Whether a dbt model makes the dataset's rows."""
    return dataset.source is not None and dataset.source.is_dbt


def _planned(runs: Iterable[CatchUpRun], needed: frozenset[str]) -> Iterator[CatchUpRun]:
    for run in runs:
        keys = tuple(key for key in run.keys if key.to_user_string() in needed)
        if keys:
            yield replace(run, keys=keys)


def _matching(available: Iterable[str], patterns: Sequence[str]) -> set[str]:
    names, selected = sorted(available), set[str]()
    for pattern in patterns:
        matches = {name for name in names if fnmatchcase(name, pattern)}
        if not matches:
            raise NothingSelected([pattern], names)
        selected |= matches
    return selected


def _scope(tested: CodeLocation, patterns: Sequence[str], models: Sequence[Model]) -> _Scope:
    above: dict[str, set[str]] = {model.name: {"/".join(key) for key in model.deps} for model in models}
    for asset in by_hand(tested.package):
        for key in asset.keys:
            above[key.to_user_string()] = {asset_dep.to_user_string() for asset_dep in asset.asset_deps[key]}
    catalog = tested.catalog
    selected = _matching({*catalog.datasets, *above}, patterns)
    needed, waiting = set[str](), sorted(selected)
    while waiting:
        name = waiting.pop()
        if name in needed or (name not in above and name not in catalog.datasets):
            continue  # or an asset of another code location
        needed.add(name)
        waiting += above[name] if name in above else _needs(catalog, name, name in selected)
    datasets = {name: dataset for name, dataset in catalog.datasets.items() if name in needed}
    transforms = {name: transform for name, transform in catalog.transforms.items() if name in selected}
    return _Scope(frozenset(selected), frozenset(needed), Catalog(datasets, transforms))


def _needs(catalog: Catalog, name: str, selected: bool) -> Iterator[str]:  # noqa: FBT001 - a word of two
    """Yield what a dataset refers to, and, where it is made, the inputs of its transform."""
    yield from (
        catalog.looked_into(catalog[name])
        if selected
        else (rule.dataset for rule in catalog.references_of(catalog[name]))
    )
    transform = catalog.transforms.get(name)
    if selected and transform is not None:
        yield from (transform.input_name(parameter) for parameter in transform.parameters)


def _trial(catalog: Catalog, patterns: Sequence[str]) -> Catalog:
    """Return the selected datasets with what they need: inputs of their transforms, and all that is referred to."""
    selected = _matching(catalog.datasets, patterns)
    needed, waiting = set[str](), sorted(selected)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += _needs(catalog, name, name in selected)
    transforms = {name: transform for name, transform in catalog.transforms.items() if name in selected}
    return Catalog({name: dataset for name, dataset in catalog.datasets.items() if name in needed}, transforms)


def _without_balances(dataset: Dataset) -> Dataset:
    """Leave out what rows that follow from a contract alone cannot keep: totals of another dataset's rows."""
    return replace(dataset, rules=[rule for rule in dataset.rules if not isinstance(rule, Balance)])


def _with_rows(dataset: Dataset, rows: pl.DataFrame | None, folder: Path) -> Dataset:
    """Let a dataset read rows, in the place of its source; without rows it only loses the source."""
    path = folder / "rows" / f"{dataset.name.replace('/', '__')}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    if rows is not None:
        rows.write_parquet(path)
    return replace(dataset, source=TrialRows(str(path)))


def throw_away_folder() -> AbstractContextManager[Path]:
    """Give a folder that goes at the end; folders that nobody holds any more, of killed runs, go at the beginning."""
    return scratch_folder(_PREFIX)


def _reports(
    location: CodeLocation, states: Sequence[DatasetState], scope: _Scope, observed: _Observed
) -> tuple[StepReport, ...]:
    by_name: Mapping[str, DatasetState] = {state.name: state for state in states}
    ordered = [key.to_user_string() for key in location.defs.resolve_asset_graph().toposorted_asset_keys]
    return tuple(
        StepReport(
            name=name,
            selected=name in scope.selected,
            rows=by_name[name].rows,
            quarantined=by_name[name].quarantined,
            passed=by_name[name].verdicts.passed,
            made=by_name[name].materialised if name in scope.beside else by_name[name].rows is not None,
            failures=tuple(observed.failures.get(name, {}).values()),
            error=_error(by_name[name], observed, is_model=name in scope.beside),
            seconds=observed.seconds.get(name),
            peak_memory_bytes=observed.memory.get(name),
        )
        for name in ordered
        if name in by_name and name in scope.needed
    )


def _error(state: DatasetState, observed: _Observed, *, is_model: bool) -> str:
    """Why a dataset was not made; all dbt models are one step, so a model that was made has no part in its failure."""
    error = observed.errors.get(state.name, "")
    return error or (observed.errors.get("dbt", "") if is_model and not state.materialised else "")


def junit(report: PipelineReport, differences: Sequence[Difference], *, seconds: float) -> str:
    """Write a report as JUnit's XML, which CI servers read: a test case for each step, edge and approved asset."""
    from xml.sax.saxutils import quoteattr  # noqa: PLC0415 - only where it is asked for

    cases = []
    for step in report.steps:
        red = [f"{failure.check}: {failure.message}" for failure in step.failures if failure.severity != "WARN"]
        message = step.error or "; ".join(red) or ("" if step.made else "it was not made")
        domain, _, title = step.name.partition("/")
        cases.append((domain, title, step.seconds or 0, message))
    cases += [("edges", f"{edge.source} to {edge.target}", 0, "; ".join(edge.problems)) for edge in report.edges]
    for difference in differences:
        difference_text = (
            f"{len(difference.missing)} rows lack, {len(difference.added)} are others"
            if difference.missing or difference.added
            else ""
        )
        cases.append(("approved rows", difference.asset, 0, difference_text))
    lines = [
        f'<testcase classname={quoteattr(group)} name={quoteattr(title)} time="{duration:.3f}">'
        f"{f'<failure message={quoteattr(message)}/>' if message else ''}</testcase>"
        for group, title, duration, message in cases
    ]
    failed = sum(bool(message) for *_, message in cases)
    head = f'<testsuite name="platform test" tests="{len(cases)}" failures="{failed}" time="{seconds:.3f}">'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}\n' + "\n".join(lines) + "\n</testsuite>\n"
