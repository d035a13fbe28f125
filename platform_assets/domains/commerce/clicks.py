"""Clicks in the shop, as the browser sends them: a stream."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Quarantine,
    Topic,
    UtcTimestamp,
    minutes,
)


class Clicks(DataFrameModel):
    """One row per click."""

    click_id: str = Field(str_matches=r"^[0-9a-f]{16}$", description="Made by the browser")
    visitor: str = Field(str_matches=r"^v[0-9]{3}$", description="A browser, for one day")
    page: str = Field(isin=["home", "search", "product", "basket", "checkout"], description="Where")
    duration_ms: int = Field(ge=0, le=3_600_000, unit="milliseconds", description="Time on the page before it")
    at: UtcTimestamp = Field(description="When, by the browser's clock")


clicks = Dataset(
    "commerce/clicks",
    Clicks,
    owner="team:commerce",
    version="1.0.0",
    key=("click_id",),
    source=Topic("clicks", key="visitor", event_time="at", lateness=minutes(5)),
    store=Delta(mode="append"),
    quarantine=Quarantine(),
)
