"""Texts whose columns stand at fixed places of a line, without a delimiter between them."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path

import numpy as np
import polars as pl

from platform_resources.readers.dialect import unique_names
from platform_resources.readers.rejects import Rejected

_LINES = 50_000

Lines = np.ndarray[tuple[int], np.dtype[np.int64]]


def fixed_width_blocks(
    path: Path, widths: Sequence[int], rejects: Rejected, *, header: bool
) -> Iterator[tuple[tuple[str, ...], pl.DataFrame, Lines]]:
    """Yield the columns' names, rows as texts without the blanks around a value, and the line of each row.

    A line may lack the blanks at its end. One that ends before the last column begins, or goes on behind it, is
    malformed; an empty one is none. A value of blanks alone is null.

    Args:
        path: A text in UTF-8.
        widths: Of the columns, in characters.
        rejects: Takes malformed lines.
        header: Whether the first line names the columns.
    """
    names = tuple(unique_names([""] * len(widths)))
    starts = [0, *accumulate(widths)]
    with path.open("rb") as source:
        lines = ((number, line.rstrip(b"\r\n")) for number, line in enumerate(source, start=1) if line.strip())
        if header and (first := next(lines, None)):
            text = first[1].decode("utf-8", "replace")
            cells = [text[start : start + width] for start, width in zip(starts, widths, strict=False)]
            names = tuple(unique_names(cells))
        while block := list(islice(lines, _LINES)):
            fitting = [line for line in block if _fits(line, starts, rejects)]
            texts = pl.Series("text", [text.decode() for _, text in fitting], dtype=pl.String)
            cut = (texts.str.slice(start, width) for start, width in zip(starts, widths, strict=False))
            frame = pl.DataFrame(
                {name: column.str.strip_chars() for name, column in zip(names, cut, strict=True)}
            ).with_columns(pl.all().replace("", None))
            yield names, frame, np.array([number for number, _ in fitting], dtype=np.int64)


def _fits(line: tuple[int, bytes], starts: Sequence[int], rejects: Rejected) -> bool:
    number, content = line
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start + 1} of the line"
        rejects.add(number, reason, content.decode("utf-8", "backslashreplace"))
        return False
    length = len(text.rstrip())
    if starts[-2] < length <= starts[-1]:
        return True
    if length <= starts[-2] and len(text) > starts[-2]:  # blanks where the last column is
        return True
    rejects.add(number, f"{length} characters, and the columns take {starts[-2] + 1} to {starts[-1]}", text)
    return False
