"""`platform contracts` and `platform diff`."""

from pathlib import Path

import pytest

from platform_assets.entrypoints.cli import main
from platform_resources.documents import read_document, write_document
from tests.assets.entrypoints.conftest import BAD, GOOD, Shell


@pytest.fixture
def registry(shell: Shell, tmp_path: Path) -> str:
    folder = str(tmp_path / "contracts")
    shell("contracts", "export", "--publish", "--registry", folder)
    return folder


def test_published_contracts_are_listed_searched_and_shown(shell: Shell, registry: str) -> None:
    listed = {each["name"]: each for each in shell.json("contracts", "list", "--registry", registry)}
    assert (listed["shop/sales"]["state"], listed["shop/sales"]["published"]) == ("published", ["1.0.0"])
    assert [each["name"] for each in shell.json("contracts", "list", "--search", "buyer", "--registry", registry)] == [
        "shop/sales"
    ]
    assert shell.json("contracts", "show", "shop/sales")["apiVersion"] == "v3.2.0"
    assert "no published version '9.9.9'" in shell.refused(
        "contracts", "show", "shop/sales", "--version", "9.9.9", "--registry", registry
    )


def changed_contract(registry: str) -> Path:
    """The published contract of shop/sales as if the price had been an integer and there had been another column."""
    path = Path(registry) / "shop/sales/1.0.0.odcs.yaml"
    document = read_document(path)
    columns = document["schema"][0]["properties"]
    price = next(each for each in columns if each["name"] == "price")
    price["customProperties"][0]["value"]["type"] = "Int32"
    price["quality"] = []
    price["logicalTypeOptions"] = {}
    columns.append({"name": "till", "logicalType": "string"})
    write_document(path, document)
    return path


def test_a_diff_says_what_changed_for_whom_and_which_version_it_asks_for(shell: Shell, registry: str) -> None:
    assert shell.json("diff", "--registry", registry) == []
    changed_contract(registry)
    code = main(["--package", "tests.declared", "diff", "shop/sales", "--registry", registry, "--markdown"])
    told = shell.capture.readouterr().out
    assert code == 1
    assert "| incompatible | column removed till: String -> nothing |" in told
    assert "1.0.0 -> 1.0.0; the version must become 2.0.0" in told
    assert "| convertible | type widened price: Int32 -> Float64 (loosens) | 1 of 1 | team:shop |" in told


def test_a_version_is_published_once(shell: Shell, registry: str) -> None:
    path = changed_contract(registry)
    before = path.read_text()
    assert "version 1.0.0 is published and differs: column removed of till" in shell.refused(
        "contracts", "export", "shop/sales", "--publish", "--registry", registry
    )
    assert path.read_text() == before


def test_a_file_that_is_there_keeps_its_comments(shell: Shell, tmp_path: Path) -> None:
    shell("contracts", "export", "shop/sales", "--output", str(tmp_path))
    path = tmp_path / "shop/sales.odcs.yaml"
    path.write_text("# ours\n" + path.read_text() + "price: {priceAmount: 3, priceCurrency: EUR}\n")
    shell("contracts", "export", "shop/sales", "--output", str(tmp_path))
    assert path.read_text().startswith("# ours\n")
    assert "priceAmount: 3" in path.read_text()
    code = shell.json("contracts", "import", str(path))
    assert code["name"] == "shop/sales"
    assert "class Sales(DataFrameModel):" in code["code"]


def test_rows_are_judged_by_a_contract_in_one_verdict(shell: Shell, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    GOOD.write_parquet(good)
    BAD.write_parquet(bad)
    verdict = shell.json("contracts", "check", "shop/sales", str(good))
    assert (verdict["passed"], verdict["row_count"]) == (True, 2)
    assert main(["--package", "tests.declared", "contracts", "check", "shop/sales", str(bad)]) == 1
    told = shell.capture.readouterr().out
    assert "does not comply with shop/sales 1.0.0" in told
    assert "ada@" not in told


def test_a_file_that_is_no_contract_is_refused_with_every_problem(shell: Shell, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("apiVersion: v3.2.0\nkind: DataContract\nstrange: 1\n")
    told = shell.refused("contracts", "import", str(wrong))
    assert "'id' is a required property" in told
    assert "'strange' was unexpected" in told
    wrong.write_text("a: [1\n")
    assert "is no YAML or JSON" in shell.refused("contracts", "import", str(wrong))
