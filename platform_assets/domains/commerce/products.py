"""What the shop sells. Without a quarantine: one bad row writes nothing, and the last good list stays."""

from platform_assets.domains.commerce.world import SHOP
from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, expression


class Products(DataFrameModel):
    """One row per product on sale."""

    product_id: str = Field(str_matches=r"^P[0-9]{4}$", description="The product's number")
    title: str = Field(str_length={"min_value": 3, "max_value": 80}, description="What the page says")
    category: str = Field(isin=["books", "games", "garden", "kitchen", "music"], description="Department")
    price_cents: int = Field(gt=0, le=50_000, unit="euro cents", description="Price with tax")
    cost_cents: int = Field(gt=0, le=50_000, unit="euro cents", description="What it costs the shop")
    rating: float = Field(nullable=True, ge=1, le=5, unit="stars", description="Average of the reviews")


products = Dataset(
    "commerce/products",
    Products,
    owner="team:commerce",
    version="1.0.0",
    tags=("reference",),
    key=("product_id",),
    source=SHOP,
    store=Delta(mode="overwrite"),
    rules=[expression("sold_above_cost", "price_cents >= cost_cents", label="nothing is sold below cost")],
)
