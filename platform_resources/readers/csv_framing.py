"""Where the records of a piece of CSV begin and end, by arithmetic on the places of its marks.

Quotes open and close in turn, so that a mark between an even number of them is a mark, and between an odd number a part
of a value. A quote opens where a field begins and closes where one ends, or it is doubled; a record has as many
delimiters as all others. Whatever keeps to this is one thing only; what does not is for a reader that goes by lines.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Places = np.ndarray[tuple[int], np.dtype[np.int64]]
_Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]

_QUOTE, _DELIMITER, _LINE_END, _RETURN = 1, 2, 3, 4
_LF = ord("\n")


@dataclass(frozen=True)
class Framed:
    """The well-formed records that a piece begins with.

    Attributes:
        size_bytes: What they take of it; 0 where the first is none.
        lines: The line that each begins on, counted from the piece's first, which is 0.
        text: They themselves, each with a line feed at its end.
    """

    size_bytes: int
    lines: Places
    text: bytes


def framed(piece: bytes, *, quote: bytes, delimiter: bytes, width: int) -> Framed:
    """Return the well-formed records at the beginning of a piece, up to the first that is not, or is not complete.

    Args:
        piece: Whole lines; only the last line of a file may lack its end.
        quote: One byte.
        delimiter: One byte.
        width: The fields of every record.
    """
    content = np.frombuffer(piece, dtype=np.uint8)
    kinds = _kinds(quote, delimiter)[content]
    places = np.flatnonzero(kinds)
    kind = kinds[places]
    within = (np.cumsum(kind == _QUOTE, dtype=np.int32) & 1).astype(np.bool_)
    line_ends = places[kind == _LINE_END]
    ends = places[(kind == _LINE_END) & ~within]
    if content.size and content[-1] != _LF:
        ends = np.append(ends, content.size)
    starts = np.append(0, ends[:-1] + 1) if ends.size else ends
    fields = np.searchsorted(places[(kind == _DELIMITER) & ~within], ends)
    returns = places[(kind == _RETURN) & ~within]
    wrong = [
        *_misplaced(content, places[kind == _QUOTE], quote, delimiter),
        _stray(content, returns),
        starts[(np.diff(fields, prepend=0) != width - 1) | (ends == starts)],
    ]
    first = min((int(each[0]) for each in wrong if each.size), default=content.size + 1)
    height = int(np.searchsorted(ends, first))
    size = min(int(ends[height - 1]) + 1, content.size) if height else 0
    content_kept = np.delete(content[:size], returns[returns < size]).tobytes() if returns.size else piece[:size]
    ended = content_kept if content_kept.endswith(b"\n") or not content_kept else content_kept + b"\n"
    return Framed(size, np.searchsorted(line_ends, starts[:height]), ended)


def _misplaced(content: _Bytes, quotes: Places, quote: bytes, delimiter: bytes) -> tuple[Places, Places, Places]:
    """Quotes that open within a field, that close within one, and the one that nothing closes."""
    marks = np.frombuffer(quote + delimiter + b"\n\r", dtype=np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    before = np.where(opening > 0, content[opening - 1], _LF)
    behind = np.where(closing + 1 < content.size, content[np.minimum(closing + 1, content.size - 1)], _LF)
    begun = np.isin(before, marks[:3])
    ended = np.isin(behind, marks)
    return opening[~begun], closing[~ended], opening[closing.size :]


def _stray(content: _Bytes, returns: Places) -> Places:
    """Carriage returns that are no part of a record's end."""
    behind = content[np.minimum(returns + 1, content.size - 1)] if returns.size else content[:0]
    stray: Places = returns[behind != _LF]
    return stray


@lru_cache(maxsize=8)
def _kinds(quote: bytes, delimiter: bytes) -> _Bytes:
    """Return what each byte is."""
    kinds = np.zeros(256, dtype=np.uint8)
    for mark, kind in ((b"\r", _RETURN), (b"\n", _LINE_END), (delimiter, _DELIMITER), (quote, _QUOTE)):
        kinds[ord(mark)] = kind
    return kinds
