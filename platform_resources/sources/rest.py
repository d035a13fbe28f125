"""An address that answers with JSON as a source: each load is a unit of the records that its pages give.

A load is downloaded whole into a file without a name before a row of it is taken in, so that an error on page 40 leaves
nothing half, and memory is bounded by a page. Its position remembers the highest cursor value and the records that have
it, so that a load of nothing but these is known for none.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import IO, Any

import polars as pl

from platform_resources.readers import Malformed
from platform_resources.sources.base import Batch, Cursor, SourceContext, Unit, digest
from platform_resources.sources.engines.base import earlier
from platform_resources.sources.rest_client import Page, RestClient, RestError

_ROWS = 5_000
_MOST_TIES = 1_000


@dataclass(frozen=True)
class Position:
    """What a load left behind.

    Attributes:
        number: Of the load, from 1; positions compare as text, so it stands first.
        high: The highest value of the cursor.
        ties: Digests of the records that have it; empty where they are too many.
        probe: Of a load of one page, its ETag, or a digest of it.
    """

    number: int = 0
    high: str | int | float | None = None
    ties: Sequence[str] = ()
    probe: str = ""

    def write(self) -> str:
        """Write the position as text that sorts by the load's number."""
        return f"{self.number:012d} {json.dumps(asdict(self))}"

    @classmethod
    def read(cls, text: str) -> "Position":
        """Read what `write` wrote; an empty text is the beginning."""
        return cls(**json.loads(text.partition(" ")[2])) if text else cls()


@dataclass
class Download:
    """A load on disk: a line a record, of page, place on it, and the JSON that came."""

    file: IO[bytes]
    position: Position
    content: str


@dataclass(frozen=True)
class RestRecords:
    """The records of one address."""

    client: RestClient
    options: Mapping[str, Any]
    context: SourceContext = field(repr=False)
    downloads: dict[str, Download] = field(default_factory=dict, repr=False)

    def describe(self) -> str:
        """Say which address is read."""
        return f"new record at {self.client.name}"

    def probe(self) -> str:
        """Return an empty text: what is new depends on the position, and `pending` asks for one page."""
        return ""

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """List the load of what came since the cursor's position: one unit, or none where one page shows that.

        Raises:
            RestError: The address cannot be read.
        """
        before = Position.read(cursor.position)
        first = next(self.client.pages(self._since(before), etag=before.probe))
        if before.number and self._is_known(first, before):
            return []
        source = f"{self.client.name}/{before.number + 1}"
        content = first.digest if first.is_last else f"{first.digest} {len(cursor.log)}"
        return [Unit(source, cursor.position, ingest_id=digest(source, content.encode()), position="pending")]

    def identify(self, unit: Unit) -> Unit:
        """Return the unit with the digest of its records and the position behind it; they are downloaded for it.

        Raises:
            RestError: The address cannot be read, to the last page.
        """
        if unit.source not in self.downloads:
            self.downloads[unit.source] = self._download(Position.read(unit.stamp))
        load = self.downloads[unit.source]
        return replace(
            unit,
            ingest_id=digest(unit.source, load.content.encode()),
            position=load.position.write(),
            size_bytes=load.file.seek(0, 2),
        )

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the records as texts; what is no object is malformed."""
        self.identify(unit)
        load, first = self.downloads[unit.source], 1
        load.file.seek(0)
        while lines := load.file.readlines(self.context.settings.memory_bytes // 64):
            for start in range(0, len(lines), _ROWS):
                part = lines[start : start + _ROWS]
                yield _batch(part, first, columns)
                first += len(part)
        if first == 1:  # no record says which columns there are
            yield Batch(self.context.generate(0, 0))

    def _since(self, before: Position) -> str | None:
        if self.options["since"] is None or before.high is None:
            return None
        lag = self.options["lag"].total_seconds()
        return earlier(before.high, lag) if isinstance(before.high, str) else str(before.high)

    def _is_known(self, first: Page, before: Position) -> bool:
        """Tell whether the first page is all there is, and has nothing that the last load had not."""
        if first.is_unchanged or (first.is_last and self.options["since"] is None and first.digest == before.probe):
            return True
        known = set(before.ties)
        return first.is_last and self.options["since"] is not None and all(
            _digest(record) in known for record in first.records
        )  # fmt: skip

    def _download(self, before: Position) -> Download:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - it is read as long as the adapter lives, and has no name
        content, high, ties, page = hashlib.blake2b(digest_size=16), before.high, dict[str, None](), None
        if before.ties:
            ties = dict.fromkeys(before.ties)
        for page in self.client.pages(self._since(before)):
            for place, record in enumerate(page.records, 1):
                text = json.dumps(record, ensure_ascii=False).encode(errors="surrogatepass")
                content.update(text + b"\n")
                file.write(b"%d\t%d\t%s\n" % (page.number, place, text))
                value = record.get(self.options["cursor"]) if isinstance(record, dict) else None
                if self.options["since"] is None or value is None:
                    continue
                if _is_above(value, high, self.client, page.number):
                    high, ties = value, {}
                if value == high:
                    ties[_digest(record)] = None
        if self.options["since"] is not None and file.tell() and high is None:
            fix = f"correct cursor={self.options['cursor']!r} of the source."
            raise RestError(self.client.name, "no record has a value of the cursor.", fix=fix)
        is_single = page is not None and page.number == 1 and page.is_last and self.options["since"] is None
        position = Position(
            before.number + 1,
            high,
            tuple(ties) if len(ties) <= _MOST_TIES else (),
            (page.etag or page.digest) if page is not None and is_single else "",
        )
        return Download(file, position, content.hexdigest())


def _is_above(value: Any, high: Any, client: RestClient, page: int) -> bool:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        fix = "name a field that has an instant or a number as the cursor."
        raise RestError(client.name, f"a value of the cursor is neither text nor number (page {page}).", fix=fix)
    if high is None:
        return True
    if isinstance(value, str) != isinstance(high, str):
        fix = "name a field whose values are of one kind as the cursor."
        raise RestError(client.name, f"values of the cursor are texts and numbers (page {page}).", fix=fix)
    return bool(value > high)


def _digest(record: Any) -> str:
    return hashlib.blake2b(json.dumps(record, sort_keys=True).encode(), digest_size=8).hexdigest()


def _batch(lines: Sequence[bytes], first: int, columns: Sequence[str] | None) -> Batch:
    rows: list[Mapping[str, str | None]] = []
    malformed: list[Malformed] = []
    wheres: list[str] = []
    for number, line in enumerate(lines, first):
        page, place, text = line.rstrip(b"\n").split(b"\t", 2)
        where = f"page {int(page)}, record {int(place)}"
        record = json.loads(text)
        if not _is_unicode(text):
            reason = f"{where}: a text has half of a character (a lone surrogate)"
            malformed.append(Malformed(0, reason, text.decode(errors="replace")[: 1 << 16], number))
        elif isinstance(record, dict):
            rows.append({name: _text(value) for name, value in record.items()})
            wheres.append(where)
        else:
            reason = f"{where}: it is a JSON {type(record).__name__}, not an object"
            malformed.append(Malformed(0, reason, text.decode()[: 1 << 16], number))
    names = list(dict.fromkeys(name for row in rows for name in row if columns is None or name in columns))
    frame = pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in names}, schema=dict.fromkeys(names, pl.String)
    )
    return Batch(frame, first, wheres=pl.Series(wheres, dtype=pl.String), malformed=malformed)


def _is_unicode(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(value: Any) -> str | None:
    """Return a value as the text that a contract reads; a number as it was written, nested values as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and "e" in str(value):  # a decimal has no exponent
        return format(Decimal(str(value)), "f")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def open_source(options: Mapping[str, Any], context: SourceContext) -> RestRecords:
    """Open an address; its secret is the one that the settings have under its name."""
    return RestRecords(RestClient.of(options, context.settings), options, context)
