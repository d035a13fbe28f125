"""Landed files as people send them: one bad line sets one line aside, and it comes back by a fix."""

import io
import json
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pytest

from platform_assets.ingest.inputs import adapter_for
from platform_assets.ingest.replay import replay_tag
from platform_assets.operations.envelopes import record_fix
from platform_core.contracts import DataFrameModel, Dataset, Day, Field, Files, UtcTimestamp
from platform_core.quality.conform import conform
from platform_resources.readers import open_records
from platform_resources.sources import Cursor
from tests.world import World, world

HEADER = b"sale,sku,price,buyer,at\n"


def line(sale: int, *, day: int = 3) -> bytes:
    return b"%d,apple,1.5,,2024-01-%02dT00:00:00Z\n" % (sale, day)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (b"2,pear\n", "malformed: line 3: 2 fields, and there are 5 columns"),
        (b'2,"pear"x,1,,2024-01-03\n', "malformed: line 3: a quote stands where none may"),
        (b"2,p\xe9ar,1,,2024-01-03\n", "malformed: line 3: not UTF-8 at byte 4 of the row"),
    ],
)
def test_one_bad_line_goes_to_quarantine_with_its_line_and_reason(bad: bytes, told: str, shop: World) -> None:
    shop.land("shop/sales-a.csv", HEADER + line(1) + bad + line(3))
    shop.catch_up()
    assert shop.rows("shop/sales")["sale"].to_list() == [1, 3]
    (envelope,) = shop.store("shop/sales").envelopes().to_dicts()
    assert (envelope["position"], envelope["reason"]) == (2, told)
    assert json.loads(envelope["payload"]) == {"_record": bad.decode("utf-8", "backslashreplace").rstrip("\n")}
    assert shop.balance("shop/sales") == (3, 3)
    assert "types" in shop.red("shop/sales")


def test_a_malformed_record_that_a_person_mends_is_taken_in_once(shop: World) -> None:
    shop.land("shop/sales-a.csv", HEADER + line(1) + b"2,pear\n" + line(3))
    shop.catch_up()
    (envelope,) = shop.store("shop/sales").envelopes().to_dicts()
    mended = {"sale": "2", "sku": "pear", "price": "2", "buyer": None, "at": "2024-01-05T00:00:00Z"}
    shop.store("shop/sales").fix(envelope["quarantine_id"], json.dumps(mended))
    assert shop.materialise("shop/sales", partitions=["2024-01"], tags=replay_tag([envelope["quarantine_id"]])).success
    assert shop.rows("shop/sales")["sale"].to_list() == [1, 2, 3]
    assert shop.balance("shop/sales") == (3, 3)
    assert shop.materialise("shop/sales", partitions=["2024-01"]).success
    assert shop.rows("shop/sales")["sale"].to_list() == [1, 2, 3]


def test_rows_that_a_replay_refuses_again_keep_their_places_and_a_malformed_one_its_reason(shop: World) -> None:
    shop.land("shop/sales-a.csv", HEADER + line(1) + b"2,pear,$7,,2024-01-05T00:00:00Z\n" + b"3,pear\n")
    shop.catch_up()
    before = shop.store("shop/sales").envelopes().sort("position")["reason"].to_list()
    assert shop.materialise("shop/sales", partitions=["2024-01"], tags=replay_tag(None)).success
    assert shop.store("shop/sales").envelopes().sort("position")["reason"].to_list() == before


def test_one_object_with_a_key_too_many_is_set_aside_and_many_refuse_the_file(shop: World) -> None:
    row = {"sale": 1, "sku": "apple", "price": 1.5, "buyer": "ada@example.com", "at": "2024-01-03T00:00:00Z"}
    rows = [row | {"sale": sale} for sale in range(1, 5)]
    texts = [json.dumps(each) for each in (rows[0], rows[1] | {"note": "x"}, rows[2])]
    shop.land("shop/sales-a.jsonl", "\n".join(texts).encode())
    shop.catch_up()
    assert shop.rows("shop/sales")["sale"].to_list() == [1, 3]
    (envelope,) = shop.store("shop/sales").envelopes().to_dicts()
    assert (envelope["position"], envelope["reason"]) == (2, "malformed: the contract lacks 'note'")
    shop.land("shop/sales-b.jsonl", "\n".join([*texts[1:], texts[1]]).encode())
    shop.catch_up()
    assert "note: not in the contract." in shop.store("shop/sales").envelopes()["reason"].to_list()


def test_more_bad_lines_than_the_tolerated_share_refuse_the_file(shop: World) -> None:
    shop.land("shop/sales-a.csv", HEADER + line(1) + b"2\n3\n" + line(4))
    shop.catch_up()
    assert shop.rows("shop/sales").is_empty()
    (envelope,) = shop.store("shop/sales").envelopes().to_dicts()
    assert "2 of 4 records are malformed, the first on line 3: 1 fields" in envelope["reason"]


def test_subfolders_and_markers_of_folders(shop: World) -> None:
    landing = shop.location.landing
    for name in ("shop/sales-a.csv", "shop/2024/sales-b.csv", "shop/2024/05/sales-c.csv", "shop/.old/sales-d.csv"):
        landing.put(name, HEADER + line(1))
    assert [file.source for file in landing.files("shop", "sales-*")] == ["shop/sales-a.csv"]
    deep = {file.source for file in landing.files("shop", "**/sales-*.csv")}
    assert deep == {"shop/sales-a.csv", "shop/2024/sales-b.csv", "shop/2024/05/sales-c.csv"}
    assert {file.source for file in landing.files("shop", "*/sales-*.csv")} == {"shop/2024/sales-b.csv"}


def test_what_could_not_be_read_is_told_with_its_value_by_the_check_until_it_is_mended(shop: World) -> None:
    shop.land("shop/sales-a.csv", HEADER + line(1) + b"2,pear,$7,,2024-01-03T09:00:00\n" + b"3,pear\n" + line(4))
    shop.catch_up()
    told = shop.checks("shop/sales")["types"].description
    assert "price: '$7' is no number" in told
    assert "at: '2024-01-03T09:00:00' has no zone" in told
    assert "malformed: line 4: 2 fields" in told
    reasons = shop.store("shop/sales").envelopes().sort("position")["reason"].to_list()
    assert reasons[0].startswith("line 3: broken: price: '$7' is no number")
    assert "at: '2024-01-03T09:00:00' has no zone" in reasons[0], "all columns are told, in what is stored too"
    shop.land("shop/sales-b.csv", HEADER + line(5))
    shop.catch_up()
    later = shop.checks("shop/sales")["types"].description
    assert later == told.replace("2 of 4 rows do not (50.000%)", "2 of 5 rows do not (40.000%)")


def test_a_row_of_a_workbook_is_named_as_the_workbook_names_it(tmp_path: Path) -> None:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for place, cells in {1: ["term", "meaning"], 2: ["a", "x"], 5: ["b", "y"], 9: [None, "z"]}.items():
        for column, cell in enumerate(cells, 1):
            book.active.cell(place, column, cell)
    book.save(content)
    with world(tmp_path, "tests.worded") as words:
        words.land("words/terms-a.xlsx", content.getvalue())
        words.catch_up()
        assert words.rows("words/terms")["term"].to_list() == ["a", "b"]
        assert words.store("words/terms").envelopes()["reason"].to_list() == ["row 9: broken: term is never null"]


def test_a_row_with_an_error_cell_waits_with_the_cell_s_name_and_is_taken_in_once_it_is_mended(tmp_path: Path) -> None:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in (["term", "meaning"], ["a", "x"], ["b", "#REF!"], ["c", None]):
        book.active.append(row)
    book.active["B3"].data_type = "e"
    book.save(content)
    with world(tmp_path, "tests.worded") as words:
        words.land("words/terms-a.xlsx", content.getvalue())
        words.catch_up()
        assert words.rows("words/terms").sort("term").select("term", "meaning").rows() == [("a", "x"), ("c", None)]
        (envelope,) = words.store("words/terms").envelopes().to_dicts()
        assert envelope["reason"] == "malformed: row 3: B3 (meaning) is the error #REF!"
        record_fix(words.location, "words/terms", envelope["quarantine_id"], ["term=b", "meaning=y"])
        assert words.materialise("words/terms", tags=replay_tag([envelope["quarantine_id"]])).success
        assert sorted(words.rows("words/terms")["term"]) == ["a", "b", "c"]


class Halls(DataFrameModel):
    """Halls of a workbook that has another name for a column."""

    hall: int = Field(source_name="Hall no.")
    seats: int = Field(nullable=True, source_name="Seats")


def test_an_error_cell_is_null_where_the_column_s_own_null_texts_have_it(shop: World) -> None:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in (["Hall no.", "Seats"], [1, "#N/A"], ["#N/A", 5]):
        book.active.append(row)
    book.active["B2"].data_type = book.active["A3"].data_type = "e"
    book.save(content)
    shop.land("shop/halls.xlsx", content.getvalue())
    source = Files("halls.xlsx", null_values={"seats": ("#N/A",)}, malformed=1.0)
    halls = Dataset("shop/halls", Halls, owner="team:shop", version="1.0.0", source=source)
    adapter = adapter_for(halls, shop.location.landing.settings)
    (unit,) = adapter.pending(Cursor())
    batches = list(adapter.read(adapter.identify(unit)))
    assert [row for batch in batches for row in batch.rows.rows()] == [(1.0, None)]
    assert [record.reason for batch in batches for record in batch.malformed] == ["A3 (Hall no.) is the error #N/A"]


class Sites(DataFrameModel):
    """Sites of a workbook whose columns hold dates beside texts."""

    opened: Day = Field(nullable=True)
    seen: UtcTimestamp = Field(nullable=True)


@pytest.mark.parametrize(
    ("formats", "texts"),
    [
        ({}, [date(2020, 4, 3), None]),
        ({"opened": "%d.%m.%Y"}, [None, date(2020, 4, 3)]),
        ({"opened": "%Y-%d-%m"}, [date(2020, 3, 4), None]),
    ],
)
def test_a_date_of_a_workbook_stays_one_beside_texts(formats: dict[str, str], texts: list[date | None]) -> None:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for cell in ("opened", date(2021, 1, 2), datetime(2021, 1, 3, 13, 5), "2020-04-03", "03.04.2020", 5, True):  # noqa: DTZ001 - a cell has no zone
        book.active.append([cell, cell if cell != "opened" else "seen"])
    book.save(content)
    source = Files("sites-*", zone="Europe/Berlin", formats=formats)
    sites = Dataset("shop/sites", Sites, owner="team:shop", version="1.0.0", source=source)
    with open_records("sites-a.xlsx", content.getvalue()) as reading:
        (batch,) = reading.batches()
    read = conform(batch.frame, sites).frame
    assert read["opened"].to_list() == [date(2021, 1, 2), None, *texts, None, None]
    instants = [datetime(2021, 1, 1, 23, tzinfo=UTC), datetime(2021, 1, 3, 12, 5, tzinfo=UTC)]
    assert read["seen"].to_list() == [*instants, None, None, None, None]


def test_a_header_with_a_comma_too_many_or_in_another_case_says_what_takes_it(tmp_path: Path) -> None:
    with world(tmp_path, "tests.worded") as words:
        words.land("words/terms-a.csv", b"term,meaning,\na,x,\n")
        words.land("words/terms-b.csv", b"Term, Meaning\na,x\n")
        words.catch_up()
        told = words.store("words/terms").envelopes().sort("source")["reason"].to_list()
        assert "without a name in the header" in told[0]
        assert "'Term' differs from 'term' in case" in told[1]
        assert all("headers='loose'" in reason for reason in told)


def test_a_malformed_record_of_a_dataset_of_texts_is_set_aside_too(tmp_path: Path) -> None:
    with world(tmp_path, "tests.worded") as words:
        words.land("words/terms-a.csv", b'term,meaning\na,x\nb\n"c,y\nd,\n' + b"e%d,z\n" * 300 % tuple(range(300)))
        words.catch_up()
        assert words.balance("words/terms") == (304, 304)
        reasons = words.store("words/terms").envelopes()["reason"].to_list()
        assert [reason.partition(": ")[2][:9] for reason in reasons] == ["line 3: 1", "line 4: a"]


def test_rows_without_a_key_are_known_by_their_file_and_place(tmp_path: Path) -> None:
    with world(tmp_path, "tests.worded") as words:
        words.land("words/rides-1.csv", b"city,fee\nOslo,3\nOslo,3\nVoss,-1\nVoss,2,9\nOslo,3\n")
        words.land("words/rides-2.jsonl", b'{"city": "Oslo", "fee": 3}\n\n{"city": "Oslo", "fee": 3}\n')
        words.catch_up()
        places = [
            ("rides-1.csv", 2),
            ("rides-1.csv", 3),
            ("rides-1.csv", 6),
            ("rides-2.jsonl", 1),
            ("rides-2.jsonl", 3),
        ]
        assert sorted(words.rows("words/rides").select("file", "line").rows()) == places
        refused = words.store("words/rides").envelopes().sort("position")
        assert refused["reason"].to_list() == [
            "line 4: broken: fee ≥ 0",
            "malformed: line 5: 3 fields, and there are 2 columns",
        ]
        for place, number in enumerate((4, 5)):
            mended = {"file": "rides-1.csv", "line": number, "city": "Voss", "fee": 2}
            words.store("words/rides").fix(refused["quarantine_id"][place], json.dumps(mended))
        assert words.materialise("words/rides", tags=replay_tag(refused["quarantine_id"].to_list())).success
        assert words.rows("words/rides").filter(file="rides-1.csv")["line"].sort().to_list() == [2, 3, 4, 5, 6]
        words.land("words/rides-1.csv", b"city,fee\nOslo,3\nOslo,4\n")
        words.catch_up()
        assert sorted(words.rows("words/rides").select("line", "fee").rows()) == [(1, 3), (2, 3), (3, 3), (3, 4)]
