"""Figures to Amazon CloudWatch, in as few requests as it admits: a namespace a request, a thousand points."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from platform_resources.errors import ResourceError

POINTS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value of one metric.

    Attributes:
        namespace: Such as `DataPipeline/flights/flights`.
        unit: A unit of CloudWatch's: `Count`, `Bytes`, `Seconds`, `None`.
    """

    namespace: str
    metric: str
    value: float
    unit: str
    at: datetime
    dimensions: Mapping[str, str]


class CloudWatchRefused(ResourceError):
    """CloudWatch did not take points; they are sent again with the next ones."""

    transient = True


def send_points(points: Iterable[Point], *, region: str) -> int:
    """Send points and return how many requests that took; `AWS_ENDPOINT_URL_CLOUDWATCH` names another server.

    Raises:
        CloudWatchRefused: It could not be reached, or refuses.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client("cloudwatch", region_name=region)
    by_namespace: dict[str, list[Point]] = {}
    for point in points:
        by_namespace.setdefault(point.namespace, []).append(point)
    requests = 0
    try:
        for namespace, some in by_namespace.items():
            for part in _parts(some):
                client.put_metric_data(Namespace=namespace, MetricData=[_datum(datum) for datum in part])
                requests += 1
    except (ClientError, BotoCoreError) as error:
        raise CloudWatchRefused(
            f"CloudWatch took no points of {namespace}: {type(error).__name__}. "
            "Fix: see to AWS_REGION, the credentials and the right cloudwatch:PutMetricData."
        ) from error
    return requests


def _parts(points: Sequence[Point]) -> Iterator[list[Point]]:
    ahead = iter(points)
    while part := list(islice(ahead, POINTS_AT_ONCE)):
        yield part


def _datum(point: Point) -> Any:
    return {
        "MetricName": point.metric,
        "Value": point.value,
        "Unit": point.unit,
        "Timestamp": point.at,
        "Dimensions": [{"Name": name, "Value": value} for name, value in point.dimensions.items()],
    }
