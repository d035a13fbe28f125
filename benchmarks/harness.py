"""Runs each case of a benchmark in its own fresh process, interleaved round by round, and prints Markdown tables.

A case is a generator over a work folder: set-up, `yield`, the timed part, `yield` facts, clean-up. Machine drift hits
all cases alike, so figures are medians and ratios are medians over the rounds of a pair measured side by side.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Facts = Mapping[str, Any]
Steps = Callable[[Path], Iterator[Facts | None]]

REPOSITORY = Path(__file__).resolve().parent.parent
_MARK = "RESULT "


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        name: What the table calls it.
        steps: The generator that does it.
        against: The names of the cases its ratios are given to, among those of the same table.
        table: The table it stands in.
        skip: Why it cannot run here; empty where it can.
        python: The interpreter it runs in; None for this one.
    """

    name: str
    steps: Steps
    against: tuple[str, ...] = ()
    table: str = ""
    skip: str = ""
    python: Path | None = None


@dataclass(frozen=True)
class Measurement:
    """One case in one round: seconds, and the peak of resident memory in bytes with what it grew by while timed."""

    wall: float
    cpu: float
    peak: int
    grown: int
    facts: Facts


Rounds = Mapping[str, Sequence[Measurement]]


def main(cases: Sequence[Case], *, prepare: Callable[[Path], None] | None = None, rounds: int = 5) -> None:
    """Runs the command line of a benchmark: `--rounds`, `--only TEXT`; `--case` is for the child processes."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--only", action="append", help="run the cases whose name or table contains this; may repeat")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case is not None:
        _report(measure(next(case for case in cases if case.name == given.case), given.folder))
    wanted = [case for case in cases if any(part in f"{case.table}: {case.name}" for part in given.only or [""])]
    with tempfile.TemporaryDirectory(prefix="platform-bench-") as name:
        if prepare is not None:
            prepare(Path(name))
        print(tables(wanted, _all_rounds(wanted, Path(name), given.rounds)))


def measure(case: Case, folder: Path) -> Measurement:
    """What the timed part of the case costs in this process, all threads and finished children together."""
    steps = case.steps(folder)
    next(steps)
    gc.collect()
    _forget_peak()
    before, started, clock = _status("VmRSS"), os.times(), time.perf_counter()
    facts = next(steps) or {}
    wall, ended = time.perf_counter() - clock, os.times()
    peak = _status("VmHWM")
    next(steps, None)
    return Measurement(wall, sum(ended[:4]) - sum(started[:4]), peak, max(0, peak - before), facts)


def _report(result: Measurement) -> None:
    """Hands the result to the parent and ends the process at once: vendors' threads may not end by themselves."""
    print(_MARK + json.dumps(vars(result)), flush=True)
    os._exit(0)


def _all_rounds(cases: Sequence[Case], folder: Path, rounds: int) -> Rounds:
    able = [case for case in cases if not case.skip]
    taken: dict[str, list[Measurement]] = {case.name: [] for case in able}
    for number in range(1, rounds + 1):
        for case in able:
            found = taken[case.name]
            found.append(_in_child(case, folder))
            print(f"  round {number}: {case.name}: {found[-1].wall:.2f} s, CPU {found[-1].cpu:.2f} s", file=sys.stderr)
    return taken


def _in_child(case: Case, folder: Path) -> Measurement:
    python = str(case.python or sys.executable)
    command = [python, "-W", "ignore", sys.argv[0], "--case", case.name, "--folder", str(folder)]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    marked = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not marked:
        raise SystemExit(f"{case.name} did not finish (exit {done.returncode}):\n{done.stderr[-4000:]}")
    return Measurement(**json.loads(marked[-1].removeprefix(_MARK)))


def tables(cases: Sequence[Case], taken: Rounds) -> str:
    """One Markdown table for each `table` among the cases, in their order."""
    named = dict.fromkeys(case.table for case in cases)
    return "\n".join(_table(name, [case for case in cases if case.table == name], taken) for name in named)


def _table(name: str, cases: Sequence[Case], taken: Rounds) -> str:
    bases = list(dict.fromkeys(base for case in cases for base in case.against))
    head = ["case", "CPU s", "wall s", "peak MB", "grown MB", *(f"CPU (wall) ÷ {base}" for base in bases), "facts"]
    rows = [_row(case, bases, taken) for case in cases]
    lines = [f"### {name}", "", _line(head), _line(["---", *["---:"] * (len(head) - 2), "---"]), *map(_line, rows), ""]
    return "\n".join(lines)


def _row(case: Case, bases: Sequence[str], taken: Rounds) -> list[str]:
    if case.skip:
        return [case.name, *["-"] * (4 + len(bases)), f"skipped: {case.skip}"]
    found = taken[case.name]
    ratios = [_ratio(found, taken.get(base, ())) if base in case.against else "" for base in bases]
    facts = ", ".join(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
                      for name, value in _facts(found).items())  # fmt: skip
    return [
        case.name,
        f"{_median(each.cpu for each in found):.2f}",
        f"{_median(each.wall for each in found):.2f}",
        f"{_median(each.peak for each in found) / 1e6:,.0f}",
        f"{_median(each.grown for each in found) / 1e6:,.0f}",
        *ratios,
        facts,
    ]


def _facts(found: Sequence[Measurement]) -> dict[str, Any]:
    """The facts of the last round; a number is the middle one of all rounds."""
    return {
        name: statistics.median_low(each.facts[name] for each in found) if isinstance(value, int | float) else value
        for name, value in found[-1].facts.items()
    }


def _ratio(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> str:
    """The median over the rounds of the quotient within a round, for CPU and for wall time."""
    pairs = list(zip(ours, theirs, strict=False))
    if not pairs:
        return ""
    cpu = _median(mine.cpu / max(base.cpu, 0.01) for mine, base in pairs)
    wall = _median(mine.wall / base.wall for mine, base in pairs)
    return f"{cpu:.2f} ({wall:.2f})"


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")
