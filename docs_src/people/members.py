"""Members of a club: names and types, and not a word about how they are made."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files


class Members(DataFrameModel):
    """One row per member."""

    member_id: int
    first_name: str
    last_name: str
    email: str = Field(unique=True)
    country: str
    phone: str = Field(nullable=True)
    city: str


members = Dataset(
    "crm/members",
    Members,
    owner="team:club",
    version="1.0.0",
    key=("member_id",),
    source=Files("members-*.csv"),
    store=Delta(mode="merge"),
)
