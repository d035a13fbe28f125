"""What the pages name is there: files, links, settings, commands, assets."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.definitions import defs
from platform_resources.settings import VARIABLES
from tests.docs.pages import NAMES, ROOT, anchors, commands, links, quoted

BIN = Path(sys.executable).parent
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
OURS = ("platform_core", "platform_resources", "platform_assets")
FOLDERS = (*OURS, "dbt", "tests", "docs", "docs_src", "benchmarks", "deploy", ".ci")
VERBS = (
    "demo",
    "convert",
    "datasets",
    "quarantine",
    "list",
    "show",
    "fix",
    "replay",
    "discard",
    "upkeep",
    "plan",
    "apply",
    "lifecycle",
    "advise",
    "objects",
    "ls",
    "select",
    "get",
    "verify",
    "doctor",
    "stream",
    "run",
    "status",
    "produce",
    "certify",
)
TUTORIALS = ("bikes/",)
LINES = [(page, tuple(words)) for page in NAMES for words in commands(ROOT / page)]


def of(*programs: str) -> list[object]:
    """The commands of these programs, to be parametrised by."""
    return [pytest.param(words, id=f"{page}: {shlex.join(words)}") for page, words in LINES if words[0] in programs]


@cache
def help_of(*words: str) -> str:
    """What a command says of itself; the test fails where there is no such command."""
    command = [BIN / words[0], *words[1:], "--help"]
    environment = {"PATH": str(BIN), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_somewhere(page: str) -> None:
    here = ROOT / page
    for link in links(here):
        if not link.startswith("http"):
            path, _, anchor = link.partition("#")
            target = (here.parent / path).resolve() if path else here
            assert target.exists(), f"{page} links to {link}"
            assert not anchor or anchor in anchors(target), f"{page} links to {link}"


@pytest.mark.parametrize("page", NAMES)
def test_files_that_a_page_names_are_there(page: str) -> None:
    named = [word for word in quoted(ROOT / page) if word.split("/")[0] in FOLDERS and re.fullmatch(r"[\w./-]+", word)]
    assert [word for word in named if not (ROOT / word).exists()] == []


def test_every_setting_is_documented_and_no_other_is() -> None:
    assert _settings("docs/operations.md") == set(VARIABLES)
    assert _settings("README.md") <= set(VARIABLES)


def _settings(page: str) -> set[str]:
    return set(re.findall(r"`(PLATFORM_[A-Z0-9_]+)`", (ROOT / page).read_text()))


@pytest.mark.parametrize("page", NAMES)
def test_make_targets_that_a_page_names_exist(page: str) -> None:
    named = [words[1:] for name, words in LINES if name == page and words[0] == "make"]
    named += [word.split()[1:] for word in quoted(ROOT / page) if word.startswith("make ")]
    assert {word for words in named for word in words if "=" not in word} <= TARGETS


def test_messages_that_troubleshooting_quotes_are_those_of_the_code() -> None:
    files = [path for folder in OURS for path in (ROOT / folder).rglob("*.py")] + [ROOT / "Makefile"]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text() for path in files))
    page = (ROOT / "docs/troubleshooting.md").read_text()
    messages = [word for line in re.findall(r"^\| (`.*?) \|", page, flags=re.MULTILINE) for word in line.split("`")]
    parts = [part.strip() for message in messages for part in re.split(r"[…'():;]|\d\w*|PLATFORM_\w+|\bN\b", message)]
    missing = [part for part in parts if len(part) > 8 and part not in code]
    assert not missing, missing


def test_every_program_in_a_shell_block_is_verified_below() -> None:
    known = {"make", "platform", "dagster", "dg", "dagster-webserver", "source", "export", "mkdir", "cp"}
    assert {words[0] for _, words in LINES} <= known


@pytest.mark.parametrize("words", of("platform"))
def test_platform_commands_have_such_arguments(words: tuple[str, ...]) -> None:
    verbs = [word for word in words[1:] if word in VERBS]
    told = help_of("platform", *verbs) + help_of("platform")
    assert [word for word in words if word.startswith("-") and word not in told] == []


@pytest.mark.parametrize("words", of("dagster", "dg", "dagster-webserver"))
def test_dagster_commands_have_such_options(words: tuple[str, ...]) -> None:
    verbs = [word for word in words[1:] if not word.startswith("-")]
    depth = {"dagster": 2 if verbs[:1] == ["asset"] else 1, "dg": 1}.get(words[0], 0)
    told = help_of(words[0], *verbs[:depth])
    assert [word for word in words if word.startswith("-") and word not in told] == []


@pytest.mark.parametrize("words", of("dagster", "dg"))
def test_selections_in_commands_name_assets_that_are_there(words: tuple[str, ...]) -> None:
    chosen = [words[place + 1] for place, word in enumerate(words) if word in {"--select", "--assets"}]
    for selection in chosen:
        if not selection.startswith(TUTORIALS):
            assert dg.AssetSelection.from_string(selection).resolve(defs.resolve_asset_graph())


@pytest.mark.journey
@pytest.mark.parametrize("words", [
    "dagster asset materialize --select flights/airlines -m platform_assets.definitions",
    "dg launch --assets flights/airlines",
])  # fmt: skip
def test_an_asset_is_materialised_by_dagsters_own_commands(words: str, tmp_path: Path) -> None:
    assert tuple(words.split()) in [line for page, line in LINES if page == "README.md"]
    landing = tmp_path / "state/landing/flights"
    landing.mkdir(parents=True)
    (landing / "airlines.csv").write_text("carrier,name\nAA,American Airlines Inc.\n")
    (tmp_path / "home").mkdir()
    program, *rest = words.split()
    done = subprocess.run(
        [BIN / program, *rest], capture_output=True, text=True, check=False, cwd=ROOT,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path), "PLATFORM_STATE": str(tmp_path / "state"),
             "DAGSTER_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "state/lake/development/flights/airlines/v1/_delta_log").is_dir()
