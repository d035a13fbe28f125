"""A table of a database as a source: each load is a unit of the rows that came since the last one.

A load takes the rows whose cursor is not below the last load's highest value, so that equal values are read again
rather than missed; the merge by key makes that harmless. What a transaction commits late is found as well: in
PostgreSQL by the transactions that were open when the last load began (`pg_snapshot_xmin`), elsewhere within `lag`.
Values are parameters, never pasted into SQL, and come as texts, which the contract types.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import polars as pl

from platform_resources.sources.base import Batch, Cursor, SourceContext, Unit, UnreadableUnit, digest
from platform_resources.sources.engines import DatabaseEngine, DatabaseError, DatabaseGone, Query, State, open_engine

BATCH_BYTES_SHARE = 16
"""A batch takes a sixteenth of the memory that is allowed, for it is copied on its way."""


@dataclass(frozen=True)
class Position:
    """What a load left behind.

    Attributes:
        number: Of the load, from 1; positions compare as text, so it stands first.
        state: What the database said when the load began.
    """

    number: int = 0
    state: State = field(default_factory=State)

    def write(self) -> str:
        """Write the position as text that sorts by the load's number."""
        return f"{self.number:012d} {json.dumps(asdict(self.state))}"

    @classmethod
    def read(cls, text: str) -> "Position":
        """Read what `write` wrote; an empty text is the beginning."""
        if not text:
            return cls()
        number, _, state = text.partition(" ")
        return cls(int(number), State(**json.loads(state)))


@dataclass(frozen=True)
class DatabaseTable:
    """One table, or query, of one database."""

    engine: DatabaseEngine
    query: Query
    context: SourceContext

    def describe(self) -> str:
        """Say which table of which database is read."""
        return f"new row in {self.query.name} of the database {self.engine.name}"

    def probe(self) -> str:
        """Return a text that is another after any change of the database."""
        return self.engine.probe()

    def pending(self, cursor: Cursor) -> Sequence[Unit]:
        """List the load of what came since the cursor's position: one unit, or none where nothing did.

        A load that could not be read comes again once the table, its columns or the contract changed.

        Raises:
            DatabaseError: The database cannot be reached, or has no such table or column.
        """
        before = Position.read(cursor.position)
        state = self.engine.state(self.query)
        columns = ",".join(self.engine.columns(self.query))
        state = replace(state, fingerprint=f"{state.fingerprint} {columns}")
        if before.number and state.fingerprint == before.state.fingerprint:
            return []
        after = Position(before.number + 1, state)
        source = f"{self.engine.name}/{self.query.name}/{after.number}"
        stamp = json.dumps([before.write() if before.number else "", after.write()])
        content = f"{before.state.fingerprint} {state.fingerprint} {self.context.version}"
        unit = Unit(source, stamp, ingest_id=digest(source, content.encode()), position=after.write())
        return [] if unit.ingest_id in cursor.contents([source]).get(source, ()) else [unit]

    def identify(self, unit: Unit) -> Unit:
        """Return the unit, whose id follows from where it begins and ends."""
        return unit

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the rows as texts, in the order of the cursor, so that of one key the latest comes last.

        Raises:
            DatabaseGone: The database does not answer, or no more.
            UnreadableUnit: It answers that the rows cannot be read.
        """
        before, _ = json.loads(unit.stamp)
        since = Position.read(before)
        first = 1
        try:
            rows = self.engine.rows(
                self.query,
                since=since.state if since.number else None,
                columns=columns,
                batch_bytes=self.context.settings.memory_bytes // BATCH_BYTES_SHARE,
            )
            for frame in rows:
                yield Batch(frame, first_record=first)
                first += frame.height
        except DatabaseGone:  # nothing is wrong with the load: the next run begins at the same place
            raise
        except DatabaseError as error:
            raise UnreadableUnit(unit.source, error.reason) from error
        if first == 1:
            yield Batch(pl.DataFrame(schema=dict.fromkeys(self.engine.columns(self.query), pl.String)))


def open_source(options: Mapping[str, Any], context: SourceContext) -> DatabaseTable:
    """Open a table by the connection that the settings know under its name."""
    query = Query(
        table=options["table"],
        sql=options["query"],
        cursor=options["cursor"],
        key=tuple(options["key"]),
        lag_seconds=options["lag"].total_seconds(),
        zone=options["zone"],
    )
    return DatabaseTable(open_engine(options["connection"], context.settings), query, context)
