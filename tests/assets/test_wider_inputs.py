"""A daily transform below a monthly table or a table without partitions: one day can be run, and it writes that day."""

from pathlib import Path

import polars as pl
import pytest

from platform_assets.factory import asset_key
from platform_assets.factory.wider import of_run
from platform_core.contracts import DataFrameModel, Dataset, UtcTimestamp, hourly
from tests.world import world

DECLARED = '''
import polars as pl
from datetime import date
from platform_core.contracts import DataFrameModel, Dataset, Day, Delta, Field, daily, monthly

class Given(DataFrameModel):
    """A number a day."""
    day: Day
    number: int

def declared(name, partitions):
    return Dataset(f"calendar/{name}", Given, owner="team:x", version="1.0.0", key=("day",),
                   store=Delta(mode="overwrite"), partitions=partitions)

above, below = declared("above", PARTITIONS), declared("below", daily("2024-01-01", on="day"))

@above.transform
def make() -> pl.DataFrame:
    """Three days."""
    return pl.DataFrame({"day": [date(2024, 1, 1), date(2024, 1, 2), date(2024, 2, 29)], "number": [1, 2, 3]})

@below.transform
def doubled(above: pl.LazyFrame) -> pl.LazyFrame:
    """Each twice as large."""
    return above.with_columns(number=2 * pl.col("number"))
'''


@pytest.mark.parametrize(("above", "others"), [("monthly('2024-01', on='day')", 1), ("None", 2)])
def test_one_day_below_a_wider_input_writes_that_day_and_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: str, others: int
) -> None:
    name = f"wider_{'none' if above == 'None' else 'monthly'}"
    (tmp_path / f"{name}.py").write_text(DECLARED.replace("PARTITIONS", above))
    monkeypatch.syspath_prepend(tmp_path)
    with world(tmp_path, name) as there:
        months = ["2024-01", "2024-02"] if above != "None" else []
        assert there.materialise("calendar/above", partitions=months).success
        for day, number in (("2024-02-29", 6), ("2024-01-02", 4)):
            assert there.materialise("calendar/below", partitions=[day]).success
            assert number in there.rows("calendar/below")["number"]
        assert there.rows("calendar/below")["number"].to_list() == [4, 6]
        event = there.instance.get_latest_materialization_event(asset_key("calendar/below"))
        assert event.asset_materialization.metadata["rows_of_other_partitions"].value == others


class Moment(DataFrameModel):
    """An instant."""

    at: UtcTimestamp


MOMENTS = Dataset("x/moments", Moment, owner="team:x", version="1.0.0", partitions=hourly("2024-01-01-00:00", on="at"))
TEXTS = ["2024-01-01T05:30:00+05:00", "2024-01-01T06:30:00+05:00", "2023-01-01T00:00:00+05:00", None]


@pytest.mark.parametrize("typed", [True, False], ids=["instants", "texts"])
def test_only_rows_of_the_run_and_those_that_cannot_be_placed_are_kept_and_zones_are_read_in_utc(typed: bool) -> None:
    raw = pl.DataFrame({"at": TEXTS if typed else [*TEXTS, "some time"]})
    raw = raw.select(pl.col("at").str.to_datetime(time_zone="Asia/Karachi")) if typed else raw
    kept = of_run(raw, MOMENTS, ["2024-01-01-00:00"])
    assert kept["at"].to_list() == raw["at"].gather([0, 3] if typed else [0, 3, 4]).to_list()


def test_what_cannot_be_a_day_at_all_is_left_to_the_verdict() -> None:
    raw = pl.DataFrame({"at": [[1]]})
    assert of_run(raw, MOMENTS, ["2024-01-01-00:00"]).equals(raw)
