"""Staff land as files; a boss is one of them."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine


class Staff(DataFrameModel):
    """One row per person."""

    person: int
    boss: int = Field(nullable=True, references="odd/staff.person")


staff = Dataset(
    "odd/staff",
    Staff,
    owner="team:odd",
    version="1.0.0",
    key=("person",),
    source=Files("staff-*"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
