"""JSON as typed rows: lines at DuckDB's speed, in types that one pass over the whole file has found.

Nothing is guessed from a first page: a key that only the last line has is a column, and a column that is once a number
and once a text is a column of texts. Times stay the texts they are; JSON has none.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from platform_resources.conversion import engine
from platform_resources.conversion.csv_source import accepted
from platform_resources.conversion.json_numbers import cut_columns, written_anew
from platform_resources.errors import ConversionError
from platform_resources.readers.counting import count_filled_lines, count_json_documents
from platform_resources.readers.json_array import array_to_lines
from platform_resources.readers.json_records import (
    begins_array,
    frame_of,
    json_records,
    record_groups,
    without_repetition,
)
from platform_resources.readers.rejects import Rejects
from platform_resources.readers.rows import Conform, Rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_OBJECT_BYTES = (1 << 20, 16 << 20, 64 << 20)
"""The largest document, at first and where one is larger; DuckDB reserves four times as much."""

_RENAMED = 1 << 16


_EXAMPLES_BYTES = 32 << 20


@dataclass(frozen=True)
class JsonSource:
    """A JSON text in UTF-8.

    Attributes:
        path: Where it lies.
        name: What an error calls it.
        as_lines: Whether each record is known to stand on a line of its own.
        rejects: Where malformed records go.
        connection: The engine that reads lines.
        scratch: A folder for copies.
        conform: Gives rows the types of a contract.
        longest: The size of the longest line, where that was measured.
    """

    path: Path
    name: str
    as_lines: bool
    rejects: Rejects
    connection: "DuckDBPyConnection"
    scratch: Path
    conform: Conform | None = None
    longest: int | None = None

    def rows(self) -> Rows:
        """Read the rows; what is no JSON object is set aside."""
        if self.conform is not None:
            return self._conformed(self.conform)
        import duckdb

        lines = self._lines()
        try:
            rows = self._unless_malformed(lines) if lines else None
            return rows or self._typed(self._cleaned())
        except duckdb.Error as error:
            if isinstance(error, duckdb.OutOfMemoryException):
                raise
            problem = f"its objects cannot be read as rows ({type(error).__name__})"
            raise ConversionError(
                self.name, problem, fix="give all of them the same keys, or send CSV or Parquet"
            ) from error

    def _lines(self) -> Path | None:
        """Return a file with a record a line, under a name in which DuckDB sees neither a pattern nor a format.

        None where DuckDB cannot make one: something in the file is malformed.
        """
        lines = self.scratch / "lines.jsonl"
        if lines.is_symlink() or lines.exists():
            return lines
        if self.as_lines:
            lines.symlink_to(self.path.absolute())
        elif begins_array(self.path):
            array_to_lines(self.path, lines, self.name)
        elif not _documents_to_lines(self.path, lines, self.connection):
            return None
        return lines

    def _unless_malformed(self, lines: Path) -> Rows | None:
        """Return the rows of lines, or None where one is malformed: DuckDB says so of one, we want to know of all."""
        import duckdb

        try:
            return self._typed(lines)
        except duckdb.Error as error:
            if isinstance(error, duckdb.OutOfMemoryException):
                raise
            if self.longest is None and engine.is_too_long(error):
                return replace(self, longest=_longest_line(lines))._unless_malformed(lines)  # noqa: SLF001 - its own
            return None

    def _typed(self, path: Path) -> Rows:
        kinds = self._kinds(path)
        if not kinds:
            raise ConversionError(self.name, "no line of it is a JSON object with a key", fix="send JSON objects")
        cut, names = cut_columns(path, kinds, without_repetition), column_names(kinds)
        if cut or any(name != column for name, column in names.items()):
            path = written_anew(path, self.scratch / "kept.jsonl", cut, names, without_repetition)
        types = {names[name]: "VARCHAR" if name in cut else kind for name, kind in kinds.items()}
        types |= self._whole_numbers(path, types)
        query = engine.json_query(path, types, self.longest)
        arrow = self.connection.sql(f"SELECT * FROM ({query}) LIMIT 0").to_arrow_table()  # noqa: S608 - names are quoted
        empty = pl.DataFrame(pl.from_arrow(arrow))
        lines = self._read_once(query, path)
        return Rows(
            empty.schema,
            lambda: engine.frames(self.connection, query),
            query,
            count=lambda: lines,
        )

    def _kinds(self, path: Path) -> dict[str, str]:
        """Return the DuckDB type of each key that any line has, in the order in which they are met."""
        structure_text = self._structure(path)
        structure = json.loads(structure_text) if structure_text else {}
        if not isinstance(structure, dict):
            import duckdb

            raise duckdb.InvalidInputException("a line is no object")
        return {name: _duckdb_type(kind) for name, kind in structure.items()}

    def _structure(self, path: Path) -> str | None:
        """Return what all lines together are, by DuckDB's `json_group_structure`.

        It keeps all it is given, 20 times the memory of a file of 100 MB; so the first line of each structure stands
        for its like. To look these up costs less than to have DuckDB carry every line along.
        """
        objects_query = (
            "SELECT json_structure(json)::VARCHAR AS structure, row_number() OVER () AS n, json "  # noqa: S608 - the path is quoted
            f"FROM read_json_objects({engine.literal(str(path))}, format = 'newline_delimited', "
            f"maximum_object_size = {self.longest or engine.object_bytes(path)})"
        )
        # Of {} the structure is "JSON".
        grouped = f"FROM ({objects_query}) WHERE structure <> '\"JSON\"' GROUP BY structure ORDER BY min(n)"
        firsts = self.connection.execute(f"SELECT structure, min(n) {grouped}").fetchall()
        if examples := _lines_at(path, [place for _, place in firsts]):
            query = (
                "SELECT json_group_structure(each), list(DISTINCT json_structure(each)::VARCHAR) "
                "FROM (SELECT unnest(?::JSON[]) AS each)"
            )
            found, structures = self.connection.execute(query, [examples]).fetchall()[0]
            if set(structures) == {structure for structure, _ in firsts}:
                return str(found)
        query = f"SELECT json_group_structure(example) FROM (SELECT arg_min(json, n) AS example {grouped})"  # noqa: S608
        (found,) = engine.row(self.connection, query)
        return None if found is None else str(found)

    def _whole_numbers(self, path: Path, types: Mapping[str, str]) -> dict[str, str]:
        """Types of the columns whose numbers a BIGINT, or a DOUBLE, would cut off."""
        doubtful = {name: "VARCHAR" for name, kind in types.items() if kind in ("BIGINT", "DOUBLE")}
        if not doubtful:
            return {}
        questions = []
        for name, kind in types.items():
            if name in doubtful:
                column = engine.quoted(name)
                cut = (
                    f"{column} IS NOT NULL AND try_cast({column} AS BIGINT) IS NULL"
                    if kind == "BIGINT"
                    else f"strlen({column}) > 15 AND NOT contains({column}, '.') AND NOT contains({column}, 'e')"
                )
                questions.append(f"coalesce(bool_or({cut}), false)")
        query = f"SELECT {', '.join(questions)} FROM ({engine.json_query(path, doubtful, self.longest)})"  # noqa: S608 - names are quoted
        answers = engine.row(self.connection, query)
        return {name: "VARCHAR" for name, cut in zip(doubtful, answers, strict=True) if cut}

    def _read_once(self, query: str, path: Path) -> int:
        """Read all rows in these types once, and count the lines that they stand on.

        Raises:
            duckdb.Error: A row cannot be read so, for a key that is there twice, or there are other rows than lines.
        """
        import duckdb

        rows, *_ = engine.row(self.connection, f"SELECT count(*), count(hash(COLUMNS(*))) FROM ({query})")  # noqa: S608
        lines = count_filled_lines(path)
        if rows != lines:
            raise duckdb.InvalidInputException("there are other rows than lines")
        return lines

    def _cleaned(self) -> Path:
        """Return the records that are objects, each on a line, as a file; the others are set aside."""
        target = self.scratch / "clean.jsonl"
        self.rejects.restart()
        with target.open("wb") as out:
            for record in json_records(self.path, self.name, self.rejects):
                out.write(record.on_one_line())
                out.write(b"\n")
        return target

    def _conformed(self, conform: Conform) -> Rows:
        keys: dict[str, None] = {}
        for record in json_records(self.path, self.name, self.rejects):
            keys.update(dict.fromkeys(record.value))
        self.rejects.restart()
        schema = dict.fromkeys(keys, pl.String)
        return Rows(conform(pl.DataFrame(schema=schema))[0].schema, lambda: self._frames(conform, schema))

    def _frames(self, conform: Conform, schema: Mapping[str, Any]) -> Iterator[pl.DataFrame]:
        self.rejects.restart()
        for records in record_groups(json_records(self.path, self.name, self.rejects)):
            raw = frame_of(records, schema)
            frame, unreadable = conform(raw)
            lines = np.array([record.line for record in records], dtype=np.int64)
            yield accepted(frame, unreadable, raw, lines, self.rejects)


def _longest_line(path: Path) -> int:
    """Return the bytes that the longest line needs, once its columns have other names."""
    with path.open("rb") as source:
        return max(map(len, source), default=0) + _RENAMED


def _documents_to_lines(path: Path, target: Path, connection: "DuckDBPyConnection") -> bool:
    """Write each document of a file on a line, and tell whether all of the file is JSON."""
    import duckdb

    for size in _OBJECT_BYTES:
        query = (
            f"COPY (SELECT json(json)::VARCHAR AS line FROM read_json_objects({engine.literal(str(path))}, "  # noqa: S608
            f"format = 'unstructured', maximum_object_size = {size})) TO {engine.literal(str(target))} "
            "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')"
        )
        try:
            connection.execute(query)
            return count_filled_lines(target) == count_json_documents(path)
        except duckdb.Error as error:
            if "maximum_object_size" in str(error) and size != _OBJECT_BYTES[-1]:
                continue
            return False
    return False


def _duckdb_type(kind: Any) -> str:
    """Return a type of `json_structure` as one to read in; what is mixed or unknown is read as text."""
    if isinstance(kind, dict):
        if not kind or _folded_twice(kind):
            return "JSON"
        return (
            "STRUCT(" + ", ".join(f"{engine.quoted(name)} {_duckdb_type(inner)}" for name, inner in kind.items()) + ")"
        )
    if isinstance(kind, list):
        return f"{_duckdb_type(kind[0])}[]"
    return {"NULL": "VARCHAR", "UBIGINT": "BIGINT", "JSON": "VARCHAR"}.get(str(kind), str(kind))


def _lines_at(path: Path, numbers: Sequence[int]) -> list[str]:
    """Return the objects of these numbers, from 1 and rising, blank lines aside.

    None where they would take much memory.
    """
    lines: list[str] = []
    size, remaining = 0, iter(numbers)
    next_ = next(remaining, None)
    for number, line in enumerate(_filled_lines(path), start=1):
        if next_ is None or size > _EXAMPLES_BYTES:
            break
        if number == next_:
            lines.append(line.decode("utf-8", "replace"))
            size, next_ = size + len(line), next(remaining, None)
    return lines if len(lines) == len(numbers) and size <= _EXAMPLES_BYTES else []


def _filled_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file that are not blank."""
    with path.open("rb") as source:
        yield from (line for line in source if line.strip())


def column_names(keys: Iterable[str]) -> dict[str, str]:
    """Return the column of each key: DuckDB tells no `A` from an `a`, and has no column without a name.

    >>> column_names(["A", "a", "", "a_2"])
    {'A': 'A', 'a': 'a_3', '': 'column_3', 'a_2': 'a_2'}
    """
    every = list(keys)
    lower_names, columns = {""}, {}
    for place, key in enumerate(every, start=1):
        base = key.replace("\0", "") or f"column_{place}"
        reserved = lower_names | {other.lower() for other in every if key not in (other, base)}
        name, number = base, 2
        while name.lower() in reserved:
            name, number = f"{base}_{number}", number + 1
            reserved |= {other.lower() for other in every}
        lower_names.add(name.lower())
        columns[key] = name
    return columns


def _folded_twice(kinds: Mapping[str, Any]) -> bool:
    return len({name.lower() for name in kinds}) < len(kinds) or "" in kinds
