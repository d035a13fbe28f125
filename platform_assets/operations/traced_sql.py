"""What SQL was traced to before, kept by a digest of the SQL and of the tables that it names."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_core.lineage.sql import TRACER, Origins, UnreadableSql, column_origins


class TracedSql:
    """Traces SQL, and remembers it in a file; an edit of one model leaves the others as they were."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = False
        try:
            self._kept: dict[str, dict[str, list[list[str]]] | str] = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            self._kept = {}

    def __call__(self, sql: str, tables: Mapping[str, Sequence[str]]) -> Origins:
        """Return where the columns of a query come from.

        Raises:
            UnreadableSql: They cannot be traced.
        """
        plain = sql.replace('"', "").replace("`", "").lower()
        named = {name: list(columns) for name, columns in sorted(tables.items()) if name.lower() in plain}
        key = hashlib.sha256(json.dumps([TRACER, sql, named]).encode()).hexdigest()
        if key not in self._kept:
            self._changed = True
            try:
                traced = column_origins(sql, tables)
                self._kept[key] = {
                    name: [list(origin) for origin in sorted(origins)] for name, origins in traced.items()
                }
            except UnreadableSql as error:
                self._kept[key] = str(error)
        stored = self._kept[key]
        if isinstance(stored, str):
            raise UnreadableSql(stored)
        return {name: frozenset((table, column, how) for table, column, how in edges) for name, edges in stored.items()}  # type: ignore[misc]  # as they were written

    def save(self) -> None:
        """Write what is new."""
        if self._changed:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".draft")
            draft.write_text(json.dumps(self._kept))
            draft.replace(self._path)
