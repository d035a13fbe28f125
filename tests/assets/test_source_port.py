"""A source of another kind is a record and an adapter: everything else takes it as it takes files."""

import ast
from pathlib import Path

import pytest

import platform_assets
import platform_core
from tests.world import World, world


@pytest.fixture
def tally(tmp_path: Path):
    with world(tmp_path, "tests.tallies") as made:
        yield made


def write_tape(tally: World, *lines: str) -> None:
    tape = Path(tally.location.settings.landing).parent / "ticks.tape"
    tape.parent.mkdir(parents=True, exist_ok=True)
    with tape.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_a_kind_of_ones_own_is_taken_in_judged_and_quarantined(tally: World) -> None:
    write_tape(tally, "1 0.5", "2 1.5", "3 -1")
    tally.catch_up()
    assert tally.rows("tally/readings").rows() == [(1, 0.5), (2, 1.5)]
    (envelope,) = tally.store("tally/readings").envelopes().to_dicts()
    assert (envelope["source"], envelope["position"]) == ("tape@000000", 3)
    assert tally.balance("tally/readings") == (3, 3)


def test_an_increment_adds_to_the_rows_of_those_before(tally: World) -> None:
    write_tape(tally, "1 0.5")
    tally.catch_up()
    write_tape(tally, "2 1.5", "1 9.5")
    tally.catch_up()
    assert tally.rows("tally/readings").rows() == [(1, 9.5), (2, 1.5)]
    assert tally.store("tally/readings").ingests()["position"].to_list() == ["000001", "000003"]
    assert tally.catch_up() == []


def test_nobody_asks_which_kind_a_source_is() -> None:
    kinds = {"Files", "Generated", "Replayed", "Topic", "Database"}
    for package in (platform_core, platform_assets):
        for module in Path(str(package.__file__)).parent.rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
            asked = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "isinstance"]
            names = {node.id for call in asked for node in ast.walk(call.args[1]) if isinstance(node, ast.Name)}
            assert not names & kinds, module
