"""kill -9 in the midst of a conversion: what stood under the name stands there still, or nothing does."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import polars as pl
import pytest

from platform_resources.conversion import Options, convert
from platform_resources.errors import ConversionError
from platform_resources.settings import Settings
from platform_resources.storage.folder import folder_at
from tests.resources.conversion import killed
from tests.servers import S3Server

ROWS = "id,name\n" + "".join(f"{number},name {number}\n" for number in range(50_000))
BEFORE = "id,name\n1,before\n"
TARGETS = ["out.parquet", "out.jsonl.gz", "out.delta"]


def kill_in_the_midst(source: Path, target: str, marker: Path, environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", killed.__name__, str(source), target, str(marker)],
        env={**os.environ, **environment},
        cwd=Path(killed.__file__).parents[3],
    )
    try:
        while not marker.exists():
            assert process.poll() is None, "it ended before it was killed"
            os.sched_yield()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("there", [False, True], ids=["new", "over another"])
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("where", ["disk", "s3"])
def test_a_killed_conversion_leaves_what_was_there(
    where: str, name: str, there: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    root, environment = str(tmp_path / "lake"), {}
    if where == "s3":
        server: S3Server = request.getfixturevalue("s3")
        root, environment = f"s3://{server.bucket}/{uuid.uuid4().hex}", dict(server.environment)
    settings, target = Settings.from_environment(environment), f"{root}/{name}"
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "before.csv").write_text(BEFORE)
    if there:
        convert(str(tmp_path / "before.csv"), target, settings=settings)
    kill_in_the_midst(tmp_path / "rows.csv", target, tmp_path / "marker", environment)

    if there:
        assert convert(target, str(tmp_path / "back.arrow"), settings=settings).rows == 1
        assert pl.read_ipc(tmp_path / "back.arrow").rows() == [(1, "before")]
    else:
        with pytest.raises(ConversionError):
            convert(target, str(tmp_path / "back.arrow"), settings=settings)
        assert not [
            entry.name for entry in folder_at(root, settings.s3).entries() if not entry.name.endswith(".parquet")
        ]
    options = Options(overwrite=True)
    assert convert(str(tmp_path / "rows.csv"), target, settings=settings, options=options).rows == 50_000
    assert convert(target, str(tmp_path / "again.arrow"), settings=settings).rows == 50_000


def test_what_a_killed_conversion_left_goes_when_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (tmp_path / "rows.csv").write_text(ROWS)
    environment = {"TMPDIR": str(room)}
    kill_in_the_midst(tmp_path / "rows.csv", str(tmp_path / "one.parquet"), tmp_path / "marker", environment)
    (left,) = room.iterdir()
    monkeypatch.setattr("tempfile.tempdir", str(room))
    met: list[list[Path]] = []

    def look(_: int) -> None:
        met.append(list(room.iterdir()))
        if len(met) == 1:  # a second one that begins meanwhile leaves the first alone
            convert(str(tmp_path / "rows.csv"), str(tmp_path / "three.parquet"), settings=Settings.from_environment({}))

    convert(
        str(tmp_path / "rows.csv"), str(tmp_path / "two.parquet"), settings=Settings.from_environment({}), progress=look
    )
    assert all(len(each) == 1 and left not in each for each in met)
    assert not list(room.iterdir())
