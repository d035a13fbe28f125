"""No record of a source is lost without a word: a file is read right, or refused, or its bad lines are set aside."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_resources.conversion import Conversion, Options, convert, csv_source
from platform_resources.errors import ConversionError, NotVerified
from platform_resources.readers import counting
from platform_resources.readers.dialect import Dialect
from platform_resources.settings import Settings

Run = Callable[..., tuple[Conversion, list[tuple[object, ...]]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def made(name: str, content: bytes, **said: object) -> tuple[Conversion, list[tuple[object, ...]]]:
        (tmp_path / name).write_bytes(content)
        settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})
        found = convert(str(tmp_path / name), str(tmp_path / "out.parquet"), settings=settings, options=Options(**said))  # type: ignore[arg-type]
        return found, pl.read_parquet(tmp_path / "out.parquet").rows()

    return made


@pytest.mark.parametrize(
    "header",
    [b'id,"na"me', b'id,"name"\t', b'id,"name" ', b'id,"name', b'"id,name', b'"id" ,name', b'\xef\xbb\xbf"id"x,name'],
)
def test_a_malformed_header_is_refused(header: bytes, run: Run) -> None:
    with pytest.raises(ConversionError, match="the header is malformed"):
        run("a.csv", header + b"\n1,2\n3,4\n")
    with pytest.raises(ConversionError, match="the header is malformed"):
        run("b.csv", header + b"\n" + b'1,"x"\n' * 99_999)


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a quote within a bare name", b'id,na"me\n1,2\n3,4\n', [(1, 2), (3, 4)]),
        ("a mark and quotes", b'\xef\xbb\xbf"id","name"\n1,2\n', [(1, 2)]),
        ("a name over two lines", b'id,"a\nname"\n1,2\n', [(1, 2)]),
        ("a header alone", b"id,name\n", []),
        ("returns alone", b"id,name\r1,a\r2,b\r", [(1, "a"), (2, "b")]),
        ("a return behind the header", b"id,name\r1,a\n2,b\n3,c\n", [(1, "a"), (2, "b"), (3, "c")]),
        ("all line ends", b'id,name\r\n1,a\n2,b\r3,"x\r\ny"\n', [(1, "a"), (2, "b"), (3, "x\r\ny")]),
        ("UTF-16 with returns", "id,name\r1,a\r".encode("utf-16"), [(1, "a")]),
        ("blank lines", b"\n\nid,name\n1,a\n\n2,b", [(1, "a"), (2, "b")]),
        ("a comma too many in the header", b"id,name,\n1,a\n2,b\n", [(1, "a"), (2, "b")]),
        ("JSON, one object on a line", b'{"a":1}\n{\n"a":2\n}\n{\n"a":3\n}\n', [(1,), (2,), (3,)]),
        ("JSON, the last on a line", b'{\n"a":1\n}\n{\n"a":2\n}\n{"a":3}', [(1,), (2,), (3,)]),
        ("JSON, two on a line", b'{"a":1} {"a":2}\n{"a":3}\n', [(1,), (2,), (3,)]),
        ("JSON with returns", b'{"a":1}\r{"a":2}\r', [(1,), (2,)]),
        ("features.geojsonl", b'{"type":"F","a":1}\n{"type":"F","a":2}\n', [("F", 1), ("F", 2)]),
    ],
)  # fmt: skip
def test_every_record_of_an_odd_file_is_there(name: str, content: bytes, rows: list[object], run: Run) -> None:
    found, read = run(name, content)
    assert (read, found.rejected) == (rows, 0)


@pytest.mark.parametrize("content", [b"id\n1,a\n2,b\n", b"id,name,more\n1,a\n2,b\n"], ids=["narrower", "wider"])
def test_a_header_of_another_width_than_all_its_rows_is_refused(content: bytes, run: Run) -> None:
    with pytest.raises(ConversionError, match="none of its 2 records can be read; the first, on line 2: 2 fields"):
        run("a.csv", content)


def test_more_malformed_rows_than_may_be_set_aside_refuse_the_file(run: Run, tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,2\n" * 8 + b"3\n4\n"
    with pytest.raises(ConversionError, match="2 of its 10 records cannot be read; the first, on line 10: 1 fields"):
        run("a.csv", content, malformed=0.1)
    assert not (tmp_path / "out.parquet").exists()
    assert run("a.csv", content, malformed=0.2)[0].rejected == 2


def test_a_malformed_object_over_lines_is_set_aside_and_those_around_it_stay(run: Run, tmp_path: Path) -> None:
    found, rows = run("a.json", b'{"a":1}\n{\n"a": x\n}\n{\n"a":3\n}\n')
    assert rows == [(1,), (3,)]
    assert found.rejected == 3
    told = [json.loads(line) for line in Path(f"{tmp_path}/out.parquet.rejects.jsonl").read_text().splitlines()]
    assert [row["line"] for row in told] == [2, 3, 4]


def test_rows_that_the_reader_drops_are_missed_by_the_count_of_the_bytes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("whole.csv", b"a,b\n1,2\n3,4\n")
    monkeypatch.setattr(csv_source.engine, "csv_query", lambda *_: "SELECT 1::BIGINT AS a, 2::BIGINT AS b")
    with pytest.raises((NotVerified, ConversionError)):
        run("a.csv", b"a,b\n1,2\n3,4\n")


@given(st.lists(st.text(st.sampled_from('a,"\n\r'), max_size=4), max_size=30), st.integers(1, 9))
def test_filled_lines_are_counted_alike_in_whatever_pieces(texts: list[str], size: int) -> None:
    content = "".join(texts).encode()
    lines = counting.FilledLines()
    for start in range(0, len(content), size):
        lines.add(content[start : start + size])
    assert lines.count == sum(line not in (b"", b"\r") for line in content.split(b"\n"))


@given(
    rows=st.lists(st.tuples(st.sampled_from(["a", '"x\ny"', '"a""b"', ""]), st.sampled_from(["1", '"\n\n"']))),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\r\n"]),
    last=st.booleans(),
    size=st.integers(3, 40),
)
def test_records_are_counted_by_their_quotes_in_whatever_blocks(
    rows: list[tuple[str, str]], end: str, last: bool, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "counted.csv"
    text = end.join(["a,b", *map(",".join, rows)]) + (end if last else "")
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_BLOCK", size)
        assert counting.count_csv_records(path, Dialect(",", '"', ("a", "b"), header=True)) == len(rows)
