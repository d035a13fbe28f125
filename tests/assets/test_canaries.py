"""A canary in every personal column is found in table and quarantine, and nowhere else that anything is written."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from platform_assets.composition import build_location
from platform_assets.entrypoints.cli import main
from platform_resources.settings import Settings
from tests.world import World

CANARY = "Zwitscher"
SALARY, BORN = "918273645.5", "1911-11-11"
SEARCHED = (CANARY, "918273645", "918,273,645", BORN)


def people(
    *, mail: str, salary: str = SALARY, born: str = BORN, joined: str = "2024-02-29", number: int = 1
) -> pl.DataFrame:
    texts = {"name": f"{CANARY}name", "mail": mail, "phone": f"{CANARY}phone"}
    texts |= {"salary": salary, "born": born, "joined": joined}
    return pl.DataFrame({"id": [str(number)]} | {name: [text] for name, text in texts.items()})


@pytest.fixture
def crm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    for name, value in {"PLATFORM_STATE": str(tmp_path / "state"), "DAGSTER_HOME": str(home)}.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        yield World(build_location("tests.canaries", Settings.from_environment()), instance)


def texts_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Whatever lies outside of tables: every row of every database, every other file."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or "lake" in path.parts or "landing" in path.parts:
            continue
        if path.suffix == ".db":
            with sqlite3.connect(path) as database:
                yield str(path), "\n".join(database.iterdump()).encode()
        else:
            yield str(path), path.read_bytes()


def test_no_failure_of_any_kind_writes_personal_data(
    crm: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = people(mail=f"{CANARY}@a.org")
    bad = [
        people(mail=f"{CANARY} without", number=2),
        people(mail=f"{CANARY}@b.org", salary=f"{CANARY}12", number=3),
        people(mail=f"{CANARY}@c.org", born=f"{CANARY}day", number=4),
        people(mail=f"{CANARY}@a.org", number=5),
        people(mail=f"{CANARY}@d.org", salary="-918273645", number=6),
        people(mail=f"{CANARY}@e.org", joined="2924-02-29", number=7),
    ]
    crm.land("crm/people-a.csv", pl.concat([good, *bad]))
    crm.land("crm/people-b.csv", f"id,name,mail,phone,salary,born,joined\n{CANARY},x,{CANARY}\n".encode())
    crm.land("crm/people-c.csv", f"1,{CANARY},{CANARY}@x.org,{CANARY},1,{BORN},2024-02-01\n".encode())
    crm.land("crm/people-d.json", f'{{"id": 9, "name": "{CANARY}", "mail": '.encode())
    crm.materialise("crm/people", partitions=["2024-02"])
    made = ("lazy_numbers", "eager_numbers", "letters")
    failed = [name for name in made if not crm.materialise(f"crm/{name}").success]
    pages = [str(tmp_path / f"page-{number}.html") for number in range(4)]
    for command in (
        ["quarantine", "list", "crm/people"],
        ["quarantine", "list", "crm/people", "--json"],
        ["quarantine", "show", "crm/people", crm.store("crm/people").envelopes()["quarantine_id"][0]],
        ["quarantine", "replay", "crm/people"],
        ["profile", "crm/people", "--json"],
        ["profile", "crm/people", "--html", pages[0]],
        ["quality", "history", "crm/people"],
        ["quality", "failures", "crm/people", "--json"],
        ["quality", "failures", "crm/people", "--for-supplier", pages[1]],
        ["quality", "failures", "crm/people", "--for-supplier", str(tmp_path / "refused.csv")],
        ["backtest", "mail_unique", "crm/people", "--html", pages[2]],
        ["contracts", "check", "crm/people"],
        ["diff", "crm/people", "--registry", str(tmp_path / "contracts"), "--html", pages[3]],
        ["incidents", "crm/people"],
        ["datasets", "show", "crm/people"],
        ["suggest", "crm/people"],
        ["report", "--output", str(tmp_path / "report")],
    ):
        assert main(["--package", "tests.canaries", *command]) in (0, 1), command  # 2 would be no command at all
    told = capfd.readouterr()
    written = [("stdout", told.out.encode()), ("stderr", told.err.encode()), *texts_of(tmp_path)]
    found = {(place, word) for place, text in written for word in SEARCHED if word.encode() in text}
    assert (tuple(failed), found) == (made, set())
    assert CANARY in str(crm.rows("crm/people")["name"].to_list())
