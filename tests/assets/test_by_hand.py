"""What is written by hand beside the declarations."""

from collections.abc import Callable

import dagster as dg
import pytest

from platform_assets.factory import asset_for
from platform_core.contracts import DataFrameModel, Dataset, catalog_of
from platform_core.errors import ContractError
from tests.world import World


def test_an_asset_by_hand_takes_a_contracts_checks_save_those_into_other_datasets(odd: World) -> None:
    job = odd.location.defs.resolve_implicit_global_asset_job_def()
    bosses = job.get_subset(asset_selection={dg.AssetKey(["odd", "bosses"])})
    run = bosses.execute_in_process(instance=odd.instance, raise_on_error=False)
    verdicts = {each.check_name: each.passed for each in run.get_asset_check_evaluations()}
    assert verdicts == {"schema": True, "types": True, "person_not_null": False}


class Totals(DataFrameModel):
    """A total."""

    total: int


def number(ledger: int) -> int:
    """No table."""
    return ledger


def hidden(ledger: "pd.DataFrame") -> None:  # type: ignore[name-defined]  # noqa: F821 - as under TYPE_CHECKING
    """An annotation that nothing imports at run time."""


@pytest.mark.parametrize(("function", "told"), [(number, "no table"), (hidden, "import pd outside of TYPE_CHECKING")])
def test_a_transform_whose_inputs_are_no_tables_is_refused_when_loaded(
    shop: World, function: Callable[..., object], told: str
) -> None:
    totals = Dataset("shop/totals", Totals, owner="team:shop", version="1.0.0")
    catalog = catalog_of([*shop.location.catalog.datasets.values(), totals],
                         [*shop.location.catalog.transforms.values(), totals.transform(function)])  # fmt: skip
    with pytest.raises(ContractError, match=told):
        asset_for(catalog, totals)
