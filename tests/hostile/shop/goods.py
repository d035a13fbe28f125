"""Goods with markup wherever a declaration takes text."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine, Term

MARKUP = "<img src=x onerror=window.taken=1><script>window.taken=1</script>"


class Goods(DataFrameModel):
    id: int = Field(description=MARKUP, ge=0)
    label: str = Field(description=f"'\"><svg onload=window.taken=1> {MARKUP}", unit=MARKUP, isin=[MARKUP, "plain"])


Goods.__doc__ = MARKUP

goods = Dataset(
    "shop/goods", Goods, owner="team:shop", version="1.0.0", source=Files("goods*.csv"), store=Delta(mode="merge"),
    key=("id",), quarantine=Quarantine(),
)  # fmt: skip
term = Term(f"Goods {MARKUP}", MARKUP, columns=("shop/goods.label",), owner="team:shop", synonyms=(MARKUP,))
