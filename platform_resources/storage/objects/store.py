"""Objects on S3: what there is, which of it is meant, fetching it whole, and proving that what is on disk is it.

It is a Dagster resource as it stands. It knows no dataset; a table's files are objects like others.
"""

import errno
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_resources.errors import ObjectChanged, ObjectError, ObjectNotFound
from platform_resources.s3 import S3Settings
from platform_resources.storage.compression import compression_of, decompress, without_suffix
from platform_resources.storage.objects import listing
from platform_resources.storage.objects.address import Address, check_target, place
from platform_resources.storage.objects.attempts import Attempts
from platform_resources.storage.objects.checksums import digest_of_file
from platform_resources.storage.objects.doctor import Diagnosis, Doctor
from platform_resources.storage.objects.download import (
    Fetched,
    Progress,
    Transfer,
    place_at,
)
from platform_resources.storage.objects.facts import Facts, facts_of, parts_of, read_sidecar, write_sidecar
from platform_resources.storage.objects.integrity import Check
from platform_resources.storage.objects.journal import Journal, journal_of
from platform_resources.storage.objects.listing import Predicate, S3Object
from platform_resources.storage.objects.ranges import RANGE_BYTES, REQUEST_BYTES, WORKERS, ranges_of
from platform_resources.storage.objects.safety import remember
from platform_resources.storage.objects.verifying import (
    Verified,
    compare_with_s3,
    compare_with_sidecar,
    fetched_in,
    verified,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_RESTARTS = 3
_FIXES = {
    errno.ENOSPC: "make room; what has come is kept",
    errno.EDQUOT: "make room; what has come is kept",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "remove the link in its way",
}
_TOGETHER = 4
_FEW_PARTS, _MOST_PARTS = 8, 10_000


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A file that is what S3 holds.

    Attributes:
        path: the file; without its compression's suffix where it was decompressed.
        facts: S3's metadata, also kept beside the file.
        fetched_bytes: what came over the network.
        resumed_bytes: what an earlier, killed attempt had left.
        checks: what was compared; none where the file was there already.
    """

    path: Path
    facts: Facts
    fetched_bytes: int = 0
    resumed_bytes: int = 0
    checks: tuple[Check, ...] = ()

    @property
    def lineage(self) -> dict[str, Any]:
        """Where the file came from, as an asset's metadata may say it."""
        return {"source": str(self.facts.address), "version": self.facts.version, "etag": self.facts.etag}


@dataclass(frozen=True)
class ObjectStore:
    """The objects that the settings reach; addresses are s3://bucket/key.

    Attributes:
        range_bytes: how much each worker fetches again after a kill, at most.
        request_bytes: how much one request fetches, at most.
        workers: how many requests for one object are under way side by side.
    """

    settings: S3Settings
    range_bytes: int = RANGE_BYTES
    request_bytes: int = REQUEST_BYTES
    workers: int = WORKERS

    @cached_property
    def _attempts(self) -> Attempts:
        return Attempts(self.settings)

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: clients stay in their process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the fields as they were."""
        self.__dict__.update(state)

    def objects(self, prefix: str | Address, *, versions: bool = False) -> Iterator[S3Object]:
        """Yield the objects below a prefix by key; with `versions` each object's versions, newest first.

        Raises:
            BucketNotFound: There is no such bucket.
        """
        return listing.listed(self._attempts, Address.parse(prefix), versions=versions)

    def latest(self, prefix: str | Address, *, where: Predicate | None = None) -> S3Object:
        """Return the object below a prefix that was written last.

        Raises:
            ObjectNotFound: There is none for which the predicate holds.
        """
        newest = listing.latest(self.select(prefix, where=where))
        if newest is None:
            raise ObjectNotFound(Address.parse(prefix), "no object below it is meant", fix="widen what is asked for")
        return newest

    def sample(self, prefix: str | Address, size: int, *, seed: int, where: Predicate | None = None) -> list[S3Object]:
        """Return objects below a prefix that the seed chooses, by key: the same ones for the same seed."""
        return listing.sampled(self.select(prefix, where=where), size, seed)

    def select(self, prefix: str | Address, *, where: Predicate | None = None) -> list[S3Object]:
        """Return the objects below a prefix for which a predicate holds, by key; folder markers are left out."""
        candidates = (s3_object for s3_object in self.objects(prefix) if not s3_object.key.endswith("/"))
        return [candidate for candidate in candidates if where is None or where(candidate)]

    def facts(self, address: str | Address, *, version: str | None = None) -> Facts:
        """Return S3's metadata of an object, or of one version of it.

        Raises:
            ObjectNotFound: There is no such object or version.
            BucketNotFound: There is no such bucket.
        """
        named = Address.parse(address)
        request = {"Bucket": named.bucket, "Key": named.key, **({"VersionId": version} if version else {})}
        head = self._head(named, {**request, "ChecksumMode": "ENABLED"})
        facts = facts_of(named, head)
        if parts := parts_of(facts.etag):
            facts = facts_of(named, head, self._part_sizes(named, request, parts, facts.size_bytes))
        return replace(facts, version=version) if version else facts  # "null" is one, where versions began later

    def get(
        self,
        address: str | Address | S3Object,
        target: str | Path,
        *,
        version: str | None = None,
        unpack: bool = False,
        progress: Progress | None = None,
    ) -> Downloaded:
        """Return the file once it holds the object and was compared with what S3 says; S3's metadata lies beside it.

        A file that is there and unchanged since it was fetched is not fetched again. What a killed attempt left is
        read, compared and kept.

        Args:
            address: the object; one from a listing names its version.
            target: the file to write.
            version: a VersionId; None for the latest.
            unpack: whether to decompress gz, zst, bz2, snappy and xz, and to drop such a suffix from the target's name.
            progress: is told the bytes of each range that is on disk.

        Raises:
            ObjectNotFound: There is no such object or version.
            CorruptObject: The bytes are not those that S3 speaks of, however often they are fetched.
            ObjectError: S3 refuses, or the target cannot be written.
        """
        named = address.address if isinstance(address, S3Object) else Address.parse(address)
        version = version or (address.version if isinstance(address, S3Object) else None)
        path = check_target(Path(target).absolute(), named.key)
        for _ in range(_RESTARTS):
            try:
                return self._get(self.facts(named, version=version), path, unpack=unpack, progress=progress)
            except ObjectChanged as error:
                changed = error
        raise changed

    def get_all(
        self,
        objects: Iterable[S3Object],
        folder: str | Path,
        *,
        below: str = "",
        unpack: bool = False,
        progress: Progress | None = None,
    ) -> list[Downloaded]:
        """Return the files of several objects, in their order, named by their keys after the last slash of `below`.

        Every name is checked before anything is fetched.

        Raises:
            ObjectError: A key would leave the folder.
        """
        placed = [(s3_object, place(Path(folder).absolute(), s3_object.key, below=below)) for s3_object in objects]
        _refuse_twice(placed, unpack=unpack)
        with ThreadPoolExecutor(_TOGETHER, "objects") as pool:
            futures = [
                pool.submit(self.get, s3_object, path, unpack=unpack, progress=progress) for s3_object, path in placed
            ]
            try:
                return [future.result() for future in futures]
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def verify(self, path: str | Path, *, ask: bool = True) -> Verified:
        """Return how a fetched file compares with S3's metadata: every digest that S3 tells.

        Args:
            path: a file with its metadata beside it.
            ask: whether to ask S3 whether the object is still the same; without, nothing leaves the machine.

        Raises:
            ObjectError: Nothing is known of the file, or S3 does not say.
        """
        file = Path(path).absolute()
        found = compare_with_sidecar(_known_file(file))
        return compare_with_s3(found, found.facts, self.facts) if ask and found.facts is not None else found

    def verify_all(self, paths: Iterable[str | Path], *, ask: bool = True) -> list[Verified]:
        """Return how each file compares, and each in folders that has metadata beside it; none ends the others.

        Raises:
            ObjectError: Nothing is known of a file that was named.
        """
        named = [Path(path).absolute() for path in paths]
        files = [file for path in named for file in (fetched_in(path) if path.is_dir() else [_known_file(path)])]
        return list(verified(files, self.facts if ask else None))

    def examine(self, place_: str | Address, *, record: bool = True) -> Diagnosis:
        """Return what the bucket can be trusted with; `record` leaves the verdict there for those who create tables.

        Raises:
            ObjectError: The bucket cannot be reached, written or read at all.
        """
        named = Address.parse(place_)
        diagnosis = Doctor(self._attempts, named).examine()
        if record:
            remember(self._attempts, named, diagnosis)
        return diagnosis

    def _get(self, facts: Facts, path: Path, *, unpack: bool, progress: Progress | None) -> Downloaded:
        final = path.with_name(without_suffix(path.name)) if unpack else path
        try:
            with journal_of(path) as journal:
                for place_ in dict.fromkeys((final, path)):
                    if _is_current(place_, facts, unpack=unpack):
                        journal.forget()
                        return Downloaded(path=place_, facts=facts)
                done = self._transfer(facts, journal, progress).run()
                if unpack and (kind := compression_of(journal.part_path, facts.key)):
                    _unpack(journal, check_target(final, facts.key), facts, kind, done)
                    path = final
                else:
                    _keep(journal.part_path, path, facts, done)
                    place_at(journal, path)
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            raise _unwritten(facts, path, error) from error
        return Downloaded(
            path=path,
            facts=facts,
            fetched_bytes=done.fetched_bytes,
            resumed_bytes=done.resumed_bytes,
            checks=done.checks,
        )

    def _transfer(self, facts: Facts, journal: Journal, progress: Progress | None) -> Transfer:
        return Transfer(
            self._attempts, facts, journal, ranges_of(facts, self.range_bytes),
            workers=self.workers, request_bytes=self.request_bytes, progress=progress,
        )  # fmt: skip

    def _head(self, address: Address, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer to HEAD; one without a reason is asked for as a GET, whose refusal says why."""

        def head(client: "S3Client") -> Mapping[str, Any]:
            return client.head_object(**request)

        try:
            return self._attempts(head, address)
        except ObjectError:
            self._explain(address, request)
            return self._attempts(head, address)

    def _explain(self, address: Address, request: Mapping[str, Any]) -> None:
        """Ask for the same by GET, whose refusal says why; where it goes well the HEAD is worth another try.

        Raises:
            ObjectError: The reason.
        """
        named_request = {name: value for name, value in request.items() if name in ("Bucket", "Key", "VersionId")}
        self._attempts(lambda client: client.get_object(**named_request)["Body"].close(), address)

    def _part_sizes(self, address: Address, request: Mapping[str, Any], parts: int, size: int) -> tuple[int, ...]:
        """Return the sizes of an upload's parts, or none where S3 does not tell.

        Of many parts the first and the last two are asked for: uploaders make them equal, but for the last.
        """

        def part(number: int) -> int:
            answer = self._attempts(lambda client: client.head_object(**request, PartNumber=number), address)
            return int(answer["ContentLength"])

        first = part(1)
        if first >= size or parts > _MOST_PARTS:
            return (size,) if first == size and parts == 1 else ()
        sizes = [first] * parts
        with ThreadPoolExecutor(_TOGETHER) as pool:
            if parts > _FEW_PARTS:
                sizes[-2:] = pool.map(part, (parts - 1, parts))
            if parts <= _FEW_PARTS or sum(sizes) != size:
                sizes[1:] = pool.map(part, range(2, parts + 1))
        return tuple(sizes) if sum(sizes) == size else ()


def _known_file(file: Path) -> Path:
    if read_sidecar(file) is None:
        raise ObjectError(file, "is no file that was fetched from S3", fix="fetch it with platform objects get")
    return file


def _unwritten(facts: Facts, path: Path, error: OSError) -> ObjectError:
    fix = _FIXES.get(error.errno or 0, "choose another place, or move what is in its way")
    return ObjectError(facts.address, f"{path} cannot be written: {error.strerror or error}", fix=fix)


def _is_current(path: Path, facts: Facts, *, unpack: bool) -> bool:
    """Whether a file is what was fetched of this very object, by its metadata, size and time of change."""
    sidecar = read_sidecar(path)
    if sidecar is None or not path.is_file():
        return False
    known, more = sidecar
    now, then = path.stat(), more.get("file", {})
    untouched = (now.st_size, now.st_mtime_ns) == (then.get("size_bytes"), then.get("modified_ns"))
    packed = unpack and not more.get("unpacked") and compression_of(path, facts.key) is not None
    return untouched and known.same_object(facts) and not packed and (unpack or not more.get("unpacked"))


def _keep(file: Path, target: Path, facts: Facts, done: Fetched, *, unpacked: str = "", digest: str = "") -> None:
    """Write the metadata of a file that is about to take its place; a kill in between is seen by the time it names."""
    status = file.stat()
    file_facts = {"size_bytes": status.st_size, "modified_ns": status.st_mtime_ns, "crc64nvme": digest}
    checks = [asdict(check) for check in done.checks]
    write_sidecar(
        target, facts, file=file_facts, checks=checks, fetched_at=datetime.now(UTC).isoformat(), unpacked=unpacked
    )


def _unpack(journal: Journal, target: Path, facts: Facts, kind: Any, done: Fetched) -> None:
    draft = target.with_name(f"{target.name}.s3.unpacked")
    try:
        decompress(journal.part_path, draft, kind, name=str(facts.address))
        digest = digest_of_file(draft, "crc64nvme")
        _keep(draft, target, facts, done, unpacked=kind, digest=digest)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    journal.forget()


def _refuse_twice(placed: list[tuple[S3Object, Path]], *, unpack: bool) -> None:
    claimed: dict[Path, S3Object] = {}
    for s3_object, named in placed:
        path = named.with_name(without_suffix(named.name)) if unpack else named
        if (other := claimed.setdefault(path, s3_object)) is not s3_object:
            raise ObjectError(s3_object.address, f"and {other.address} would both be {path}", fix="fetch one of them")
