"""What was known of a visitor before each click: the same for training, in the stream and online."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Featured,
    Field,
    Quarantine,
    ToStore,
    UtcTimestamp,
    minutes,
)
from platform_core.features import count, feature, last, mean


class VisitorFeatures(DataFrameModel):
    """One row per click, without the click itself."""

    click_id: str = Field(description="The click")
    visitor: str = Field(description="A browser, for one day")
    at: UtcTimestamp = Field(description="The instant before which features look back")
    clicks_before: int = Field(ge=0, description="Clicks of the last half hour")
    duration_before: float = Field(nullable=True, unit="milliseconds", description="Their mean time on a page")
    page_before: str = Field(nullable=True, description="The page of the latest of them")


FEATURES = (
    feature("clicks_before", count(), over=minutes(30), by="visitor"),
    feature("duration_before", mean("duration_ms"), over=minutes(30), by="visitor"),
    feature("page_before", last("page"), over=minutes(30), by="visitor"),
)

visitor_features = Dataset(
    "commerce/visitor_features",
    VisitorFeatures,
    owner="team:commerce",
    version="1.0.0",
    key=("click_id",),
    source=Featured("commerce/clicks", features=FEATURES),
    store=Delta(mode="append"),
    quarantine=Quarantine(),
    publish=[ToStore("online", by=["visitor"])],
)
