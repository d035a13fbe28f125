"""The ways in which a CSV file can be read, the quickest first: what went wrong with one says which is next."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platform_resources.conversion.csv_source import CsvSource
from platform_resources.conversion.engine import broken_guard
from platform_resources.readers.dialect import Guess
from platform_resources.readers.rows import Rows

if TYPE_CHECKING:
    import duckdb

_MOST = 6


class Attempts:
    """What is known of a CSV file after it was read in vain."""

    def __init__(self, source: CsvSource, guesses: Sequence[Guess], scratch: Path) -> None:
        self._original = self._source = source
        self._guesses, self._clean, self._made = guesses, scratch / "clean.csv", 0

    def after(self, error: "duckdb.Error") -> Rows:
        """Return the rows another way.

        In wider types where a value did not fit, without malformed records, or with care.
        """
        import duckdb

        self._made += 1
        if self._made > _MOST:
            return self._original.careful()
        if "converting column" in str(error):
            return self._source.guarded(self._guesses)
        if broken_guard(error) is not None:
            try:
                return self._source.mended(self._guesses)
            except duckdb.Error:  # a malformed record, farther down
                pass
        return self._without_malformed()

    def _without_malformed(self) -> Rows:
        """Return the rows of a copy without malformed records, once.

        Where that is no help, or no room, record by record.
        """
        if self._source is self._original:
            try:
                self._source = self._original.cleaned(self._clean)
                self._guesses = self._source.sampled()  # a malformed record may have been among the samples
                return self._source.rows(self._guesses)
            except OSError:
                self._clean.unlink(missing_ok=True)
        return self._original.careful()
