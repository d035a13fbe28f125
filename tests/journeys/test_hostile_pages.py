"""Markup in declarations, rows, file names, reasons and registered products stays text on every page of the catalog."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from platform_assets.entrypoints.catalog.page_files import write_page
from platform_assets.operations.products import Products
from platform_core.interchange.odcs import to_odcs
from tests.hostile.shop.goods import MARKUP
from tests.journeys.catalog_server import catalog_world, served
from tests.world import World

pytestmark = pytest.mark.journey

PLACES = (
    "#/", "#/search?text=goods", "#/dataset/shop/goods", "#/column/shop/goods/label", "#/quarantine/shop/goods",
    "#/quarantine/shop/goods?decision=discarded", "#/report/shop/goods", "#/lineage/shop/goods?column=label",
    "#/products", "#/product/shop/goods", "#/glossary", "#/owners", "#/domains",
)  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with catalog_world("tests.hostile", tmp_path_factory.mktemp("hostile")) as shop:
        odd_name = "shop/goods <img src=x onerror=window.taken=1>.csv"
        shop.land(odd_name, f'id,label\n1,"{MARKUP}"\n2,plain\n3,"<b>{MARKUP}"\n-4,"{MARKUP}"\n'.encode())
        shop.catch_up()
        document = {**to_odcs(shop.location.catalog["shop/goods"]), "version": "9.0.0"}
        Products(shop.location).register({**document, "description": {"purpose": MARKUP}, "tags": [MARKUP]})
        yield shop


@pytest.fixture(scope="module")
def address(shop: World) -> Iterator[str]:
    with served(shop) as address:
        yield address


def taken(page: Page) -> list[object]:
    """What ran or was made of the markup, in the page and its frames."""
    found: list[object] = [
        page.evaluate("window.taken"),
        *(frame.locator("img[src=x], svg[onload]").count() for frame in page.frames),
    ]
    return [each for each in found if each]


def test_markup_stays_text(address: str, page: Page) -> None:
    for place in PLACES:
        page.goto("about:blank")
        page.goto(f"{address}/{place}")
        page.locator("main h1, main canvas").first.wait_for()
        page.wait_for_load_state("networkidle")
        if "dataset" in place:
            page.get_by_role("button", name="Show ten rows").click()
            page.get_by_text("No personal data.").wait_for()
            assert page.get_by_text("<img src=x").count() > 1
        assert (place, taken(page)) == (place, [])


def test_markup_stays_text_in_the_page_that_opens_from_disk(shop: World, page: Page, tmp_path: Path) -> None:
    written = write_page(shop.location, tmp_path / "lineage.html", "shop/goods")
    page.goto(written.as_uri())
    page.locator("canvas").first.wait_for()
    assert taken(page) == []
