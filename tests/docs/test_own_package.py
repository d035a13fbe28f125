"""The README's package of one's own is a code location, and its hand-written asset takes a contract's checks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.world import World, world


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.syspath_prepend(str(ROOT / "docs_src"))
    with world(tmp_path, "my_company.domains") as made:
        yield made


def test_a_package_of_ones_own_is_ingested(company: World) -> None:
    company.land("shop/receipts-1.csv", b"receipt,total_cents\n1,250\n")
    company.catch_up()
    assert company.rows("shop/receipts").rows() == [(1, 250)]


def test_an_asset_written_by_hand_takes_the_checks_of_a_contract(company: World) -> None:
    job = company.location.defs.resolve_implicit_global_asset_job_def()
    keys = {key for key in job.asset_layer.executable_asset_keys if key.path == ["shop", "targets"]}
    assert job.get_subset(asset_selection=keys).execute_in_process(instance=company.instance).success
    assert company.red("shop/targets") == {"target_cents_gt"}
