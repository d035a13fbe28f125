"""Members land as files; an e-mail address belongs to one member, whichever file brought it."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine


class Members(DataFrameModel):
    """One row per member."""

    member: int = Field(gt=0)
    mail: str = Field(pii="email", nullable=True, unique=True)


members = Dataset(
    "shop/members",
    Members,
    owner="team:shop",
    version="1.0.0",
    key=("member",),
    source=Files("members-*"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
