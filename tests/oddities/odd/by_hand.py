"""An asset written by hand in pandas that takes the checks of a contract, which refers to other datasets."""

import dagster as dg
import pandas as pd

from platform_assets.factory import checks_for
from tests.oddities.odd.staff import Staff


@dg.asset(key=["odd", "bosses"])
def bosses() -> pd.DataFrame:
    """Bosses, one of whom has no number."""
    return pd.DataFrame({"person": [1, None], "boss": [None, 7]})


bosses_checks = checks_for(Staff, asset=["odd", "bosses"])
