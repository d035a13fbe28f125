"""The rows that could not be taken, one JSON object a line: file, line, reason, and the row itself as it stood."""

import json
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

_SHOWN = 1 << 16


class Rejected(Protocol):
    """Takes the records of a file that are malformed."""

    def add(self, line: int, reason: str, text: str) -> None:
        """Set aside the record that begins on `line`, counted from 1."""


class Rejects:
    """Rows set aside, written as they are met; `count` of them, and of the `first` its line and the reason.

    Only the first 64 KiB of a row are kept, so that one endless line does not fill the disk a second time.
    """

    def __init__(self, path: Path, file: str) -> None:
        self.path, self.file, self.count = path, file, 0
        self.first: tuple[int, str] | None = None
        self._out = path.open("w", encoding="utf-8")

    def add(self, line: int, reason: str, text: str) -> None:
        """Set aside the row that begins on `line`, from 1."""
        row = {"file": self.file, "line": line, "reason": reason, "text": text[:_SHOWN]}
        self._out.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.first = self.first or (line, reason)
        self.count += 1

    def restart(self) -> None:
        """Forget what was set aside: the source is read again from its beginning."""
        self._out.seek(0)
        self._out.truncate()
        self.count, self.first = 0, None

    def close(self) -> None:
        """Write all of them into the file."""
        self._out.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
