"""A model, and what another process makes of it."""

from dataclasses import dataclass

import dagster as dg


@dataclass(frozen=True)
class Model:
    """Dollars a mile, by airport of departure."""

    rates: dict[str, float]


@dg.asset
def fare_model() -> Model:
    """Rates that somebody thought of."""
    return Model({"EWR": 0.5, "JFK": 0.25})


@dg.asset
def quotes(fare_model: Model) -> dict[str, float]:
    """The price of 100 miles."""
    return {origin: 100 * rate for origin, rate in fare_model.rates.items()}
