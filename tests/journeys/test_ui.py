"""What a person sees in the Dagster UI, in a browser."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.journeys.installation import DEADLINE, Dev

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
LOADED = "{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }"

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    expect.set_options(timeout=DEADLINE * 1000 / 5)
    opened = browser.new_page(viewport={"width": 1600, "height": 2400})
    yield opened
    opened.close()


def show(page: Page, dev: Dev, path: str, first: str) -> Page:
    """The page at a path once the text is on it; the invitation that a new browser meets is declined."""
    page.add_locator_handler(page.get_by_role("button", name="Skip"), lambda button: button.click())
    page.goto(f"{dev.server.url}{path}")
    expect(page.get_by_text(first, exact=True).first).to_be_visible()
    return page


def row(page: Page, name: str) -> str:
    """The text of a column's line in the schema."""
    return " ".join(page.locator("tr", has=page.get_by_text(name, exact=True)).first.inner_text().split())


def test_the_graph_shows_the_domains_as_groups(dev: Dev, page: Page) -> None:
    show(page, dev, "/asset-groups", "Global asset lineage")
    for group in ("flights", "commerce", "support"):
        expect(page.get_by_text(group, exact=True).last).to_be_visible()


def test_an_asset_shows_its_columns_with_types_constraints_and_units(dev: Dev, page: Page) -> None:
    show(page, dev, "/assets/flights/flights", "dep_delay")
    expect(page.get_by_text("Departure delay; early is negative").first).to_be_visible()  # the page adds it last
    assert re.search(r"unit: minutes.* Float64 ≥ -60 ≤ 1500 Departure delay", row(page, "dep_delay"))
    assert re.search(r"Int64 non-nullable > 0", row(page, "distance"))
    assert "Timestamp (UTC, µs)" in row(page, "time_hour")
    assert "is one of EWR, JFK, LGA" in row(page, "origin")


def test_an_asset_shows_its_owner_kinds_freshness_description_and_row_count(dev: Dev, page: Page) -> None:
    show(page, dev, "/assets/flights/flights", "Row count")
    for text in ("aviation", "delta", "Polars", "Passing", "One row per scheduled departure from a New York airport."):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    expect(page.get_by_text(f"{dev.installation.count('flights/flights'):,}").first).to_be_visible()
    expect(page.get_by_text("Fails if more than 24 hours since last materialization")).to_be_visible()


def test_personal_columns_are_tagged(dev: Dev, page: Page) -> None:
    show(page, dev, "/assets/commerce/customers", "customer_id")
    assert row(page, "email").startswith("email pii: email")


def test_every_rule_is_a_check_with_its_verdict(dev: Dev, page: Page) -> None:
    show(page, dev, "/assets/flights/weather?view=checks", "wind_speed_le")
    page.get_by_text("wind_speed_le", exact=True).first.click()
    rules = len(dev.installation.asked("datasets", "show", "flights/weather")["rules"])
    expect(page.get_by_text(f"Checks ({rules})", exact=True)).to_be_visible()
    expect(page.get_by_text("wind_speed ≤ 250").first).to_be_visible()
    for text in ("rows_failed", "rows_judged", "percent_failed", "severity"):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()


def test_no_definition_failed_to_load(dev: Dev) -> None:
    (entry,) = dev.server.graphql(LOADED)["workspaceOrError"]["locationEntries"]
    assert (entry["name"], entry["locationOrLoadError"]["__typename"]) == ("platform", "RepositoryLocation")
