"""One incident, one cause: the dataset and column where it began, and no alarm where nothing is wrong."""

from collections import Counter

import numpy as np
import pytest

from platform_core.quality.baselines import Point, Tolerance, deviation, expected
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


@pytest.mark.lane
def test_most_faults_are_traced_to_where_they_began_and_no_control_alarms() -> None:
    began, right, missed = Counter[str](), Counter[str](), []
    healthy = world()
    for fault, _ in zip(faults(healthy, np.random.default_rng(2026)), range(FAULTS), strict=False):
        found = causes(healthy.with_change(fault.dataset, fault.change))
        began[fault.kind] += 1
        right[fault.kind] += found == [(fault.dataset, fault.column)]
        if found != [(fault.dataset, fault.column)]:
            missed.append(f"{fault.kind} {fault.size} {fault.dataset}.{fault.column}: {found}")
    alarms = [
        (kind, found)
        for (kind, changed, month), _ in zip(
            controls(healthy, np.random.default_rng(40)), range(CONTROLS), strict=False
        )
        if (found := changed.incidents(judged=[month]))
    ]
    assert alarms == []
    assert sum(right.values()) >= 0.95 * FAULTS, [f"{sum(right.values())} of {FAULTS}", *missed]


FAULTS, CONTROLS = 200, 40
