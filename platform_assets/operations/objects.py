"""Objects on S3 by a prefix or a dataset's name: which ones are meant, and what is done with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from platform_assets.ingest import table_spec
from platform_assets.location import CodeLocation
from platform_assets.operations.datasets import find_dataset
from platform_assets.operations.errors import RequestError
from platform_resources.storage.objects import Address, Downloaded, ObjectStore, S3Object, Verified, matching
from platform_resources.storage.objects.doctor import Diagnosis
from platform_resources.storage.objects.listing import Predicate


@dataclass(frozen=True, kw_only=True)
class ObjectChoice:
    """Which objects below a prefix are meant; instants without a zone are UTC."""

    latest: bool = False
    sample: int | None = None
    seed: int = 0
    version: str | None = None
    match: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_bytes: int = 0
    max_bytes: int | None = None

    @property
    def where(self) -> Predicate:
        """The predicate that the options make together."""
        return matching(
            self.match,
            since=_in_utc(self.since),
            until=_in_utc(self.until),
            min_bytes=self.min_bytes,
            max_bytes=self.max_bytes,
        )


def _in_utc(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=instant.tzinfo or UTC) if instant else None


def list_objects(location: CodeLocation, prefix: str, choice: ObjectChoice, *, versions: bool) -> list[S3Object]:
    """List the objects below a prefix, by key."""
    objects = ObjectStore(location.settings.s3).objects(address_of(location, prefix), versions=versions)
    return [s3_object for s3_object in objects if choice.where(s3_object)]


def select_objects(location: CodeLocation, prefix: str, choice: ObjectChoice) -> list[S3Object]:
    """Select the objects that the options mean.

    Raises:
        RequestError: The options contradict one another, or nothing is meant.
    """
    if (choice.latest, choice.sample is not None, choice.version is not None).count(True) > 1:
        raise RequestError("--latest, --sample and --version exclude one another. Fix: use one of them.")
    store, address = ObjectStore(location.settings.s3), address_of(location, prefix)
    if choice.version:
        return [_version(store, address, choice.version)]
    if choice.latest:
        return [store.latest(address, where=choice.where)]
    if choice.sample is not None:
        objects = store.sample(address, choice.sample, seed=choice.seed, where=choice.where)
    else:
        objects = store.select(address, where=choice.where)
    if not objects:
        raise RequestError(f"{address}: no object below it is meant. Fix: platform objects ls shows what there is.")
    return objects


def _version(store: ObjectStore, place: Address, version: str) -> S3Object:
    facts = store.facts(place, version=version)
    return S3Object(
        bucket=facts.bucket,
        key=facts.key,
        size_bytes=facts.size_bytes,
        modified=facts.modified,
        etag=facts.etag,
        version=version,
    )


def address_of(location: CodeLocation, prefix: str) -> Address:
    """Give the prefix itself, or that of a dataset's table.

    Raises:
        UnknownName: There is no such dataset.
        RequestError: The lake is a folder on disk.
    """
    if prefix.startswith("s3://"):
        return Address.parse(prefix)
    place = location.lake.location(table_spec(find_dataset(location.catalog, prefix)))
    if not place.startswith("s3://"):
        raise RequestError(f"{prefix}: its table is at {place}, not on S3. Fix: set PLATFORM_LAKE=s3://bucket/prefix.")
    return Address.parse(f"{place}/")


def fetch_objects(
    location: CodeLocation,
    objects: Sequence[S3Object],
    prefix: str,
    target: Path,
    *,
    unpack: bool,
    progress: Callable[[int], None],
) -> list[Downloaded]:
    """Fetch objects into a folder, as paths below the prefix; all of them are whole when this returns."""
    return ObjectStore(location.settings.s3).get_all(
        objects, target, below=address_of(location, prefix).key, unpack=unpack, progress=progress
    )


def verify_files(location: CodeLocation, paths: Sequence[Path], *, ask: bool) -> list[Verified]:
    """Compare each file, and all files in folders that have S3's metadata beside them.

    Raises:
        RequestError: There is nothing to compare.
    """
    verified = ObjectStore(location.settings.s3).verify_all(paths, ask=ask)
    if not verified:
        raise RequestError(
            f"{', '.join(map(str, paths))}: nothing there was fetched from S3. Fix: platform objects get."
        )
    return verified


def place_to_examine(location: CodeLocation, place: str | None) -> str:
    """Give the place itself, or the lake of the settings.

    Raises:
        RequestError: It is not on S3.
    """
    where = place or location.settings.lake
    if not where.startswith("s3://"):
        raise RequestError(f"{where}: is no place on S3. Fix: name one, s3://bucket/prefix.")
    return where


def examine(location: CodeLocation, place: str, *, record: bool) -> Diagnosis:
    """Probe what a place on S3 can be trusted with."""
    return ObjectStore(location.settings.s3).examine(place, record=record)
