"""What a bucket can be trusted with: found out by trying, on objects of its own that are removed afterwards.

Some servers take `If-None-Match: *` and look at it too early, or not at all: then of 16 writers of the same commit
several, or all, are told that they won, and all but one of the commits are lost without a word.
"""

import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from platform_resources.s3 import S3Settings
from platform_resources.storage.objects.address import Address
from platform_resources.storage.objects.attempts import Attempts, status_of
from platform_resources.transience import is_transient

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

WRITERS, ROUNDS = 16, 4
_PART_BYTES = 5 << 20
_CONTENT = b"0123456789abcdef"
_REFUSED = (409, 412)
_MOST_SECONDS = 60.0
_SCRATCH = "_platform/doctor"
Needed = Literal["table commits", "downloads", "reading", "integrity", "signatures"]


@dataclass(frozen=True)
class Probe:
    """One thing that was tried.

    Attributes:
        passed: whether the server did it right; None where it could not be tried.
        told: what was seen.
        needed_for: what is not safe without it.
    """

    name: str
    passed: bool | None
    told: str
    needed_for: Needed


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What all probes of one bucket found, and when, in UTC."""

    address: str
    endpoint: str
    at: datetime
    probes: tuple[Probe, ...]

    @property
    def commits_are_safe(self) -> bool | None:
        """Whether tables may be committed to; None where that could not be found out."""
        outcomes = [probe.passed for probe in self.probes if probe.needed_for == "table commits"]
        return False if False in outcomes else None if None in outcomes else True

    def safe(self, use: Needed) -> bool:
        """Whether all that a use needs passed."""
        return all(probe.passed for probe in self.probes if probe.needed_for == use)


class _Unlike(Exception):
    """What was seen is not what is needed."""


@dataclass(frozen=True)
class Doctor:
    """Probes one place in a bucket, on objects below `_platform/doctor/` that nobody else uses."""

    attempts: Attempts
    place: Address
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def examine(self) -> Diagnosis:
        """Return what all probes found; the objects they made are gone.

        Raises:
            ObjectError: The bucket cannot be reached, written or read at all.
        """
        here = f"{self.place.key.strip('/')}/" if self.place.key.strip("/") else ""
        scratch = f"{here}{_SCRATCH}/{uuid.uuid4().hex}"
        self._ask(lambda client: client.put_object(Bucket=self.place.bucket, Key=f"{scratch}/there", Body=_CONTENT))
        try:
            probes = [self._probe(tried, scratch) for tried in _PROBES]
        finally:
            self._clear(scratch)
        return Diagnosis(
            address=str(self.place), endpoint=_endpoint(self.attempts.settings), at=self.now(), probes=tuple(probes)
        )

    def _probe(self, probe: "_Tried", scratch: str) -> Probe:
        """Return what one probe found; one that the server refuses to take part in has not passed."""
        try:
            answer = probe.run(self, f"{scratch}/{probe.name.replace(' ', '-')}", f"{scratch}/there")
        except _Unlike as error:
            return Probe(probe.name, passed=False, told=str(error), needed_for=probe.needed_for)
        except Exception as error:
            if is_transient(error):
                return Probe(probe.name, None, f"could not be tried: {type(error).__name__}", probe.needed_for)
            if status_of(error) is None and status_of(error.__cause__ or error) is None:  # type: ignore[arg-type]
                raise
            return Probe(probe.name, passed=False, told=f"refused: {error}", needed_for=probe.needed_for)
        return Probe(probe.name, passed=True, told=answer, needed_for=probe.needed_for)

    def _ask(self, call: "Callable[[S3Client], Any]") -> Any:
        return self.attempts(call, self.place)

    def _put(self, client: "S3Client", key: str, body: bytes = _CONTENT, **more: Any) -> int:
        """Return the status of a PUT, also of one that was refused by its condition."""
        from botocore.exceptions import ClientError

        try:
            client.put_object(Bucket=self.place.bucket, Key=key, Body=body, **more)
        except ClientError as error:
            status = status_of(error)
            if status not in _REFUSED:
                raise
            return int(status)
        return 200

    def create(self, key: str, _: str) -> str:
        """Return a second creation of the same object is refused."""
        first = self._ask(lambda client: self._put(client, key, IfNoneMatch="*"))
        again = self._ask(lambda client: self._put(client, key, b"other", IfNoneMatch="*"))
        if again not in _REFUSED or self._content(key) != _CONTENT:
            raise _Unlike(f"created twice: answers {first} and {again}")
        return f"the second writer gets {again}"

    def race(self, key: str, _: str) -> str:
        """Of many writers at the same moment exactly one wins, and what is there is what it wrote."""
        won = [self._one_race(f"{key}-{number}") for number in range(ROUNDS)]
        if max(won) > 1:  # none at all: the winner's answer was lost on its way, and its second attempt refused
            raise _Unlike(f"of {WRITERS} writers {max(won)} were told that they won")
        return f"one of {WRITERS} writers won, {ROUNDS} times"

    def _one_race(self, key: str) -> int:
        ready = threading.Barrier(WRITERS)
        self._ask(lambda client: client.head_bucket(Bucket=self.place.bucket))

        def write(number: int) -> int:
            ready.wait()
            return int(self._ask(lambda client: self._put(client, key, b"%02d" % number, IfNoneMatch="*")))

        with ThreadPoolExecutor(WRITERS) as pool:
            answers = list(pool.map(write, range(WRITERS)))
        winners = [number for number, answer in enumerate(answers) if answer not in _REFUSED]
        if len(winners) == 1 and self._content(key) != b"%02d" % winners[0]:
            raise _Unlike("what is there is not what the winner wrote")
        return len(winners)

    def replace(self, key: str, _: str) -> str:
        """Return an object that changed is not replaced by who knows its old self."""
        self._ask(lambda client: self._put(client, key))
        old = self._ask(lambda client: client.head_object(Bucket=self.place.bucket, Key=key))["ETag"]
        self._ask(lambda client: self._put(client, key, b"newer"))
        answer = self._ask(lambda client: self._put(client, key, b"lost", IfMatch=old))
        if answer not in _REFUSED or self._content(key) != b"newer":
            raise _Unlike(f"a stale If-Match was answered {answer}")
        return f"a stale writer gets {answer}"

    def multipart(self, key: str, _: str) -> str:
        """Return a multipart upload that is to create an object is refused where there is one."""
        from botocore.exceptions import ClientError

        where: Any = {"Bucket": self.place.bucket, "Key": key}
        self._ask(lambda client: self._put(client, key))

        def upload(client: "S3Client") -> int:
            upload_id = client.create_multipart_upload(**where)["UploadId"]
            part = client.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=b"x" * _PART_BYTES)
            parts: Any = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
            try:
                client.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload=parts, IfNoneMatch="*")
            except ClientError as error:
                client.abort_multipart_upload(**where, UploadId=upload_id)
                if status_of(error) not in _REFUSED:
                    raise
                return int(status_of(error) or 0)
            return 200

        answer = self._ask(upload)
        if answer not in _REFUSED or self._content(key) != _CONTENT:
            raise _Unlike("an upload in parts replaced the object in spite of If-None-Match")
        return f"the upload gets {answer}"

    def ranges(self, _: str, present_key: str) -> str:
        """Return a range is answered with its bytes alone."""
        return self._range(present_key, "bytes=3-7", _CONTENT[3:8])

    def suffixes(self, _: str, present_key: str) -> str:
        """Return the last bytes can be asked for without knowing the size."""
        return self._range(present_key, "bytes=-5", _CONTENT[-5:])

    def unchanged(self, _: str, present_key: str) -> str:
        """Return a read that names an ETag is refused where the object has another."""
        from botocore.exceptions import ClientError

        def read(client: "S3Client") -> int:
            try:
                client.get_object(Bucket=self.place.bucket, Key=present_key, IfMatch=f'"{"0" * 32}"')["Body"].close()
            except ClientError as error:
                if status_of(error) not in _REFUSED:
                    raise
                return int(status_of(error) or 0)
            return 200

        answer = self._ask(read)
        if answer not in _REFUSED:
            raise _Unlike("an object with another ETag was read in spite of If-Match")
        return f"a reader of an older object gets {answer}"

    def checksum(self, key: str, _: str) -> str:
        """Return a checksum that came with an object is told again, and a wrong one is refused."""
        where: Any = {"Bucket": self.place.bucket, "Key": key}
        self._ask(lambda client: client.put_object(**where, Body=_CONTENT, ChecksumAlgorithm="SHA256"))
        head: Mapping[str, Any] = self._ask(lambda client: client.head_object(**where, ChecksumMode="ENABLED"))
        if not head.get("ChecksumSHA256"):
            raise _Unlike("S3 does not tell the checksum; size and ETag are what can be compared")
        return "kept and told"

    def clock(self, _: str, present_key: str) -> str:
        """Return this machine's clock and the server's agree well enough for signatures."""
        here = self.now()
        head = self._ask(lambda client: client.head_object(Bucket=self.place.bucket, Key=present_key))
        server_date = head["ResponseMetadata"]["HTTPHeaders"].get("date")
        if server_date is None:
            raise _Unlike("the server tells no time")
        apart = (here - parsedate_to_datetime(server_date)).total_seconds()
        if abs(apart) > _MOST_SECONDS:
            raise _Unlike(
                f"this clock is {abs(apart):.0f} s {'ahead' if apart > 0 else 'behind'}; S3 refuses from 900 s on"
            )
        return f"{max(abs(apart) - 1, 0):.0f} s apart"

    def _range(self, key: str, byte_range: str, expected: bytes) -> str:
        def read(client: "S3Client") -> tuple[int, bytes]:
            answer = client.get_object(Bucket=self.place.bucket, Key=key, Range=byte_range)
            return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read()

        status, content = self._ask(read)
        if (status, content) != (206, expected):
            raise _Unlike(f"{byte_range} was answered {status} with {len(content)} bytes")
        return f"{len(content)} of {len(_CONTENT)} bytes"

    def _content(self, key: str) -> bytes:
        content: bytes = self._ask(lambda client: client.get_object(Bucket=self.place.bucket, Key=key)["Body"].read())
        return content

    def _clear(self, scratch: str) -> None:
        listed = self._ask(lambda client: client.list_objects_v2(Bucket=self.place.bucket, Prefix=f"{scratch}/"))
        for entry in listed.get("Contents", []):
            self._ask(partial(_delete, bucket=self.place.bucket, key=entry["Key"]))


def _delete(client: "S3Client", *, bucket: str, key: str) -> None:
    client.delete_object(Bucket=bucket, Key=key)


@dataclass(frozen=True)
class _Tried:
    name: str
    run: Callable[[Doctor, str, str], str]
    needed_for: Needed


_PROBES = (
    _Tried("conditional create", Doctor.create, "table commits"),
    _Tried("race of 16 writers", Doctor.race, "table commits"),
    _Tried("multipart conditional", Doctor.multipart, "integrity"),
    _Tried("conditional replace", Doctor.replace, "integrity"),
    _Tried("ranged reads", Doctor.ranges, "downloads"),
    _Tried("reads of one version", Doctor.unchanged, "downloads"),
    _Tried("suffix ranges", Doctor.suffixes, "reading"),
    _Tried("checksums", Doctor.checksum, "integrity"),
    _Tried("clock", Doctor.clock, "signatures"),
)


def _endpoint(settings: S3Settings) -> str:
    return settings.endpoint_url or f"AWS, {settings.region}"
