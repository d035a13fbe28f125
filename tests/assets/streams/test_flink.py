"""Flink SQL as an oracle: the same events, the same questions; what differs is counted, and has one of these reasons.

- A session's `window_end` is its last row's time here, and that time and the gap in Flink.
- `within` includes its last instant here; Flink's WITHIN does not.
- A row is behind another here where its time is later; Flink takes rows of one instant in the order in which they came.

Flink's watermark lies a second behind, because rows at the watermark itself are late there, and none is here.
The lane runs where FLINK_PYTHON names a Python that has apache-flink 2.2 (`.ci/flink FOLDER` makes one).
"""

import json
import os
import random
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_core.streaming import (
    Clock,
    IntervalJoin,
    JoinState,
    Pattern,
    PatternState,
    Window,
    WindowState,
    close_windows,
    fold_interval_join,
    fold_pattern,
    fold_windows,
    hopping,
    session,
    tumbling,
)

pytestmark = pytest.mark.lane
CLOCK, NOW, MINUTE = Clock(time="at"), datetime(2026, 3, 1, tzinfo=UTC), timedelta(minutes=1)
MEASURES = {"c": pl.len().cast(pl.Int64), "m": pl.col("n").max()}
COMMON: dict[str, Any] = {"clock": CLOCK, "by": ("user_name",), "aggregates": MEASURES}


def make_rows(seed: int) -> list[dict[str, Any]]:
    rng, at, rows = random.Random(seed), datetime(2026, 3, 1, tzinfo=UTC), []  # noqa: S311 - seeded
    for _ in range(400):
        at += timedelta(seconds=rng.choice([0, 5, 10, 20, 40, 60, 61, 180]))
        rows.append({"user_name": f"u{rng.randrange(3)}", "n": rng.randrange(10), "at": at})
    edge = [(0, at + MINUTE), (9, at + 5 * MINUTE)]  # an A, and a B exactly `within` behind it
    return rows + [{"user_name": "edge", "n": n, "at": instant} for n, instant in edge]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = [
        {"user_name": row["user_name"], "n": row["n"], "at_text": f"{row['at']:%Y-%m-%d %H:%M:%S}"} for row in rows
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def as_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {"user_name": pl.String, "n": pl.Int64, "at": pl.Datetime("us", "UTC")}
    return pl.DataFrame(rows, schema=schema)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Any]]]:
    python = os.environ.get("FLINK_PYTHON")
    if not python or not shutil.which("java"):
        pytest.skip("no Flink: FLINK_PYTHON names no Python with apache-flink 2.2, or there is no java")
    folder = tmp_path_factory.mktemp("flink")
    for name, seed in (("clicked", 1), ("viewed", 2)):
        write_lines(folder / f"{name}.json", make_rows(seed))
    oracle = Path(__file__).with_name("flink_oracle.py")
    subprocess.run([python, str(oracle), str(folder)], check=True, capture_output=True, timeout=900)
    return {path.name.split(".")[0]: json.loads(path.read_text()) for path in folder.glob("*.answer.json")}


def windows(window: Window) -> Counter[tuple[Any, ...]]:
    state, closed = fold_windows(window, WindowState(), as_frame(make_rows(1)), now=NOW)
    assert closed.late.is_empty()
    return Counter(pl.concat([closed.windows, close_windows(window, state)[1].windows]).rows())


def flink_windows(rows: list[list[Any]], *, less: timedelta = timedelta(0)) -> Counter[tuple[Any, ...]]:
    return Counter((user, instant(start), instant(end) - less, count, most) for user, start, end, count, most in rows)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_windows_are_flinks_and_a_session_ends_with_its_last_row(answers: dict[str, list[list[Any]]]) -> None:
    assert windows(tumbling(5 * MINUTE, **COMMON)) == flink_windows(answers["tumbling"])
    assert windows(hopping(6 * MINUTE, 2 * MINUTE, **COMMON)) == flink_windows(answers["hopping"])
    assert windows(session(MINUTE, **COMMON)) == flink_windows(answers["sessions"], less=MINUTE)


def test_pairs_within_an_interval_are_flinks(answers: dict[str, list[list[Any]]]) -> None:
    join = IntervalJoin(left=CLOCK, right=CLOCK, by=("user_name",), before=MINUTE, after=2 * MINUTE)
    clicked, viewed = as_frame(make_rows(1)), as_frame(make_rows(2))
    _, joined = fold_interval_join(join, JoinState(), clicked, viewed, now=NOW)
    ours = Counter(joined.pairs.select("user_name", "n", "n_right").rows())
    assert ours == Counter(map(tuple, answers["near"]))


def test_matches_are_flinks_but_for_the_last_instant_and_rows_of_one_instant(
    answers: dict[str, list[list[Any]]],
) -> None:
    within, rows = 4 * MINUTE, make_rows(1)
    pattern = Pattern(clock=CLOCK, by=("user_name",), first=pl.col("n") < 3, then=pl.col("n") > 7, within=within)
    end = {"user_name": "end", "n": 5, "at": rows[-1]["at"] + timedelta(days=1)}
    ends = fold_pattern(pattern, PatternState(), as_frame([*rows, end]), now=NOW)[1].rows
    ours = Counter(ends.filter(outcome="matched").select("user_name", "n", "ended_at").rows())
    theirs = Counter((user, n, instant(ended)) for user, n, ended in answers["pattern"])
    tied = {
        (row["user_name"], row["at"])
        for place, row in enumerate(rows)
        for later in rows[place + 1 :]
        if (row["user_name"], row["at"]) == (later["user_name"], later["at"])
    }
    assert (ours & theirs).total() > 25
    assert ("edge", 0, rows[-1]["at"]) in ours - theirs
    for user, n, ended in ours - theirs:
        begins = [row["at"] for row in rows if (row["user_name"], row["n"]) == (user, n) and row["at"] <= ended]
        assert any(ended - at == within or (user, at) in tied for at in begins) or (user, ended) in tied
    for user, _, ended in theirs - ours:
        assert (user, ended) in tied
