"""The ten-minute tutorial of streams: every command on its page runs, in their order, and ends with 0."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.entrypoints.cli import app

PAGE = Path(__file__).parents[2] / "docs/streams-tutorial.md"


@pytest.mark.lane
def test_every_command_of_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    (tmp_path / "dagster").mkdir()
    blocks = re.findall(r"<!-- run -->\n```\n(.*?)```", PAGE.read_text(), re.DOTALL)
    commands = [line.removeprefix("platform ").split() for block in blocks for line in block.splitlines()]
    assert len(commands) > 10
    for command in commands:
        outcome = CliRunner().invoke(app, command)
        assert outcome.exit_code == 0, f"{command}: {outcome.output} {outcome.exception!r}"
