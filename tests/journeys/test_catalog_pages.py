"""The catalog's pages in Chromium, over a real server on loopback."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.journeys.catalog_server import catalog_world, served
from tests.world import sales

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with catalog_world("tests.declared", tmp_path_factory.mktemp("pages")) as shop:
        shop.land("shop/sales-1.parquet", sales((1, "apple", 1.0), (2, "pear", 2.0), (3, "plum", 3.0)))
        shop.catch_up()
        with served(shop) as address:
            yield address


def test_one_finds_a_dataset_by_keyboard_and_follows_a_column(address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("heading", name="Data catalog").wait_for()
    page.get_by_role("link", name="Skip to the content").press("Enter")
    assert page.evaluate("document.activeElement.id + location.hash") == "main"
    page.get_by_role("heading", name="Data catalog").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("sales")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="shop/sales", exact=True).first.click()
    page.get_by_role("link", name="price", exact=True).first.click()
    page.get_by_text("files:shop/sales-*.price").wait_for()
    page.get_by_role("link", name="See it in the lineage").click()
    page.locator("aside").get_by_role("heading", name="shop/sales.price").wait_for()
    page.locator("canvas").first.wait_for()


def test_markup_in_an_address_stays_text(address: str, page: Page) -> None:
    hostile = "%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D'taken'%22%3E"
    for place in (f"#/dataset/{hostile}/x", f"#/search?text={hostile}", f"#/lineage/{hostile}", f"#/{hostile}"):
        page.goto(f"{address}/{place}")
        page.wait_for_load_state("networkidle")
        assert page.locator("main img").count() == 0
        assert page.title() != "taken"


def test_it_is_dark_on_demand(address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 30)"


def test_a_warning_does_not_look_like_a_pass_and_one_row_is_no_rows(address: str, page: Page) -> None:
    page.goto(f"{address}/#/dataset/shop/sales")
    warned = page.locator("tr", has_text="1 of 3 rows").locator(".dot")
    warned.wait_for()
    colours = [
        each.evaluate("dot => getComputedStyle(dot).backgroundColor")
        for each in (warned, page.locator(".dot.green").first)
    ]
    assert colours[0] != colours[1]
    page.get_by_text("1 row", exact=True).wait_for()
    page.get_by_text("Timestamp (UTC)", exact=True).wait_for()


def test_a_quarantine_shows_its_rules_and_masked_rows_and_leads_to_the_report(address: str, page: Page) -> None:
    page.goto(f"{address}/#/quarantine/shop/sales")
    page.get_by_role("heading", name="Quarantine of shop/sales").wait_for()
    assert page.get_by_text("•••").count() == 1
    assert page.locator("img.plot").count() >= 2
    page.get_by_role("link", name="Report").click()
    report = page.frame_locator("iframe")
    report.get_by_role("heading", name="Contract").wait_for()
    report.get_by_role("link", name="shop/takings").first.click()
    page.frame_locator("iframe").get_by_role("heading", name="shop/takings", exact=True).wait_for()
