"""What machine, and how many runs at once: advice from runs that happened, each piece with its numbers."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from platform_core.upkeep.partitioning import Advice

LEAST_RUNS = 3
TIGHT, LOOSE = 0.8, 0.25
"""Shares of the machine's memory."""
IDLE, BUSY = 0.5, 0.9
"""Processor seconds a second, and the share of all cores."""
PROCESS_SECONDS = 5.0
"""What a process of its own costs before it works: importing Dagster and the user's code (docs/benchmarks.md)."""
LONG_SECONDS = 60.0
WAITED = 0.2


@dataclass(frozen=True, kw_only=True)
class StepFacts:
    """One step of a run.

    Attributes:
        asset: What it made.
        seconds: From start to end.
        cpu_seconds: Of all cores, within `measured_seconds`; None where nobody measured.
        measured_seconds: From the start until its rows were stored; None where nobody measured.
        peak_memory_bytes: Of the process, until its rows were made; None where nobody measured.
        waited_seconds: For its pool.
        rows: That it wrote.
    """

    asset: str
    seconds: float
    cpu_seconds: float | None = None
    measured_seconds: float | None = None
    peak_memory_bytes: int | None = None
    waited_seconds: float = 0.0
    rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where runs work."""

    cores: int
    memory_bytes: int
    runs_at_once: int = 1


def compute_advice(steps: Sequence[StepFacts], machine: Machine) -> list[Advice]:
    """Return what the steps speak for, asset by asset, then for the machine.

    An asset of fewer than three runs is silent.
    """
    by_asset: dict[str, list[StepFacts]] = defaultdict(list)
    for step in steps:
        by_asset[step.asset].append(step)
    known = {asset: runs for asset, runs in sorted(by_asset.items()) if len(runs) >= LEAST_RUNS}
    asset_advice = [advice for asset, runs in known.items() for advice in _of_asset(asset, runs, machine)]
    return [*asset_advice, *_of_machine([run for runs in known.values() for run in runs], machine)]


def _of_asset(asset: str, runs: Sequence[StepFacts], machine: Machine) -> Iterator[Advice]:
    seconds = median(run.seconds for run in runs)
    waited = median(run.waited_seconds for run in runs)
    if waited > WAITED * (seconds + waited) and waited > 1:
        yield Advice(
            subject=asset, do="raise the limit of its pool, or write to a table of its own",
            evidence=f"waited {waited:.1f} s for its pool and worked {seconds:.1f} s, median of {len(runs)} runs",
        )  # fmt: skip
    memory = max((run.peak_memory_bytes or 0 for run in runs), default=0)
    if memory > TIGHT * machine.memory_bytes:
        yield Advice(
            subject=asset, do="take a machine with twice the memory, or fewer partitions a run",
            evidence=f"{_gigabytes(memory)} of {_gigabytes(machine.memory_bytes)} at its peak in {len(runs)} runs",
        )  # fmt: skip
    busy = _cores_kept_busy(runs)
    if busy is not None and busy > BUSY * machine.cores and seconds > LONG_SECONDS:
        yield Advice(
            subject=asset, do="take a machine with more cores",
            evidence=f"kept {busy:.1f} of {machine.cores} cores busy for {seconds:.0f} s, median of {len(runs)} runs",
        )  # fmt: skip


def _of_machine(runs: Sequence[StepFacts], machine: Machine) -> Iterator[Advice]:
    if not runs:
        return
    yield _process_or_not(runs, machine)
    busy = _cores_kept_busy(runs)
    peak = max((run.peak_memory_bytes or 0 for run in runs), default=0)
    room = int(machine.memory_bytes * TIGHT // peak) if peak else machine.runs_at_once
    if busy is not None and busy < IDLE * machine.cores and room > machine.runs_at_once:
        runs_at_once = min(room, max(machine.runs_at_once + 1, int(machine.cores / max(busy, 0.1))))
        yield Advice(
            subject="runs", do=f"set max_concurrent_runs to {runs_at_once} in dagster.yaml",
            evidence=f"a run keeps {busy:.1f} of {machine.cores} cores busy and {_gigabytes(peak)} of "
            f"{_gigabytes(machine.memory_bytes)} at its peak; {machine.runs_at_once} work at once",
        )  # fmt: skip
    if peak and peak < LOOSE * machine.memory_bytes / max(machine.runs_at_once, 1) and room <= machine.runs_at_once:
        yield Advice(subject="runs", do="take a machine with less memory",
                     evidence=f"{_gigabytes(peak)} of {_gigabytes(machine.memory_bytes)} at the peak")  # fmt: skip


def _process_or_not(runs: Sequence[StepFacts], machine: Machine) -> Advice:
    """In the process of its run a step starts at once; a process of its own pays when steps are long and cores idle."""
    seconds = median(run.seconds for run in runs)
    busy = _cores_kept_busy(runs)
    idle = busy is not None and busy < machine.cores * IDLE
    if seconds > LONG_SECONDS and machine.cores > 1 and idle:
        do = "let steps work in processes of their own (executor: dg.multiprocess_executor, forkserver with preload)"
    else:
        do = "keep steps in the process of their run"
    return Advice(
        subject="steps", do=do,
        evidence=f"a step takes {seconds:.1f} s, median of {len(runs)}; a process {PROCESS_SECONDS:.0f} s to start",
    )  # fmt: skip


def _cores_kept_busy(runs: Sequence[StepFacts]) -> float | None:
    """Processor seconds a second, over all runs that were measured; None where none was."""
    measured = [(run.cpu_seconds, run.measured_seconds) for run in runs if run.cpu_seconds and run.measured_seconds]
    if not measured:
        return None
    return sum(cpu for cpu, _ in measured) / sum(seconds for _, seconds in measured)


def _gigabytes(size: float) -> str:
    return f"{size / (1 << 30):.1f} GB"
