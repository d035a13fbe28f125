"""Contracts proposed for the tables of a database, from what the database says of itself and from some of its rows."""

import json
import keyword
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count

import polars as pl

from platform_assets.operations.profiles import Rows, profile_of, suggestions_of
from platform_core.contracts import Catalog
from platform_core.contracts.problems import can_be_quoted
from platform_core.privacy.detect import suspected_pii
from platform_core.quality.suggest import literal
from platform_core.quality.suggested_code import contract_code, likely_key
from platform_resources.conversion.csv_source import typed_by_content
from platform_resources.settings import Settings
from platform_resources.sources.engines import DatabaseEngine, Query, open_engine
from platform_resources.storage import Lake

_BATCH_BYTES = 1 << 24
_AT_ONCE = 4
"""Tables looked at at once: most of the time goes by waiting for the database."""
_CURSORS = ("updated_at", "modified_at", "changed_at", "last_modified", "updated", "created_at", "inserted_at")
"""Names under which tables say when a row was changed, the surest first."""


@dataclass(frozen=True)
class DiscoveredTable:
    """A table, and the module that would declare it.

    Attributes:
        table: As the database calls it.
        dataset: As the contract calls it.
        rows: How many rows it has.
        key: Its primary key.
        cursor: The column by which new rows are found; None where there is none to be sure of.
        code: The module; empty for a table without a row, of which nothing is known but the names.
    """

    table: str
    dataset: str
    rows: int
    key: tuple[str, ...]
    cursor: str | None
    code: str


def discover_tables(
    connection: str, settings: Settings, *, domain: str, owner: str, sample_rows: int
) -> Iterator[DiscoveredTable]:
    """Yield a proposal for each table of a database, in the order of their names.

    Args:
        connection: The name under which the settings know the database.
        settings: Where databases are.
        domain: Of the datasets.
        owner: Of the datasets.
        sample_rows: How many rows of each table are looked at.

    Raises:
        DatabaseError: No setting names the database, or it cannot be read.
    """
    engine, lake = open_engine(connection, settings), Lake(settings)
    words: dict[str, str] = {}
    for table in engine.tables():
        words[table] = _word(table, words.values())

    def propose(table: str) -> DiscoveredTable:
        return _proposal(engine, table, lake, f"{domain}/{words[table]}", owner, sample_rows)

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        yield from threads.map(propose, words)


def _proposal(
    engine: DatabaseEngine, table: str, lake: Lake, name: str, owner: str, sample_rows: int
) -> DiscoveredTable:
    query = Query(table=table, sql=None, cursor=None)
    columns, key = engine.columns(query), engine.primary_key(table)
    cursor = _cursor(engine.types(query), key)
    total = engine.state(query).rows
    sample = _sample(engine, query, sample_rows)
    if sample.is_empty():
        return DiscoveredTable(table, name, total, key, cursor, "")
    nameless = [column for column in columns if not can_be_quoted(column)]
    key = () if set(key) & set(nameless) else key
    frame = typed_by_content(sample.drop(nameless))
    rows = Rows(table, frame.lazy(), dataset=None, personal=suspected_pii(frame.lazy()), partition=None)
    measured = profile_of(rows)
    naive = [column for column, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime) and not dtype.time_zone]
    likely = key or likely_key(measured)
    options: dict[str, str | tuple[str, ...] | None] = {
        "table": table,
        "cursor": cursor if likely else None,
        "key": key,
        "zone": "UTC" if naive else None,
        "extra_columns": "ignore" if nameless else None,
    }
    words = ", ".join(f"{word}={_code(value)}" for word, value in options.items() if value)
    code = contract_code(
        measured,
        suggestions_of(rows, measured, Catalog({}, {}), lake),
        pl.Schema({**frame.schema, **dict.fromkeys(naive, pl.Datetime("us", "UTC"))}),
        name=name,
        owner=owner,
        source=f"Database({literal(engine.name)}, {words})",
        key=likely,
    )
    return DiscoveredTable(table, name, total, key, cursor if likely else None, _noted(code, naive, nameless))


def _noted(code: str, naive: Sequence[str], nameless: Sequence[str]) -> str:
    """Say in the module's docstring what was assumed, and what was left out."""
    notes = []
    if naive:
        notes.append(f"The database says no zone of {', '.join(map(json.dumps, naive))}: correct zone= if not UTC.")
    if nameless:
        notes.append(f"Left out, for SQL and dbt cannot quote the name: {', '.join(map(json.dumps, nameless))}.")
    first, _, rest = code.partition("\n")
    return "\n".join([first.removesuffix('"""'), "", *notes, '"""', rest]) if notes else code


def _sample(engine: DatabaseEngine, query: Query, rows: int) -> pl.DataFrame:
    frames = engine.rows(query, since=None, columns=None, batch_bytes=_BATCH_BYTES)
    parts: list[pl.DataFrame] = []
    for frame in frames:
        parts.append(frame)
        if sum(part.height for part in parts) >= rows:
            break
    return pl.concat(parts).head(rows) if parts else pl.DataFrame()


def _cursor(columns: Mapping[str, str], key: Sequence[str]) -> str | None:
    """Choose the column that grows, by its name; of keys only whole numbers do, and a UUID does not."""
    lower = {column.lower(): column for column in columns}
    named = next((lower[name] for name in _CURSORS if name in lower), None)
    grows = len(key) == 1 and key[0].lower().endswith("id") and "int" in columns.get(key[0], "")
    return named or (key[0] if grows else None)


def _word(table: str, others: Collection[str]) -> str:
    """Make a table's name one that a module and a dataset may have, and none of the others has.

    It is of lower case, digits and single underscores; accents are dropped.
    """
    plain = unicodedata.normalize("NFKD", table.casefold()).encode("ascii", "ignore").decode()
    word = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    word = word if word[:1].isalpha() and not keyword.iskeyword(word) else f"t_{word}".strip("_")
    return next(name for name in chain([word], (f"{word}_{n}" for n in count(2))) if name not in others)


def _code(value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return literal(value)
    return f"({', '.join(map(literal, value))},)"
