"""How odd each click is, by a detector that is trained on the first thousand."""

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Quarantine,
    Scored,
    UtcTimestamp,
    expression,
)


class ClickScores(DataFrameModel):
    """One row per click."""

    click_id: str = Field(description="The click")
    visitor: str = Field(description="A browser, for one day")
    duration_ms: int = Field(unit="milliseconds", description="Time on the page before it")
    at: UtcTimestamp = Field(description="When")
    anomaly_score: float = Field(ge=0, description="1 is as odd as one usual click in a thousand")
    anomaly_column: str = Field(nullable=True, description="What explains a score of 1 or more")


click_scores = Dataset(
    "commerce/click_scores",
    ClickScores,
    owner="team:commerce",
    version="1.0.0",
    key=("click_id",),
    source=Scored("commerce/clicks", reads_columns=["duration_ms"], train_on=1_000, drift=0.5),
    store=Delta(mode="append"),
    rules=[expression("is_usual", "anomaly_score < 3", severity="warn", label="no click is odd")],
    quarantine=Quarantine(),
)
