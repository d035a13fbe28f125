"""Films, as the distributor lists them."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine


class Films(DataFrameModel):
    """One row per film."""

    film: str = Field(str_matches="^F[0-9]{3}$", description="The distributor's number")
    title: str = Field(description="As it is shown")
    minutes: int = Field(ge=1, le=600, unit="minutes")


films = Dataset(
    "cinema/films",
    Films,
    owner="team:programme",
    version="1.0.0",
    key=("film",),
    source=Files("films-*.csv"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
