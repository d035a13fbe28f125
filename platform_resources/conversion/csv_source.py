"""A CSV file as typed rows: at DuckDB's speed while the file is clean, with care from the first mistake on.

A mistake never shifts what is read of other rows. The quick way refuses the file, and the careful way reads it again
from the beginning, sets malformed rows aside and goes on.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from platform_resources.conversion import engine
from platform_resources.readers import texts
from platform_resources.readers.counting import count_csv_records
from platform_resources.readers.csv_records import Block, csv_blocks, csv_records
from platform_resources.readers.detection import SAMPLE_BYTES
from platform_resources.readers.dialect import DTYPES, PATTERNS, WRITTEN, Dialect, Guess, guessed, records_of
from platform_resources.readers.rejects import Rejects
from platform_resources.readers.rows import Conform, Rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WIDE = 2000
"""Columns beyond which DuckDB takes longer to plan a query than to read the file."""

_FEW = 20


@dataclass(frozen=True)
class CsvSource:
    """A CSV file in UTF-8, and all that is needed to read it."""

    path: Path
    dialect: Dialect
    rejects: Rejects
    connection: "DuckDBPyConnection"
    conform: Conform | None = None
    as_text: bool = False

    def rows(self, guesses: Sequence[Guess]) -> Rows:
        """Return the rows: by DuckDB where the whole file keeps what the guesses promise, else record by record."""
        if self.conform is not None:
            return self._careful(None)
        if len(guesses) > _WIDE:
            return self._careful(self._exact_guesses())
        return self._quick(guesses, self._written(guesses))

    def guarded(self, guesses: Sequence[Guess]) -> Rows:
        """Return the rows by DuckDB, each datetime read by itself: they are not all written alike."""
        return self._quick(guesses)

    def cleaned(self, path: Path) -> "CsvSource":
        """Return the same rows from a file of their own, in which every record is well formed.

        The others are set aside.
        """
        self.rejects.restart()
        with path.open("wb") as out:
            for csv_record in csv_records(self.path, self.dialect, self.rejects):
                out.writelines(csv_record.texts)
        return replace(self, path=path, dialect=replace(self.dialect, header=False))

    def careful(self) -> Rows:
        """Return the rows record by record, in types that every record keeps."""
        self.rejects.restart()
        return self._careful(None if self.conform else self._exact_guesses())

    def mended(self, guesses: Sequence[Guess]) -> Rows:
        """Return the rows by DuckDB, in types of which one pass over the file found that all rows keep them."""
        answers = engine.row(self.connection, engine.csv_checks(self.path, self.dialect, guesses))
        pairs = [(answers[place], answers[place + 1]) for place in range(0, len(answers), 2)]
        lasting = [
            guess if holds or holds is None else "float" if float_holds and guess == "int" else "text"
            for guess, (holds, float_holds) in zip(guesses, pairs, strict=True)
        ]
        return self._quick(lasting)

    def _quick(self, guesses: Sequence[Guess], written: str | None = None) -> Rows:
        query = engine.csv_query(self.path, self.dialect, guesses, written)
        schema = pl.Schema(dict(zip(self.dialect.names, (DTYPES[guess] for guess in guesses), strict=True)))
        return Rows(
            schema,
            lambda: _cast(engine.frames(self.connection, query), schema),
            query,
            count=lambda: count_csv_records(self.path, self.dialect),
        )

    def _written(self, guesses: Sequence[Guess]) -> str | None:
        """Return the format in which the first rows write all their datetimes, where it is one that DuckDB keeps to."""
        places = [place for place, guess in enumerate(guesses) if guess == "datetime"]
        if not places:
            return None
        with self.path.open("rb") as source:
            text = source.read(SAMPLE_BYTES).decode("utf-8", "replace")
        records = records_of(text, self.dialect.delimiter, self.dialect.quote, whole=False)[self.dialect.header :]
        values = [record[place] for record in records for place in places if place < len(record) and record[place]]
        fitting = (name for name, pattern in WRITTEN.items() if all(re.fullmatch(pattern, value) for value in values))
        return next(fitting, None) if values else None

    def sampled(self) -> list[Guess]:
        """Return the types in which no value of some samples loses anything, taken all over the file."""
        whole = self.path.stat().st_size <= SAMPLE_BYTES
        first, *others = [piece.decode("utf-8", "replace") for piece in texts.samples(self.path)]
        return self._guesses([first if whole else _whole_lines(first), *map(_whole_lines, others)])

    def _guesses(self, samples: Sequence[str]) -> list[Guess]:
        if self.as_text:
            return ["text"] * len(self.dialect.names)
        width = len(self.dialect.names)
        records: list[list[str]] = []
        for place, text in enumerate(samples):
            sampled = records_of(text, self.dialect.delimiter, self.dialect.quote, whole=True, limit=10_000)
            cut = 1 if place or self.dialect.header else 0
            records += [record for record in sampled[cut:] if len(record) == width]
        columns = zip(*records, strict=True) if records else [()] * width
        return [guessed(pl.Series([value or None for value in column], dtype=pl.String)) for column in columns]

    def _exact_guesses(self) -> list[Guess]:
        """Return the type of each column that every well-formed record keeps."""
        guesses: list[set[Guess]] = [set() for _ in self.dialect.names]
        if not self.as_text:
            for block in self._blocks():
                for place, name in enumerate(self.dialect.names):
                    if "text" not in guesses[place] and block.frame[name].null_count() < block.frame.height:
                        guesses[place].add(guessed(block.frame[name]))
        self.rejects.restart()
        return [_together(kinds) for kinds in guesses]

    def _careful(self, guesses: Sequence[Guess] | None) -> Rows:
        typed = self.conform or _as_guessed(guesses or ["text"] * len(self.dialect.names))
        empty = pl.DataFrame(schema=dict.fromkeys(self.dialect.names, pl.String))
        return Rows(typed(empty)[0].schema, lambda: self._typed(typed))

    def _typed(self, typed: Conform) -> Iterator[pl.DataFrame]:
        for block in self._blocks():
            frame, unreadable = typed(block.frame)
            yield accepted(frame, unreadable, block.frame, block.lines, self.rejects)

    def _blocks(self) -> Iterator[Block]:
        self.rejects.restart()
        return csv_blocks(self.path, self.dialect, self.rejects)


def _whole_lines(text: str) -> str:
    """Return a piece of a file without the line it begins in and the one it ends in."""
    return text[text.find("\n") + 1 : text.rfind("\n") + 1]


def accepted(
    frame: pl.DataFrame,
    unreadable: pl.DataFrame,
    raw: pl.DataFrame,
    lines: np.ndarray[tuple[int], np.dtype[np.int64]],
    rejects: Rejects,
) -> pl.DataFrame:
    """Return the rows that could be read whole.

    The others are set aside with the names of the columns that could not.
    """
    bad = unreadable.select(pl.any_horizontal(pl.all())).to_series() if unreadable.width else pl.Series([False])
    if not bad.any():
        return frame
    schema = frame.schema
    for place in bad.arg_true():
        named = [name for name in unreadable.columns if unreadable[name][place]]
        kinds = ", ".join(f"{name} is no {schema[name]}" for name in named[:_FEW])
        rejects.add(int(lines[place]), kinds, _record_text(raw, place))
    return frame.filter(~bad)


def _record_text(raw: pl.DataFrame, place: int) -> str:
    return raw[int(place)].write_csv(include_header=False).rstrip("\n")


def _as_guessed(guesses: Sequence[Guess]) -> Conform:
    def typed(raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        frame = raw.select(_parsed(name, guess) for name, guess in zip(raw.columns, guesses, strict=True))
        return frame, frame.select(
            (frame[name].is_null() & raw[name].is_not_null()).alias(name) for name in frame.columns
        )

    return typed


def typed_by_content(texts: pl.DataFrame) -> pl.DataFrame:
    """Give columns of texts in the narrowest types in which no value loses anything, as a CSV file of them is read."""
    return texts.select(_parsed(name, guessed(texts[name])) for name in texts.columns)


def _parsed(name: str, guess: Guess) -> pl.Expr:
    text = pl.col(name)
    if guess == "text":
        return text
    fitting = pl.when(text.str.contains(PATTERNS[guess])).then(text)
    if guess == "bool":
        return (fitting.str.to_lowercase() == "true").alias(name)
    if guess == "date":
        return fitting.str.to_date("%Y-%m-%d", strict=False).alias(name)
    if guess == "datetime":
        spaced = fitting.str.replace("T", " ", literal=True)
        return spaced.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False).alias(name)
    if guess == "instant":
        whole = fitting.str.replace(r"([+-][0-9]{2})$", "$1:00").str.replace(" ", "T", literal=True)
        return whole.str.to_datetime(time_unit="us", time_zone="UTC", strict=False).alias(name)
    return fitting.cast(DTYPES[guess], strict=False).alias(name)


def _together(kinds: set[Guess]) -> Guess:
    """Return the type that holds what several blocks need."""
    if not kinds or len(kinds) == 1:
        return next(iter(kinds), "text")
    return "float" if kinds == {"int", "float"} else "text"


def _cast(frames: Iterator[pl.DataFrame], schema: pl.Schema) -> Iterator[pl.DataFrame]:
    """Frames in exactly this schema: DuckDB calls UTC by another name."""
    for frame in frames:
        yield frame.cast(schema) if frame.schema != schema else frame
