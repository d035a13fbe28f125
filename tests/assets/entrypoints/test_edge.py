"""Where errors end: one message, an exit code, and a traceback only where it is asked for; and a fast start."""

import subprocess
import sys
from pathlib import Path

import pytest

from platform_assets.discovery import PackageNotFound
from platform_assets.entrypoints.cli import main


def test_help_imports_neither_dagster_nor_polars() -> None:
    program = (
        "import sys; from platform_assets.entrypoints.cli import main; code = main(['--help']);"
        "print(sorted({'dagster', 'polars', 'pandera', 'deltalake'} & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_wrong_setting_is_one_message_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLATFORM_LAKES", "s3://lake")
    assert main(["datasets"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("Error: PLATFORM_LAKES: is not a setting")
    assert "Traceback" not in told


def test_a_package_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--package", "platform_assets.nowhere", "quarantine", "list"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "Error: package 'platform_assets.nowhere': Python finds no 'platform_assets.nowhere'. Fix: " in told


def test_what_nobody_foresaw_says_its_kind_and_how_to_see_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "half_installed.py").write_text("import a_library_that_is_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["--package", "half_installed", "quarantine", "list"]) == 1
    told = capsys.readouterr().err
    assert "half_installed" in told
    assert "No module named 'a_library_that_is_not_installed'" in told
    assert "half_installed.py" in told


def test_debug_lets_the_traceback_through() -> None:
    with pytest.raises(PackageNotFound):
        main(["--debug", "--package", "no.such.package", "quarantine", "list"])


def test_a_command_that_is_not_understood_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "mend"]) == 2
    assert "No such command" in capsys.readouterr().err
