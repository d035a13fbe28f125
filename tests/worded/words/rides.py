"""Rides that nothing tells from one another but their file and their place in it."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine


class Ride(DataFrameModel):
    """One row per ride."""

    file: str
    line: int
    city: str
    fee: float = Field(ge=0, nullable=True)


rides = Dataset(
    "words/rides",
    Ride,
    owner="team:words",
    version="1.0.0",
    key=("file", "line"),
    source=Files(
        "rides-*",
        path_columns={"file": "[^/]+$"},
        place_column="line",
        null_values=("n/a",),
        decimal=",",
        thousands=".",
    ),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
