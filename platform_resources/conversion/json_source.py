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
from platform_resources.conversion.json_array import array_to_lines
from platform_resources.conversion.json_numbers import Digits, careful_float, cut_columns, digits_kept, written_anew
from platform_resources.conversion.records import json_lines
from platform_resources.conversion.rejects import Rejects
from platform_resources.conversion.rows import Conform, Rows
from platform_resources.errors import ConversionError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BATCH = 20_000
_OBJECT_BYTES = (1 << 20, 16 << 20, 64 << 20)
"""The largest document, at first and where one is larger; DuckDB reserves four times as much."""

_RENAMED = 1 << 16


_EXAMPLES_BYTES = 32 << 20


@dataclass(frozen=True)
class JsonSource:
    """A file of JSON lines in UTF-8; `longest` is the size of its longest one, where that was measured."""

    path: Path
    name: str
    rejects: Rejects
    connection: "DuckDBPyConnection"
    scratch: Path
    conform: Conform | None = None
    longest: int | None = None

    def rows(self) -> Rows:
        """The rows; lines that are no JSON object are set aside."""
        if self.conform is not None:
            return self._conformed(self.conform)
        import duckdb

        try:
            return self._typed(self.path)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            if self.longest is None and engine.is_too_long(error):
                return replace(self, longest=_longest_line(self.path)).rows()
            cleaned = self._cleaned()  # a line is malformed: DuckDB says so of one, we want to know of all
        try:
            return self._typed(cleaned)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            told = f"its objects cannot be read as rows ({type(error).__name__})"
            raise ConversionError(
                self.name, told, fix="give all of them the same keys, or send CSV or Parquet"
            ) from error

    def _typed(self, path: Path) -> Rows:
        kinds = self._kinds(path)
        if not kinds:
            raise ConversionError(self.name, "no line of it is a JSON object with a key", fix="send JSON objects")
        cut, names = cut_columns(path, kinds, _without_repetition), column_names(kinds)
        if cut or any(name != kept for name, kept in names.items()):
            path = written_anew(path, self.scratch / "kept.jsonl", cut, names, _without_repetition)
        types = {names[name]: "VARCHAR" if name in cut else kind for name, kind in kinds.items()}
        types |= self._whole_numbers(path, types)
        query = engine.json_query(path, types, self.longest)
        arrow = self.connection.sql(f"SELECT * FROM ({query}) LIMIT 0").to_arrow_table()  # noqa: S608 - names are quoted
        empty = pl.DataFrame(pl.from_arrow(arrow))
        self._read_once(query)
        return Rows(empty.schema, lambda: engine.frames(self.connection, query), query)

    def _kinds(self, path: Path) -> dict[str, str]:
        """The DuckDB type of each key that any line has, in the order in which they are met."""
        found = self._structure(path)
        structure = json.loads(found) if found else {}
        if not isinstance(structure, dict):
            import duckdb

            raise duckdb.InvalidInputException("a line is no object")
        return {name: _duckdb_type(kind) for name, kind in structure.items()}

    def _structure(self, path: Path) -> str | None:
        """What all lines together are, by DuckDB's `json_group_structure`.

        It keeps all it is given, 20 times the memory of a file of 100 MB; so the first line of each structure stands
        for its like. To look these up costs less than to have DuckDB carry every line along.
        """
        told = (
            "SELECT json_structure(json)::VARCHAR AS structure, row_number() OVER () AS n, json "  # noqa: S608 - the path is quoted
            f"FROM read_json_objects({engine.literal(str(path))}, format = 'newline_delimited', "
            f"maximum_object_size = {self.longest or engine.object_bytes(path)})"
        )
        grouped = (
            f"FROM ({told}) WHERE structure <> '\"JSON\"' GROUP BY structure ORDER BY min(n)"  # of {} it is "JSON"
        )
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
        asked = []
        for name, kind in types.items():
            if name in doubtful:
                column = engine.quoted(name)
                cut = (
                    f"{column} IS NOT NULL AND try_cast({column} AS BIGINT) IS NULL"
                    if kind == "BIGINT"
                    else f"strlen({column}) > 15 AND NOT contains({column}, '.') AND NOT contains({column}, 'e')"
                )
                asked.append(f"coalesce(bool_or({cut}), false)")
        query = f"SELECT {', '.join(asked)} FROM ({engine.json_query(path, doubtful, self.longest)})"  # noqa: S608 - names are quoted
        found = engine.row(self.connection, query)
        return {name: "VARCHAR" for name, cut in zip(doubtful, found, strict=True) if cut}

    def _read_once(self, query: str) -> None:
        """Raises what reading in these types would raise, such as for a key that is there twice in an object."""
        self.connection.execute(f"SELECT count(hash(COLUMNS(*))) FROM ({query})").fetchall()  # noqa: S608

    def _cleaned(self) -> Path:
        """The lines that are objects, as a file; the others are set aside."""
        target = self.scratch / "clean.jsonl"
        self.rejects.restart()
        with target.open("wb") as out:
            for number, line, _ in self._objects():
                del number
                out.write(line if line.endswith(b"\n") else line + b"\n")
        return target

    def _objects(self) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        for number, line in json_lines(self.path):
            try:
                value = json.loads(
                    line.decode("utf-8"), object_pairs_hook=_without_repetition, parse_float=careful_float
                )
            except UnicodeDecodeError as error:
                reason = f"not UTF-8 at byte {error.start + 1} of the line"
            except json.JSONDecodeError as error:
                reason = f"no JSON at character {error.pos + 1}"
            except (ValueError, RecursionError) as error:
                reason = "a key is there twice" if isinstance(error, ValueError) else "nested too deeply"
            else:
                if isinstance(value, dict) and _has_whole_characters(line, value):
                    yield number, line, value
                    continue
                reason = "no JSON object" if not isinstance(value, dict) else "half of a character"
            self.rejects.add(number, reason, line.decode("utf-8", "backslashreplace").rstrip("\r\n"))

    def _conformed(self, conform: Conform) -> Rows:
        keys: dict[str, None] = {}
        for _, _, value in self._objects():
            keys.update(dict.fromkeys(value))
        self.rejects.restart()
        schema = dict.fromkeys(keys, pl.String)
        return Rows(conform(pl.DataFrame(schema=schema))[0].schema, lambda: self._frames(conform, schema))

    def _frames(self, conform: Conform, schema: Mapping[str, Any]) -> Iterator[pl.DataFrame]:
        self.rejects.restart()
        held: list[tuple[int, dict[str, Any]]] = []
        for number, _, value in self._objects():
            held.append((number, value))
            if len(held) == _BATCH:
                yield self._frame(conform, schema, held)
                held = []
        if held:
            yield self._frame(conform, schema, held)

    def _frame(
        self, conform: Conform, schema: Mapping[str, Any], held: list[tuple[int, dict[str, Any]]]
    ) -> pl.DataFrame:
        raw = pl.DataFrame({name: [as_text(value.get(name)) for _, value in held] for name in schema}, schema=schema)
        frame, unreadable = conform(raw)
        return accepted(frame, unreadable, raw, np.array([number for number, _ in held], dtype=np.int64), self.rejects)


def _longest_line(path: Path) -> int:
    """The bytes that the longest line needs, once its columns have other names."""
    with path.open("rb") as source:
        return max(map(len, source), default=0) + _RENAMED


def lines_of(path: Path, name: str, connection: "DuckDBPyConnection", scratch: Path) -> Path:
    """A file of JSON lines with the elements of an array, or with the documents that follow one another.

    Raises:
        ConversionError: It is no JSON; what is behind the mistake cannot be told apart, so nothing is used.
    """
    target = scratch / "lines.jsonl"
    with path.open("rb") as source:
        array = source.read(4096).lstrip()[:1] == b"["
    if array:
        array_to_lines(path, target, name)
    else:
        _documents_to_lines(path, target, name, connection)
    return target


def _documents_to_lines(path: Path, target: Path, name: str, connection: "DuckDBPyConnection") -> None:
    import duckdb

    for size in _OBJECT_BYTES:
        query = (
            f"COPY (SELECT json(json)::VARCHAR AS line FROM read_json_objects({engine.literal(str(path))}, "  # noqa: S608
            f"format = 'unstructured', maximum_object_size = {size})) TO {engine.literal(str(target))} "
            "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')"
        )
        try:
            connection.execute(query)
        except duckdb.Error as error:
            if "maximum_object_size" in str(error) and size != _OBJECT_BYTES[-1]:
                continue
            place = str(error).partition(", at ")[2].split("\n")[0].rstrip(". ")
            raise ConversionError(
                name, f"is no JSON{': at ' + place if place else ''}", fix="send it whole, or one object a line"
            ) from error
        return


def as_text(value: object) -> str | None:
    """A JSON value as a text: a text as it is, null as null, everything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return digits_kept(value) if _has_digits(value) else json.dumps(value, ensure_ascii=False)


def _has_digits(value: object) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, Digits) or any(map(_has_digits, inner))


def _duckdb_type(kind: Any) -> str:
    """A type of `json_structure` as one to read in; what is mixed or unknown is read as text."""
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
    """The objects of these numbers, from 1 and rising, blank lines aside; none where they would take much memory."""
    found: list[str] = []
    size, wanted = 0, iter(numbers)
    next_ = next(wanted, None)
    for number, (_, line) in enumerate(json_lines(path), start=1):
        if next_ is None or size > _EXAMPLES_BYTES:
            break
        if number == next_:
            found.append(line.decode("utf-8", "replace"))
            size, next_ = size + len(line), next(wanted, None)
    return found if len(found) == len(numbers) and size <= _EXAMPLES_BYTES else []


def column_names(keys: Iterable[str]) -> dict[str, str]:
    """The column of each key: DuckDB tells no `A` from an `a`, and has no column without a name.

    >>> column_names(["A", "a", "", "a_2"])
    {'A': 'A', 'a': 'a_3', '': 'column_3', 'a_2': 'a_2'}
    """
    every = list(keys)
    taken, made = {""}, {}
    for place, key in enumerate(every, start=1):
        base = key.replace("\0", "") or f"column_{place}"
        reserved = taken | {other.lower() for other in every if key not in (other, base)}
        name, number = base, 2
        while name.lower() in reserved:
            name, number = f"{base}_{number}", number + 1
            reserved |= {other.lower() for other in every}
        taken.add(name.lower())
        made[key] = name
    return made


def _folded_twice(kinds: Mapping[str, Any]) -> bool:
    return len({name.lower() for name in kinds}) < len(kinds) or "" in kinds


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is there twice")
    return made


def _has_whole_characters(line: bytes, value: dict[str, Any]) -> bool:
    """Whether no escape in the line is half of a character, which UTF-8 cannot hold."""
    if b"\\u" not in line:
        return True
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
