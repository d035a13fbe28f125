"""Numbers in JSON whose digits no double holds: found before DuckDB rounds them, and kept as they are written.

DuckDB reads every number with a fraction as a double, also where the column becomes text. So a file is looked through
first; where a number would be cut, its column is a column of texts, and the lines are written anew with it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from platform_resources.readers.json_records import Digits, digits_kept
from platform_resources.readers.numerals import survives

_BLOCK = 4 << 20
_SHAPE = bytes.maketrans(b"123456789.E+", b"0000000000e-")
_SUSPECT = (b"0" * 16, b"0e000", b"0e-000")
"""What 16 digits in a row, or an exponent of three digits, look like once all digits are zeros."""

_LONG = re.compile(rb"[\d.]{16,}(?:[eE][+-]?\d+)?|[\d.]+[eE][+-]?\d{3,}")
_WHOLE = (-(2**63), 2**63 - 1)


def cut_columns(path: Path, types: Mapping[str, str], pairs: Callable[[list[tuple[str, Any]]], Any]) -> set[str]:
    """Return the columns with a number that reading in these DuckDB types would cut, but for top-level whole numbers.

    Args:
        path: A file of JSON lines.
        types: The DuckDB type of each column.
        pairs: Makes an object of its pairs, or raises a ValueError.
    """
    doubles = {name for name, kind in types.items() if "DOUBLE" in kind and kind != "DOUBLE"}
    cut_names: set[str] = set()
    for line in _suspects(path):
        if any(_doubtful(token, doubles=bool(doubles)) for token in _LONG.findall(line)):
            value = _parsed(line, pairs)
            cut_names.update(
                name
                for name, part in value.items()
                if name not in cut_names and any(_cut(*leaf, name in doubles) for leaf in _numbers(part))
            )
    return cut_names


def written_anew(
    path: Path,
    target: Path,
    cut: set[str],
    names: Mapping[str, str],
    pairs: Callable[[list[tuple[str, Any]]], Any],
) -> Path:
    """Return the same lines with the values of some columns as texts and some columns under other names.

    A line that is malformed stays as it is: who reads it sets it aside.
    """
    with path.open("rb") as source, target.open("wb") as out:
        for line in source:
            value = _parsed(line, pairs)
            record = {names.get(name, name): _texted(part) if name in cut else part for name, part in value.items()}
            try:
                out.write(digits_kept(record).encode() + b"\n" if value else line)
            except UnicodeEncodeError:  # half of a character
                out.write(line)
    return target


def _texted(value: object) -> object:
    if value is None or (isinstance(value, str) and not isinstance(value, Digits)):
        return value
    return digits_kept(value)


def _suspects(path: Path) -> Iterator[bytes]:
    """Yield the lines in which anything looks like a number that may be cut.

    The others pass at the speed of the disk.
    """
    rest = b""
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            lines, _, rest = (rest + block).rpartition(b"\n")
            yield from _suspects_in(lines)
    yield from _suspects_in(rest)


def _suspects_in(lines: bytes) -> Iterator[bytes]:
    shape = lines.translate(_SHAPE)
    nearest = dict.fromkeys(_SUSPECT, -1)
    end = 0
    while True:
        for mark, place in nearest.items():
            if place < end:
                nearest[mark] = _place_of(shape, mark, end)
        if (place := min(nearest.values())) == len(shape):
            return
        end = _place_of(lines, b"\n", place)
        yield lines[lines.rfind(b"\n", 0, place) + 1 : end]


def _place_of(content: bytes, sought: bytes, start: int) -> int:
    place = content.find(sought, start)
    return len(content) if place < 0 else place


def _parsed(line: bytes, pairs: Callable[[list[tuple[str, Any]]], Any]) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"), parse_float=Digits, parse_int=Digits, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _doubtful(token: bytes, *, doubles: bool) -> bool:
    """Whether a piece of a line may be a number that is cut."""
    text = token.decode()
    try:
        return not survives(text) if doubles or not text.isdigit() else len(text) > 18  # noqa: PLR2004 - digits of 64 bits
    except ValueError:  # an address or a version
        return False


def _numbers(value: object, *, nested: bool = False) -> Iterator[tuple[Digits, bool]]:
    if isinstance(value, Digits):
        yield value, nested
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _numbers(part, nested=True)


def _cut(number: Digits, nested: bool, double: bool) -> bool:  # noqa: FBT001 - a leaf, unpacked
    if not number.lstrip("-").isdigit():
        return not survives(number)
    if not nested:
        return False
    return len(number) > 20 or not _WHOLE[0] <= int(number) <= _WHOLE[1] or (double and not survives(number))  # noqa: PLR2004
