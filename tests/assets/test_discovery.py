"""A module that cannot be imported is named with its line, and hides no other's problems."""

from pathlib import Path

import pytest

from platform_assets.discovery import discover
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


def test_a_broken_module_is_named_and_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "half_broken"
    package.mkdir()
    for name, text in {"__init__.py": "", **BROKEN}.items():
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ContractError) as caught:
        discover("half_broken")
    assert [problem.culprit for problem in caught.value.problems] == [
        f"{package / 'a.py'}, line 1", f"{package / 'b.py'}, line 2", "owner 'bob'",
    ]  # fmt: skip
