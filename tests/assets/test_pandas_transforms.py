"""A transform in pandas may hand back what it was given; what it may not hand back is told in one sentence."""

from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from tests.world import World, world

DECLARED = '''
import pandas as pd
import polars as pl
from datetime import date
from platform_core.contracts import DataFrameModel, Dataset, Day, Delta, Field, monthly

class Given(DataFrameModel):
    """A number a day."""
    day: Day
    number: int = Field(nullable=True)

def declared(name):
    return Dataset(f"calendar/{name}", Given, owner="team:x", version="1.0.0", key=("day",),
                   store=Delta(mode="overwrite"), partitions=monthly("2024-01", on="day"))

above, below = declared("above"), declared("below")

@above.transform
def make() -> pl.DataFrame:
    """Two days."""
    return pl.DataFrame({"day": [date(2024, 1, 1), date(2024, 2, 29)], "number": [1, None]})

@below.transform
def hand_back(above: pd.DataFrame) -> pd.DataFrame:
    """The same, or worse."""
    return above%s
'''
PARTITIONS = [f"2024-0{month}" for month in range(1, 6)]


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> tuple[World, dg.ExecuteInProcessResult]:
    """Runs both, the second with a change to its rows."""
    name = f"handed_{abs(hash(change))}"
    (folder / f"{name}.py").write_text(DECLARED % change)
    monkeypatch.syspath_prepend(folder)
    with world(folder, name) as there:
        return there, there.materialise("calendar/above", "calendar/below", partitions=PARTITIONS)


def test_days_may_come_back_as_the_midnights_that_pandas_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, run = made(tmp_path, monkeypatch, "")
    assert run.success
    expected = {"day": [date(2024, 1, 1), date(2024, 2, 29)], "number": [1, None]}
    assert there.rows("calendar/below").equals(pl.DataFrame(expected))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ".rename(columns={'number': 'count'})",
            "number: missing; the input has day, count. Fix: Return",
        ),
        (".assign(more=1)", "more: not in the contract. Fix: Return the contract's columns in its types"),
        (".assign(day=above['day'].dt.tz_localize('Asia/Tokyo'))", "and the contract says Date. Fix: Return"),
    ],
)
def test_columns_of_another_contract_are_refused_with_the_culprit_and_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, told: str
) -> None:
    _, run = made(tmp_path, monkeypatch, change)
    failed = next(event for event in run.all_events if event.is_step_failure)
    message = failed.step_failure_data.user_failure_data.description
    assert told in message
    assert "2024-01 to 2024-05: " in message
