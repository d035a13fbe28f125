"""What is wrong with a module is told with its line, and hides no other's problems, whichever door asks."""

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from platform_assets.discovery import by_hand, discover
from platform_core.errors import ContractError

BROKEN = {
    "a.py": "import a_library_that_nobody_has\n",
    "b.py": "\ndef (\n",
    "c.py": """from platform_core.contracts import DataFrameModel, Dataset, Generated
class M(DataFrameModel):
    id: int
c = Dataset("d/c", M, owner="bob", version="1.0.0", source=Generated(rows=1))
""",
}


GOOD = """from platform_core.contracts import DataFrameModel, Dataset, Generated
class M(DataFrameModel):
    id: int
c = Dataset("{name}", M, owner="team:c", version="1.0.0", source=Generated(rows=1){more})
"""


def problems_of(
    files: Mapping[str, str], folder: Path, patch: pytest.MonkeyPatch, door: Callable[[str], object] = discover
) -> list[tuple[str, str]]:
    """The culprits and fixes for which a package is refused."""
    package = folder / f"refused_{uuid.uuid4().hex}"
    for name, text in {"__init__.py": "", **files}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    patch.syspath_prepend(folder)
    with pytest.raises(ContractError) as caught:
        door(package.name)
    return [(each.culprit.removeprefix(f"{package}/"), each.fix) for each in caught.value.problems]


@pytest.mark.parametrize("door", [discover, by_hand])
def test_a_broken_module_is_named_and_hides_no_other(
    door: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = problems_of(BROKEN, tmp_path, monkeypatch, door)
    assert [culprit for culprit, _ in problems] == ["a.py, line 1", "b.py, line 2", "owner 'bob'"]


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems_of({"__init__.py": "import nobody_has_it"}, tmp_path, monkeypatch)[0][0] == "__init__.py, line 1"


def test_a_word_that_a_dataset_does_not_know_offers_those_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"c.py": GOOD.format(name="d/c", more=", retain=3")}
    assert "quarantine, freshness" in problems_of(files, tmp_path, monkeypatch)[0][1]


def test_a_folder_that_python_passes_over_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: GOOD.format(name="d/c", more="") for name in ("shop/c.py", "my-shop/c.py")}
    (culprit, fix), (other, put) = problems_of(files, tmp_path, monkeypatch)
    assert (culprit, other) == ("my-shop", "shop")
    assert "my_shop" in fix
    assert "shop/__init__.py" in put


def test_a_dataset_in_the_folder_of_another_domain_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"shop/__init__.py": "", "shop/c.py": GOOD.format(name="store/c", more="")}
    assert problems_of(files, tmp_path, monkeypatch) == [
        ("name 'store/c'", "call it 'shop/c', or declare it in store/.")
    ]
