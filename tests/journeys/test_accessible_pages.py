"""Pages of the catalog as a screen reader has them: axe-core finds nothing, in light and in dark."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.journeys.catalog_server import catalog_world, served
from tests.world import sales

AXE = os.environ.get("AXE", "")
pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not AXE, reason="AXE names no axe.min.js: .ci/axe FOLDER fetches it"),
]
PLACES = (
    "#/", "#/search?text=sales", "#/dataset/shop/sales", "#/column/shop/sales/price", "#/quarantine/shop/sales",
    "#/lineage/shop/sales", "#/products", "#/product/shop/sales", "#/glossary", "#/owners", "#/domains",
)  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with catalog_world("tests.declared", tmp_path_factory.mktemp("accessible")) as shop:
        shop.land("shop/sales-1.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "plum", 3.0)))
        shop.catch_up()
        with served(shop) as address:
            yield address


def test_axe_finds_nothing(address: str, page: Page) -> None:
    found: dict[str, list[str]] = {}
    for place in PLACES:
        for theme in ("light", "dark"):
            page.goto("about:blank")
            page.goto(f"{address}/{place}")
            page.locator("main h1, main canvas").first.wait_for()
            page.wait_for_load_state("networkidle")
            page.evaluate(f"document.documentElement.dataset.theme = {theme!r}")
            page.evaluate(Path(AXE).read_text(encoding="utf-8"))
            for each in page.evaluate("axe.run(document).then((result) => result.violations)"):
                nodes = [node["html"][:120] for node in each["nodes"][:2]]
                found.setdefault(each["id"], []).extend([f"{place} {theme}", *nodes])
    assert found == {}
