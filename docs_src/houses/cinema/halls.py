"""Halls, from the sheet that the house keeps in Excel."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine


class Halls(DataFrameModel):
    """One row per hall."""

    house: str = Field(source_name="House", description="The cinema")
    hall: int = Field(source_name="Hall no.", ge=1, description="Its number in the house")
    seats: int = Field(source_name="Seats", gt=0)


halls = Dataset(
    "cinema/halls",
    Halls,
    owner="team:houses",
    version="1.0.0",
    key=("house", "hall"),
    source=Files("halls-*.xlsx", sheet="Halls", header_row=3),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
