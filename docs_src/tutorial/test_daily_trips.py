"""Tests of the trips, by the platform's fixtures: pytest --platform-package docs_src.tutorial."""

import polars as pl


def test_generated_trips_make_days_that_pass(run_asset):
    made = run_asset("bikes/daily_trips", rows=200)
    assert made.red == {}
    assert made.rows["trips"].sum() == 200


def test_a_trip_counts_for_the_day_it_began(synthetic, run_asset):
    trips = synthetic("bikes/trips", rows=1).with_columns(minutes=pl.lit(7, pl.Int64))
    made = run_asset("bikes/daily_trips", {"bikes/trips": trips})
    assert made.rows.select("station", "minutes").rows() == [(trips["station"][0], 7)]


def test_the_pipeline_stands(run_pipeline):
    assert run_pipeline("bikes/*", rows=30).stands


def test_rows_go_into_a_lake_of_the_test(lake, synthetic):
    assert lake.settings.environment == "development"
    assert synthetic("bikes/trips", rows=20).height == 20
