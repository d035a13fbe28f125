"""Records of CSV are found together where they are well formed and singly where not: nobody can tell which."""

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_resources.conversion import Options, convert
from platform_resources.readers import csv_records
from platform_resources.readers.csv_framing import framed
from platform_resources.readers.csv_records import csv_blocks
from platform_resources.readers.dialect import Dialect
from platform_resources.readers.rejects import Rejects
from platform_resources.settings import Settings

FIELDS = st.text(st.sampled_from('a "é,\n'), max_size=5)
ROWS = st.lists(st.lists(FIELDS, min_size=3, max_size=3), min_size=1, max_size=40)
MARKS = st.text(st.sampled_from('ab,"\n\r'), max_size=60)
MALFORMED = ('x"y",2,"3', "1,2", "1,2,3,4", '"a"b,c,d', "\udcff,2,3")
Found = tuple[list[tuple[int, tuple[str, ...]]], list[tuple[int, str]]]


def written(rows: list[list[str]], end: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
    return out.getvalue()


def found(content: bytes, folder: Path, *, quote: str = '"') -> Found:
    """Records with their lines, and the lines and texts of those that were refused."""
    path = folder / "in.csv"
    path.write_bytes(content)
    dialect = Dialect(delimiter=",", quote=quote, names=("a", "b", "c"), header=False)
    with Rejects(folder / "rejects", path.name) as rejects:
        blocks = list(csv_blocks(path, dialect, rejects))
    said = [json.loads(line) for line in (folder / "rejects").read_text().splitlines()]
    kept = [(int(line), row) for block in blocks for line, row in zip(block.lines, block.frame.rows(), strict=True)]
    return kept, [(each["line"], each["text"]) for each in said]


@pytest.fixture(params=[None, 16, 40], ids=["one window", "windows of 16 bytes", "windows of 40 bytes"])
def windows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(csv_records, "_BLOCK", 4 * request.param)
        monkeypatch.setattr(csv_records, "_PIECE", request.param)


@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n"]))
def test_records_that_a_writer_of_csv_wrote_are_all_well_formed(rows: list[list[str]], end: str) -> None:
    content = written(rows, end).encode()
    shape = framed(content, quote=b'"', delimiter=b",", width=3)
    assert shape.size_bytes == len(content)
    lines = [sum(value.count("\n") for row in rows[:place] for value in row) + place for place in range(len(rows))]
    assert shape.lines.tolist() == lines


@given(MARKS)
def test_what_is_called_well_formed_is_what_a_strict_reader_reads(text: str) -> None:
    shape = framed(text.encode(), quote=b'"', delimiter=b",", width=2)
    good = text[: shape.size_bytes]
    read = list(csv.reader(io.StringIO(good, newline=""), strict=True))
    assert len(read) == len(shape.lines)
    assert all(len(record) == 2 for record in read)
    ends = [place for place, _ in enumerate(good) if place == 0 or good[place - 1] == "\n"]
    assert set(shape.lines.tolist()) <= set(range(len(ends)))


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bad", MALFORMED)
@pytest.mark.parametrize("place", [0, 1, 7, 30])
def test_a_malformed_record_costs_itself_alone(bad: str, place: int, end: str, tmp_path: Path) -> None:
    rows = [[str(number), f'say "{number}",{end}twice' if number % 3 else "é", ""] for number in range(30)]
    before, behind = written(rows[:place], end), written(rows[place:], end)
    content = (before + bad + end + behind).encode("utf-8", "surrogateescape")
    kept, refused = found(content, tmp_path)
    assert [row for _, row in kept] == [tuple(row) for row in rows]
    line = before.count("\n") + 1
    assert [(at, text.encode("utf-8", "backslashreplace")) for at, text in refused] == [
        (line, bad.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").encode())
    ]
    starts = [written(rows[:number], end).count("\n") + 1 + (number >= place) for number in range(30)]
    assert [at for at, _ in kept] == starts


@pytest.mark.usefixtures("windows")
def test_a_quote_that_nothing_closes_costs_its_line(tmp_path: Path) -> None:
    rows = [["1", "two", "3"]] * 20
    text = "".join(",".join(row) + "\n" for row in rows)
    kept, refused = found((text + '4,"open,5\n' + text).encode(), tmp_path)
    assert [row for _, row in kept] == [tuple(row) for row in rows * 2]
    assert refused == [(21, '4,"open,5')]


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    ("record", "kept", "reason"),
    [
        ('a"b,2,3', ('a"b', "2", "3"), None),
        ('b",2,"3"', ('b"', "2", "3"), None),
        ("a\rb,\r,3", ("a\rb", "\r", "3"), None),
        ('\r,2,"3"', None, "a line ends where none may"),
        ('"1",a\rb,3', None, "a line ends where none may"),
    ],
)
def test_a_mark_within_a_value_is_neither_lost_nor_joined_to_what_is_around(
    record: str, kept: tuple[str, ...] | None, reason: str | None, tmp_path: Path
) -> None:
    around = '"l\nm","",x\n' * 3
    rows, refused = found(f"{around}{record}\n{around}".encode(), tmp_path)
    multi = [("l\nm", "", "x")] * 3
    assert [row for _, row in rows] == [*multi, *([kept] if kept else []), *multi]
    assert len(refused) == (reason is not None)
    assert all(json.loads(line)["reason"] == reason for line in (tmp_path / "rejects").read_text().splitlines())


@pytest.mark.usefixtures("windows")
@given(text=MARKS)
def test_no_line_is_lost(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = "".join(f"{line}\n" for line in text.splitlines())
    kept, refused = found(content.encode(), tmp_path_factory.mktemp("lines"))
    lines = {number for number, line in enumerate(content.split("\n"), start=1) if line.strip("\r")}
    met = {at for at, _ in kept} | {at for at, _ in refused}
    assert met <= lines | {number for number, _ in enumerate(content.split("\n"), start=1)}
    within = sum(str(value).count("\n") for _, row in kept for value in row if value)
    assert len(lines) - len(met & lines) <= within


def test_a_file_with_malformed_records_is_converted_as_without_them(tmp_path: Path) -> None:
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})
    rows = [
        f'{number},{number / 4},"a ""b"", {number}",2024-02-{number % 28 + 1:02} 00:00:00\n' for number in range(20_000)
    ]
    clean, dirty = tmp_path / "clean.csv", tmp_path / "dirty.csv"
    clean.write_text("id,share,text,at\n" + "".join(rows))
    dirty.write_text("id,share,text,at\n" + "".join([*rows[:9], 'x,"y\n', *rows[9:15_000], "1,2,3\n", *rows[15_000:]]))
    for source in (clean, dirty):
        done = convert(str(source), str(source.with_suffix(".parquet")), settings=settings, options=Options())
        assert done.engine == "duckdb + polars"
    assert done.rejected == 2
    assert pl.read_parquet(tmp_path / "dirty.parquet").equals(pl.read_parquet(tmp_path / "clean.parquet"))
    said = [json.loads(line)["line"] for line in (tmp_path / "dirty.parquet.rejects.jsonl").read_text().splitlines()]
    assert said == [11, 15_003]


@pytest.mark.parametrize("late", ["007", "12.5", "x"])
def test_a_value_of_another_type_below_a_malformed_record_widens_the_column(late: str, tmp_path: Path) -> None:
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})
    rows = [f'{number},"t"\n' for number in range(300_000)]
    source = tmp_path / "in.csv"
    source.write_text(
        "id,text\n" + "".join([*rows[:99_999], "1,2,3\n", *rows[99_999:200_000], f'{late},"t"\n', *rows[200_000:]])
    )
    done = convert(str(source), str(tmp_path / "out.parquet"), settings=settings, options=Options())
    assert (done.rows, done.rejected) == (300_001, 1)
    assert pl.read_parquet(tmp_path / "out.parquet")["id"].cast(pl.String).str.strip_suffix(".0")[200_000] == late
