"""A text as its readers want it: samples from all over the file, and the whole of it in UTF-8, a block at a time.

A text that is that already is read where it lies. Any other becomes a file in a scratch folder, so that it costs disk
and never memory.
"""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platform_resources.errors import ConversionError
from platform_resources.readers.detection import SAMPLE_BYTES, Encoding, encoding_of
from platform_resources.readers.dialect import ends_at_returns

_BLOCK = 1 << 20
_SPREAD = 64
_LONGEST = 64 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Text:
    """A text in UTF-8 without a byte order mark, whose lines end with a line feed.

    Attributes:
        path: Where it lies.
        encoding: In which it came.
        certain: False where the encoding is a guess.
        samples: Its beginning, and pieces from everywhere in it.
    """

    path: Path
    encoding: Encoding
    certain: bool
    samples: list[bytes]

    @property
    def head(self) -> str:
        """Its beginning; characters that the end of the sample cuts are replaced."""
        return self.samples[0].decode("utf-8", "replace")


def open_text(path: Path, scratch: Path, *, name: str, encoding: str | None = None, guess: bool = True) -> Text:
    """Bring a text to UTF-8 with line feeds, where it is not that already.

    Args:
        path: The file.
        scratch: A folder for a copy.
        name: What an error calls the file.
        encoding: The one that somebody knows.
        guess: Whether an encoding that is not certain may be taken; else the text is taken for UTF-8.

    Raises:
        ConversionError: There is no such encoding, or some bytes are not of it.
    """
    pieces = samples(path)
    chosen, certain = (encoding, True) if encoding else encoding_of(pieces)
    if not certain and not guess:
        if chosen.startswith("utf-16"):
            raise ConversionError(name, f"looks like {chosen} without a mark of it", fix="name its encoding")
        chosen, certain = "utf-8", True
    source_encoding = _known_encoding(chosen, name)
    if source_encoding != "utf-8" or pieces[0].startswith(_BYTE_ORDER_MARK):
        path = in_utf8(path, source_encoding, scratch, name=name)
        pieces = samples(path)
    if ends_at_returns(pieces[0].decode("utf-8", "replace")):
        path = _with_line_feeds(path, scratch)
        pieces = samples(path)
    return Text(path, source_encoding, certain, pieces)


def in_utf8(path: Path, encoding: Encoding, scratch: Path, *, name: str) -> Path:
    """Write the same text in UTF-8, without a byte order mark, to the scratch folder.

    Raises:
        ConversionError: Some bytes are not of this encoding.
    """
    target = scratch / "utf8"
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    read, first = 0, True
    with path.open("rb") as source, target.open("w", encoding="utf-8", newline="") as out:
        while True:
            block = source.read(_BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeError as error:
                where = f" at byte {read + error.start:,}" if isinstance(error, UnicodeDecodeError) else ""
                raise ConversionError(name, f"is not {encoding}{where}", fix="name its encoding") from error
            out.write(text.removeprefix("\ufeff") if first else text)
            read, first = read + len(block), False
            if not block:
                return target


def samples(path: Path) -> list[bytes]:
    """Read the beginning of a file, and pieces from everywhere in it."""
    size = path.stat().st_size
    with path.open("rb") as source:
        first = source.read(SAMPLE_BYTES)
        pieces = [first if b"\n" in first else first + source.readline(_LONGEST)]  # a header may be longer
        step = max((size - SAMPLE_BYTES) // _SPREAD, 1)
        for place in range(SAMPLE_BYTES, size, max(step, _BLOCK // 16)):
            source.seek(place)
            pieces.append(source.read(_BLOCK // 16))
    return pieces


def head(path: Path) -> bytes:
    """Read the first bytes of a file."""
    with path.open("rb") as source:
        return source.read(SAMPLE_BYTES)


def _known_encoding(encoding: str, name: str) -> str:
    try:
        "".encode(encoding)  # refuses also codecs that are none of texts, such as base64
        known = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise ConversionError(name, f"{encoding!r} is no encoding", fix="use utf-8, utf-16, cp1252, …") from error
    return "utf-8" if known == "utf-8-sig" else known


def _with_line_feeds(path: Path, scratch: Path) -> Path:
    """Write the same text with a line feed for each carriage return that ends a line, to the scratch folder.

    One between quotes is part of a value. Where the quotes do not pair, a stray one has turned inside and outside
    round, so all returns are taken for line ends.
    """
    target = scratch / "line-feeds"
    for heed_quotes in (True, False):
        quotes = 0
        with path.open("rb") as source, target.open("wb") as out:
            for block in _blocks_between_returns(source.read):
                out.write(_line_feeds(block, quotes if heed_quotes else None))
                quotes += block.count(b'"')
        if quotes % 2 == 0:
            break
    return target


def _blocks_between_returns(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield blocks of which none ends with a return, lest the line feed behind it be in the next one."""
    while block := read(_BLOCK):
        while block.endswith(b"\r") and (more := read(1)):
            block += more
        yield block


def _line_feeds(block: bytes, quotes: int | None) -> bytes:
    """Replace the lone returns of a block, but for those between quotes where quotes are counted."""
    content = np.frombuffer(block, dtype=np.uint8).copy()
    returns = np.flatnonzero(content == ord("\r"))
    behind = content[np.minimum(returns + 1, content.size - 1)]
    lone = returns[(behind != ord("\n")) | (returns + 1 == content.size)]
    if quotes is not None and lone.size:
        before = np.searchsorted(np.flatnonzero(content == ord('"')), lone)
        lone = lone[(before + quotes) % 2 == 0]
    content[lone] = ord("\n")
    return content.tobytes()
