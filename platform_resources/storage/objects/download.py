"""Fetching one object: in ranges side by side, going on from what is on disk, and in its place only once it is whole.

Every range names the ETag it belongs to, so an object that is written again meanwhile is never mixed with its old self.
What arrives is summed up and written a piece at a time, while the processor's cache still holds it: memory is a piece
for each worker, whatever the size of the object.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from platform_resources.errors import CorruptObject, ObjectError, ObjectUnavailable
from platform_resources.storage.objects.attempts import Attempts
from platform_resources.storage.objects.checksums import CRCS, Crc, crc, digest_of_parts, hex_of, joined
from platform_resources.storage.objects.facts import Facts
from platform_resources.storage.objects.integrity import Check, compare, whole
from platform_resources.storage.objects.journal import Journal
from platform_resources.storage.objects.ranges import REQUEST_BYTES, WORKERS, Range, requests_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_AGREEING = 2
_PIECE = 1 << 20
Piece = TypeVar("Piece")
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Fetched:
    """What a transfer did: the bytes that came over the network, those that were on disk already, and its checks."""

    fetched_bytes: int
    resumed_bytes: int
    checks: tuple[Check, ...]


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
        request_bytes: int = REQUEST_BYTES,
        progress: Progress | None = None,
    ) -> None:
        self.attempts, self.facts, self.journal = attempts, facts, journal
        self.progress = progress or (lambda _: None)
        self.algorithm: Crc = next((name for name in CRCS if name in facts.checksums), CRCS[0])
        self.ranges, self.workers, self.request_bytes = ranges, workers, request_bytes
        self._digests: dict[int, str] = {}
        self._fetched = self._resumed = 0
        self._lock = threading.Lock()

    def run(self) -> Fetched:
        """Fetch the object into the unfinished file, proven as far as S3 says anything to prove it by.

        Raises:
            CorruptObject: The bytes are not those that S3 speaks of, also when they are fetched again.
            ObjectChanged: The object was written again.
            ObjectUnavailable: S3 stopped answering; what came is kept and not fetched again.
        """
        before = self.journal.begin(self.facts, len(self.ranges))
        self._for_each(
            [range_ for range_ in self.ranges if range_.number in before],
            lambda kept_range: self._keep(kept_range, before),
        )
        remaining = [range_ for range_ in self.ranges if range_.number not in self._digests]
        self._for_each(requests_of(remaining, self.workers, self.request_bytes), self._receive)
        checks = self._compare()
        if not whole(checks):
            self._for_each(self.ranges, self._agreed)
            checks = self._compare()
        if not whole(checks):
            self.journal.forget()
            raise self._corrupt(checks)
        return Fetched(self._fetched, self._resumed, checks)

    def _compare(self) -> tuple[Check, ...]:
        return compare(self.journal.part_path, self.facts, thorough=False, known=self._known_checksums())

    def _known_checksums(self) -> dict[str, list[str]]:
        """Return the checksum that the ranges' digests make, in each form that S3 may mean."""
        if self.algorithm not in self.facts.checksums:
            return {}
        parts = [joined(self.algorithm, group) for group in self._by_part()]
        sizes = self.facts.part_sizes or (self.facts.size_bytes,)
        full = hex_of(self.algorithm, joined(self.algorithm, zip(parts, sizes, strict=True)))
        if not self.facts.part_sizes:
            return {} if self.facts.composite else {self.algorithm: [full]}
        of_parts = digest_of_parts(self.algorithm, [bytes.fromhex(hex_of(self.algorithm, part)) for part in parts])
        forms = {None: [of_parts, full], True: [of_parts], False: [full]}
        return {self.algorithm: forms[self.facts.composite]}

    def _by_part(self) -> Iterator[list[tuple[int, int]]]:
        groups: list[list[tuple[int, int]]] = [[] for _ in self.facts.part_sizes or (0,)]
        for range_ in self.ranges:
            groups[range_.part].append((int(self._digests[range_.number], 16), range_.size))
        yield from groups

    def _keep(self, byte_range: Range, before: Mapping[int, str]) -> None:
        """Take note of a range that an earlier attempt left, where the bytes are still those that it wrote."""
        value = size = 0
        for start in range(byte_range.start, byte_range.end, _PIECE):
            content = self.journal.read(start, min(_PIECE, byte_range.end - start))
            value, size = crc(self.algorithm, content, value), size + len(content)
        if size == byte_range.size and hex_of(self.algorithm, value) == before[byte_range.number]:
            self._note(byte_range, before[byte_range.number], fetched=False)

    def _agreed(self, byte_range: Range) -> None:
        """Fetch a range until it has come twice with the same bytes; which range is wrong, the whole does not tell."""
        counter = Counter([self._digests[byte_range.number]])
        for _ in range(self.attempts.settings.attempts):
            self._receive([byte_range])
            digest = self._digests[byte_range.number]
            counter[digest] += 1
            if counter[digest] >= _AGREEING:
                return
        raise CorruptObject(
            self.facts.address, f"bytes {byte_range.start} to {byte_range.end} come out different each time",
            fix="look for what changes them between S3 and here",
        )  # fmt: skip

    def _receive(self, ranges: Sequence[Range]) -> None:
        """Fetch consecutive ranges to disk; a server that breaks off is asked again as long as it gives."""
        remaining = list(ranges)
        while remaining:
            before = len(remaining)
            try:
                self.attempts(lambda client: self._ask(client, remaining), self.facts.address)
            except ObjectUnavailable:
                if len(remaining) == before:
                    raise

    def _ask(self, client: "S3Client", remaining: list[Range]) -> None:
        """Ask for what is left, and take each range out of it that is on disk."""
        start, end = remaining[0].start, remaining[-1].end
        request: dict[str, Any] = {
            "Bucket": self.facts.bucket,
            "Key": self.facts.key,
            "IfMatch": f'"{self.facts.etag}"',
        }
        if end - start < self.facts.size_bytes:
            request["Range"] = f"bytes={start}-{end - 1}"
        if self.facts.version:
            request["VersionId"] = self.facts.version
        answer = client.get_object(**request)
        self._refuse_other(answer, start, end)
        piece = memoryview(bytearray(min(_PIECE, end - start)))
        with closing(answer["Body"]) as body:  # its own `with` hands out urllib3's stream
            while remaining:
                self._store(remaining[0], body, piece)
                remaining.pop(0)

    def _store(self, byte_range: Range, body: Any, piece: memoryview) -> None:
        """Write a range from a body to the disk, and note it there."""
        value = 0
        for start in range(byte_range.start, byte_range.end, len(piece)):
            content = piece[: byte_range.end - start]
            _fill(body, content)
            value = crc(self.algorithm, content, value)
            self.journal.write(content, start)
        digest = hex_of(self.algorithm, value)
        self.journal.add(byte_range.number, digest)
        self._note(byte_range, digest, fetched=True)

    def _note(self, done: Range, digest: str, *, fetched: bool) -> None:
        with self._lock:
            new = done.number not in self._digests
            self._digests[done.number] = digest
            self._fetched += done.size if fetched else 0
            self._resumed += 0 if fetched else done.size
        if new:
            self.progress(done.size)

    def _refuse_other(self, answer: Any, start: int, end: int) -> None:
        """Raise where the answer is not the range asked for, whatever its status says."""
        if answer["ETag"].strip('"') != self.facts.etag:
            raise ConnectionError("the answer is of another object")
        ranged = end - start < self.facts.size_bytes
        if ranged and not str(answer.get("ContentRange", "")).startswith(f"bytes {start}-"):
            raise ObjectError(
                self.facts.address, "the server answers a range with something else",
                fix="platform objects doctor tells what it can do",
            )  # fmt: skip
        if answer["ContentLength"] != end - start:
            raise ConnectionError("the answer is of another size")

    def _for_each(self, pieces: Sequence[Piece], work: Callable[[Piece], None]) -> None:
        """Do the work for all; at the first error those not begun are left out."""
        with ThreadPoolExecutor(min(self.workers, max(1, len(pieces))), "ranges") as pool:
            futures = [pool.submit(work, piece) for piece in pieces]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        _raise_first(futures)

    def _corrupt(self, checks: tuple[Check, ...]) -> CorruptObject:
        wrong = next(check for check in checks if check.state == "differs")
        return CorruptObject(
            self.facts.address, f"{wrong.name} is {wrong.found}, S3 says {wrong.expected}",
            fix="fetch it again; if that stays, the object or what S3 says of it is broken",
        )  # fmt: skip


def place_at(journal: Journal, target: Path) -> None:
    """Move the finished file into its place, and forget the unfinished one."""
    journal.part_path.replace(target)
    journal.path.unlink(missing_ok=True)


def _fill(body: Any, buffer: memoryview) -> None:
    """Read exactly as much as fits.

    Raises:
        ConnectionError: The body ended early.
    """
    done = 0
    while done < len(buffer):
        count = body.readinto(buffer[done:])
        if not count:
            raise ConnectionError(f"the body ended after {done} of {len(buffer)} bytes")
        done += count


def _raise_first(futures: Sequence["Future[None]"]) -> None:
    for future in futures:
        if not future.cancelled() and (error := future.exception()) is not None:
            raise error
