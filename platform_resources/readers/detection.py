"""What a file is, told by its bytes alone: container and encoding. Its name is not asked.

Every answer is a pure function of a few samples, so that it costs the same for a kilobyte and for a terabyte.
"""

import codecs
import json
import zipfile
from collections.abc import Sequence
from typing import IO, Literal

Format = Literal["csv", "json", "jsonl", "parquet", "arrow", "avro", "excel", "delta"]
Encoding = str

SAMPLE_BYTES = 1 << 18
_BOMS: tuple[tuple[bytes, Encoding], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_IPC_STREAM = b"\xff\xff\xff\xff"
_UNASSIGNED = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))
"""Bytes to which Windows-1252 gives no character."""

_JSON_ENDINGS = frozenset({"json", "jsonl", "ndjson", "geojson", "geojsonl"})
_LINES = 100
"""The first lines of a text, which are looked at one by one."""

_WIDE_SHARE = 0.3
_EVEN = 2
_CONTINUES = 0x80


def container_of(head: bytes) -> Format | None:
    """Return the binary format of a file, by its first bytes; None where it is a text."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1") or (head.startswith(_IPC_STREAM) and head[4:8] not in (b"", _IPC_STREAM)):
        return "arrow"
    if head.startswith(b"Obj\x01"):
        return "avro"
    return "excel" if head.startswith((b"PK\x03\x04", _OLE)) else None


def is_workbook(content: IO[bytes]) -> bool:
    """Whether a zip archive holds an Excel or OpenDocument workbook."""
    try:
        with zipfile.ZipFile(content) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile:
        return False
    return bool(names & {"xl/workbook.xml", "xl/workbook.bin", "content.xml"})


def encoding_of(samples: Sequence[bytes]) -> tuple[Encoding, bool]:
    """Return the encoding of a text, and whether that is certain.

    A byte order mark and UTF-8 without an error are certain. UTF-16 without a mark is known by the zeros of its ASCII
    characters. Anything else is taken for Windows-1252, or Latin-1 where Windows-1252 has no such character: a guess.

    Args:
        samples: From the beginning, the first one; the others from anywhere, cut at any byte.
    """
    head = samples[0]
    marked = next((name for mark, name in _BOMS if head.startswith(mark)), None)
    if marked is not None:
        return marked, True
    if wide := _without_mark(head):
        return wide, False
    if all(_is_utf8(sample) for sample in samples):
        return "utf-8", True
    return ("latin-1" if any(set(_UNASSIGNED) & set(sample) for sample in samples) else "cp1252"), False


def text_format(text: str, name: str = "") -> Literal["csv", "json", "jsonl"]:
    """Tell the format of a text by its beginning; where that could be either, a name that says JSON is believed.

    A text that begins with `[` is a JSON array if a value follows that JSON knows; one that begins with `{` is JSON
    lines if every line is a value of its own, else JSON documents, each over several lines; everything else is CSV.
    """
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        return "json" if start[1:].lstrip()[:1] in tuple('{["]-0123456789tfn') else "csv"
    named = name.lower().rpartition(".")[2] in _JSON_ENDINGS
    if not start.startswith("{") and not (named and _objects_in(start)):
        return "csv"
    lines = [line for line in start.split("\n")[:_LINES] if line.strip()]
    return "jsonl" if not any(map(_is_open, lines[:-1] or lines)) else "json"


def _objects_in(text: str) -> bool:
    """Tell whether any of the first lines is an object."""
    return any(map(_is_object, text.split("\n")[:_LINES]))


def _is_open(line: str) -> bool:
    """Tell whether a line is the beginning of a JSON value, or the middle of one, rather than a value or a mistake."""
    text = line.strip()
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text) or text in ("}", "]", "},", "],")
    except (ValueError, RecursionError):
        return False
    return False


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _without_mark(head: bytes) -> Encoding | None:
    """UTF-16 by the zeros that it puts beside ASCII characters, at odd places if the low byte comes first."""
    even, odd = head[0 : 1 << 14 : 2], head[1 : 1 << 14 : 2]
    if not odd:
        return None
    low, high = odd.count(0) / len(odd), even.count(0) / len(even)
    if low > _WIDE_SHARE and high < low / _EVEN:
        return "utf-16-le"
    return "utf-16-be" if high > _WIDE_SHARE and low < high / _EVEN else None


def _is_utf8(sample: bytes) -> bool:
    """Whether a sample is UTF-8, apart from characters that its ends cut."""
    start = next((place for place in range(min(4, len(sample))) if sample[place] & 0xC0 != _CONTINUES), 0)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample[start:], final=False)
    except UnicodeDecodeError:
        return False
    return True
