"""Databases behind one port: SQLite, PostgreSQL by psycopg2 and ADBC, MySQL and MariaDB by PyMySQL; one module each."""

from importlib import import_module
from importlib.util import find_spec

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
_DRIVERS = {"postgresql": ("postgres", ["psycopg2", "adbc_driver_postgresql"]), "mysql": ("mysql", ["pymysql"])}
"""By module, the extra that brings its drivers."""


def open_engine(name: str, settings: Settings) -> DatabaseEngine:
    """Open the database that the settings know under a name; without one, the SQLite file of that name in the state.

    Raises:
        DatabaseError: There is no such setting, no engine for its URL, or a driver is not installed.
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
    extra, drivers = _DRIVERS.get(_MODULES[scheme], ("", []))
    if missing := [driver for driver in drivers if find_spec(driver) is None]:
        fix = f"pip install 'dagster-asset-platform[{extra}]'."
        raise DatabaseError(name, f"{' and '.join(missing)} is not installed.", fix=fix)
    engine: DatabaseEngine = import_module(f"{__name__}.{_MODULES[scheme]}").open_database(name, url)
    return engine
