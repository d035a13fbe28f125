"""`platform profile`: tables and files, on the terminal, as JSON and as a page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from platform_assets.entrypoints.cli import main
from platform_assets.operations.contracts import compliance_of
from platform_core.contracts import Files, catalog_of
from tests.assets.entrypoints.conftest import GOOD, Shell


def test_a_table_is_profiled_with_its_partitions_and_without_personal_data(shell: Shell, tmp_path: Path) -> None:
    shell.world.land("shop/sales-a.parquet", GOOD)
    shell.world.catch_up()
    page = tmp_path / "page.html"
    measured = shell.json("profile", "shop/sales", "--html", str(page))
    assert (measured["rows"], measured["partitions"]["2024-01"]["rows"]) == (2, 2)
    assert "ada@example.com" not in page.read_text() + str(measured) + shell("profile", "shop/sales")


def test_a_file_of_any_format_is_profiled_and_its_addresses_are_masked(shell: Shell, tmp_path: Path) -> None:
    landed = tmp_path / "people.csv"
    landed.write_text("id;mail\n1;ada@example.com\n2;bob@example.com\n")
    measured = shell.json("profile", str(landed))
    assert [(each["name"], each["pii"], each["distinct"]) for each in measured["columns"]] == [
        ("id", None, 2),
        ("mail", "email", 2),
    ]
    assert "ada@" not in str(measured)


def test_what_is_neither_a_dataset_nor_a_file_is_refused_by_name(shell: Shell) -> None:
    assert "no dataset or file 'shop/sale'. Fix: perhaps shop/sales" in shell.refused("profile", "shop/sale")


def test_a_file_suggests_a_contract_and_a_table_rules_that_run(shell: Shell, tmp_path: Path) -> None:
    landed = tmp_path / "People-2024.csv"
    landed.write_text("id,mail\n" + "".join(f"P{place:04},ada{place}@example.com\n" for place in range(100)))
    declared: dict[str, object] = {}
    code = shell("suggest", str(landed), "--dataset", "shop/people", "--owner", "team:shop")
    exec(code, declared)  # noqa: S102 - that the code runs is what is tested
    assert (declared["people"].name, declared["people"].key) == ("shop/people", ("id",))
    assert 'mail: str = Field(pii="email")' in code
    assert "example.com" not in code
    shell.world.land("shop/sales-a.parquet", GOOD)
    shell.world.catch_up()
    assert shell.json("suggest", "shop/sales")["suggestions"] == []


def test_a_file_that_is_not_utf8_suggests_its_encoding_and_its_malformed_line_is_counted(
    shell: Shell, tmp_path: Path
) -> None:
    landed = tmp_path / "flats-1.csv"
    rows = "".join(f"{place};Bäckerstraße {place}\n" for place in range(60))
    landed.write_bytes(f"nr;straße\n{rows}61;zu;viel\n".encode("cp1252"))
    code = shell("suggest", str(landed))
    assert 'Files("flats-*.csv", encoding="cp1252")' in code
    main(["--package", "tests.declared", "profile", str(landed)])
    assert "1 malformed records are left out" in shell.capture.readouterr().err
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - that the code runs is what is tested
    assert names["flats"].source.encoding == "cp1252"


def test_a_sheet_of_a_workbook_below_its_title_suggests_how_it_is_read(shell: Shell, tmp_path: Path) -> None:
    book = Workbook()
    book.create_sheet("rooms")
    for row in (["Rooms of the house"], [], ["room", "beds"], ["a", 1], ["b", 2]):
        book["rooms"].append(row)
    book.save(tmp_path / "house-1.xlsx")
    words = (str(tmp_path / "house-1.xlsx"), "--sheet", "rooms", "--header-row", "3")
    code = shell("suggest", *words)
    assert 'Files("house-*.xlsx", sheet="rooms", header_row=3, ' in code
    exec(code, {})  # noqa: S102 - that the code runs is what is tested
    assert [each["name"] for each in shell.json("profile", *words)["columns"]] == ["room", "beds"]


def test_a_file_without_a_header_or_a_zone_is_suggested_as_it_will_be_read(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "boats-1.csv"
    path.write_text("1,1912-04-15 00:45:00,Port\n2,1912-04-15 00:55:00,Port\n2,1912-04-15 00:55:00,Port\n")
    names: dict[str, Any] = {}
    exec(shell("suggest", str(path)), names)  # noqa: S102 - that the code runs is what is tested
    catalog = catalog_of([names["boats"]])
    boats = catalog["landing/boats"]
    location = replace(shell.world.location, declared=catalog)
    verdict = compliance_of(location, boats, str(path))
    assert [finding.name for finding in verdict.findings if not finding.passed] == []
    assert (verdict.row_count, boats.key) == (3, ("file", "line"))
    assert boats.source == Files(
        "boats-*.csv", header=False, zone="UTC", path_columns={"file": "[^/]+$"}, place_column="line"
    )
