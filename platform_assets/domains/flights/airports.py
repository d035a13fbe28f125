"""Airports by FAA code."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine


class Airports(DataFrameModel):
    """One row per airport of the United States."""

    faa: str = Field(str_matches=r"^[0-9A-Z]{3}$", description="FAA airport code")
    name: str = Field(description="The airport's usual name")
    lat: float = Field(ge=-90, le=90, unit="degrees", description="Latitude")
    lon: float = Field(ge=-180, le=180, unit="degrees", description="Longitude")
    alt: int = Field(ge=-300, le=15_000, unit="feet", description="Altitude above the sea")
    tz: float = Field(ge=-12, le=14, unit="hours", description="Offset from GMT")
    dst: str = Field(isin=["A", "U", "N"], description="Daylight saving: A standard US, U unknown, N none")
    tzone: str = Field(nullable=True, description="IANA time zone")


airports = Dataset(
    "flights/airports",
    Airports,
    owner="team:aviation",
    version="1.0.0",
    tags=("reference",),
    key=("faa",),
    source=Files("airports*.csv", null_values=("NA",)),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
