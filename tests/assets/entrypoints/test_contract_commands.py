"""`platform contracts` and `platform diff`."""

import json
import shutil
import subprocess
from pathlib import Path

import polars as pl
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


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=shop", "-c", "user.email=shop@example.com")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)  # noqa: S607


def test_a_diff_against_a_branch_reads_what_is_published_there(shell: Shell, registry: str, tmp_path: Path) -> None:
    changed_contract(registry)
    git(tmp_path, "init", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "contracts")
    shell.world.land("shop/sales-a.parquet", GOOD)
    shell.world.catch_up()
    shutil.rmtree(registry)
    page = tmp_path / "diff.html"
    arguments = ["diff", "shop/sales", "--against", "main", "--registry", registry]
    assert main(["--package", "tests.declared", *arguments, "--html", str(page)]) == 1
    assert "0 of 2 rows of the partitions 2024-01 would be refused (0.00%)" in shell.capture.readouterr().out
    assert "column removed till" in page.read_text()
    assert "strange: is no reference" in shell.refused("diff", "--against", "strange", "--registry", registry)


def test_a_cast_column_is_named_with_what_it_lost(shell: Shell, tmp_path: Path) -> None:
    cast = tmp_path / "cast.parquet"
    GOOD.with_columns(pl.col("price").cast(pl.Int32), pl.Series("sale", [1.0, 2.5])).write_parquet(cast)
    assert main(["--package", "tests.declared", "contracts", "check", "shop/sales", str(cast), "--json"]) == 1
    findings = {each["name"]: each for each in json.loads(shell.capture.readouterr().out)["findings"]}
    assert findings["price_cast"]["detail"] == "price: Int32 to Float64, nothing lost"
    assert findings["sale_cast"]["detail"] == "sale: Float64 to Int64, 1 of 2 values lost something"


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


def test_a_file_is_read_as_its_contract_says(shell: Shell, tmp_path: Path) -> None:
    """By the words of the source: the path, the place, texts that mean null; a record that is no row is told."""
    rides = tmp_path / "rides-1.csv"
    command = ["--package", "tests.worded", "contracts", "check", "words/rides", str(rides), "--json"]
    rides.write_text("city;fee\nOslo;1.234,50\nOslo;n/a\n")
    assert main(command) == 0
    assert json.loads(shell.capture.readouterr().out)["row_count"] == 2
    rides.write_text("city;fee\nOslo;1.5\nOslo;2,5;3\n")
    assert main(command) == 1
    findings = {each["name"]: each for each in json.loads(shell.capture.readouterr().out)["findings"]}
    assert [name for name in ("malformed", "types") if findings[name]["passed"]] == []


def test_a_file_that_is_no_contract_is_refused_with_every_problem(shell: Shell, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("apiVersion: v3.2.0\nkind: DataContract\nstrange: 1\n")
    told = shell.refused("contracts", "import", str(wrong))
    assert "'id' is a required property" in told
    assert "'strange' was unexpected" in told
    wrong.write_text("a: [1\n")
    assert "is no YAML or JSON" in shell.refused("contracts", "import", str(wrong))


def test_what_a_tables_statistics_prove_is_not_scanned(shell: Shell) -> None:
    shell.world.land("shop/sales-good.parquet", GOOD)
    shell.world.catch_up()
    main(["--package", "tests.declared", "contracts", "check", "shop/sales", "--json"])
    findings = {each["name"]: each["detail"] for each in json.loads(shell.capture.readouterr().out)["findings"]}
    assert findings["sale_not_null"] == "proven by the statistics of 1 files"
    assert "proven" not in findings["key_unique"]
