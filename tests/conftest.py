"""What holds for every test: none of them is about time, so none of them fails on a busy machine."""

import pytest
from hypothesis import HealthCheck, settings

from platform_assets.entrypoints.interrupts import heed_interrupts

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
heed_interrupts()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file on one worker, for its fixtures are made once there; so are journeys over the demo.

    Lanes go wherever there is room: each takes long, and few share more than a server.
    """
    for item in items:
        if item.get_closest_marker("lane") is None and item.get_closest_marker("xdist_group") is None:
            shares_demo = "demo" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("demo" if shares_demo else item.path.stem))
