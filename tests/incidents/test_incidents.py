"""One incident, one cause: the dataset and column where it began, and no alarm where nothing is wrong."""

import os
from datetime import UTC, datetime
from itertools import islice

import numpy as np
import polars as pl
import pytest

from platform_core.contracts import DataFrameModel, Dataset, UtcTimestamp, daily
from platform_core.quality.baselines import Point, Tolerance, deviation, expected
from platform_core.quality.fingerprints import FINGERPRINT, fingerprint
from platform_core.quality.incidents import History, find_incidents, oddities
from tests.incidents.world import MONTHS, World, controls, faults, world

ANY = Tolerance(relative=0.05)


def months(*values: float) -> list[Point]:
    return [Point(MONTHS[place], value) for place, value in enumerate(values)]


def test_a_value_is_expected_near_its_own_past_and_nothing_is_expected_of_too_short_a_one() -> None:
    bands = expected(months(10, 11, 10, 9, 10, 11), "2024-07", tolerance=ANY)
    assert deviation(bands, 11) < 1 < deviation(bands, 30)
    assert expected(months(10, 11), "2024-03", tolerance=ANY) == ()


def test_a_peak_that_comes_each_december_is_expected_in_the_next() -> None:
    past = months(*([10.0] * 11 + [40.0]) * 2 + [10.0] * 5)
    assert (
        deviation(expected(past, "2026-12", tolerance=ANY), 41)
        < 1
        < deviation(expected(past, "2026-06", tolerance=ANY), 41)
    )


def test_a_level_that_lasts_becomes_the_level_to_expect() -> None:
    bands = expected(months(10, 10, 11, 10, 10, 20, 21, 20, 20), "2024-10", tolerance=ANY)
    assert [band.basis for band in bands] == ["9 earlier values", "since 2024-06"]
    assert deviation(bands, 20.5) < 1


def causes(changed: World) -> list[tuple[str, str]]:
    return [(incident.dataset, incident.column) for incident in changed.incidents()]


WORLDS = (1, 2, 3, datetime.now(UTC).toordinal() if os.environ.get("NIGHTLY") else 4)
"""Seeds of the worlds: nobody picked them for what they draw; with `NIGHTLY=1` the last is another each day."""
FAULTS, CONTROLS = 50, 20
"""Of each world."""


@pytest.mark.lane
def test_most_faults_are_traced_to_where_they_began_and_no_control_alarms() -> None:
    right, missed, alarms = 0, [], []
    for seed in WORLDS:
        healthy, rng = world(seed), np.random.default_rng(seed)
        for kind, changed, month in islice(controls(healthy, rng), CONTROLS):
            if incidents := changed.incidents(judged=[month]):
                alarms.append((seed, kind, incidents))
        for fault in islice(faults(healthy, rng), FAULTS):
            found = causes(healthy.with_change(fault.dataset, fault.change))
            right += found == [(fault.dataset, fault.column)]
            if found != [(fault.dataset, fault.column)]:
                missed.append(f"{seed}: {fault.kind} {fault.size} {fault.dataset}.{fault.column}: {found}")
    assert alarms == []
    assert right >= 0.95 * FAULTS * len(WORLDS), [f"{right} of {FAULTS * len(WORLDS)}", *missed]


@pytest.mark.parametrize(("rows", "explains"), [(900, False), (1000, False), (1600, True)])
def test_a_half_more_rows_explain_what_they_move_however_uneven_the_past(rows: int, explains: bool) -> None:
    counts = [800, 1200, 650, 1500, 1000, 900, 1100, rows]
    prints = [(month, "", "row_count", float(count), 0.0) for month, count in zip(MONTHS, counts, strict=False)]
    frame = pl.DataFrame(prints, schema=FINGERPRINT, orient="row")
    odd = list(oddities(History(name="toy/rows", frame=frame, judged=[MONTHS[7]])))
    assert [oddity.is_growth for oddity in odd] == [True] * explains


class TwoTables:
    """A table and the one that looks into it."""

    def upstream(self, name: str) -> dict[str, int]:
        return {"toy/weather": 1} if name == "toy/delays" else {}

    def column_upstream(self, name: str, column: str) -> dict[tuple[str, str], int]:
        return {("toy/weather", column): 1} if name == "toy/delays" else {}

    def is_readable(self, name: str) -> bool:
        return name.startswith("toy/")


@pytest.mark.parametrize(("last_day", "alarms"), [(-1.04, []), (-0.04, ["toy/delays"])])
def test_a_day_that_is_not_there_yet_explains_what_finds_nothing_in_it(last_day: float, alarms: list[str]) -> None:
    def history(name: str, column: str, metric: str, *values: float) -> History:
        prints = [
            *((month, column, metric, value, 0.0) for month, value in zip(MONTHS, values, strict=False)),
            *((month, "", "row_count", 700.0, 0.0) for month, _ in zip(MONTHS, values, strict=False)),
        ]
        frame = pl.DataFrame(prints, schema=FINGERPRINT, orient="row").sort("period", maintain_order=True)
        return History(name=name, frame=frame, judged=[MONTHS[len(values) - 1]])

    weather = history("toy/weather", "hour", "last_day", -0.04, -0.05, -0.04, -0.06, -0.04, -0.05, -0.04, last_day)
    delays = history("toy/delays", "wind", "null_rate", *[0.0] * 7, 0.045)
    assert [incident.dataset for incident in find_incidents([weather, delays], TwoTables())] == alarms


class Kinds(DataFrameModel):
    """One event."""

    event: int
    kind: str
    at: UtcTimestamp


KINDS = Dataset("toy/kinds", Kinds, owner="team:toy", version="1.0.0", key=("event",),
                partitions=daily("2024-01-01", on="at"))  # fmt: skip


@pytest.mark.parametrize(("rows", "alarms"), [(1, 0), (60, 1)])
def test_the_text_of_one_row_is_no_incident_that_of_many_is(rows: int, alarms: int) -> None:
    days = [datetime(2024, 1, day, 9, tzinfo=UTC) for day in range(1, 13)]
    frames = [
        pl.DataFrame({"event": range(rows), "kind": [kind] * rows, "at": [day] * rows})
        for day, kind in zip(days, ["view"] * 11 + ["purchase"], strict=True)
    ]
    periods = [f"{day:%Y-%m-%d}" for day in days]
    prints = [fingerprint(KINDS, frame, period) for frame, period in zip(frames, periods, strict=True)]
    history = History(name="toy/kinds", frame=pl.concat(prints), judged=periods[-1:], partition_column="at")
    assert len({oddity.column for oddity in oddities(history)}) == alarms
