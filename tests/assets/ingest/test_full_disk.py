"""A disk that becomes full at any point of an ingest is named as that, and the next run goes on where it was."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from platform_assets.ingest.tables import table_spec
from platform_assets.ingest.topic_history import stream_id
from platform_assets.operations.streams import Pace, run_streams
from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Quarantine, Topic, catalog_of
from platform_resources.brokers import LogBroker
from platform_resources.errors import ScratchFull, TableUnwritable
from platform_resources.settings import Settings
from platform_resources.storage import Lake
from tests.assets.ingest.test_commit import A, B, balances
from tests.assets.ingest.worker import POINTS, dying, land, opened, orders, standing, take_in


class Notes(DataFrameModel):
    """One row a note."""

    n: int = Field()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of six megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may mount no file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607 - wherever the system has it


def fill(place: Path) -> None:
    """Write until not one byte has room."""
    ballast = os.open(place / "ballast", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for size in (65_536, 4_096, 1):
        try:
            while os.write(ballast, b"x" * size):
                pass
        except OSError:
            continue
    os.close(ballast)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", ["delta", pytest.param("iceberg", marks=pytest.mark.lane)])
def test_a_disk_that_is_full_is_named_and_nothing_is_half_done(small_disk: Path, kind: str, point: str) -> None:
    lake, dataset = opened(small_disk), orders(kind)
    land(lake, "a", [*A, (7, 1, -5)])
    take_in(lake, dataset, "a")
    land(lake, "b", [*B, (6, 1, -5)])
    with dying(point, dataset, lambda: fill(small_disk)), pytest.raises(TableUnwritable, match="no space left"):
        take_in(lake, dataset, "b")
    (small_disk / "ballast").unlink()
    take_in(lake, dataset, "b")
    assert standing(lake, dataset) == {1: (5, 20, "b"), 8: (5, 20, "b"), 9: (3, 10, "a")}
    assert balances(lake, dataset)


def test_a_full_disk_under_the_catalogue_of_iceberg_alone_is_named(small_disk: Path, tmp_path: Path) -> None:
    places = {"PLATFORM_STATE": str(tmp_path), "PLATFORM_ICEBERG_CATALOG": f"sqlite:///{small_disk}/catalogue.db"}
    lake, dataset = Lake(Settings.from_environment(places)), orders("iceberg")
    expected = {"a": {1: (3, 10, "a"), 9: (3, 10, "a")}, "b": {1: (5, 20, "b"), 8: (5, 20, "b"), 9: (3, 10, "a")}}
    for name, rows in (("a", A), ("b", B)):  # before there is a table, and before its next version
        land(lake, name, rows)
        fill(small_disk)
        with pytest.raises(TableUnwritable, match="no space left at the Iceberg catalogue"):
            take_in(lake, dataset, name)
        (small_disk / "ballast").unlink()
        take_in(lake, dataset, name)
        assert standing(lake, dataset) == expected[name]


def test_a_full_scratch_folder_is_no_fault_of_the_file_which_waits(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    places = {"PLATFORM_STATE": str(tmp_path), "PLATFORM_MEMORY_BYTES": "1000000"}
    lake, dataset = Lake(Settings.from_environment(places)), orders("delta")
    land(lake, "a", [(key, 1 + key % 12, 5) for key in range(8_000)])
    fill(small_disk)
    with pytest.raises(ScratchFull, match=r"shop/orders-a\.csv: there is no space left in"):
        take_in(lake, dataset, "a")
    (small_disk / "ballast").unlink()
    take_in(lake, dataset, "a")
    assert len(standing(lake, dataset)) == 8_000
    assert balances(lake, dataset)


def test_a_worker_waits_for_room_and_then_all_messages_are_rows(small_disk: Path, tmp_path: Path) -> None:
    places = {"PLATFORM_STATE": str(tmp_path / "state"), "PLATFORM_LAKE": str(small_disk / "lake")}
    lake, broker = Lake(Settings.from_environment(places)), LogBroker(tmp_path / "streams")
    notes = Dataset("shop/notes", Notes, owner="team:t", version="1.0.0", key=("n",), source=Topic("notes"),
                    store=Delta(mode="append"), quarantine=Quarantine())  # fmt: skip
    spec, told = table_spec(notes), list[str]()

    def send(first: int) -> None:
        broker.produce("notes", [b'{"n": %d}' % number for number in range(first, first + 1_000)])

    def tell(line: str) -> None:
        told.append(line)
        if "Trying again" in line and (small_disk / "ballast").exists():
            assert lake.read(spec).height == lake.position(spec, stream_id("notes", 0)) == 1_000
            (small_disk / "ballast").unlink()

    def is_stopped() -> bool:
        if lake.exists(spec) and lake.read(spec).height == 1_000 and not told:
            fill(small_disk)
            send(1_000)
            told.append("full")
        return time.monotonic() > began + 60 or (lake.exists(spec) and lake.read(spec).height == 2_000)

    began = time.monotonic()
    broker.create_topic("notes")
    send(0)
    pace = Pace(every=timedelta(0), report_every=timedelta(hours=1))
    run_streams(lake, catalog_of([notes]), [notes], broker, None, pace=pace, is_stopped=is_stopped, tell=tell)
    broker.close()
    assert lake.read(spec)["n"].sort().to_list() == [*range(2_000)]
    expected = rf"shop/notes.*: there is no space left at {small_disk}.*Fix: make room there, .*a stream worker goes on"
    assert any(re.search(expected, line) for line in told), told
