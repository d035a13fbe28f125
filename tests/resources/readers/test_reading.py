"""Files as people send them, through the door that landing and conversion share."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Sequence
from datetime import date, time, timedelta

import numpy as np
import polars as pl
import pytest
from openpyxl import Workbook

from platform_resources.errors import ConversionError
from platform_resources.readers import Batch, ReadOptions, open_records

SECRET = "ada@example.com"
Rows = list[tuple[str | None, ...]]


def batches(name: str, content: bytes, **options: object) -> list[Batch]:
    with open_records(name, content, ReadOptions(**options)) as reading:  # type: ignore[arg-type]
        return list(reading.batches())


def rows(name: str, content: bytes, **options: object) -> Rows:
    return [row for batch in batches(name, content, **options) for row in batch.frame.rows()]


def malformed(name: str, content: bytes, **options: object) -> list[tuple[int, str, str]]:
    found = batches(name, content, **options)
    return [(record.line, record.reason, record.text) for batch in found for record in batch.malformed]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n", [("1", "2")]),
        ("a.csv", b'\xef\xbb\xbf"a","b"\n1,2\n', [("1", "2")]),
        ("a.csv", b'a,b\n"x\ny","say ""z"""\n', [("x\ny", 'say "z"')]),
        ("a.csv", b'a,b\n1,\n\n"",3\n\n', [("1", None), ("", "3")]),
        ("a.csv", b"a\n1\n\n3\n", [("1",), (None,), ("3",)]),
        ("A.CSV.GZ", gzip.compress(b"a,b\n1,2\n", mtime=0), [("1", "2")]),
        ("a.csv", gzip.compress(b"a,b\n1,2\n", mtime=0), [("1", "2")]),
        ("a.csv.gz", b"a,b\n1,2\n", [("1", "2")]),
        ("a.csv.bz2", bz2.compress(b"a,b\n1,2\n"), [("1", "2")]),
        ("a.csv.xz", lzma.compress(b"a,b\n1,2\n"), [("1", "2")]),
        ("a.csv", b"a;b\n1,5;2\n\n3,5;4\n", [("1,5", "2"), ("3,5", "4")]),
        ("a.csv", b"a\nx;y\nz\n", [("x;y",), ("z",)]),
        ("a.csv", "a,b\n1,€\n".encode("utf-16"), [("1", "€")]),
        ("a.csv", b'a,b\r1,2\r3,"x\ry"\r', [("1", "2"), ("3", "x\ry")]),
        ("a.csv", b"a,b\r1,2\n3,4\r\n5,6", [("1", "2"), ("3", "4"), ("5", "6")]),
        ("a.csv", b"a,b,\n1,2\n3,4\n", [("1", "2"), ("3", "4")]),
        ("a.csv", b"a,b\n1,2,\n3,4,\n", [("1", "2", None), ("3", "4", None)]),
        ("a.jsonl", '{"a":"€"}\n'.encode("utf-16"), [("€",)]),
        ("a.jsonl", b'\xef\xbb\xbf{"a":"x\xe2\x80\xa8y"}\n\n{"b":[1.5]}', [("x\u2028y", None), (None, "[1.5]")]),
        ("a.json", b'{"a":1}\n{"a":2}\n', [("1",), ("2",)]),
        ("a.json", b'{"a":1}\n{\n"a":2\n}\n{"a":3}', [("1",), ("2",), ("3",)]),
        ("a.jsonl", b'{"a":1} {"a":2}\r{"a":3}', [("1",), ("2",), ("3",)]),
        ("a.json", b'{"a":9007199254740993.01,"b":1e-400}', [("9007199254740993.01", "1e-400")]),
        ("a.json", b'{"a":1.10,"b":1e3}', [("1.1", "1000.0")]),
        ("a.jsonl", b'[\n {"a":1},\n {"a":2}\n]', [("1",), ("2",)]),
        ("a.json", b'[{"a":1e400},{"a":1.0},{"a":true}]', [("1e400",), ("1.0",), ("true",)]),
    ],
)
def test_texts_are_read_as_they_stand(name: str, content: bytes, expected: Rows) -> None:
    assert rows(name, content) == expected
    assert malformed(name, content) == []


@pytest.mark.parametrize(
    ("name", "content", "line", "text"),
    [
        ("a.csv", b"a,b\n1,2\n\n3\n4,5\n", 4, "3"),
        ("a.csv", b'a,b\n"x\ny",2\n3,4,5\n6,7\n', 4, "3,4,5"),
        ("a.csv", b'a,b\n1,2\n3,"4\n5,6\n', 3, '3,"4'),
        ("a.csv", b'a,b\n1,2\n"3"x,4\n', 3, '"3"x,4'),
        ("a.csv", b"a,b\n1,2\n3,\xe9\n", 3, "3,\\xe9"),
        ("a.csv", b"a,b,c\n3,4,5\n1,2", 3, "1,2"),
        ("a.csv", b"a,b\r1,2\r3\r4,5\r", 3, "3"),
        ("a.jsonl", b'{"a":1}\nno\n{"a":2}\n', 2, "no"),
        ("a.jsonl", b'no\n{"a":1}\n{"a":2}\n', 1, "no"),
        ("a.jsonl", b'{"a":1}\n{"a":\n{"a":2}\n', 2, '{"a":'),
        ("a.jsonl", b'{"a":1}\n{"a":1,"a":2}\n', 2, '{"a":1,"a":2}'),
        ("a.jsonl", b'{"a":1}\n[1]\n', 2, "[1]"),
        ("a.json", b'[{"a":1},\n{"a":1},\n7]', 3, "7"),
    ],
)
def test_one_bad_line_sets_itself_aside(name: str, content: bytes, line: int, text: str) -> None:
    ((found, _, shown),) = malformed(name, content)
    assert (found, shown) == (line, text)
    assert rows(name, content)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b'id,"na"me\n1,ada@example.com\n', "the header is malformed: a quote stands where none may"),
        ("a.csv", b'id,"name"\t\n1,ada@example.com\n', "the header is malformed"),
        ("a.csv", b'id,"name\n1,ada@example.com\n', "the header is malformed: a quote is left open"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "damaged or was cut off"),
        ("a.json", b'[{"a":"ada@example.com"}', "the array is not closed"),
        ("a.xlsx", b"PK\x03\x04" + b"x" * 99, "damaged"),
    ],
)
def test_a_broken_file_is_refused_and_the_reason_quotes_nothing_of_it(name: str, content: bytes, told: str) -> None:
    with pytest.raises(ConversionError, match=told) as refusal:
        batches(name, content)
    assert SECRET not in str(refusal.value)


def test_more_malformed_records_than_may_be_refuse_the_file_with_the_first_of_them() -> None:
    content = b"a,b\n" + b"1,2\n" * 97 + b"3\n4\n"
    assert len(malformed("a.csv", content, malformed=0.03)) == 2
    with pytest.raises(ConversionError, match="2 of 99 records are malformed, the first on line 99: 1 fields"):
        batches("a.csv", content, malformed=0.01)
    assert len(malformed("a.csv", b"a,b\n1,2\n3\n", malformed=0.01)) == 1
    with pytest.raises(ConversionError, match="1 of 2 records"):
        batches("a.csv", b"a,b\n1,2\n3\n", malformed=0)


def test_a_zip_archive_gives_the_one_file_that_it_holds() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__MACOSX/._a.csv", b"x")
        archive.writestr("folder/a.csv", b"a,b\n1,2\n")
    assert rows("a.zip", packed.getvalue()) == [("1", "2")]
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("b.csv", b"a,b\n1,2\n")
    with pytest.raises(ConversionError, match="holds 2 files"):
        rows("a.zip", packed.getvalue())


def test_a_sheet_is_read_from_its_header_on_with_the_rows_that_the_workbook_shows() -> None:
    packed, book = io.BytesIO(), Workbook()
    sheet = book.create_sheet("data")
    for values in (["a title"], [], ["id", "name"], [1, "x"], [], [2, "y"]):
        sheet.append(values)
    book.save(packed)
    (batch,) = batches("a.xlsx", packed.getvalue(), sheet="data", header_row=3)
    assert batch.frame.rows() == [(1, "x"), (2, "y")]
    assert batch.lines.tolist() == [4, 6]


def workbook(*values: Sequence[object]) -> bytes:
    packed, book = io.BytesIO(), Workbook()
    for row in values:
        book.active.append(row)
    book.save(packed)
    return packed.getvalue()


def sheet_with_errors() -> bytes:
    packed, book = io.BytesIO(), Workbook()
    for row in (("id", "n", "at"), (1, 2, time(9, 30)), (2, "#N/A", time(0)), (3, "#DIV/0!", None)):
        book.active.append(row)
    for cell in ("B3", "B4"):
        book.active[cell].data_type = "e"
    book.save(packed)
    return packed.getvalue()


def test_a_row_with_an_error_cell_is_malformed_by_the_cells_name_and_a_time_of_day_is_one() -> None:
    content = sheet_with_errors()
    assert rows("a.xlsx", content) == [(1.0, 2.0, time(9, 30))]
    row = '{"id": "2", "n": "#N/A", "at": "00:00:00"}'
    assert malformed("a.xlsx", content)[0] == (3, "B3 (n) is the error #N/A", row)
    for nulls in (("#N/A",), {"n": ("#N/A",)}):
        assert rows("a.xlsx", content, null_values=nulls)[1:] == [(2.0, None, time(0))]
        assert [line for line, _, _ in malformed("a.xlsx", content, null_values=nulls)] == [4]
    with pytest.raises(ConversionError, match="the first on row 3") as refusal:
        batches("a.xlsx", content, malformed=0.01)
    assert "null_values" in str(refusal.value)


def test_a_column_of_a_sheet_has_the_type_of_all_its_cells_and_not_of_the_first_thousand() -> None:
    first = [(place, date(2021, 1, 2)) for place in range(1_100)]
    (batch,) = batches("a.xlsx", workbook(("id", "day"), *first, ("x", 5), (2.5, "03.04.2020")))
    assert batch.frame.rows()[-3:] == [("1099", "2021-01-02 00:00:00"), ("x", "5"), ("2.5", "03.04.2020")]


def test_durations_beside_texts_in_a_column_are_refused_by_its_name() -> None:
    with pytest.raises(ConversionError, match="durations and other values in one column: worked") as refusal:
        batches("a.xlsx", workbook(("worked",), (timedelta(hours=30),), (SECRET,)))
    assert SECRET not in str(refusal.value)


def test_batches_are_small_and_number_their_rows() -> None:
    content = b"a,b\n" + b"".join(b"%d,%s\n" % (place, b"x" * 90) for place in range(40_000))
    with open_records("a.csv", content, memory_bytes=32 << 20) as reading:
        found = list(reading.batches())
    assert len(found) > 2
    assert np.concatenate([batch.records for batch in found]).tolist() == list(range(1, 40_001))
    assert np.concatenate([batch.lines for batch in found]).tolist() == list(range(2, 40_002))


def test_rows_and_malformed_records_are_numbered_together_over_batches() -> None:
    lines = [b"%d,%s" % (place, b"x" * 90) if place % 1000 else b"bad" for place in range(1, 40_001)]
    jsons = [b'{"a":"%s"}' % (b"x" * 90) if place % 1000 else b"bad" for place in range(1, 40_001)]
    for name, content in (("a.csv", b"a,b\n" + b"\n".join(lines)), ("a.jsonl", b"\n".join(jsons))):
        with open_records(name, content, memory_bytes=32 << 20) as reading:
            found = list(reading.batches())
        assert len(found) > 2
        bad = [record.record for batch in found for record in batch.malformed]
        assert bad == list(range(1000, 40_001, 1000))
        assert sorted([*bad, *np.concatenate([batch.records for batch in found])]) == list(range(1, 40_001))


def test_columns_at_fixed_places_are_cut_there() -> None:
    content = b"id  name  \n1   Ada   \n\n22  \xc3\x89va\n3\n4   too long \n5         \n"
    assert rows("a.txt", content, widths=(4, 6)) == [("1", "Ada"), ("22", "Éva"), ("5", None)]
    assert [line for line, _, _ in malformed("a.txt", content, widths=(4, 6))] == [5, 6]
    assert rows("a.txt", b"1   Ada", widths=(4, 6), header=False) == [("1", "Ada")]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.avro"])
def test_typed_files_keep_their_types_and_damaged_bytes_are_one_error(name: str) -> None:
    buffer, frame = io.BytesIO(), pl.DataFrame({"a": [1, 2, 3] * 99, "s": ["x"] * 297})
    {"a.parquet": frame.write_parquet, "a.arrow": frame.write_ipc, "a.avro": frame.write_avro}[name](buffer)
    assert pl.concat([batch.frame for batch in batches(name, buffer.getvalue())]).equals(frame)
    for seed in range(100):
        damaged = np.frombuffer(buffer.getvalue(), np.uint8).copy()
        chance = np.random.default_rng(seed)
        damaged[chance.integers(damaged.size, size=3)] = chance.integers(256, size=3)
        try:
            batches(name, damaged.tobytes())
        except ConversionError:
            continue
