"""A table of a database as a source: each load is a unit of the rows that came since the last one.

A load takes the rows whose cursor is not below the last load's highest value, so that equal values are read again
rather than missed; the merge by key makes that harmless. What a transaction commits late is found as well: in
PostgreSQL by the transactions that were open when the last load began (`pg_snapshot_xmin`), elsewhere within `lag`.
Values are parameters, never pasted into SQL. What does not come in the contract's type comes as text; it types that.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import polars as pl

from platform_resources.sources.base import (
    Batch,
    Cursor,
    SchemaChange,
    SourceContext,
    Tally,
    Unit,
    UnreadableUnit,
    digest,
)
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
    refuses_types: bool = False
    tallies: dict[str, Tally | None] = field(default_factory=dict, repr=False)

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
        types = self.engine.types(self.query)
        fingerprint = " ".join([state.fingerprint, ",".join(f"{name} {kind}" for name, kind in types.items())])
        state = replace(state, fingerprint=fingerprint, columns=types, version=self.context.version)
        if before.number and state.fingerprint == before.state.fingerprint:
            return []
        after = Position(before.number + 1, state)
        source = f"{self.engine.name}/{self.query.name}/{after.number}"
        stamp = json.dumps([before.write() if before.number else "", after.write()])
        content = f"{before.state.fingerprint} {state.fingerprint} {self.context.version}"
        unit = Unit(source, stamp, ingest_id=digest(source, content.encode()), position=after.write())
        return [] if unit.ingest_id in cursor.contents([source]).get(source, ()) else [unit]

    def begin_anew(self, cursor: Cursor) -> Unit:
        """Return a unit without rows behind which the next load reads all of the table again.

        What is known of its columns stays, so that a type that changed is still told.
        """
        before = Position.read(cursor.position)
        known = State(columns=before.state.columns, version=before.state.version)
        after = Position(before.number + 1, known)
        source = f"{self.engine.name}/{self.query.name}/{after.number}"
        return Unit(source, ingest_id=digest(source, b"anew"), position=after.write())

    def identify(self, unit: Unit) -> Unit:
        """Return the unit, whose id follows from where it begins and ends."""
        return unit

    def read(self, unit: Unit, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the rows in the order of the cursor, so that of one key the latest comes last.

        Raises:
            DatabaseGone: The database does not answer, or no more.
            UnreadableUnit: It answers that the rows cannot be read.
        """
        self._refuse_changed_types(unit)
        first = 1
        try:
            for frame in self._frames(unit, columns):
                yield Batch(frame, first_record=first)
                first += frame.height
        except DatabaseGone:  # nothing is wrong with the load: the next run begins at the same place
            raise
        except DatabaseError as error:
            raise UnreadableUnit(unit.source, error.reason) from error
        if first == 1:
            yield Batch(pl.DataFrame(schema=dict.fromkeys(self.engine.columns(self.query), pl.String)))

    def _refuse_changed_types(self, unit: Unit) -> None:
        if self.refuses_types and (
            changed := [schema_change for schema_change in self.schema_changes(unit) if schema_change.kind == "type"]
        ):
            changes_text = "; ".join(change.words for change in changed)
            raise UnreadableUnit(
                unit.source, f"{changes_text}; type_changes='refuse' waits for a new version of the contract"
            )

    def schema_changes(self, unit: Unit) -> Sequence[SchemaChange]:
        """Say what the database changed of the columns since the load before, for a contract of the same version."""
        texts = json.loads(unit.stamp)
        before, after = (Position.read(text).state for text in texts)
        if not before.columns or before.version != after.version:
            return ()
        return compare_columns(before.columns, after.columns)

    def tally(self, unit: Unit) -> Tally | None:
        """Give what the database counted of a load's rows, in the snapshot that they were read from."""
        return self.tallies.get(unit.source)

    def _frames(self, unit: Unit, columns: Sequence[str] | None) -> Iterator[pl.DataFrame]:
        since = Position.read(json.loads(unit.stamp)[0])
        self.tallies[unit.source] = yield from self.engine.rows(
            self.query,
            since=since.state if since.number else None,
            columns=columns,
            batch_bytes=self.context.settings.memory_bytes // BATCH_BYTES_SHARE,
        )


def open_source(options: Mapping[str, Any], context: SourceContext) -> DatabaseTable:
    """Open a table by the connection that the settings know under its name."""
    query = Query(
        table=options["table"],
        sql=options["query"],
        cursor=options["cursor"],
        key=tuple(options["key"]),
        lag_seconds=options["lag"].total_seconds(),
        zone=options["zone"],
        types=context.types,
    )
    engine = open_engine(options["connection"], context.settings)
    return DatabaseTable(engine, query, context, refuses_types=options["type_changes"] == "refuse")


def compare_columns(before: Mapping[str, str], after: Mapping[str, str]) -> Sequence[SchemaChange]:
    """Say which columns were added, dropped or renamed, and which types changed.

    A column that is gone was perhaps renamed where one of the same type is new in its place.
    """
    removed = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    changes: list[SchemaChange] = []
    places, new_places = list(before), list(after)
    for name in removed:
        place = places.index(name)
        twin = next(
            (
                candidate
                for candidate in new
                if new_places.index(candidate) == place and after[candidate] == before[name]
            ),
            None,
        )
        if twin is None and len(removed) == len(new) == 1 and before[name] == after[new[0]]:
            twin = new[0]
        if twin is None:
            changes.append(SchemaChange("dropped", name, f"column {name!r} was dropped"))
        else:
            new.remove(twin)
            words = f"column {name!r} is gone, and {twin!r} of the same type is new: it was perhaps renamed"
            changes.append(SchemaChange("renamed", name, words))
    changes += [SchemaChange("added", name, f"column {name!r} was added ({after[name] or 'no type'})") for name in new]
    changes += [
        SchemaChange("type", name, f"column {name!r} was {before[name] or 'of no type'} and is {kind or 'of no type'}")
        for name, kind in after.items()
        if name in before and before[name] != kind
    ]
    return changes
