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
from platform_resources.storage.objects.facts import Facts, facts_of, keep, kept, parts_of
from platform_resources.storage.objects.integrity import Check
from platform_resources.storage.objects.journal import Journal, journal_of
from platform_resources.storage.objects.listing import Predicate, S3Object
from platform_resources.storage.objects.ranges import RANGE_BYTES, REQUEST_BYTES, WORKERS, ranges_of
from platform_resources.storage.objects.safety import remember
from platform_resources.storage.objects.verifying import Verified, asked, compared, fetched_in, verified

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
        """Returns the fields alone: clients stay in their process."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes the fields as they were."""
        self.__dict__.update(state)

    def objects(self, prefix: str | Address, *, versions: bool = False) -> Iterator[S3Object]:
        """Yields the objects below a prefix by key; with `versions` each object's versions, newest first.

        Raises:
            BucketNotFound: There is no such bucket.
        """
        return listing.listed(self._attempts, Address.parse(prefix), versions=versions)

    def latest(self, prefix: str | Address, *, where: Predicate | None = None) -> S3Object:
        """Returns the object below a prefix that was written last.

        Raises:
            ObjectNotFound: There is none for which the predicate holds.
        """
        found = listing.latest(self.select(prefix, where=where))
        if found is None:
            raise ObjectNotFound(Address.parse(prefix), "no object below it is meant", fix="widen what is asked for")
        return found

    def sample(self, prefix: str | Address, size: int, *, seed: int, where: Predicate | None = None) -> list[S3Object]:
        """Returns objects below a prefix that the seed chooses, by key: the same ones for the same seed."""
        return listing.sampled(self.select(prefix, where=where), size, seed)

    def select(self, prefix: str | Address, *, where: Predicate | None = None) -> list[S3Object]:
        """Returns the objects below a prefix for which a predicate holds, by key; folder markers are left out."""
        found = (each for each in self.objects(prefix) if not each.key.endswith("/"))
        return [each for each in found if where is None or where(each)]

    def facts(self, address: str | Address, *, version: str | None = None) -> Facts:
        """Returns S3's metadata of an object, or of one version of it.

        Raises:
            ObjectNotFound: There is no such object or version.
            BucketNotFound: There is no such bucket.
        """
        named = Address.parse(address)
        asked = {"Bucket": named.bucket, "Key": named.key, **({"VersionId": version} if version else {})}
        head = self._head(named, {**asked, "ChecksumMode": "ENABLED"})
        found = facts_of(named, head)
        if parts := parts_of(found.etag):
            found = facts_of(named, head, self._part_sizes(named, asked, parts, found.size_bytes))
        return replace(found, version=version) if version else found  # "null" is one, where versions began later

    def get(
        self,
        address: str | Address | S3Object,
        target: str | Path,
        *,
        version: str | None = None,
        unpack: bool = False,
        progress: Progress | None = None,
    ) -> Downloaded:
        """Returns the file once it holds the object and was compared with what S3 says; S3's metadata lies beside it.

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
        """Returns the files of several objects, in their order, named by their keys after the last slash of `below`.

        Every name is checked before anything is fetched.

        Raises:
            ObjectError: A key would leave the folder.
        """
        wanted = [(each, place(Path(folder).absolute(), each.key, below=below)) for each in objects]
        _refuse_twice(wanted, unpack=unpack)
        with ThreadPoolExecutor(_TOGETHER, "objects") as pool:
            futures = [pool.submit(self.get, each, path, unpack=unpack, progress=progress) for each, path in wanted]
            try:
                return [each.result() for each in futures]
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def verify(self, path: str | Path, *, ask: bool = True) -> Verified:
        """Returns how a fetched file compares with S3's metadata: every digest that S3 tells.

        Args:
            path: a file with its metadata beside it.
            ask: whether to ask S3 whether the object is still the same; without, nothing leaves the machine.

        Raises:
            ObjectError: Nothing is known of the file, or S3 does not say.
        """
        file = Path(path).absolute()
        found = compared(_known(file))
        return asked(found, found.facts, self.facts) if ask and found.facts is not None else found

    def verify_all(self, paths: Iterable[str | Path], *, ask: bool = True) -> list[Verified]:
        """Returns how each file compares, and each in folders that has metadata beside it; none ends the others.

        Raises:
            ObjectError: Nothing is known of a file that was named.
        """
        named = [Path(path).absolute() for path in paths]
        files = [file for path in named for file in (fetched_in(path) if path.is_dir() else [_known(path)])]
        return list(verified(files, self.facts if ask else None))

    def examine(self, place_: str | Address, *, record: bool = True) -> Diagnosis:
        """Returns what the bucket can be trusted with; `record` leaves the verdict there for those who create tables.

        Raises:
            ObjectError: The bucket cannot be reached, written or read at all.
        """
        named = Address.parse(place_)
        found = Doctor(self._attempts, named).examine()
        if record:
            remember(self._attempts, named, found)
        return found

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

    def _head(self, address: Address, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the answer to HEAD; one without a reason is asked for as a GET, whose refusal says why."""

        def head(client: "S3Client") -> Mapping[str, Any]:
            return client.head_object(**asked)

        try:
            return self._attempts(head, address)
        except ObjectError:
            self._explain(address, asked)
            return self._attempts(head, address)

    def _explain(self, address: Address, asked: Mapping[str, Any]) -> None:
        """Returns where a GET of the same goes well, so that the HEAD is worth another try.

        Raises:
            ObjectError: The reason.
        """
        wanted = {name: value for name, value in asked.items() if name in ("Bucket", "Key", "VersionId")}
        self._attempts(lambda client: client.get_object(**wanted)["Body"].close(), address)

    def _part_sizes(self, address: Address, asked: Mapping[str, Any], parts: int, size: int) -> tuple[int, ...]:
        """Returns the sizes of an upload's parts, or none where S3 does not tell.

        Of many parts the first and the last two are asked for: uploaders make them equal, but for the last.
        """

        def part(number: int) -> int:
            answer = self._attempts(lambda client: client.head_object(**asked, PartNumber=number), address)
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


def _known(file: Path) -> Path:
    if kept(file) is None:
        raise ObjectError(file, "is no file that was fetched from S3", fix="fetch it with platform objects get")
    return file


def _unwritten(facts: Facts, path: Path, error: OSError) -> ObjectError:
    fix = _FIXES.get(error.errno or 0, "choose another place, or move what is in its way")
    return ObjectError(facts.address, f"{path} cannot be written: {error.strerror or error}", fix=fix)


def _is_current(path: Path, facts: Facts, *, unpack: bool) -> bool:
    """Whether a file is what was fetched of this very object, by its metadata, size and time of change."""
    found = kept(path)
    if found is None or not path.is_file():
        return False
    known, more = found
    now, then = path.stat(), more.get("file", {})
    untouched = (now.st_size, now.st_mtime_ns) == (then.get("size_bytes"), then.get("modified_ns"))
    packed = unpack and not more.get("unpacked") and compression_of(path, facts.key) is not None
    return untouched and known.same_object(facts) and not packed and (unpack or not more.get("unpacked"))


def _keep(file: Path, target: Path, facts: Facts, done: Fetched, *, unpacked: str = "", digest: str = "") -> None:
    """Writes the metadata of a file that is about to take its place; a kill in between is seen by the time it names."""
    status = file.stat()
    told = {"size_bytes": status.st_size, "modified_ns": status.st_mtime_ns, "crc64nvme": digest}
    checks = [asdict(each) for each in done.checks]
    keep(target, facts, file=told, checks=checks, fetched_at=datetime.now(UTC).isoformat(), unpacked=unpacked)


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


def _refuse_twice(wanted: list[tuple[S3Object, Path]], *, unpack: bool) -> None:
    taken: dict[Path, S3Object] = {}
    for each, named in wanted:
        path = named.with_name(without_suffix(named.name)) if unpack else named
        if (other := taken.setdefault(path, each)) is not each:
            raise ObjectError(each.address, f"and {other.address} would both be {path}", fix="fetch one of them")
