"""The package of docs/question.md: keys of several columns, references that follow one another, Excel, a roll-up."""

import io
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl

from platform_assets.location import BRANCH
from platform_assets.operations.branches import new_branch
from platform_resources.storage import TableSpec
from tests.world import World, world

FILES = {
    "films-1.csv": "film,title,minutes\nF001,Metropolis,153\nF002,M,111\n",
    "screenings-1.csv": (
        "house,hall,starts_at,film\nRex,1,2026-01-10T19:00:00Z,F001\n"
        "Lux,1,2026-02-10T19:00:00Z,F002\nLux,9,2026-02-10T19:00:00Z,F002\n"
    ),
    "tickets-1.csv": (
        "house,hall,starts_at,seat,cents\nRex,1,2026-01-10T19:00:00Z,1,900\nRex,1,2026-01-10T19:00:00Z,2,900\n"
        "Lux,1,2026-02-10T19:00:00Z,1,800\nLux,9,2026-02-10T19:00:00Z,1,800\n"
    ),
}


def sheet() -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    page = book.active
    page.title = "Halls"
    for row in (["Our halls"], [], ["House", "Hall no.", "Seats"], ["Rex", 1, 120], ["Rex", 2, 60], ["Lux", 1, 80]):
        page.append(row)
    book.save(content)
    return content.getvalue()


def test_the_question_is_answered_from_four_tables(tmp_path: Path) -> None:
    with world(tmp_path, "docs_src.houses", dbt=Path("docs_src/houses_dbt").resolve()) as houses:
        houses.land("cinema/halls-2026.xlsx", sheet())
        for name, content in FILES.items():
            houses.land(f"cinema/{name}", content.encode())
        houses.catch_up()
        takings = houses.rows("cinema/monthly_takings").rows()
        assert takings == [("Lux", date(2026, 2, 1), 1, 800), ("Rex", date(2026, 1, 1), 2, 1800)]
        mart = pl.read_delta(str(tmp_path / "state/lake/development/cinema/takings_by_film/v1"))
        assert mart.sort("film").rows() == [("F001", 2, 1800), ("F002", 1, 800)]
        assert houses.balance("cinema/tickets") == (4, 4)
        assert houses.red("cinema/tickets") == {"house_hall_starts_at_references"}
        assert_a_tagged_run_makes_the_mart_in_its_branch(houses)


def assert_a_tagged_run_makes_the_mart_in_its_branch(houses: World) -> None:
    """A run of the launchpad, by the tag alone: rows and dbt model lie in the branch, the environment stays."""
    lake, mart = houses.location.lake, TableSpec(path="cinema/takings_by_film/v1")
    before = lake.version(mart), lake.scan(mart).collect().sort("film")
    new_branch(houses.location.settings, "matinee")
    houses.land("cinema/tickets-2.csv", b"house,hall,starts_at,seat,cents\nRex,1,2026-01-10T19:00:00Z,3,700\n")
    result = houses.materialise("cinema/tickets", "cinema/takings_by_film", partitions=["2026-01-10"],
                                files=["cinema/tickets-2.csv"], tags={BRANCH: "matinee"})  # fmt: skip
    assert result.success
    assert lake.on_branch("matinee").scan(mart).collect().sort("film").rows() == [("F001", 3, 2500), ("F002", 1, 800)]
    assert (lake.version(mart), lake.scan(mart).collect().sort("film").rows()) == (before[0], before[1].rows())
    assert houses.rows("cinema/tickets").height == 3
