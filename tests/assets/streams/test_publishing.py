"""What a commit changes goes to the far sides: after runs, after crashes, after other writers."""

import json
from pathlib import Path

import polars as pl
import pytest

from platform_assets.ingest.publishing import Publisher, opened_publisher, publish_changes, published_spec
from platform_assets.ingest.stream import StreamWorker
from platform_assets.ingest.tables import table_spec
from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Iceberg,
    Quarantine,
    Topic,
    ToStore,
    ToTopic,
    catalog_of,
)  # fmt: skip
from platform_core.errors import ContractError
from platform_resources.brokers import LogBroker
from platform_resources.settings import Settings
from platform_resources.sinks.store import look_up
from platform_resources.storage import Lake


class Stock(DataFrameModel):
    """One row an article."""

    sku: str = Field()
    left: int = Field(ge=0)


class Personal(DataFrameModel):
    """One row a customer."""

    sku: str = Field()
    email: str = Field(pii="email")


def declare(name: str = "shop/stock", **words: object) -> Dataset:
    usual = {"key": ("sku",), "source": Topic("stock"), "store": Delta(mode="merge"), "quarantine": Quarantine()}
    return Dataset(name, Stock, owner="team:t", version="1.0.0", **{**usual, **words})  # type: ignore[arg-type] # by test


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(state=str(tmp_path), lake=str(tmp_path / "lake"), landing=str(tmp_path / "landing")))


def stock(**left: int) -> pl.DataFrame:
    return pl.DataFrame({"sku": list(left), "left": list(left.values())}, {"sku": pl.String, "left": pl.Int64})


def published(lake: Lake) -> dict[str, int]:
    return {sku: row["left"] for sku, row in look_up(lake.settings, "online", "shop/stock", list("abc")).items()}


@pytest.mark.parametrize("store", [Delta(mode="overwrite"), Iceberg(mode="overwrite")], ids=["delta", "iceberg"])
def test_a_far_side_follows_what_was_put_changed_and_deleted(lake: Lake, store: Delta) -> None:
    dataset = declare(store=store, publish=[ToStore()])
    lake.write(table_spec(dataset), stock(a=1, b=2, c=3))
    assert publish_changes(lake, dataset) == 3
    lake.write(table_spec(dataset), stock(a=1, b=9))
    assert publish_changes(lake, dataset) == 2
    assert published(lake) == {"a": 1, "b": 9}
    assert publish_changes(lake, dataset) == 0


def test_a_publisher_that_died_before_it_kept_its_position_sends_rows_again(lake: Lake) -> None:
    dataset = declare(store=Delta(mode="overwrite"), publish=[ToTopic("out")])
    lake.write(table_spec(dataset), stock(a=1))
    Publisher(lake, dataset).catch_up()
    with opened_publisher(lake, dataset) as publisher:
        assert publisher.catch_up() == 1
    assert publish_changes(lake, dataset) == 0
    assert lake.read(published_spec(dataset))["target"].to_list() == ["topic out"]


def test_a_far_side_takes_what_comes_after_the_clock_stepped_back(lake: Lake) -> None:
    dataset = declare(store=Delta(mode="overwrite"), publish=[ToStore()])
    for number, instant in enumerate([2_000_000_000, 1_000_000_000, 1_000_000_000]):
        lake.write(table_spec(dataset), stock(a=number))
        publisher = Publisher(lake, dataset, clock=lambda instant=instant: instant * 10**9)  # type: ignore[misc] # a default
        assert publisher.catch_up() == 1
        publisher.close()
    assert published(lake) == {"a": 2}


def test_a_worker_publishes_what_it_takes_in_and_what_another_left(lake: Lake) -> None:
    dataset, broker = declare(publish=[ToStore()]), LogBroker(f"{lake.settings.state}/streams")
    worker = StreamWorker(lake, catalog_of([dataset]), dataset, broker, run_id="r")
    broker.produce("stock", [json.dumps({"sku": "a", "left": 1}).encode(), b'{"sku": "b", "left": -1}'])
    assert worker.step() == 2
    assert published(lake) == {"a": 1}
    lake.write(table_spec(dataset), lake.read(table_spec(dataset)).with_columns(sku=pl.lit("c")))
    broker.produce("stock", [json.dumps({"sku": "a", "left": 5}).encode()])
    worker.step()
    worker.close()
    assert published(lake) == {"a": 5, "c": 1}


def test_a_declaration_is_refused_that_would_send_personal_data_or_cannot_be_followed() -> None:
    with pytest.raises(ContractError, match="would send personal data: email"):
        catalog_of([Dataset("shop/p", Personal, owner="team:t", version="1.0.0", key=("sku",),
                            source=Topic("p"), store=Delta(mode="merge"), publish=[ToStore()])])  # fmt: skip
    with pytest.raises(ContractError, match="needs a key"):
        catalog_of([declare(key=(), store=Delta(mode="append"), publish=[ToStore()])])
    with pytest.raises(ContractError, match="is declared twice"):
        catalog_of([declare(publish=[ToStore(), ToStore()])])
