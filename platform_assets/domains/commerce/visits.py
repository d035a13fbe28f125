"""Visits to the shop: clicks of one visitor without a long pause, as they end."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Quarantine,
    Sessions,
    UtcTimestamp,
    col,
    expression,
    minutes,
)


class Visits(DataFrameModel):
    """One row per visit."""

    visitor: str = Field(description="A browser, for one day")
    window_start: UtcTimestamp = Field(description="The first click")
    window_end: UtcTimestamp = Field(description="The last click")
    clicks: int = Field(ge=1, description="How many clicks it had")
    went_to_checkout: bool = Field(description="Whether one of them was on the checkout's page")


visits = Dataset(
    "commerce/visits",
    Visits,
    owner="team:commerce",
    version="1.0.0",
    key=("visitor", "window_start"),
    source=Sessions(
        "commerce/clicks",
        gap=minutes(10),
        by="visitor",
        measures={"clicks": col("page").len(), "went_to_checkout": (col("page") == "checkout").any()},
    ),
    store=Delta(mode="append"),
    rules=[expression("ends_after_it_starts", "window_end >= window_start")],
    quarantine=Quarantine(),
)
