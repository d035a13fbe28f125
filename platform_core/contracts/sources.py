"""Where rows come from: one frozen record a kind of source. The adapter that reads it lies in `platform_resources`.

A record says what the rest of the platform needs to know of its kind, so that nobody asks which kind it is. A new kind
is one record here (or in a package of one's own) and one adapter module, found by `kind`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SourceProblem = tuple[str, str, str]
"""The culprit, what is wrong with it, and the fix."""


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """How a source writes names and texts; `Files` says what each of these means."""

    header: bool = True
    headers: str = "exact"
    missing_columns: str = "refuse"
    malformed: float = 0.0
    trim: bool = False
    case: Mapping[str, str] = field(default_factory=dict, hash=False)
    decimal: str = "."
    thousands: str = ""
    currency: Sequence[str] = ()
    formats: Mapping[str, str] = field(default_factory=dict, hash=False)
    zone: str | None = None


AS_IS = Spelling()
"""Names and texts as the contract has them."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the sources of all kinds say.

    Attributes:
        kind: The adapter's module in `platform_resources/sources/`; with a dot, the full name of a module elsewhere.
        replaces: Whether a unit that is taken in again takes the place of all that it brought before.
        is_watched: Whether a sensor looks for new units every few seconds.
        is_stream: Whether rows come without end, so that a worker takes them in beside Dagster.
        fills_partitions: Whether each partition of a run is meant to have rows, so that one without any is judged
            empty. One that loses the rows that it had is judged in any case.
        is_comparable: Whether all rows can be read at any time, each by its key, to be compared with the table's.
        orders_rows: Whether it says itself which of several rows with one key is the newest.
        rereads: Whether a unit may bring rows that earlier units brought, so that a refused one is known by content.
        has_texts_for_types: Whether what has no type of the contract's comes as text, which then says nothing of the
            type that it has at the source.
        is_dbt: Whether a dbt model makes the rows, from tables of the lake.
        can_be_malformed: Whether a record may come that is none, such as half a line.
        when_empty: What to do when a run finds nothing to take in; empty where that is no failure.
        null_values: Texts that mean null, besides the empty text, for all columns or by column; None where texts are
            values and nothing else.
        extra_columns: What becomes of a column that the contract does not name: `"refuse"` sends the unit to
            quarantine, `"note"` drops the column and says so in the `schema` check, `"ignore"` drops it, `"add"` adds
            it to the table as a nullable column of the type that all values have, and says so.
    """

    kind: ClassVar[str]
    replaces: ClassVar[bool] = False
    is_watched: ClassVar[bool] = False
    is_stream: ClassVar[bool] = False
    fills_partitions: ClassVar[bool] = True
    is_comparable: ClassVar[bool] = False
    orders_rows: ClassVar[bool] = False
    rereads: ClassVar[bool] = False
    has_texts_for_types: ClassVar[bool] = False
    is_dbt: ClassVar[bool] = False
    can_be_malformed: ClassVar[bool] = True
    when_empty: ClassVar[str] = ""

    null_values: Sequence[str] | Mapping[str, Sequence[str]] | None = None
    extra_columns: str = "refuse"

    @property
    def of_world(self) -> "Generated | None":
        """Itself where its rows are a table of a world; None for others."""
        return None

    @property
    def title(self) -> str:
        """The word for the kind in listings."""
        return type(self).__name__.lower()

    @property
    def reads(self) -> str:
        """What it reads within its domain, for people; empty where it reads nothing that has a name."""
        return ""

    @property
    def inputs(self) -> Sequence[str]:
        """The datasets whose rows it reads; none where rows come from elsewhere."""
        return ()

    @property
    def upstream(self) -> Sequence[str]:
        """The inputs, and whatever else it looks into."""
        return self.inputs

    @property
    def stream(self) -> "Topic | None":
        """The topic that a worker takes in; None for a source that has an end."""
        return None

    @property
    def polled_every(self) -> timedelta | None:
        """How long a sensor waits before it asks again whether anything changed; None where none asks."""
        return None

    @property
    def spelling(self) -> Spelling:
        """How its names and texts are written."""
        return AS_IS

    def null_words(self, column: str) -> Sequence[str] | None:
        """Return the texts that mean null in a column; None where texts are values and nothing else."""
        if isinstance(self.null_values, Mapping):
            return self.null_values.get(column, ())
        return self.null_values

    @property
    def reads_all(self) -> bool:
        """Whether each unit brings all rows that there are."""
        return False

    @property
    def claims(self) -> str:
        """What no other dataset of its domain may read too; empty where others may."""
        return ""

    @property
    def named_columns(self) -> Mapping[str, Sequence[str]]:
        """The columns of the contract that arguments name, by argument."""
        return {"null_values": tuple(self.null_values) if isinstance(self.null_values, Mapping) else ()}

    @property
    def options(self) -> Mapping[str, Any]:
        """The record as plain values, for its adapter."""
        return {option.name: getattr(self, option.name) for option in fields(self)}

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong with the record, alone and beside a store of that mode."""
        del store_mode
        if isinstance(self.null_values, str):
            fix = f"write null_values=({self.null_values!r},)."
            yield f"null_values {self.null_values!r}", "is one text.", fix
        if self.extra_columns not in {"refuse", "note", "ignore", "add"}:
            yield f"extra_columns {self.extra_columns!r}", "is unknown.", "use refuse, note, ignore or add."
        if self.extra_columns == "add" and (self.is_stream or not self.spelling.header):
            reason = "messages" if self.is_stream else "files without a header"
            yield "extra_columns 'add'", f"cannot be told from {reason}.", "use refuse, note or ignore."


@dataclass(frozen=True)
class Files(Source):
    """Files that land under the landing folder of the dataset's domain, by a glob on the name.

    CSV, JSON, Parquet, Arrow, Avro and Excel are known by their bytes, as are their compression (gzip, zstd, bzip2, xz,
    snappy, zip) and their encoding where a mark tells it. What the bytes do not tell is said here.

    Attributes:
        pattern: A glob on the file's name within the domain's landing folder: `"flights-*.parquet"`. With a slash it
            is one on the path below that folder, where `**` stands for any subfolders: `"**/sales-*.csv"`.
        null_values: Texts that mean null in CSV, JSON and Excel, besides the empty text: for all columns, or by column.
        malformed: The share of records that may be malformed, from 0 to 1: each of them goes to quarantine with its
            line and the reason. Beyond the share the file is refused whole; one record always passes unless it is 0.
        encoding: Of texts that are neither UTF-8 nor marked: `"cp1252"`, `"latin-1"`, `"shift_jis"`.
        delimiter: Between the fields of CSV, where it cannot be told from the file.
        header: Whether the first record names the columns; without names they are the contract's, in its order.
        headers: `"exact"`, or `"loose"`: names match whatever their case and the blanks around and within them, and
            a column without a name and a value is left out.
        widths: Of the columns in characters, for texts without delimiters.
        sheet: Of a workbook; its first one by default.
        header_row: The row of a workbook that names the columns, counted from 1.
        trim: Whether blanks around texts are dropped; around other values they are in any case.
        case: `"lower"` or `"upper"` by column, for texts that are to be in one case.
        decimal: The mark before a fraction, a point or a comma.
        thousands: The mark between thousands, such as `"."`, `","`, `"'"` or a blank; empty for none.
        currency: Signs that stand before or behind amounts: `("€", "EUR")`.
        formats: How days and instants are written, by column: `{"day": "%d.%m.%Y"}`.
        zone: The time zone of instants that name none: `"Europe/Berlin"`. An hour that is there twice when clocks
            are set back is the earlier one; one that is skipped cannot be read.
        path_columns: Columns that come from the file's path, by a regular expression of which the first group, or
            all of it, is the value: `{"country": r"sales-([a-z]+)-"}`.
        place_column: A column of whole numbers for the place of each row in its file: the line where it begins in CSV
            and JSON, the row of a workbook, else its number from 1. With the file's name from `path_columns` it makes a
            key for rows that have none: a file that comes again replaces its rows.
        missing_columns: `"null"` takes a nullable column for null that a file lacks, as older files do; `"refuse"`
            sends such a file to quarantine.
    """

    kind: ClassVar[str] = "landing"
    replaces: ClassVar[bool] = True
    is_watched: ClassVar[bool] = True
    when_empty: ClassVar[str] = "put files there, or set PLATFORM_LANDING."

    pattern: str
    null_values: Sequence[str] | Mapping[str, Sequence[str]] | None = field(default=(), kw_only=True, hash=False)
    malformed: float = field(default=0.01, kw_only=True)
    encoding: str | None = field(default=None, kw_only=True)
    delimiter: str | None = field(default=None, kw_only=True)
    header: bool = field(default=True, kw_only=True)
    headers: str = field(default="exact", kw_only=True)
    widths: Sequence[int] = field(default=(), kw_only=True)
    sheet: str | None = field(default=None, kw_only=True)
    header_row: int = field(default=1, kw_only=True)
    trim: bool = field(default=False, kw_only=True)
    case: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    decimal: str = field(default=".", kw_only=True)
    thousands: str = field(default="", kw_only=True)
    currency: Sequence[str] = field(default=(), kw_only=True)
    formats: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    zone: str | None = field(default=None, kw_only=True)
    path_columns: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    place_column: str | None = field(default=None, kw_only=True)
    missing_columns: str = field(default="null", kw_only=True)

    @property
    def claims(self) -> str:
        """The glob."""
        return self.pattern

    @property
    def named_columns(self) -> Mapping[str, Sequence[str]]:
        """Those of texts that are null, of cases, formats and of the path."""
        places = () if self.place_column is None else (self.place_column,)
        named = {"case": self.case, "formats": self.formats, "path_columns": self.path_columns, "place_column": places}
        return {**super().named_columns, **{argument: tuple(columns) for argument, columns in named.items()}}

    @property
    def reads(self) -> str:
        """The glob."""
        return self.pattern

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: a landed file may be revised or replayed, so its rows must be merged."""
        yield from super().problems(store_mode=store_mode)
        if store_mode != "merge":
            fix = (
                "use Delta(mode='merge') or Iceberg(mode='merge'), and a key; where no columns are one, the file's "
                "name and the place in it are: path_columns={'file': '[^/]+$'}, place_column='line'."
            )
            yield "store", f"is {store_mode!r}, but a landed file may be revised or replayed.", fix
        yield from self._option_problems()

    @property
    def spelling(self) -> Spelling:
        """How names and texts of the files are written."""
        return Spelling(**{option.name: getattr(self, option.name) for option in fields(Spelling)})

    def _option_problems(self) -> Iterator[SourceProblem]:
        marks = f"decimal {self.decimal!r} and thousands {self.thousands!r}"
        wrong = {
            (f"pattern {self.pattern!r}", "matches no file.", 'write Files("orders-*.csv").'): (
                not self.pattern.strip("/") or self.pattern.startswith("/") or ".." in self.pattern.split("/")
            ),
            (f"encoding {self.encoding!r}", "is unknown to Python.", "use cp1252, latin-1, shift_jis, ..."): (
                self.encoding is not None and not _is_encoding(self.encoding)
            ),
            (f"malformed {self.malformed!r}", "is no share.", "give a number from 0 to 1."): not 0
            <= self.malformed
            <= 1,
            (f"headers {self.headers!r}", "is unknown.", "use exact or loose."): self.headers not in {"exact", "loose"},
            (f"missing_columns {self.missing_columns!r}", "is unknown.", "use null or refuse."): (
                self.missing_columns not in {"null", "refuse"}
            ),
            (marks, "do not tell a number.", "use a point and a comma, or a comma and a point."): (
                self.decimal not in {".", ","} or self.thousands in {self.decimal, "-", "+"}
            ),
            (f"delimiter {self.delimiter!r}", "delimits no fields.", "use one character, such as ;"): (
                self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0')
            ),
            (f"header_row {self.header_row}", "is no row.", "count rows from 1."): self.header_row < 1,
            (f"widths {tuple(self.widths)!r}", "are not those of columns.", "give characters, 1 or more."): (
                any(width < 1 for width in self.widths)
            ),
        }
        yield from (problem for problem, is_wrong in wrong.items() if is_wrong)
        yield from self._word_problems()

    def _word_problems(self) -> Iterator[SourceProblem]:
        for column, case in self.case.items():
            if case not in {"lower", "upper"}:
                yield f"case {case!r} of {column}", "is unknown.", "use lower or upper."
        for column, written in self.formats.items():
            if "%" not in written:
                yield f"formats {written!r} of {column}", "has no directive such as %d.", 'write "%d.%m.%Y".'
        for column, expression in self.path_columns.items():
            try:
                re.compile(expression)
            except re.error as error:
                yield f"path_columns {expression!r} of {column}", f"is no regular expression ({error}).", "mend it."
        yield from zone_problems(self.zone)


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:  # of a codec that is not for texts too, such as base64
        return False
    return True


def zone_problems(zone: str | None) -> Iterator[SourceProblem]:
    """Find whether a zone has a name that nobody knows."""
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield f"zone {zone!r}", "is no time zone.", "use a name such as Europe/Berlin."


@dataclass(frozen=True)
class Generated(Source):
    """Rows made by the seeded generator: from the contract, or a table of a world. The same seed gives the same rows.

    Attributes:
        rows: How many, from the contract.
        seed: Where the generator begins.
        world: Tables that agree with one another, made together: `commerce`, a shop. The dataset is the table of its
            own title; datasets of one world take the same seed and scale.
        scale: How large the world is: 1 has 10,000 customers.
    """

    kind: ClassVar[str] = "generated"
    replaces: ClassVar[bool] = True
    can_be_malformed: ClassVar[bool] = False
    fills_partitions: ClassVar[bool] = False

    rows: int = 1000
    seed: int = 0
    world: Literal["commerce"] | None = field(default=None, kw_only=True)
    scale: float = field(default=0.1, kw_only=True)

    @property
    def of_world(self) -> "Generated | None":
        """Itself where its rows are a table of a world."""
        return None if self.world is None else self


def minutes(count: float) -> timedelta:
    """Give so many minutes."""
    return timedelta(minutes=count)


@dataclass(frozen=True)
class Topic(Source):
    """Messages of a topic; which broker keeps it is a setting.

    A micro-batch is judged by the rules like a file. Rows and offsets are written in one commit, so that each message
    is taken in once. `unique` holds against the rows that the table has; measures judge the table.

    Attributes:
        topic: Its name at the broker.
        format: How a message is written: `json`, an object; `arrow`, a stream of one row; `avro`, a file of one row.
        key: The column that producers take as the message's key; messages of one key keep their order.
        event_time: The column that says when it happened.
        lateness: How far a message may lie behind the latest; for windows over the dataset.
        topic_partitions: Histories that the topic is created with.
    """

    kind: ClassVar[str] = "topic"
    is_stream: ClassVar[bool] = True

    _formats: ClassVar[Sequence[str]] = ("json", "arrow", "avro")

    topic: str
    format: str = field(default="json", kw_only=True)
    key: str | None = field(default=None, kw_only=True)
    event_time: str | None = field(default=None, kw_only=True)
    lateness: timedelta = field(default=timedelta(0), kw_only=True)
    topic_partitions: int = field(default=1, kw_only=True)

    @property
    def reads(self) -> str:
        """The topic."""
        return self.topic

    @property
    def stream(self) -> "Topic":
        """The record itself."""
        return self

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: micro-batches are added to a table, they never take its place."""
        yield from super().problems(store_mode=store_mode)
        if store_mode == "overwrite":
            fix = "use Delta(mode='append'), or Delta(mode='merge') and a key."
            yield "store", "is 'overwrite', but a micro-batch is no whole table.", fix
        if self.format not in self._formats:
            yield f"format {self.format!r}", "is unknown.", f"use {' or '.join(self._formats)}."
        if self.lateness < timedelta(0) or self.topic_partitions < 1:
            yield "topic", "has a lateness below 0, or no partition.", "give lateness=minutes(5), topic_partitions=1."


@dataclass(frozen=True)
class Changes(Topic):
    """The changes of a database's table, as Debezium sends them to a topic; the dataset's table is kept like it.

    Inserts, updates, deletes, key updates, truncates and snapshots are merged by the dataset's key, in one commit with
    the offset. A change that is older than what the table has under its key is passed over, so that changes which are
    sent again do no harm. A change that breaks a rule goes to quarantine, and the row stays as it was.

    Attributes:
        topic: Its name at the broker: `"shop.public.orders"`.
        format: How a message is written: Debezium's envelope as JSON, with its schema or without.
        times: What whole numbers of instants count where the message has no schema: `"ms"`, `"us"` or `"ns"`.
        history: Whether the table has a version of a row for each change (SCD 2), not just the last one. The changes
            fill three columns of the contract: `valid_from`, which is a part of the key, `valid_to` and `is_current`.
        database: The name under which the settings know the database, where the platform fills the topic itself, by
            Debezium's engine; the topic's last two parts are then the table: `"bank.public.accounts"`. None where
            somebody else does.
    """

    orders_rows: ClassVar[bool] = True

    _formats: ClassVar[Sequence[str]] = ("debezium",)

    format: str = field(default="debezium", kw_only=True)
    times: str = field(default="us", kw_only=True)
    history: bool = field(default=False, kw_only=True)
    database: str | None = field(default=None, kw_only=True)

    @property
    def table(self) -> str:
        """The database's table that the topic is about, behind its schema."""
        return ".".join(self.topic.split(".")[-2:])

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: deletes need a table that merges."""
        yield from super().problems(store_mode=store_mode)
        if store_mode == "append":
            fix = "use Delta(mode='merge') or Iceberg(mode='merge'), and a key."
            yield "store", "is 'append', but changes delete and replace rows.", fix
        if self.times not in {"ms", "us", "ns"}:
            yield f"times {self.times!r}", "is unknown.", "use ms, us or ns."
        if self.database is not None:
            yield from _connection_problems(self.database, word="database")
            if self.topic.count(".") < 2:  # noqa: PLR2004 - a name, a schema and a table
                fix = "name the table at its end, such as bank.public.accounts."
                yield f"topic {self.topic!r}", "does not say which table of the database it is about.", fix
            if self.topic_partitions != 1:
                fix = "leave topic_partitions out."
                yield f"topic_partitions {self.topic_partitions}", "would lose the order of truncates.", fix


@dataclass(frozen=True)
class Database(Source):
    """Rows of a database's table, or of a query; each load takes those that were added or changed since the last.

    Attributes:
        connection: The name under which the settings know the database: `"shop"` for PLATFORM_DATABASE_SHOP.
        table: The table, `schema.table` where it is not in the usual schema; or
        query: A query instead. It has no parameters: what a load begins at is added around it.
        cursor: The column that grows when a row is added or changed; None reads everything each time.
        key: Columns that identify a row; rows of one cursor value come in their order.
        lag: How far behind the highest value rows are read again, for writers that commit late; PostgreSQL needs none.
        zone: The zone of timestamps without one, such as `"Europe/Berlin"`; None leaves them without.
        every: How long the sensor waits before it asks again whether anything changed; zero leaves it to schedules.
        type_changes: What becomes of a load where the database changed a column's type: `"note"` takes it in, and the
            check `source_schema` says so; `"refuse"` sets it aside whole until the contract has a new version.
    """

    kind: ClassVar[str] = "database"
    is_comparable: ClassVar[bool] = True
    rereads: ClassVar[bool] = True
    has_texts_for_types: ClassVar[bool] = True

    connection: str
    table: str | None = field(default=None, kw_only=True)
    query: str | None = field(default=None, kw_only=True)
    cursor: str | None = field(default=None, kw_only=True)
    key: Sequence[str] = field(default=(), kw_only=True)
    lag: timedelta = field(default=timedelta(0), kw_only=True)
    zone: str | None = field(default=None, kw_only=True)
    every: timedelta = field(default=timedelta(seconds=30), kw_only=True)
    type_changes: str = field(default="note", kw_only=True)

    @classmethod
    def tables(cls, connection: str, *names: str, **words: Any) -> "dict[str, Database]":
        """Give the sources of tables that differ only in name, by the name that a dataset may have.

        A module declares them as a mapping: `orders = {name: Dataset(f"shop/{name}", Orders, source=source, ...) for
        name, source in Database.tables("shop", "EU_Orders", "US_Orders", cursor="updated_at").items()}`.

        Args:
            connection: The name of the database in the settings.
            names: Of the tables.
            words: What all of them have in common, as in `Database(...)`.

        Raises:
            ValueError: Two names come to the same.
        """
        sources: dict[str, Database] = {}
        for table in names:
            name = re.sub(r"[^a-z0-9]+", "_", table.lower()).strip("_")
            if name in sources:
                raise ValueError(f"{connection}: {table!r} and {sources[name].table!r} are both called {name!r}.")
            sources[name] = cls(connection, table=table, **words)
        return sources

    @property
    def polled_every(self) -> timedelta | None:
        """As declared; None for zero."""
        return self.every or None

    @property
    def reads_all(self) -> bool:
        """Without a cursor."""
        return self.cursor is None

    @property
    def spelling(self) -> Spelling:
        """The zone also holds for instants that a column of texts has, as SQLite's often do."""
        return Spelling(zone=self.zone)

    @property
    def reads(self) -> str:
        """The table of the connection."""
        return f"{self.connection}.{self.table or 'query'}"

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: rows that are read again must be merged, and a place for secrets is the settings."""
        yield from super().problems(store_mode=store_mode)
        yield from _connection_problems(self.connection, word="connection")
        if (self.table is None) == (self.query is None):
            yield "source", "names both a table and a query, or neither.", "give table=... or query=..., one of them."
        if isinstance(self.key, str):
            yield f"source: key {self.key!r}", "is one text.", f"write key=({self.key!r},)."
        if self.type_changes not in {"note", "refuse"}:
            yield f"type_changes {self.type_changes!r}", "is unknown.", "use note or refuse."
        for word, length in {"lag": self.lag, "every": self.every}.items():
            if length < timedelta(0):
                yield f"source: {word} {length}", "is below zero.", "give a timedelta, zero or more."
        yield from zone_problems(self.zone)
        if store_mode == "append" or (store_mode == "overwrite" and self.cursor is not None):
            fix = "use Delta(mode='merge') or Iceberg(mode='merge'), and a key."
            yield "store", f"is {store_mode!r}, but rows of one cursor value are read again.", fix


def _connection_problems(name: str, *, word: str) -> Iterator[SourceProblem]:
    """Find whether a database is named otherwise than by a setting, whose place secrets are."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        fix = "name a connection of the settings: 'shop' for PLATFORM_DATABASE_SHOP."
        shown = "a URL" if "://" in name else repr(name)
        yield f"source: {word}", f"is {shown}, and no lower-case name.", fix


@dataclass(frozen=True)
class DbtModel(Source):
    """Rows that the dbt model of the dataset's own name makes: `flights/delay_by_carrier` is `delay_by_carrier.sql`.

    The rules are judged when the model is built and its tests have passed. Where one of severity `error` does not
    hold, nothing is written, the last good table stays, and what reads the model waits.
    """

    kind: ClassVar[str] = "dbt"
    fills_partitions: ClassVar[bool] = False
    is_dbt: ClassVar[bool] = True
    can_be_malformed: ClassVar[bool] = False

    @property
    def title(self) -> str:
        """As people write it."""
        return "dbt model"

    def problems(self, *, store_mode: str) -> Iterator[SourceProblem]:
        """Find what is wrong: a mart is made whole."""
        yield from super().problems(store_mode=store_mode)
        if store_mode != "overwrite":
            yield "store", f"is {store_mode!r}, but a dbt model is made whole.", "use Delta(), Iceberg() or Parquet()."
        if self.extra_columns not in {"refuse", "note", "ignore"}:
            yield "extra_columns 'add'", "is not for a model, whose columns are yours.", "declare them."


@dataclass(frozen=True)
class Replayed(Source):
    """Rows that wait in the dataset's quarantine; a replay puts it in the place of the declared source.

    Attributes:
        ids: The envelopes to replay; None for all that are open.
    """

    kind: ClassVar[str] = "quarantine"

    ids: Sequence[str] | None = None
