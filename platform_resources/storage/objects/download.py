"""Fetching one object: in ranges side by side, going on from what is on disk, and in its place only once it is whole.

Every range names the ETag it belongs to, so an object that is written again meanwhile is never mixed with its old self.
Memory is bounded by the number of ranges in flight times their size, whatever the size of the object.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_resources.errors import CorruptObject, ObjectError
from platform_resources.storage.objects.attempts import Attempts
from platform_resources.storage.objects.checksums import CRCS, Crc, crc, digest_of_parts, joined, told
from platform_resources.storage.objects.facts import Facts
from platform_resources.storage.objects.integrity import Check, compare, whole
from platform_resources.storage.objects.journal import Journal

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

RANGE_BYTES = 8 << 20
WORKERS = 8
_AGREEING = 2
_PIECE = 1 << 20
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Range:
    """Consecutive bytes of one part of an object."""

    number: int
    start: int
    size: int
    part: int


@dataclass(frozen=True)
class Fetched:
    """What a transfer did: the bytes that came over the network, those that were on disk already, and its checks."""

    fetched_bytes: int
    resumed_bytes: int
    checks: tuple[Check, ...]


def ranges_of(facts: Facts, range_bytes: int = RANGE_BYTES) -> list[Range]:
    """Returns the ranges of an object in order; none crosses the border of two parts of its upload."""
    found: list[Range] = []
    start = 0
    for part, size in enumerate(facts.part_sizes or (facts.size_bytes,)):
        for offset in range(0, size, range_bytes):
            found.append(Range(len(found), start + offset, min(range_bytes, size - offset), part))
        start += size
    return found


class Transfer:
    """One object on its way to one journal."""

    def __init__(
        self,
        attempts: Attempts,
        facts: Facts,
        journal: Journal,
        ranges: Sequence[Range],
        *,
        workers: int = WORKERS,
        progress: Progress | None = None,
    ) -> None:
        self.attempts, self.facts, self.journal = attempts, facts, journal
        self.progress = progress or (lambda _: None)
        self.algorithm: Crc = next((name for name in CRCS if name in facts.checksums), CRCS[0])
        self.ranges, self.workers = ranges, workers
        self._longest = max((each.size for each in ranges), default=0)
        self._digests: dict[int, str] = {}
        self._fetched = self._resumed = 0
        self._lock, self._local = threading.Lock(), threading.local()

    def run(self) -> Fetched:
        """Returns when the unfinished file holds the object, proven as far as S3 says anything to prove it by.

        Raises:
            CorruptObject: The bytes are not those that S3 speaks of, also when they are fetched again.
            ObjectChanged: The object was written again.
            ObjectUnavailable: S3 stopped answering; what came is kept and not fetched again.
        """
        before = self.journal.begin(self.facts, len(self.ranges))
        self._each(self.ranges, lambda each: self._complete(each, before.get(each.number)))
        checks = self._compare()
        if not whole(checks):
            self._each(self.ranges, self._agreed)
            checks = self._compare()
        if not whole(checks):
            self.journal.forget()
            raise self._corrupt(checks)
        return Fetched(self._fetched, self._resumed, checks)

    def _compare(self) -> tuple[Check, ...]:
        return compare(self.journal.part_path, self.facts, thorough=False, known=self._known())

    def _known(self) -> dict[str, list[str]]:
        """Returns the checksum that the ranges' digests make, in each form that S3 may mean."""
        if self.algorithm not in self.facts.checksums:
            return {}
        parts = [joined(self.algorithm, group) for group in self._by_part()]
        sizes = self.facts.part_sizes or (self.facts.size_bytes,)
        full = told(self.algorithm, joined(self.algorithm, zip(parts, sizes, strict=True)))
        if not self.facts.part_sizes:
            return {} if self.facts.composite else {self.algorithm: [full]}
        of_parts = digest_of_parts(self.algorithm, [bytes.fromhex(told(self.algorithm, each)) for each in parts])
        forms = {None: [of_parts, full], True: [of_parts], False: [full]}
        return {self.algorithm: forms[self.facts.composite]}

    def _by_part(self) -> Iterator[list[tuple[int, int]]]:
        groups: list[list[tuple[int, int]]] = [[] for _ in self.facts.part_sizes or (0,)]
        for each in self.ranges:
            groups[each.part].append((int(self._digests[each.number], 16), each.size))
        yield from groups

    def _complete(self, wanted: Range, before: str | None) -> None:
        """Returns when a range is on disk, from an earlier attempt or from S3."""
        if before is not None and before == self._digest(self.journal.read(wanted.start, wanted.size), wanted.size):
            self._note(wanted, before, fetched=False)
            return
        self._store(wanted, self._receive(wanted))

    def _agreed(self, wanted: Range) -> None:
        """Returns when a range has come twice with the same bytes; which range is wrong, the whole does not tell."""
        seen = Counter([self._digests[wanted.number]])
        for _ in range(self.attempts.settings.attempts):
            content = self._receive(wanted)
            digest = self._digest(content, wanted.size)
            seen[digest] += 1
            if seen[digest] >= _AGREEING:
                self._store(wanted, content)
                return
        raise CorruptObject(
            self.facts.address, f"bytes {wanted.start} to {wanted.start + wanted.size} come out different each time",
            fix="look for what changes them between S3 and here",
        )  # fmt: skip

    def _store(self, wanted: Range, content: memoryview) -> None:
        digest = self._digest(content, wanted.size)
        self.journal.write(content, wanted.start)
        self.journal.add(wanted.number, digest)
        self._note(wanted, digest, fetched=True)

    def _note(self, done: Range, digest: str, *, fetched: bool) -> None:
        with self._lock:
            new = done.number not in self._digests
            self._digests[done.number] = digest
            self._fetched += done.size if fetched else 0
            self._resumed += 0 if fetched else done.size
        if new:
            self.progress(done.size)

    def _digest(self, content: bytes | memoryview, size: int) -> str:
        return told(self.algorithm, crc(self.algorithm, content)) if len(content) == size else ""

    def _receive(self, wanted: Range) -> memoryview:
        """Returns the bytes of a range; the buffer is the thread's own, and used again for its next range."""
        if not hasattr(self._local, "buffer"):
            self._local.buffer = memoryview(bytearray(self._longest))
        buffer: memoryview = self._local.buffer[: wanted.size]
        self.attempts(lambda client: self._ask(client, wanted, buffer), self.facts.address)
        return buffer

    def _ask(self, client: "S3Client", wanted: Range, buffer: memoryview) -> None:
        asked: dict[str, Any] = {"Bucket": self.facts.bucket, "Key": self.facts.key, "IfMatch": f'"{self.facts.etag}"'}
        if len(self.ranges) > 1:
            asked["Range"] = f"bytes={wanted.start}-{wanted.start + wanted.size - 1}"
        if self.facts.version:
            asked["VersionId"] = self.facts.version
        answer = client.get_object(**asked)
        self._refuse_other(answer, wanted)
        with closing(answer["Body"]) as body:  # its own `with` hands out urllib3's stream
            _fill(body, buffer)

    def _refuse_other(self, answer: Any, wanted: Range) -> None:
        """Raises where the answer is not the range asked for, whatever its status says."""
        if answer["ETag"].strip('"') != self.facts.etag:
            raise ConnectionError("the answer is of another object")
        if len(self.ranges) > 1 and not str(answer.get("ContentRange", "")).startswith(f"bytes {wanted.start}-"):
            raise ObjectError(
                self.facts.address, "the server answers a range with something else",
                fix="platform objects doctor tells what it can do",
            )  # fmt: skip
        if answer["ContentLength"] != wanted.size:
            raise ConnectionError("the answer is of another size")

    def _each(self, wanted: Sequence[Range], work: Callable[[Range], None]) -> None:
        """Returns when the work is done for all ranges; at the first error those not begun are left out."""
        with ThreadPoolExecutor(min(self.workers, max(1, len(wanted))), "ranges") as pool:
            futures = [pool.submit(work, each) for each in wanted]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        _raise_first(futures)

    def _corrupt(self, checks: tuple[Check, ...]) -> CorruptObject:
        wrong = next(each for each in checks if each.state == "differs")
        return CorruptObject(
            self.facts.address, f"{wrong.name} is {wrong.found}, S3 says {wrong.expected}",
            fix="fetch it again; if that stays, the object or what S3 says of it is broken",
        )  # fmt: skip


def place_at(journal: Journal, target: Path) -> None:
    """Returns when the finished file is in its place, and what was known of the unfinished one is gone."""
    journal.part_path.replace(target)
    journal.path.unlink(missing_ok=True)


def _fill(body: Any, buffer: memoryview) -> None:
    """Reads exactly as much as fits.

    Raises:
        ConnectionError: The body ended early.
    """
    done = 0
    while done < len(buffer):
        count = body.readinto(buffer[done : done + _PIECE])
        if not count:
            raise ConnectionError(f"the body ended after {done} of {len(buffer)} bytes")
        done += count


def _raise_first(futures: Sequence["Future[None]"]) -> None:
    for each in futures:
        if not each.cancelled() and (error := each.exception()) is not None:
            raise error
