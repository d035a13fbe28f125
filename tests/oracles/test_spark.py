"""Rules in Spark's SQL, run by Spark: its verdicts on drawn frames are those of Polars, and its counts the judge's.

PySpark stands in an environment of its own, whose Python is named by SPARK_PYTHON; `.ci/spark` makes one.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from platform_core.interchange.queries import condition, rule_queries
from platform_core.quality import judge
from platform_core.rules import RowRule
from tests.core.interchange.test_queries import measures
from tests.core.rules.test_every_kind import EVERYTHING, PORTS, VALUES, drawn_case, rows

PYTHON = os.environ.get("SPARK_PYTHON", "")
pytestmark = [
    pytest.mark.lane,
    pytest.mark.skipif(not PYTHON, reason="SPARK_PYTHON names no Python with PySpark; .ci/spark makes one"),
]
FRAMES = 12  # of each type


def answers(folder: Path, questions: list[dict[str, Any]]) -> list[list[Any]]:
    asked, said = folder / "questions.json", folder / "answers.json"
    asked.write_text(json.dumps(questions))
    script = Path(__file__).with_name("spark_verdicts.py")
    done = subprocess.run([PYTHON, str(script), str(asked), str(said)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    made: list[list[Any]] = json.loads(said.read_text())
    return made


def drawn_cases(kind: str) -> list[tuple[pl.DataFrame, list[RowRule]]]:
    """Drawn first and asked together: Spark takes seconds to start."""
    cases: list[tuple[pl.DataFrame, list[RowRule]]] = []

    @seed(int(datetime.now(UTC).timestamp()) if os.environ.get("NIGHTLY") else 20)
    @settings(max_examples=FRAMES, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(data=st.data())
    def draw(data: st.DataObject) -> None:
        cases.append(drawn_case(data, kind))

    draw()
    return cases


def without_nan(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame as `conform` makes it."""
    return frame.with_columns(pl.col(name).fill_nan(None) for name, own in frame.schema.items() if own.is_float())


def test_spark_says_of_drawn_frames_what_polars_says(tmp_path: Path) -> None:
    questions, expected = [], []
    for kind in VALUES:
        compared = 0
        for place, (frame, rules) in enumerate(drawn_cases(kind)):
            path = tmp_path / f"{kind}-{place}.parquet"
            without_nan(frame).with_row_index("place").write_parquet(path)
            said = [(rule, text) for rule in rules if (text := condition(rule, "spark")) is not None]
            questions.append({"views": {"drawn": str(path)}, "conditions": [text for _, text in said]})
            expected.append((without_nan(frame), said))
            compared += len(said)
        assert compared >= 4 * FRAMES, kind
    found = [
        disagreement for (frame, said), answered in zip(expected, answers(tmp_path, questions), strict=True)
        for (rule, text), answer in zip(said, answered, strict=True)
        for disagreement in disagreements(frame, rule, text, answer)
    ]  # fmt: skip
    assert found == []


def disagreements(frame: pl.DataFrame, rule: RowRule, text: str, answer: Any) -> Iterator[str]:
    if isinstance(answer, str):
        yield f"{text}: {answer}"
        return
    polars = frame.select(rule.holds()).to_series()
    yield from (f"{text} on {frame.row(place)}: Spark {one}, Polars {other}"
                for place, (one, other) in enumerate(zip(answer, polars, strict=True)) if one != other)  # fmt: skip


def test_spark_counts_what_the_judge_counts(tmp_path: Path) -> None:
    frame = pl.concat([rows(), rows().head(3)]).with_columns(
        eq=pl.when(pl.col("id") % 2 == 0).then(pl.lit("never")).otherwise("eq"), port=pl.lit("Atlantis")
    )
    stored = frame.with_columns(EVERYTHING.partitions.key())  # type: ignore[union-attr]  # it has some
    stored.with_columns(pl.col("span").cast(pl.String)).write_parquet(tmp_path / "things.parquet")
    judged = judge(frame, EVERYTHING, PORTS, now=datetime(2100, 1, 1, tzinfo=UTC))
    expected = {result.rule.id: result.failed for result in judged.results if result.rule.judges_rows}
    queries = {query.rule: query.sql for query in rule_queries(EVERYTHING, "spark", table="things") if query.sql}
    pl.DataFrame({"name": ["Cobh"]}).write_parquet(tmp_path / "ports.parquet")
    question = {
        "views": {"things": str(tmp_path / "things.parquet")}, "tables": {"toy.ports": str(tmp_path / "ports.parquet")},
        "statements": list(queries.values()),
    }  # fmt: skip
    (said,) = answers(tmp_path, [question])
    counted = dict(zip(queries, said, strict=True))
    assert {name: answer for name, answer in counted.items() if isinstance(answer, str)} == {}
    assert {name: counted[name] for name in expected.keys() & counted.keys()} == {
        name: [[expected[name]]] for name in expected.keys() & counted.keys()
    }
    for name, expected_values in measures(stored).items():
        assert dict(counted[name]) == pytest.approx(expected_values), name
