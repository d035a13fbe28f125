"""`platform convert`: as a person calls it, with a contract, and killed in the middle."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from platform_assets.entrypoints.cli import main


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def test_a_person_sees_a_table_and_a_program_an_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("a;b\n1;x\n2;y\n")
    assert main(["convert", "in.csv", "out.parquet"]) == 0
    assert " ".join(capsys.readouterr().out.split()).endswith("verified 2 rows read back and compared")
    assert main(["convert", "in.csv", "out.parquet", "--overwrite", "--memory", "512MiB", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["delimiter"], told["columns"]) == (2, ";", {"a": "Int64", "b": "String"})


def test_the_last_line_says_what_was_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.DataFrame({"n": range(200_000)}).write_parquet(tmp_path / "in.parquet")
    assert main(["convert", "in.parquet", "some.jsonl", "--json"]) == 0
    some = json.loads(capsys.readouterr().out)
    assert (some["parsed_rows"] < some["rows"], some["content_hash"]) == (True, None)
    assert main(["convert", "in.parquet", "all.jsonl", "--verify", "full"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.endswith("verified 200,000 rows counted, every byte compared, 200,000 rows parsed and compared")
    assert main(["convert", "in.parquet", "more.jsonl", "--verify", "most"]) == 2
    assert not (tmp_path / "more.jsonl").exists()


def test_rows_set_aside_are_told_by_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,x\n2\n")
    assert main(["convert", "in.csv", "out.jsonl"]) == 3
    assert "1 row in out.jsonl.rejects.jsonl" in capsys.readouterr().out
    assert main(["convert", "missing.csv", "two.jsonl"]) == 1
    assert "missing.csv: there is no such file. Fix: correct the path." in capsys.readouterr().err
    assert main(["convert", "in.csv", "two.jsonl", "--memory", "lots"]) == 2


def test_a_contract_gives_types_and_sets_aside_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = "origin,time_hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib"
    columns = _weather_columns()
    row = dict.fromkeys(columns, "1") | {"origin": "EWR", "time_hour": "2013-01-01T06:00:00Z"}
    good, naive = row, row | {"time_hour": "2013-01-01 06:00:00"}
    lines = [",".join(columns), *(",".join(each[name] for name in columns) for each in (good, naive, good))]
    assert set(header.split(",")) <= set(columns)
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    assert main(["convert", "in.csv", "out.parquet", "--contract", "flights/weather", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["rejected"]) == (2, 1)
    reject = json.loads((tmp_path / "out.parquet.rejects.jsonl").read_text())
    assert (reject["line"], reject["reason"]) == (3, "time_hour is no Datetime(time_unit='us', time_zone='UTC')")
    assert pl.read_parquet(tmp_path / "out.parquet").schema["time_hour"] == pl.Datetime("us", "UTC")


def _weather_columns() -> list[str]:
    from platform_assets.discovery import discover  # noqa: PLC0415 - imports every domain

    return [column.name for column in discover("platform_assets.domains")["flights/weather"].columns]


@pytest.mark.parametrize("target", ["out.parquet", "out.jsonl"])
def test_a_killed_conversion_leaves_nothing_under_its_name(target: str, tmp_path: Path) -> None:
    with (tmp_path / "in.csv").open("w") as out:
        out.write("a,b\n")
        out.writelines(f"{number},some text of a row\n" for number in range(1_500_000))
    program = "from platform_assets.entrypoints.cli import main; main(['convert', 'in.csv', '{}'])"
    process = subprocess.Popen([sys.executable, "-c", program.format(target)], cwd=tmp_path)
    while process.poll() is None and not any(path.stat().st_size for path in tmp_path.glob(".tmp-*")):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / target).exists()
    assert main(["convert", "in.csv", target]) == 0
