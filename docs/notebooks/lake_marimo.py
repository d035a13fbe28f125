"""The lake in marimo: `marimo edit docs/notebooks/lake_marimo.py`; `make demo` fills a lake."""

import marimo

app = marimo.App()


@app.cell
def _():
    import polars as pl

    from platform_assets.entrypoints.notebooks import open_platform

    platform = open_platform()
    return pl, platform


@app.cell
def _(platform):
    trips = platform["bikes/trips"]
    trips
    return (trips,)


@app.cell
def _(pl, trips):
    minutes = trips.lazy().group_by("station").agg(pl.col("minutes").sum()).sort("station").collect()
    minutes
    return (minutes,)


@app.cell
def _(platform):
    counted = platform.sql('select station, count(*) as trips from "bikes/trips" group by all order by station')
    counted
    return (counted,)


@app.cell
def _(trips):
    trips.profile()


if __name__ == "__main__":
    app.run()
