"""Databases behind one port: SQLite, PostgreSQL by psycopg2, MySQL and MariaDB by PyMySQL; one module each."""

from importlib import import_module

from platform_resources.settings import Settings
from platform_resources.sources.engines.base import DatabaseEngine, DatabaseError, DatabaseGone, Query, State

__all__ = ["DatabaseEngine", "DatabaseError", "DatabaseGone", "Query", "State", "open_engine"]

_MODULES = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}


def open_engine(name: str, settings: Settings) -> DatabaseEngine:
    """Open the database that the settings know under a name; without one, the SQLite file of that name in the state.

    Raises:
        DatabaseError: There is no such setting, or no engine for its URL.
    """
    url = settings.database_url(name)
    variable = f"PLATFORM_DATABASE_{name.upper()}"
    if url is None:
        raise DatabaseError(
            name, "no setting says where it is.", fix=f"set {variable}, such as sqlite:////data/shop.db."
        )
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in _MODULES:
        fix = f"write {variable} as sqlite:////file, postgresql:// or mysql://user@host/name."
        raise DatabaseError(name, f"{scheme!r} is no database that can be read.", fix=fix)
    engine: DatabaseEngine = import_module(f"{__name__}.{_MODULES[scheme]}").open_database(name, url)
    return engine
