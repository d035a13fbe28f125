"""What lies below a prefix, and which of it is meant: the latest, a version, a sample that a seed decides."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from platform_resources.storage.objects.address import Address
from platform_resources.storage.objects.attempts import Attempts

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class S3Object:
    """One version of an object, as a listing shows it.

    Attributes:
        modified: when it was written, in UTC, to the second.
        version: its VersionId; None in a listing that does not ask for versions.
        latest: whether a reader who names no version gets this one.
    """

    bucket: str
    key: str
    size_bytes: int
    modified: datetime
    etag: str
    storage_class: str = "STANDARD"
    version: str | None = None
    latest: bool = True

    @property
    def address(self) -> Address:
        """Where it lies."""
        return Address(self.bucket, self.key)


Predicate = Callable[[S3Object], bool]


def listed(attempts: Attempts, prefix: Address, *, versions: bool = False) -> Iterator[S3Object]:
    """Yield the objects below a prefix by key, and with `versions` each object's versions, newest first.

    Raises:
        BucketNotFound: There is no such bucket.
    """
    page, entries_key = ("list_object_versions", "Versions") if versions else ("list_objects_v2", "Contents")
    marks: dict[str, str] | None = {}
    while marks is not None:
        request = {"Bucket": prefix.bucket, "Prefix": prefix.key, **marks}
        answer = attempts(lambda client, request=request: _page(client, page, request), prefix)  # type: ignore[misc]
        yield from (_object(prefix.bucket, entry) for entry in answer.get(entries_key, []))
        marks = _next(answer, versions=versions)


def latest(objects: Iterable[S3Object]) -> S3Object | None:
    """Return the object written last, by key where several were written in the same second; None of none."""
    return max(
        (s3_object for s3_object in objects if s3_object.latest),
        key=lambda candidate: (candidate.modified, candidate.key),
        default=None,
    )


def sampled(objects: Iterable[S3Object], size: int, seed: int) -> list[S3Object]:
    """Return `size` objects, or all where there are fewer, by key: the same for a seed, whatever the listing's order.

    An object that is added later takes the place of at most one other.
    """

    def rank(s3_object: S3Object) -> bytes:
        named = f"{seed}\0{s3_object.key}\0{s3_object.version or ''}"
        return hashlib.blake2b(named.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    return sorted(sorted(objects, key=rank)[:size], key=lambda chosen: (chosen.key, chosen.version or ""))


def matching(
    glob: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    min_bytes: int = 0,
    max_bytes: int | None = None,
) -> Predicate:
    """Return a predicate that holds where all that is given holds.

    Args:
        glob: what the key's last part looks like; the whole key where the glob has a slash.
        since: written then or later.
        until: written before.
        min_bytes: at least as large.
        max_bytes: at most as large.
    """

    def holds(s3_object: S3Object) -> bool:
        name = s3_object.key if glob and "/" in glob else s3_object.key.rpartition("/")[2]
        named = glob is None or fnmatchcase(name, glob)
        timely = (since is None or s3_object.modified >= since) and (until is None or s3_object.modified < until)
        return (
            named
            and timely
            and min_bytes <= s3_object.size_bytes
            and (max_bytes is None or s3_object.size_bytes <= max_bytes)
        )

    return holds


def _page(client: "S3Client", page: str, request: dict[str, str]) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = getattr(client, page)(**request)
    return answer


def _next(answer: Mapping[str, Any], *, versions: bool) -> dict[str, str] | None:
    if not answer.get("IsTruncated"):
        return None
    if versions:
        marks = {"KeyMarker": answer.get("NextKeyMarker"), "VersionIdMarker": answer.get("NextVersionIdMarker")}
        return {name: value for name, value in marks.items() if value}
    return {"ContinuationToken": str(answer["NextContinuationToken"])}


def _object(bucket: str, entry: Mapping[str, Any]) -> S3Object:
    version = entry.get("VersionId")
    return S3Object(
        bucket=bucket,
        key=entry["Key"],
        size_bytes=entry["Size"],
        modified=entry["LastModified"].astimezone(UTC),
        etag=entry["ETag"].strip('"'),
        storage_class=entry.get("StorageClass") or "STANDARD",
        version=version,
        latest=bool(entry.get("IsLatest", True)),
    )
