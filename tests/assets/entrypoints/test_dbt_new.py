"""`platform dbt new` writes files that dbt can read, and refuses names that are there or are none."""

from pathlib import Path

import pytest
import yaml

from platform_assets.composition import build_location
from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError
from platform_assets.operations.new_model import create_model
from platform_resources.settings import Settings


@pytest.fixture
def shop(tmp_path: Path) -> CodeLocation:
    (tmp_path / "dbt").mkdir()
    (tmp_path / "dbt" / "dbt_project.yml").write_text("name: shop\nprofile: platform\n")
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path / "state")})
    return build_location("tests.declared", settings, dbt=tmp_path / "dbt")


def test_a_mart_is_made_of_every_column_of_its_dataset(shop: CodeLocation) -> None:
    sql, properties = create_model(shop, "shop/big_sales", "shop/sales")
    (model,) = yaml.safe_load(properties.read_text())["models"]
    assert [column["name"] for column in model["columns"]] == ["sale", "sku", "price", "buyer", "at"]
    assert model["config"]["meta"]["lake"] == {"version": "1.0.0"}
    assert sql.read_text().endswith('from {{ source("shop", "sales") }}\n')


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("shop/sales", "shop/sales", "is there already"),
        ("big sales", "shop/sales", "is no name of a model"),
        ("shop/big_sales", "shop/none", "is no dataset. Fix: give --source one of"),
    ],
)
def test_a_name_that_cannot_be_is_refused(shop: CodeLocation, name: str, source: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        create_model(shop, name, source)
