"""A run of dbt as Dagster events: checks first, then the tables that passed theirs.

A mart whose tests fail is not written: its last good table stays in the lake and is put back into DuckDB, and the run
fails when all the others are told. A model that reads what a blocking check stopped, in whichever run, is not built,
nor are those below it. A mart that the run does not build is read as the lake has it, whatever became of it in DuckDB.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
from dagster_dbt import DagsterDbtTranslator
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from platform_assets.dbt_outline import Check, Model, mart_spec
from platform_assets.factory.checks import markdown_table
from platform_assets.factory.dbt.mart import mart_events
from platform_assets.factory.dbt.personal import PersonalData
from platform_assets.factory.red_checks import RedCheck, RedChecks, blame
from platform_assets.factory.tracing import open_step
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Catalog
from platform_core.privacy.masking import MASK
from platform_resources.engines.dbt import Event, Invocation, StagedProject
from platform_resources.engines.duckdb import DuckDBFile
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.telemetry import send_span

if TYPE_CHECKING:
    import pyarrow as pa

_RESULTS = frozenset({"LogModelResult", "LogTestResult"})
_GOOD_TEST = frozenset({"pass", "warn"})
_GOOD_NODE = _GOOD_TEST | {"success"}
_PREVIEW_ROWS = 8

Result = dg.Output[Any] | dg.AssetCheckResult


def build_models(
    context: dg.AssetExecutionContext,
    staged: StagedProject,
    models: Sequence[Model],
    catalog: Catalog,
    lake: Lake,
    red_checks: RedChecks,
) -> Iterator[Result]:
    """Yield the events of building and testing the models and checks that the run selects.

    Raises:
        dagster.Failure: A model could not be built, a test or rule of severity `error` failed, or what a model reads is
            red.
    """
    selected = [model for model in models if dg.AssetKey(model.key) in context.selected_asset_keys]
    stopped = _stopped(context, selected, red_checks)
    chosen = [model for model in selected if model.name not in stopped]
    unwritten = _unwritten_above(models, chosen, catalog, lake)
    chosen = [model for model in chosen if model.name not in unwritten]
    checks = [
        (model, check)
        for model in models
        for check in model.checks
        if _is_selected(context, model, check) and model.name not in {*stopped, *unwritten}
    ]
    if selected and not chosen:
        _refuse_failure(None, stopped, unwritten)
    file = DuckDBFile(staged.database)
    with staged.sole_writer():
        unbuilt = {mart.name: mart for model in chosen for mart in _marts_above(models, model, chosen)}
        restored = {name: mart for name, mart in unbuilt.items() if _restore(mart, catalog, file, lake)}
        complete = {model.relation for model in models} <= file.tables()
        tested = checks if complete else _with_checks_above(models, chosen, checks, besides=restored)
        arguments = _selection(chosen, [check for _, check in tested], restored.values(), complete=complete)
        with open_step(lake.settings, "dbt", context) as span:
            span.set(models=len(chosen), tests=sum(len(check.unique_ids) for _, check in checks))
            personal = PersonalData(staged.manifest())
            invocation = staged.invoke(
                ["build", *arguments], listener=lambda event: _tell(context, event), personal=personal.nodes
            )
            _send_nodes(lake.settings, invocation.events)
        if invocation.exception is not None:
            invocation.or_raise()
        results = {_unique_id(event): event for event in invocation.events if _is_result(event)}
        yield from _check_results(context, staged.manifest(), checks, results)
        good = [model for model in chosen if _is_good(model, checks, results)]
        refused = dict(unwritten)
        for model in _in_order(good, results):
            above = next((name for key in model.deps if (name := "/".join(key)) in refused), None)
            if above is not None:
                refused[model.name] = f"not written, for {above} is refused. Fix: mend {above}."
            elif model.name in catalog.datasets:
                rows = pl.DataFrame(file.read(model.relation))
                dbt_facts = {"dbt_seconds": round(float(results[model.unique_id]["data"]["execution_time"]), 3)}
                refused |= yield from mart_events(context, catalog, catalog[model.name], rows, lake, dbt_facts)
            else:
                yield _output(model, file, lake, results[model.unique_id], personal)
        for model in chosen:
            if model.table is not None and (model not in good or model.name in refused):
                _restore(model, catalog, file, lake)
    _refuse_failure(invocation, stopped, refused)


def _send_nodes(settings: Settings, events: Iterable[Event]) -> None:
    """Send a span of each model and test that dbt ran, below the span that is open."""
    for event in events:
        if not _is_result(event):
            continue
        node = event["data"]["node_info"]
        if node.get("node_started_at") and node.get("node_finished_at"):
            began, ended = (
                datetime.fromisoformat(node[f"node_{name}_at"]).replace(tzinfo=UTC) for name in ("started", "finished")
            )
            status = str(node["node_status"])
            send_span(
                settings, f"dbt {node['resource_type']}", began=began, ended=ended,
                attributes={"dbt.node": str(node["unique_id"]), "dbt.status": status},
                error="" if status in _GOOD_NODE else status,
            )  # fmt: skip


def _stopped(
    context: dg.AssetExecutionContext, selected: Sequence[Model], red_checks: RedChecks
) -> dict[str, list[RedCheck]]:
    """By name, the selected models that read something red which the run does not build anew; none where all may be."""
    stopped: dict[str, list[RedCheck]] = {}
    remaining = list(selected)
    while remaining:
        built = frozenset(dg.AssetKey(model.key) for model in remaining)
        red_by_model = {model.name: red_checks.stopping(context.instance, dg.AssetKey(model.key), built=built)
                 for model in remaining}  # fmt: skip
        below = {name: red for name, red in red_by_model.items() if red}
        lost = {model.key for model in selected if model.name in {*stopped, *below}}
        for model in remaining:
            if model.name not in below and (above := [key for key in model.deps if key in lost]):
                below[model.name] = [red for key in above for red in {**stopped, **below}.get("/".join(key), [])]
        if not below:
            break
        stopped |= below
        remaining = [model for model in remaining if model.name not in stopped]
    return stopped


def _marts_above(models: Sequence[Model], model: Model, chosen: Sequence[Model]) -> list[Model]:
    """Return the marts that a model reads, through models that stay in DuckDB too, and that the run does not build."""
    by_key = {candidate.key: candidate for candidate in models}
    waiting, visited, marts = list(model.deps), set[tuple[str, ...]](), []
    while waiting:
        above = by_key.get(waiting.pop())
        if above is None or above.key in visited:
            continue
        visited.add(above.key)
        if above.table is not None and above not in chosen:
            marts.append(above)
        else:
            waiting += above.deps
    return marts


def _unwritten_above(models: Sequence[Model], chosen: Sequence[Model], catalog: Catalog, lake: Lake) -> dict[str, str]:
    """By name, the models that read a mart with a contract that was never written, and why they are not built.

    What dbt would make of it in passing, nobody would judge.
    """
    reasons: dict[str, str] = {}
    for model in chosen:
        marts = [mart.name for mart in _marts_above(models, model, chosen)
                 if mart.name in catalog.datasets and not lake.exists(_table(mart, catalog))]  # fmt: skip
        if marts:
            reasons[model.name] = (
                f"not built, for it reads {', '.join(marts)}, which was never written. "
                f"Fix: dg launch --assets {','.join([*marts, model.name])}"
            )
    return reasons


def _restore(mart: Model, catalog: Catalog, file: DuckDBFile, lake: Lake) -> bool:
    """Put a mart into DuckDB as the lake has it, and tell whether the lake has it; what it has not, goes."""
    spec = _table(mart, catalog)
    if lake.exists(spec):
        file.put(mart.relation, lake.scan(spec).collect().to_arrow())
        return True
    file.drop(mart.relation)
    return False


def _table(mart: Model, catalog: Catalog) -> TableSpec:
    return table_spec(catalog[mart.name]) if mart.name in catalog.datasets else mart_spec(mart)


def _with_checks_above(
    models: Sequence[Model],
    chosen: Sequence[Model],
    checks: Sequence[tuple[Model, Check]],
    *,
    besides: Mapping[str, Model],
) -> list[tuple[Model, Check]]:
    """Return the checks, and all of the models that a new DuckDB file lacks.

    Dbt builds those too, and their tests stop it.
    """
    by_key = {model.key: model for model in models}
    pending_keys, above = [key for model in chosen for key in model.deps], dict[str, Model]()
    while pending_keys:
        model = by_key.get(pending_keys.pop())
        if model is not None and model.name not in {*above, *besides} and model not in chosen:
            above[model.name] = model
            pending_keys += model.deps
    return [*checks, *((model, check) for model in above.values() for check in model.checks)]


def _is_selected(context: dg.AssetExecutionContext, model: Model, check: Check) -> bool:
    return dg.AssetCheckKey(dg.AssetKey(model.key), check.name) in context.selected_asset_check_keys


def _selection(
    models: Sequence[Model], checks: Sequence[Check], restored: Iterable[Model], *, complete: bool
) -> list[str]:
    """Return the arguments for exactly these models and tests.

    In a DuckDB file that lacks models, for all they need too.

    Marts that were taken from the lake are not built again.
    """
    selectors = [*(model.selector for model in models), *(test for check in checks for test in check.tests)]
    upstream = "" if complete else "+"
    marts = [model.selector for model in restored]
    besides = ["--exclude", " ".join(marts)] if marts else []
    return [
        "--select",
        " ".join(f"{upstream}{selector}" for selector in selectors),
        *besides,
        "--indirect-selection",
        "empty",
    ]


def _tell(context: dg.AssetExecutionContext, event: Event) -> None:
    """Progress: every model, and every test that did not pass."""
    name = event["info"]["name"]
    if name == "LogModelResult" or (name == "LogTestResult" and _status(event) != "pass"):
        tell = context.log.info if event["info"]["level"] == "info" else context.log.warning
        tell(event["info"]["msg"])


def _is_result(event: Event) -> bool:
    return event["info"]["name"] in _RESULTS


def _unique_id(event: Event) -> str:
    return str(event["data"]["node_info"]["unique_id"])


def _status(event: Event) -> str:
    return str(event["data"]["node_info"]["node_status"])


def _check_results(
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    checks: Sequence[tuple[Model, Check]],
    results: Mapping[str, Event],
) -> Iterator[dg.AssetCheckResult]:
    """Yield a result for each check whose tests ran; a test that dbt skipped says nothing."""
    translator = DagsterDbtTranslator()
    for model, check in checks:
        ran = [results[unique_id] for unique_id in check.unique_ids if unique_id in results]
        if check.source is not None and ran:
            yield _source_result(model, check, ran)
            continue
        for event in ran:
            message = DbtCoreCliEventMessage(raw_event=dict(event), event_history_metadata={})
            for asset_event in message.to_default_asset_events(manifest, translator, context):
                if isinstance(asset_event, dg.AssetCheckResult):
                    yield asset_event


def _source_result(model: Model, check: Check, ran: Sequence[Event]) -> dg.AssetCheckResult:
    """All tests of a source as one verdict: it fails with the first of severity `error`, and warns below that."""
    broken = [event for event in ran if _status(event) != "pass"]
    serious = [event for event in broken if _status(event) not in _GOOD_TEST]
    broken_tests = [{"test": event["data"]["name"], "status": _status(event)} for event in broken]
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(model.key),
        check_name=check.name,
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR if serious else dg.AssetCheckSeverity.WARN,
        description=f"{len(ran) - len(broken)} of {len(ran)} tests of {check.source} pass",
        metadata={
            "tests": len(ran),
            **({"broken": dg.MetadataValue.md(markdown_table(broken_tests))} if broken_tests else {}),
        },
    )


def _is_good(model: Model, checks: Sequence[tuple[Model, Check]], results: Mapping[str, Event]) -> bool:
    """Whether the model was built; one that goes to the lake must have passed the run's tests of it, too."""
    built = model.unique_id in results and _status(results[model.unique_id]) == "success"
    if model.table is None or not built:
        return built
    tests = [unique_id for owner, check in checks if owner is model for unique_id in check.unique_ids]
    return all(test in results and _status(results[test]) in _GOOD_TEST for test in tests)


def _in_order(models: Sequence[Model], results: Mapping[str, Event]) -> list[Model]:
    """Return the models as dbt built them: Dagster wants what is upstream first."""
    order = list(results)
    return sorted(models, key=lambda model: order.index(model.unique_id))


def _output(model: Model, file: DuckDBFile, lake: Lake, built: Event, personal: PersonalData) -> dg.Output[Any]:
    """Return the model's rows as Arrow where they go to the lake.

    And nothing to write where the lake has them already.
    """
    metadata: dict[str, Any] = {"dbt_seconds": round(float(built["data"]["execution_time"]), 3)}
    name = dg.AssetKey(model.key).to_python_identifier()
    if model.table is None:
        return dg.Output(None, name, metadata={**metadata, "dagster/row_count": file.count(model.relation)})
    rows = file.read(model.relation)
    shown = personal.shown(model.unique_id, rows.column_names)
    preview = [
        {name: value if name in shown or value is None else MASK for name, value in row.items()}
        for row in rows.slice(0, _PREVIEW_ROWS).to_pylist()
    ]
    metadata["preview"] = dg.MetadataValue.md(markdown_table(preview))
    if not _is_new(lake, mart_spec(model), rows):
        facts = {"dagster/row_count": rows.num_rows, "rows_written": 0, "table_changed": False}
        return dg.Output(None, name, metadata={**metadata, **facts})
    return dg.Output(rows, name, metadata=metadata)


def _is_new(lake: Lake, spec: TableSpec, rows: "pa.Table") -> bool:
    return not lake.exists(spec) or not lake.scan(spec).collect().equals(pl.DataFrame(rows))


def _refuse_failure(
    invocation: Invocation | None, stopped: Mapping[str, Sequence[RedCheck]], refused: Mapping[str, str]
) -> None:
    reasons = []
    if invocation is not None and not invocation.success:
        reasons.append(
            "dbt: a model could not be built or a test failed; its tables in the lake stay as they were. "
            "Fix: correct what dbt names, then materialise again."
        )
        reasons += invocation.errors
    reasons += [f"{name}: {blame(red)}" for name, red in stopped.items()]
    reasons += [f"{name}: {reason}" for name, reason in refused.items()]
    if reasons:
        raise dg.Failure("\n".join(reasons), allow_retries=False)
