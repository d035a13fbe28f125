"""Items, from an address."""

import os

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Quarantine, Rest, bearer, page


class Items(DataFrameModel):
    """One row per item."""

    id: int = Field(gt=0)
    price: float = Field(ge=0)


items = Dataset(
    "crm/items",
    Items,
    owner="team:crm",
    version="1.0.0",
    key=("id",),
    source=Rest(
        os.environ.get("DESK_URL", "http://127.0.0.1:9/items"), records="data.items", pages=page(), auth=bearer("crm")
    ),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
