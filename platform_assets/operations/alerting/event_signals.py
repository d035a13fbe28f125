"""Signals of what happened: steps and runs that failed, checks that do not hold, and what made each right again."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import dagster as dg

from platform_core.alerting import Signal
from platform_core.privacy.redaction import HIDDEN, redact

EVENT_TYPES = (
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.PIPELINE_SUCCESS,
    dg.DagsterEventType.PIPELINE_FAILURE,
)
_STEP_TYPES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_UP_FOR_RETRY}
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
"""What a sentence quotes: a name, or a value of a row; which of both it is cannot be told, so that neither is sent."""

_WORKING = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
_RETRY_NUMBER, _WILL_RETRY, _MAX_RETRIES = "dagster/retry_number", "dagster/will_retry", "dagster/max_retries"


@dataclass(frozen=True)
class StepMemory:
    """Steps of runs that still work and were signalled already, by run; `failing` are the keys open by asset or job."""

    signalled: Mapping[str, Sequence[str]] = field(default_factory=dict)


def event_signals(
    instance: dg.DagsterInstance, events: Sequence[dg.EventLogEntry], memory: StepMemory
) -> tuple[list[Signal], StepMemory]:
    """Turn events, and the failed steps of runs that still work, into signals in the order of what happened."""
    signalled = {run_id: list(steps) for run_id, steps in memory.signalled.items()}
    signals: list[Signal] = []
    for entry in events:
        signals += _signals_of(instance, entry, signalled)
    working = {run.run_id: run for run in instance.get_runs(_WORKING)}
    for run_id, run in working.items():
        failed = [signal for signal in step_signals(instance, run) if signal[0] not in signalled.get(run_id, ())]
        signals += [signal for _, signal in failed]
        if failed:
            signalled.setdefault(run_id, []).extend(step for step, _ in failed)
    return signals, StepMemory({run_id: tuple(steps) for run_id, steps in signalled.items() if steps})


def _signals_of(
    instance: dg.DagsterInstance, entry: dg.EventLogEntry, signalled: dict[str, list[str]]
) -> Iterator[Signal]:
    event = entry.dagster_event
    if event is None:
        return
    at = datetime.fromtimestamp(entry.timestamp, UTC)
    if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        yield check_signal(event.asset_check_evaluation_data, at, entry.run_id)
    elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None:
        yield from _ended(event.asset_key.to_user_string(), at)
    elif event.event_type == dg.DagsterEventType.PIPELINE_SUCCESS:
        signalled.pop(entry.run_id, None)
        yield from (replace(signal, dataset=False) for signal in _ended(entry.job_name or "", at))
    elif event.event_type == dg.DagsterEventType.PIPELINE_FAILURE:
        done = signalled.pop(entry.run_id, ())
        run = instance.get_run_by_id(entry.run_id)
        if run is not None:
            yield from _run_failed(instance, run, event, at, done)


def _ended(subject: str, at: datetime) -> Iterator[Signal]:
    """Say that whatever failed while a subject was made is right again."""
    for kind in ("step_failed", "retries_exhausted", "run_failed"):
        yield Signal(kind=kind, subject=subject, at=at, firing=False)


def check_signal(evaluation: dg.AssetCheckEvaluation, at: datetime, run_id: str) -> Signal:
    """Turn a check's result into a signal; its description is left out, because it may quote rows."""
    name = evaluation.asset_key.to_user_string()
    failed = evaluation.metadata.get("rows_failed")
    rows = failed.value if failed is not None and isinstance(failed.value, int) else None
    return Signal(
        kind="check_failed",
        subject=name,
        detail=evaluation.check_name,
        at=at,
        firing=not evaluation.passed,
        severity="error" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warn",
        text=f"check {evaluation.check_name} does not hold" + (f" for {rows:,} row{'s' * (rows != 1)}" if rows else ""),
        rows=rows,
        run_id=run_id,
        command=f"platform quarantine list {name}" if "quarantine" in evaluation.metadata
        else f"platform datasets show {name}",
    )  # fmt: skip


def _run_failed(
    instance: dg.DagsterInstance, run: dg.DagsterRun, event: dg.DagsterEvent, at: datetime, done: Sequence[str]
) -> Iterator[Signal]:
    """Signal the failed steps that were not signalled yet; of a run without any, the run itself."""
    steps = list(step_signals(instance, run))
    yield from (signal for step, signal in steps if step not in done)
    if steps or run.tags.get(_WILL_RETRY, "").lower() == "true":
        return
    planned = {name for names in _planned_assets(instance, run).values() for name in names}
    assets = sorted({key.to_user_string() for key in run.asset_selection or ()} or planned)
    tried = int(run.tags.get(_RETRY_NUMBER, "0"))
    for subject in assets or [run.job_name]:
        yield Signal(
            kind="retries_exhausted" if tried else "run_failed",
            subject=subject,
            at=at,
            dataset=bool(assets),
            text=redact(event.message or "the run failed outside its steps") if not tried
            else f"the run failed {tried + 1} times",
            run_id=run.run_id,
            command="platform catch-up",
        )  # fmt: skip


def step_signals(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[tuple[str, Signal]]:
    """Yield a signal for each failed step of a run and each asset that the step was to make, with the step's key."""
    records = instance.get_records_for_run(run.run_id, of_type=_STEP_TYPES).records
    retried = {record.event_log_entry.step_key for record in records if record.event_log_entry.dagster_event_type
               == dg.DagsterEventType.STEP_UP_FOR_RETRY}  # fmt: skip
    failures = [record.event_log_entry for record in records if record.event_log_entry.dagster_event_type
                == dg.DagsterEventType.STEP_FAILURE]  # fmt: skip
    if not failures:
        return
    assets = _planned_assets(instance, run)
    for entry in failures:
        step, event = entry.step_key or "", entry.dagster_event
        names = assets.get(step, [])
        for subject in names or [run.job_name]:
            yield (
                step,
                Signal(
                    kind="retries_exhausted" if step in retried else "step_failed",
                    subject=subject,
                    detail="",
                    at=datetime.fromtimestamp(entry.timestamp, UTC),
                    dataset=bool(names),
                    text=_reason(step, event),
                    run_id=run.run_id,
                    command="platform catch-up" if names else "",
                ),
            )


def _planned_assets(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, list[str]]:
    planned = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    assets: dict[str, list[str]] = {}
    for record in planned.records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.asset_key is not None and event.step_key is not None:
            names = assets.setdefault(event.step_key, [])
            name = event.asset_key.to_user_string()
            if name not in names:
                names.append(name)
    return assets


def _reason(step: str, event: dg.DagsterEvent | None) -> str:
    """Say why a step failed: in our own words, or by the name of the error, whose words may quote values."""
    if event is None:
        return f"step {step} failed"
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return redact(_QUOTED.sub(f"'{HIDDEN}'", data.user_failure_data.description))
    error = data.error
    while error and error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    return f"{error.cls_name or 'an error'} in step {step}" if error else f"step {step} failed"
