"""Holding fetched files against S3's metadata: of each what is wrong, and no end at the first that is."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from platform_resources.errors import (
    BucketNotFound,
    ClockSkew,
    CredentialsExpired,
    CredentialsRefused,
    ObjectError,
    ObjectNotFound,
    ObjectUnavailable,
    WrongRegion,
)
from platform_resources.storage.objects.address import SIDECAR, Address
from platform_resources.storage.objects.checksums import digest_of_file
from platform_resources.storage.objects.facts import Facts, read_sidecar
from platform_resources.storage.objects.integrity import Check, compare, whole

_OF_ALL = (BucketNotFound, ClockSkew, CredentialsExpired, CredentialsRefused, ObjectUnavailable, WrongRegion)
"""What S3 would say of every other object of the bucket as well, perhaps after minutes."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a comparison of a file with S3's metadata found.

    Attributes:
        facts: None where what lies beside the file cannot be read.
        asked: whether S3 was asked now; else the metadata kept beside the file counted.
        replaced: whether S3 holds another object under the key by now.
        problem: what is wrong beside the checks: the object or the file is gone, S3 refuses; empty where nothing is.
    """

    path: Path
    facts: Facts | None
    checks: tuple[Check, ...] = ()
    asked: bool = False
    replaced: bool = False
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing differs, and nothing is gone."""
        return whole(self.checks) and not self.problem


def fetched_in(folder: Path) -> list[Path]:
    """Return the files below a folder that have S3's metadata beside them, there or not, by name."""
    return sorted(path.with_name(path.name.removesuffix(SIDECAR)) for path in folder.rglob(f"*{SIDECAR}"))


def verified(files: Iterable[Path], now: Callable[[Address], Facts] | None) -> Iterator[Verified]:
    """Yield the comparison of each file; a bucket that cannot be asked at all is asked once.

    Args:
        files: with S3's metadata beside them.
        now: what S3 says of an object; None where it is not to be asked.
    """
    silent: dict[str, str] = {}
    for file in files:
        found = compare_with_sidecar(file)
        if now is None or found.facts is None:
            yield found
        elif problem := silent.get(found.facts.bucket):
            yield replace(found, problem=found.problem or problem)
        else:
            try:
                yield compare_with_s3(found, found.facts, now)
            except ObjectError as error:
                if isinstance(error, _OF_ALL):
                    silent[found.facts.bucket] = str(error)
                yield replace(found, problem=found.problem or str(error))


def compare_with_sidecar(file: Path) -> Verified:
    """Return how a file compares with the metadata beside it; nothing leaves the machine."""
    known = read_sidecar(file)
    if known is None:
        return Verified(path=file, facts=None, problem=f"{file.name}{SIDECAR} beside it cannot be read: fetch it again")
    facts, more = known
    try:
        return Verified(path=file, facts=facts, checks=_unpacked(file, more) or compare(file, facts))
    except FileNotFoundError:
        return Verified(path=file, facts=facts, problem="the file is gone from the disk: fetch it again")
    except OSError as error:
        return Verified(path=file, facts=facts, problem=f"the file cannot be read: {error.strerror or error}")


def compare_with_s3(found: Verified, facts: Facts, now: Callable[[Address], Facts]) -> Verified:
    """Return the same with what S3 says by now; one that was deleted there is a problem, one replaced is not.

    Raises:
        ObjectError: S3 does not say.
    """
    try:
        replaced = not now(facts.address).same_object(facts)
    except ObjectNotFound:
        problem = "S3 holds no such object any more; the file may be the last copy"
        return replace(found, asked=True, problem=found.problem or problem)
    return replace(found, asked=True, replaced=replaced)


def _unpacked(file: Path, more: dict[str, object]) -> tuple[Check, ...]:
    """Return the check of a file that was decompressed, of which S3 says nothing; none for one that was not."""
    file_facts = more.get("file")
    if not more.get("unpacked") or not isinstance(file_facts, dict):
        return ()
    name, then = "crc64nvme", str(file_facts.get("crc64nvme"))
    now = digest_of_file(file, name)
    return (Check(f"content {name}", "matches" if now == then else "differs", then, now),)
