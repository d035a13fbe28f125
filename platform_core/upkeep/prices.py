"""What S3 asks for: storage classes with their prices and minima, as data.

`US_EAST_1` is the public list of Amazon S3 for us-east-1 (N. Virginia), first tier of each, in US dollars without tax,
as published at https://aws.amazon.com/s3/pricing/ and, for compute, https://aws.amazon.com/fargate/pricing/ (Linux on
x86), as it stood in March 2026. A gigabyte is 2**30 bytes there and here, a month 730 hours. Discounts, free tiers and
transfer out of the region are left out. Other regions and servers differ: `with_overrides` takes what is different.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, Literal, cast

from platform_core.errors import CoreError

GIGABYTE = 1 << 30
MONTH = timedelta(hours=730)
Currency = str
ClassName = Literal["STANDARD", "STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]


class PriceError(CoreError):
    """A price list says something that cannot be; `culprit` is the entry."""

    def __init__(self, culprit: str, reason: str, fix: str) -> None:
        self.culprit = culprit
        super().__init__(f"price list: {culprit} {reason} Fix: {fix}")


@dataclass(frozen=True, kw_only=True)
class StorageClass:
    """What one storage class asks for, in dollars.

    Attributes:
        gigabyte_month: For a gigabyte kept for a month.
        thousand_writes: For 1000 PUT, COPY, POST or LIST requests.
        thousand_reads: For 1000 GET requests; for 1000 restores where a read waits.
        gigabyte_read: For a gigabyte read, beside the request.
        thousand_transitions: For 1000 objects that a lifecycle rule moves into the class.
        least: How long an object is billed even when it is deleted or moved sooner.
        least_bytes: What a smaller object is billed as.
        overhead_bytes: Billed for each object beside its own bytes.
        waits: How long a read waits; zero reads at once. A table whose files wait cannot be read.
    """

    gigabyte_month: float
    thousand_writes: float
    thousand_reads: float
    gigabyte_read: float = 0.0
    thousand_transitions: float = 0.0
    least: timedelta = timedelta(0)
    least_bytes: int = 0
    overhead_bytes: int = 0
    waits: timedelta = timedelta(0)


_SMALLEST = 128 << 10
_ARCHIVE_OVERHEAD = 40 << 10


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """The prices of one region.

    Attributes:
        region: Which one.
        classes: By name, from the one that is read most readily to the one that waits longest.
        core_hour: For a processor core for an hour.
        gigabyte_hour: For a gigabyte of memory for an hour.
    """

    region: str
    classes: Mapping[ClassName, StorageClass] = field(repr=False)
    core_hour: float
    gigabyte_hour: float

    def __getitem__(self, name: ClassName) -> StorageClass:
        """Return the class of that name."""
        return self.classes[name]

    def with_overrides(self, given: Mapping[str, Any]) -> "PriceList":
        """Return the list with other numbers where `given` has them.

        `{"region": "eu-central-1", "classes": {"STANDARD": {"gigabyte_month": 0.0245}}, "core_hour": 0.0466}`: the
        fields of this record; of a class only numbers of money can be given.

        Raises:
            PriceError: An entry is unknown, no number, or below zero.
        """
        unknown = sorted(set(given) - {entry.name for entry in fields(self)})
        if unknown:
            raise PriceError(unknown[0], "is no entry.", f"use {', '.join(entry.name for entry in fields(self))}.")
        classes = dict(self.classes)
        for name, changes in _record("classes", given.get("classes", {})).items():
            if name not in classes:
                raise PriceError(f"class {name}", "is no storage class.", f"use one of {', '.join(classes)}.")
            terms = _record(name, changes).items()
            numbers: dict[str, Any] = {term: _money(f"{name}.{term}", value) for term, value in terms}
            known = cast("ClassName", name)
            classes[known] = replace(classes[known], **numbers)
        hours = {name: _money(name, given[name]) for name in ("core_hour", "gigabyte_hour") if name in given}
        return replace(self, region=str(given.get("region", self.region)), classes=classes, **hours)


def _record(culprit: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PriceError(culprit, "is no record.", 'write {"STANDARD": {"gigabyte_month": 0.023}}.')
    return value


_MONEY = ("gigabyte_month", "thousand_writes", "thousand_reads", "gigabyte_read", "thousand_transitions")


def _money(culprit: str, value: object) -> float:
    name = culprit.rpartition(".")[2]
    if name not in {*_MONEY, "core_hour", "gigabyte_hour"}:
        raise PriceError(culprit, "is no price.", f"use one of {', '.join(_MONEY)}.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise PriceError(culprit, f"is {value!r}.", "give dollars, zero or above.")
    return float(value)


US_EAST_1 = PriceList(
    region="us-east-1",
    classes={
        "STANDARD": StorageClass(gigabyte_month=0.023, thousand_writes=0.005, thousand_reads=0.0004),
        "STANDARD_IA": StorageClass(
            gigabyte_month=0.0125, thousand_writes=0.01, thousand_reads=0.001, gigabyte_read=0.01,
            thousand_transitions=0.01, least=timedelta(days=30), least_bytes=_SMALLEST,
        ),
        "GLACIER_IR": StorageClass(
            gigabyte_month=0.004, thousand_writes=0.02, thousand_reads=0.01, gigabyte_read=0.03,
            thousand_transitions=0.02, least=timedelta(days=90), least_bytes=_SMALLEST,
        ),
        "GLACIER": StorageClass(
            gigabyte_month=0.0036, thousand_writes=0.03, thousand_reads=0.05, gigabyte_read=0.01,
            thousand_transitions=0.03, least=timedelta(days=90), overhead_bytes=_ARCHIVE_OVERHEAD,
            waits=timedelta(hours=5),
        ),
        "DEEP_ARCHIVE": StorageClass(
            gigabyte_month=0.00099, thousand_writes=0.05, thousand_reads=0.1, gigabyte_read=0.02,
            thousand_transitions=0.05, least=timedelta(days=180), overhead_bytes=_ARCHIVE_OVERHEAD,
            waits=timedelta(hours=12),
        ),
    },
    core_hour=0.04048,
    gigabyte_hour=0.004445,
)  # fmt: skip
"""The prices that stand where nothing else is said."""

FREE = PriceList(
    region="disk",
    classes=dict.fromkeys(US_EAST_1.classes, StorageClass(gigabyte_month=0.0, thousand_writes=0.0, thousand_reads=0.0)),
    core_hour=0.0,
    gigabyte_hour=0.0,
)
"""A disk of one's own: nothing is billed by request or by month."""
