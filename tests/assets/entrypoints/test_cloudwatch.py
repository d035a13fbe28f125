"""What was materialised, and what failed, is in CloudWatch once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.assets.entrypoints.conftest import BAD, Shell


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "t",
        "AWS_SECRET_ACCESS_KEY": "t",
        "AWS_ENDPOINT_URL_CLOUDWATCH": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    yield boto3.client("cloudwatch", region_name="us-east-1", endpoint_url=endpoint)
    server.stop()


def total(client: Any, dataset: str, metric: str) -> tuple[float, float]:
    """The number of points, and their sum."""
    now = datetime.now(UTC)
    points = client.get_metric_statistics(
        Namespace=f"DataPipeline/{dataset}", MetricName=metric, StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1), Period=7200, Statistics=["Sum", "SampleCount"],
        Dimensions=[{"Name": "Environment", "Value": "development"}],
    )["Datapoints"]  # fmt: skip
    return sum(each["SampleCount"] for each in points), sum(each["Sum"] for each in points)


def test_records_failures_and_success_are_pushed_once(shell: Shell, cloudwatch: Any) -> None:
    shell("serve", "cloudwatch", "--once")
    shell.world.land("shop/sales-1.parquet", BAD)
    shell.world.materialise("shop/sales", partitions=["2024-01"])
    shell.world.land("shop/ledger.csv", b"line,amount\n-1,1\n")
    shell.world.materialise("shop/ledger")
    shell("serve", "cloudwatch", "--once")
    assert shell("serve", "cloudwatch", "--once") == "0 points\n"
    assert total(cloudwatch, "shop/sales", "RecordsProcessed") == (1, 3)
    assert total(cloudwatch, "shop/sales", "RecordsFailed") == (1, 1)
    assert total(cloudwatch, "shop/sales", "Success") == (1, 1)
    assert total(cloudwatch, "shop/ledger", "Success") == (1, 0)
