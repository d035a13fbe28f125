"""A balance is judged after each write: a transform that loses rows warns, whatever rows it leaves."""

import dagster as dg
import polars as pl

from platform_assets.composition import definitions_of
from platform_assets.ingest import table_spec
from platform_assets.location import CodeLocation
from platform_assets.operations.contracts import compliance, stored_references
from platform_assets.operations.profiles import Rows
from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, balance, catalog_of, col
from platform_resources.settings import Settings
from tests.world import World


class Sold(DataFrameModel):
    """One row per sale."""

    sale: int = Field(ge=0)
    sku: str = Field(isin=["apple", "pear"])
    cents: int = Field(ge=1, le=100)


class Sums(DataFrameModel):
    """One row per product."""

    sku: str = Field(isin=["apple", "pear"])
    cents: int = Field(ge=0)


sold = Dataset("toy/sold", Sold, owner="team:t", version="1.0.0", key=("sale",), source=Generated(rows=40, seed=1))
sums = Dataset(
    "toy/sums", Sums, owner="team:t", version="1.0.0", key=("sku",),
    rules=[balance("cents_are_kept", "toy/sold", by=["sku"], own=col("cents").sum(), theirs=col("cents").sum())],
)  # fmt: skip


def keep_all(sold: pl.LazyFrame) -> pl.LazyFrame:
    return sold.group_by("sku").agg(pl.col("cents").sum())


def lose_some(sold: pl.LazyFrame) -> pl.LazyFrame:
    return keep_all(sold.filter(pl.col("cents") > 50))


def test_rows_that_a_transform_loses_turn_the_check_red_until_it_loses_none(tmp_path):
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})
    with dg.DagsterInstance.ephemeral() as instance:
        reds = {}
        for build in (lose_some, keep_all):
            catalog = catalog_of([sold, sums], [sums.transform(build)])
            location = CodeLocation("platform_assets.domains", settings, definitions_of, declared=catalog)
            world = World(location, instance)
            assert world.materialise("toy/sold", "toy/sums").success
            reds[build.__name__] = world.red("toy/sums")
            references = stored_references(catalog, location.lake, sums)
            rows = Rows("toy/sums", location.lake.scan(table_spec(sums)).select("sku", "cents"), sums, {}, None)
            verdict = compliance(sums, rows, references, promises=[])
            told = {finding.name for finding in verdict.findings if not finding.passed}
            assert told == reds[build.__name__], "the contract judges the table as its check does"
        unknown = {finding.name: finding for finding in compliance(sums, rows, {}, promises=[]).findings}
        assert "not evaluated" in unknown["cents_are_kept"].detail
        assert reds == {"lose_some": {"cents_are_kept"}, "keep_all": set()}
