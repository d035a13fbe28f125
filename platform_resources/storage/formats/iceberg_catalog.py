"""The catalogue of Iceberg tables: one row a table, which says where its latest metadata lies.

By itself it is a SQLite file: beside a lake on disk, so that everybody who sees the lake sees it; in the state folder
for a lake on S3, where SQLite cannot lie. The latter serves one machine, so a table whose marker shows that another
catalogue knows it is refused rather than made anew.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from platform_resources.errors import NoSpaceLeft, TableError, TableForbidden, TableUnavailable
from platform_resources.settings import Settings
from platform_resources.storage.table import TableSpec

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from sqlalchemy.exc import DBAPIError

NAME = "platform"
MARKER = "metadata/in-catalogue"
PROMOTED = "metadata/read-by-the-environment"
"""Stands in a table's folder from its first commit on."""
_WAIT_SECONDS = 60
_RACES = 5
_LATEST = """select metadata_location from iceberg_tables
where catalog_name = ? and table_namespace = ? and table_name = ?"""
_REFUSED = ("authentication failed", "no password supplied", "pg_hba.conf", "permission denied", "role ", "readonly",
            "read-only")  # fmt: skip
_MISSING = ("database ", "does not exist")
_FULL = "disk is full"
"""What SQLite says of a disk without room; then it has undone the commit."""
_UNSURE = "whether a commit that was under way arrived is known by writing it again"


def catalogue_url(settings: Settings) -> str:
    """Return the SQLAlchemy URL of the catalogue; it may hold a password."""
    if settings.iceberg is not None:
        return settings.iceberg
    return f"sqlite:///{_file(settings)}?timeout={_WAIT_SECONDS}"


def _file(settings: Settings) -> Path:
    """Return where the catalogue lies that is a file."""
    if settings.lake.startswith("s3://"):
        digest = hashlib.sha256(settings.tables_root.encode()).hexdigest()[:16]
        return Path(settings.state) / "iceberg" / f"{digest}.db"
    return Path(settings.tables_root) / "_iceberg" / "catalogue.db"


def open_catalogue(settings: Settings) -> "SqlCatalog":
    """Return a connection of its own to the catalogue, which is made where there is none."""
    from pyiceberg.catalog.sql import SqlCatalog
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    url = catalogue_url(settings)
    if settings.iceberg is None:
        _file(settings).parent.mkdir(parents=True, exist_ok=True)
    for race in range(_RACES):
        try:
            return SqlCatalog(NAME, uri=url, **_io_properties(settings))
        except (IntegrityError, OperationalError, ProgrammingError):  # two processes made its tables at once
            if race == _RACES - 1:
                raise
    raise AssertionError("unreachable")


def metadata_location(catalogue: "SqlCatalog", name: tuple[str, str]) -> str | None:
    """Return where a table's latest metadata lies, or None; one question to the database, and none to the lake."""
    from pyiceberg.catalog.sql import IcebergTables
    from sqlalchemy import select

    predicate = select(IcebergTables.metadata_location).where(
        IcebergTables.catalog_name == NAME,
        IcebergTables.table_namespace == name[0],
        IcebergTables.table_name == name[1],
    )
    with catalogue.engine.connect() as connection:
        return connection.scalar(predicate)


def exchange_metadata(catalogue: "SqlCatalog", name: tuple[str, str], before: str, after: str) -> bool:
    """Let the catalogue name other metadata of a table; False where it names others than before."""
    from pyiceberg.catalog.sql import IcebergTables
    from sqlalchemy import update

    change = (
        update(IcebergTables)
        .where(
            IcebergTables.catalog_name == NAME,
            IcebergTables.table_namespace == name[0],
            IcebergTables.table_name == name[1],
            IcebergTables.metadata_location == before,
        )
        .values(metadata_location=after, previous_metadata_location=before)
    )
    with catalogue.engine.begin() as connection:
        return connection.execute(change).rowcount == 1


def metadata_in_file(settings: Settings, name: tuple[str, str]) -> str | None:
    """Return the same from the catalogue that is a file, without opening it, which takes longer than a warm read.

    None is also for a file that is not there, or does not answer; whoever opens the catalogue is told why.
    """
    place = f"{_file(settings).absolute().as_uri()}?mode=rw"  # read only, it could not undo what a killed writer left
    try:
        with closing(sqlite3.connect(place, uri=True, timeout=_WAIT_SECONDS)) as connection:
            row = connection.execute(_LATEST, (NAME, *name)).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row else None


def catalogue_exists(settings: Settings) -> bool:
    """Return whether there may be tables at all; asking must not make a file."""
    if settings.iceberg is not None:
        return True
    return _file(settings).exists()


def identifier(settings: Settings, spec: TableSpec) -> tuple[str, str]:
    """Return namespace and name: the environment and the path, their dots encoded because a dot parts levels.

    >>> from platform_resources.errors import TableForbidden, TableUnavailable
    from platform_resources.settings import Settings
    >>> identifier(Settings(state="", lake="", landing=""), TableSpec(path="flights/planes/v1"))
    ('development.flights.planes', 'v1')
    """
    *parents, name = (part.replace("%", "%25").replace(".", "%2E") for part in spec.path.split("/"))
    return ".".join([_root(settings), *parents]), name


def _root(settings: Settings) -> str:
    """Return the first level of the names of all tables; a branch's are apart where one database knows both."""
    return settings.environment if settings.branch is None else f"{settings.environment}~{settings.branch}"


def forget_branch(settings: Settings) -> None:
    """Drop what the catalogue knows of a branch: its file, or its entries in the database."""
    if settings.iceberg is None:
        for place in _file(settings).parent.glob(f"{_file(settings).name}*"):
            place.unlink()
        return
    from pyiceberg.catalog.sql import IcebergNamespaceProperties, IcebergTables
    from sqlalchemy import delete

    root = _root(settings).replace("_", r"\_")
    with open_catalogue(settings).engine.begin() as connection:
        connection.execute(delete(IcebergTables).where(IcebergTables.table_namespace.like(f"{root}.%", escape="\\")))
        connection.execute(delete(IcebergNamespaceProperties).where(
            IcebergNamespaceProperties.namespace.like(f"{root}.%", escape="\\")
        ))  # fmt: skip


def _io_properties(settings: Settings) -> dict[str, str]:
    if not settings.lake.startswith("s3://"):
        return {"py-io-impl": "platform_resources.vendor.pyiceberg_files.WholeFileIO"}
    retries = f"platform_resources.vendor.pyiceberg_retries.attempts_{settings.s3.attempts}"
    return {
        "py-io-impl": "platform_resources.storage.formats.iceberg_metadata.ComparedFileIO",
        "s3.retry-strategy-impl": retries,
        "platform.s3-attempts": str(settings.s3.attempts),
        "platform.s3-timeout": f"{settings.s3.timeout_seconds:g}",
        **settings.s3.pyiceberg_properties(),
    }


@contextmanager
def translate_catalogue_errors(spec: TableSpec, url: str) -> Iterator[None]:
    """Say in our words, and without the password, what the catalogue's database says; other errors pass.

    Args:
        spec: the table, for the message.
        url: the catalogue's, of which the host and the database are named.

    Raises:
        TableForbidden: it does not let us in, or there is no such database.
        TableUnavailable: it cannot be reached, or the connection was lost; transient.
    """
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("sqlalchemy"):
            raise
        from sqlalchemy.exc import DBAPIError

        if not isinstance(error, DBAPIError):
            raise
        raise _explained(error, spec, url) from error


def _explained(error: "DBAPIError", spec: TableSpec, url: str) -> TableError:
    where, why = f"the Iceberg catalogue {_database(url)}", _reason(error, url)
    if all(word in why for word in _MISSING) and "role" not in why:
        return TableForbidden(
            spec.path, f"{where} is not there: {why}", fix="create it, or correct PLATFORM_ICEBERG_CATALOG"
        )
    if any(word in why for word in _REFUSED):
        return TableForbidden(
            spec.path,
            f"{where} does not let us in: {why}",
            fix="correct the user and password in PLATFORM_ICEBERG_CATALOG, or what the user may do",
        )
    if _FULL in why:
        return NoSpaceLeft(
            spec.path, f"there is no space left at {where}; nothing of this write is in the table",
            setting="PLATFORM_ICEBERG_CATALOG",
        )  # fmt: skip
    return TableUnavailable(
        spec.path,
        f"{where} cannot be used: {why}",
        fix=f"start it, or correct PLATFORM_ICEBERG_CATALOG, and try again: {_UNSURE}",
    )


def _database(url: str) -> str:
    """Name host and database, or the file of SQLite."""
    from sqlalchemy import make_url

    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return str(address.database)
    host = address.host or address.query.get("host") or "localhost"
    return f"{host}{f':{address.port}' if address.port else ''}/{address.database}"


def _reason(error: "DBAPIError", url: str) -> str:
    """Read what the database said, in a line, without the statement and without the password."""
    from sqlalchemy import make_url

    message = " ".join(str(error.orig).split()) or type(error).__name__
    message = message.rpartition("FATAL: ")[2].partition(" Is the server running")[0].strip().rstrip(".?")
    secret = make_url(url).password
    return message.replace(str(secret), "…") if secret else message
