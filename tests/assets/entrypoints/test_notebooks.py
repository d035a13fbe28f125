from datetime import UTC, date, datetime

import polars as pl
import pytest

from platform_assets.entrypoints.notebooks import open_platform
from platform_assets.operations.errors import RequestError, UnknownName
from platform_core.contracts import DataFrameModel, Dataset, Files, UtcTimestamp
from platform_core.interchange.odcs import to_odcs
from platform_resources.documents import write_document
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.branches import Branches


@pytest.fixture
def settings(tmp_path):
    made = Settings(state=str(tmp_path / "state"), lake=str(tmp_path / "lake"), landing=str(tmp_path))
    old, new = (TableSpec(path=f"shop/people/v{number}") for number in (1, 2))
    Lake(made).write(old, pl.DataFrame({"id": [1]}))
    Lake(made).write(new, pl.DataFrame({"id": [1], "email": ["a@b.de"], "_source": ["x"]}))
    Lake(made).write(new, pl.DataFrame({"id": [1, 2], "email": ["a@b.de", None], "_source": ["x", "y"]}))
    return made


def test_a_table_is_read_lazily_masked_and_at_a_version(settings, tmp_path):
    people = open_platform(settings, contracts=tmp_path)["shop/people"]
    assert people.collect().rows() == [(1, "•••"), (2, None)]
    assert people.at(version=0).collect().height == 1
    assert people.at(instant=datetime.now(UTC)).collect().height == 2
    assert "2 rows, delta, version 1" in people._repr_html_()
    assert open_platform(settings, contracts=tmp_path, unmask=True)["shop/people"].collect()["email"][0] == "a@b.de"


def test_a_published_contract_says_what_is_personal(settings, tmp_path):
    (tmp_path / "shop/people").mkdir(parents=True)
    told = "schema: [{properties: [{name: id, classification: personal}, {name: email}]}]"
    (tmp_path / "shop/people/2.0.0.odcs.yaml").write_text(told)
    assert open_platform(settings, contracts=tmp_path)["shop/people"].collect().row(0) == ("•••", "a@b.de")


def test_a_version_from_before_a_type_became_wider_is_read_in_the_wider_type(settings, tmp_path):
    class Visits(DataFrameModel):
        """Visits to the shop."""

        day: UtcTimestamp
        price: float

    visits = Dataset("shop/visits", Visits, owner="team:shop", version="1.1.0", source=Files("*"))
    spec = TableSpec(path="shop/visits/v1", mode="overwrite", schema_evolution="add")
    narrow = pl.DataFrame({"day": [date(2024, 1, 2)], "price": [2]}, schema_overrides={"price": pl.Int32})
    wide = pl.DataFrame({"day": [datetime(2024, 1, 3, 10, tzinfo=UTC)], "price": [2.5]})
    for rows in (narrow, wide):
        Lake(settings).write(spec, rows)
    write_document(tmp_path / "shop/visits/1.1.0.odcs.yaml", to_odcs(visits))
    before = open_platform(settings, contracts=tmp_path)["shop/visits"].at(version=0).collect()
    assert before.rows() == [(datetime(2024, 1, 2, tzinfo=UTC), 2.0)]
    assert before.schema["price"] == pl.Float64


def test_sql_names_tables_in_quotes_and_a_branch_is_read_by_the_settings(settings, tmp_path):
    Branches(settings).create("try")
    rows = pl.DataFrame({"id": [9], "email": ["c@d.de"], "_source": ["z"]})
    Lake(settings).on_branch("try").write(TableSpec(path="shop/people/v2"), rows)
    branch = Lake(settings).on_branch("try").settings
    query = 'select max(id) as top from "shop/people"'
    assert open_platform(settings, contracts=tmp_path).sql(query)["top"].to_list() == [2]
    assert open_platform(branch, contracts=tmp_path).sql(query)["top"].to_list() == [9]
    with pytest.raises(UnknownName, match="shop/people"):
        open_platform(branch, contracts=tmp_path).sql('select * from "shop/nothing"')


def test_what_is_not_there_or_not_allowed_is_refused(settings, tmp_path):
    with pytest.raises(RequestError, match="development only"):
        open_platform(Settings(state="", lake=str(tmp_path), landing="", environment="production"), unmask=True)
    with pytest.raises(RequestError, match="no partitions"):
        open_platform(settings, contracts=tmp_path)["shop/people"].at(partition="x").collect()
