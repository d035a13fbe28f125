"""Terms, of which any text can be read."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine


class Terms(DataFrameModel):
    """One row per term."""

    term: str
    meaning: str = Field(nullable=True)


terms = Dataset(
    "words/terms",
    Terms,
    owner="team:words",
    version="1.0.0",
    key=("term",),
    source=Files("terms-*"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
