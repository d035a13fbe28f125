"""docs/cli.md knows every command, every option and every field of the JSON."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from typer.main import get_command

from platform_assets.entrypoints.cli import app
from platform_assets.operations import dataset_facts, envelopes, replays, tables
from platform_resources import conversion
from platform_resources.storage import objects
from platform_resources.storage.caches import disk, report
from platform_resources.storage.objects import doctor
from platform_resources.storage.operations import records

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
SECTIONS = dict(re.findall(r"^## (platform[^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by the words that call it."""
    below = getattr(command, "commands", {})
    if not below or getattr(command, "invoke_without_command", False):
        yield name, command
    for word, each in below.items():
        yield from commands(each, f"{name} {word}")


ALL = [*commands(get_command(app), "platform")]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_has_a_section_that_names_each_option(name: str, command: click.Command) -> None:
    shown = [each for each in command.params if not getattr(each, "hidden", False)]  # only an option can be hidden
    options = [word for each in shown for word in [*each.opts, *each.secondary_opts] if word.startswith("--")]
    told = SECTIONS.get(name, "") + (PAGE if name == "platform" else "")
    assert told, f"docs/cli.md has no section ## {name}"
    assert [word for word in options if word != "--help" and f"`{word}`" not in told] == []


def test_no_section_describes_a_command_that_is_not_there() -> None:
    assert set(SECTIONS) <= {name for name, _ in ALL}


RECORDS = [
    getattr(module, name)
    for module, names in [
        (dataset_facts, ["Line", "Freshness", "Page", "ColumnFacts", "RuleFacts", "Materialisation", "InputFacts",
                         "QuarantineFacts"]),
        (report, ["CacheFacts", "TierFacts"]),
        (disk, ["Removed", "Verified"]),
        (envelopes, ["Envelope", "OpenedEnvelope", "RecordedFix"]),
        (replays, ["Replay", "Outcome"]),
        (tables, ["RowsRead"]),
        (records, ["OperationResult", "PartitionStatistics", "TableStatistics", "TableVersion"]),
        (objects, ["S3Object", "Downloaded", "Verified"]),
        (doctor, ["Diagnosis", "Probe"]),
        (conversion, ["Conversion"]),
    ]
    for name in names
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda each: each.__name__)
def test_every_field_of_the_json_is_documented(record: type) -> None:
    nested = {"dataset", "envelope"}
    fields = [each.name for each in dataclasses.fields(record) if each.name not in nested]
    assert [name for name in fields if f"`{name}`" not in PAGE] == []
