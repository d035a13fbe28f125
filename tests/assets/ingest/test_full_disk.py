"""A disk that becomes full at any point of an ingest is named as that, and the next run goes on where it was."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_resources.errors import TableUnwritable
from tests.assets.ingest.test_commit import A, B, balances
from tests.assets.ingest.worker import POINTS, dying, land, opened, orders, standing, take_in


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
