"""Lines of a yearbook, by a whole number of which all values are known."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Files, Quarantine, by


class Yearbook(DataFrameModel):
    """One row per line of the yearbook."""

    year: int
    line: str


yearbook = Dataset(
    "travel/yearbook",
    Yearbook,
    owner="team:travel",
    version="1.0.0",
    key=("year", "line"),
    source=Files("yearbook-*.csv"),
    partitions=by("year", values=[2024, 2025]),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
