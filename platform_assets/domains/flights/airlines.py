"""Airlines by carrier code."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine


class Airlines(DataFrameModel):
    """One row per airline."""

    carrier: str = Field(str_matches=r"^[0-9A-Z]{2}$", description="IATA carrier code")
    name: str = Field(str_length={"min_value": 1}, description="The airline's full name")


airlines = Dataset(
    "flights/airlines",
    Airlines,
    owner="team:aviation",
    version="1.0.0",
    tags=("reference",),
    key=("carrier",),
    source=Files("airlines*.csv", null_values=("NA",)),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
