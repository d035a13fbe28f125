"""What the database that holds the Iceberg catalogue says when it cannot be used, in our words; never its password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from platform_resources.errors import TableForbidden, TableUnavailable
from platform_resources.storage.table import TableSpec

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

_REFUSED = ("authentication failed", "no password supplied", "pg_hba.conf", "permission denied", "role ", "readonly",
            "read-only")  # fmt: skip
_MISSING = ("database ", "does not exist")
_UNSURE = "whether a commit that was under way arrived is known by writing it again"


@contextmanager
def told(spec: TableSpec, url: str) -> Iterator[None]:
    """Passes errors on as they are, but for those of the catalogue's database.

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


def _explained(error: "DBAPIError", spec: TableSpec, url: str) -> TableForbidden | TableUnavailable:
    where, why = f"the Iceberg catalogue {_place(url)}", _reason(error, url)
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
    return TableUnavailable(
        spec.path,
        f"{where} cannot be used: {why}",
        fix=f"start it, or correct PLATFORM_ICEBERG_CATALOG, and try again: {_UNSURE}",
    )


def _place(url: str) -> str:
    """Returns host and database, or the file of SQLite."""
    from sqlalchemy import make_url

    made = make_url(url)
    if made.get_backend_name() == "sqlite":
        return str(made.database)
    host = made.host or made.query.get("host") or "localhost"
    return f"{host}{f':{made.port}' if made.port else ''}/{made.database}"


def _reason(error: "DBAPIError", url: str) -> str:
    """Returns what the database said, in a line, without the statement and without the password."""
    from sqlalchemy import make_url

    said = " ".join(str(error.orig).split()) or type(error).__name__
    said = said.rpartition("FATAL: ")[2].partition(" Is the server running")[0].strip().rstrip(".?")
    secret = make_url(url).password
    return said.replace(str(secret), "…") if secret else said
