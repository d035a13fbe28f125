"""People land as files; all of a person's columns are personal."""

from platform_core.contracts import DataFrameModel, Dataset, Day, Delta, Field, Files, Quarantine, complete, monthly


class People(DataFrameModel):
    """One row per person."""

    id: int
    name: str = Field(pii="name", str_length={"min_value": 3})
    mail: str = Field(pii="email", str_contains="@", unique=True)
    phone: str = Field(pii="phone", nullable=True)
    salary: float = Field(pii="card", ge=0)
    born: Day = Field(pii="birth_date")
    joined: Day


people = Dataset(
    "crm/people",
    People,
    owner="team:crm",
    version="1.0.0",
    key=("id",),
    source=Files("people-*"),
    partitions=monthly("2024-01", on="joined"),
    store=Delta(mode="merge"),
    rules=[complete("phone", at_least=0.9)],
    quarantine=Quarantine(),
)
