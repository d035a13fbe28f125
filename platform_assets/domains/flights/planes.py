"""Planes by tail number."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine, complete


class Planes(DataFrameModel):
    """One row per plane in the FAA's registry."""

    tailnum: str = Field(str_matches=r"^N[0-9A-Z]{1,5}$", description="Tail number")
    year: int = Field(nullable=True, ge=1927, le=2100, unit="years", description="Year of manufacture")
    type: str = Field(description="Type of plane")
    manufacturer: str = Field(description="Manufacturer")
    model: str = Field(description="Model")
    engines: int = Field(ge=1, le=8, description="Number of engines")
    seats: int = Field(ge=1, le=900, description="Number of seats")
    speed: int = Field(nullable=True, gt=0, unit="miles per hour", description="Average cruising speed")
    engine: str = Field(description="Type of engine")


planes = Dataset(
    "flights/planes",
    Planes,
    owner="team:aviation",
    version="1.0.0",
    tags=("reference",),
    key=("tailnum",),
    source=Files("planes*.csv", null_values=("NA",)),
    store=Delta(mode="merge"),
    rules=[complete("year", at_least=0.95)],
    quarantine=Quarantine(),
)
