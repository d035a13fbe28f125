"""Bytes of data files that change on their way are asked for again before a cache keeps them."""

import uuid
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from platform_resources.settings import CacheSettings, Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.table import Format
from tests.fault_proxy import fault_proxy
from tests.servers import S3Server


@pytest.mark.parametrize(("format_", "rows"), [("parquet", 3_000), ("parquet", 900_000), ("iceberg", 3_000)])
def test_rows_are_right_though_one_answer_in_three_has_a_wrong_bit(
    s3: S3Server, tmp_path: Path, format_: Format, rows: int
) -> None:  # objects of one piece, and of parts
    spec = TableSpec(path="shop/orders/v1", format=format_, partition_column="_day")
    numbers = pl.DataFrame({"id": range(rows)})
    texts = pl.col("id").hash(1).cast(pl.String)
    orders = numbers.with_columns(text=texts, value=pl.col("id").hash(2), _day=(pl.col("id") % 2).cast(pl.String))
    state = str(tmp_path)
    place = Settings(state=state, landing=state, lake=f"s3://{s3.bucket}/{uuid.uuid4().hex}", s3=s3.settings)
    Lake(place).write(spec, orders)
    spoilt = 0
    for seed in range(4):
        with fault_proxy(str(s3.settings.endpoint_url), ["corrupted"], seed=seed, rate=0.3) as proxy:
            settings = replace(s3.settings, endpoint_url=proxy.endpoint)
            far = replace(place, s3=settings, cache=CacheSettings(folder=str(tmp_path / str(seed))))
            for _ in ("from S3", "as it was kept"):
                assert Lake(far).read(spec).select(orders.columns).sort("id").equals(orders)
            spoilt += proxy.spoilt
    assert spoilt > 0
