"""One file to another: whatever it is, all of it or nothing, and rows that are malformed beside it."""

import bz2
import codecs
import datetime as dt
import gzip
import io
import json
import resource
import signal
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from cramjam import snappy

from platform_resources.conversion import Conversion, Options, convert
from platform_resources.errors import ConversionError
from platform_resources.settings import Settings

Convert = Callable[..., Conversion]


@pytest.fixture
def run(tmp_path: Path) -> Convert:
    """Converts a file of the test's folder, or bytes, to another file there."""

    def done(source: str | bytes, target: str, **known: object) -> Conversion:
        if isinstance(source, bytes):
            (tmp_path / "in").write_bytes(source)
            source = "in"
        settings = Settings.from_environment({})
        return convert(str(tmp_path / source), str(tmp_path / target), settings=settings, options=Options(**known))  # type: ignore[arg-type]

    return done


def rejected(done: Conversion) -> list[tuple[int, str]]:
    """Line and reason of each row that was set aside."""
    if done.rejects is None:
        return []
    rows = [json.loads(line) for line in Path(done.rejects).read_text().splitlines()]
    return [(row["line"], row["reason"]) for row in rows]


def table(tmp_path: Path, name: str = "out.parquet") -> pl.DataFrame:
    return pl.read_parquet(tmp_path / name)


PEOPLE = pl.DataFrame({"id": [1, 2, 3], "name": ["a", "", None], "x": [1.5, None, -0.25]})
CSV = b'id,name,x\n1,a,1.5\n2,"",\n3,,-0.25\n'
JSONL = b'{"id":1,"name":"a","x":1.5}\n{"id":2,"name":"","x":null}\n{"id":3,"name":null,"x":-0.25}\n'


def _avro() -> bytes:
    out = io.BytesIO()
    PEOPLE.write_avro(out, compression="snappy")
    return out.getvalue()


def _written(write: str, **options: object) -> bytes:
    out = io.BytesIO()
    getattr(PEOPLE, write)(out, **options)
    return out.getvalue()


SOURCES = {
    "csv": CSV,
    "csv with a mark": codecs.BOM_UTF8 + CSV,
    "semicolons": CSV.replace(b",", b";"),
    "tabs": CSV.replace(b",", b"\t"),
    "unicode delimiter": CSV.decode().replace(",", "¦").encode(),
    "windows lines": CSV.replace(b"\n", b"\r\n"),
    "old mac lines": CSV.replace(b"\n", b"\r"),
    "utf-16": CSV.decode().encode("utf-16"),
    "utf-16 without a mark": CSV.decode().encode("utf-16-be"),
    "utf-32": CSV.decode().encode("utf-32"),
    "gzip": gzip.compress(CSV),
    "gzip of gzip": gzip.compress(gzip.compress(CSV)),
    "bzip2": bz2.compress(CSV),
    "snappy": bytes(snappy.compress(CSV)),
    "json lines": JSONL,
    "json lines with a mark": codecs.BOM_UTF8 + JSONL,
    "json array": b"[" + b",".join(JSONL.splitlines()) + b"]",
    "indented json": json.dumps([json.loads(line) for line in JSONL.splitlines()], indent=2).encode(),
    "json documents": b"".join(json.dumps(json.loads(line), indent=1).encode() for line in JSONL.splitlines()),
    "parquet": _written("write_parquet"),
    "arrow file": _written("write_ipc"),
    "arrow stream": _written("write_ipc_stream"),
    "avro": _avro(),
    "gzipped parquet": gzip.compress(_written("write_parquet")),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_file_is_known_by_its_content_whatever_its_name(source: bytes, run: Convert, tmp_path: Path) -> None:
    done = run(source, "out.parquet")
    assert (done.rows, done.rejected) == (3, 0)
    assert table(tmp_path).equals(PEOPLE)


@pytest.mark.parametrize(
    "target",
    [
        "o.csv",
        "o.tsv",
        "o.json",
        "o.jsonl",
        "o.parquet",
        "o.arrow",
        "o.delta",
        "o.csv.gz",
        "o.jsonl.zst",
        "o.json.bz2",
        "o.csv.sz",
    ],
)
def test_every_target_says_the_same_when_it_is_converted_back(target: str, run: Convert, tmp_path: Path) -> None:
    there = run(CSV, target)
    back = run(target, "back.arrow")
    assert there.content_hash == back.content_hash
    assert pl.read_ipc(tmp_path / "back.arrow").equals(PEOPLE)


@pytest.mark.parametrize("target", ["o.parquet", "o.jsonl", "o.arrow"])
def test_malformed_rows_go_aside_with_their_line_and_the_others_go_on(
    target: str, run: Convert, tmp_path: Path
) -> None:
    source = b'id,name\n1,"two\nlines"\n2,b,3\n3\n4,"x"y\n5,\xff\xfe\n\n6,"open\n7,g\n8,"say ""h"""\n9,5" pipe\n'
    done = run(source, target, encoding="utf-8")
    assert done.rows == 4
    assert rejected(done) == [
        (4, "3 fields, and there are 2 columns"),
        (5, "1 fields, and there are 2 columns"),
        (6, "a quote stands where none may"),
        (7, "not UTF-8 at byte 3 of the row"),
        (9, "a quote stands where none may"),
    ]
    read = {"o.parquet": pl.read_parquet, "o.jsonl": pl.read_ndjson, "o.arrow": pl.read_ipc}[target](tmp_path / target)
    assert read.rows() == [(1, "two\nlines"), (7, "g"), (8, 'say "h"'), (9, '5" pipe')]


def test_lines_that_are_no_object_go_aside(run: Convert, tmp_path: Path) -> None:
    source = b'{"a":1}\n\n{"a":\n[1]\n{"a":2,"a":3}\n{"a":"\xff"}\n{"a":"\\ud83d"}\n{"a":4}\n'
    done = run(source, "out.parquet", encoding="utf-8")
    assert [line for line, _ in rejected(done)] == [3, 4, 5, 6, 7]
    assert table(tmp_path)["a"].to_list() == [1, 4]


@pytest.mark.parametrize(
    ("late", "kept"),
    [("1.5", pl.Float64), ("007", pl.String), ("0x10", pl.String), ("99999999999999999999", pl.String), ("", pl.Int64),
     ("1_000", pl.String), ("9007199254740993", pl.Int64), (" 7", pl.String), ("-0", pl.Float64)],
)  # fmt: skip
def test_a_value_late_in_a_file_widens_its_column_and_loses_nothing(
    late: str, kept: pl.DataType, run: Convert, tmp_path: Path
) -> None:
    rows = 200_000
    body = b"".join(b"%d,some text that fills the file\n" % number for number in range(rows))
    done = run(b"a,b\n" + body + late.encode() + b",x\n", "out.parquet")
    assert done.rejected == 0
    column = table(tmp_path)["a"]
    assert column.dtype == kept
    assert column[0] in (0, "0")
    assert column[-1] == (
        late if kept == pl.String else None if not late else float(late) if kept == pl.Float64 else int(late)
    )


@pytest.mark.parametrize("ending", ["", "Z", "+01:00"])
def test_a_60th_second_late_in_a_file_makes_its_column_a_text(ending: str, run: Convert, tmp_path: Path) -> None:
    """DuckDB reads `23:59:59` by the format of the first rows, and would have to be told of the other one."""
    body = f"1,2016-12-31 23:59:59{ending},some text that fills the file\n".encode() * 40_000
    run(b"a,at,b\n" + body + f"2,2016-12-31 23:59:60{ending},x\n".encode(), "out.parquet")
    assert table(tmp_path)["at"][[0, -1]].to_list() == [f"2016-12-31 23:59:{second}{ending}" for second in (59, 60)]


@pytest.mark.parametrize("target", ["o.jsonl", "o.csv.gz", "o.arrow", "o.delta"])
@pytest.mark.parametrize(("late", "rejected"), [(b"1.5,x", 0), (b"1,2,3", 1), (b"7,\xff", 1), (b'8,"open', 1)])
def test_a_mistake_late_in_a_file_is_met_whatever_is_written(
    target: str, late: bytes, rejected: int, run: Convert
) -> None:
    rows = 60_000
    body = b"".join(b"%d,some text that fills the file\n" % number for number in range(rows))
    done = run(b"a,b\n" + body + late + b"\n", target, encoding="utf-8")
    assert (done.rows, done.rejected) == (rows + 1 - rejected, rejected)
    assert run(target, "back.arrow").rows == done.rows


@pytest.mark.parametrize(
    ("value", "kept"),
    [("01234", pl.String), ("12345678901234567890", pl.String), ("1.0", pl.Float64), ("true", pl.Boolean),
     ("2024-02-29", pl.Date), ("2024-02-30", pl.String), ("01/02/2024", pl.String),
     ("2024-01-01 10:00:00", pl.Datetime("us")),
     ("2024-01-01T10:00:00.5", pl.Datetime("us")), ("2024-01-01T10:00:00Z", pl.Datetime("us", "UTC")),
     ("2024-01-01 10:00:00+02", pl.Datetime("us", "UTC")), ("2016-12-31T23:59:60Z", pl.String),
     ("2016-12-31 23:59:60", pl.String),
     ("2024-01-01T00:00:00.123456789Z", pl.String), ("0.1000000000000000055511151231257827", pl.String),
     ("33829.490000000002", pl.Float64), ("NaN", pl.Float64), ("1e400", pl.String), ("yes", pl.String)],
)  # fmt: skip
def test_a_text_becomes_another_type_only_where_nothing_is_lost(
    value: str, kept: pl.DataType, run: Convert, tmp_path: Path
) -> None:
    run(f"k,v\na,{value}\n".encode(), "out.parquet")
    assert table(tmp_path).schema["v"] == kept


def test_json_keeps_late_keys_whole_numbers_and_mixed_types(run: Convert, tmp_path: Path) -> None:
    source = b"".join(b'{"n":%d}\n' % number for number in range(30_000))
    source += b'{"n":18446744073709551616,"late":{"deep":[1,null]},"mixed":1}\n{"mixed":"x"}\n{"mixed":{"y":1.5}}\n'
    run(source, "out.parquet")
    rows = table(tmp_path)
    assert rows["n"][30_000] == "18446744073709551616"
    assert rows["late"][30_000] == {"deep": [1, None]}
    assert rows["mixed"].to_list()[-3:] == ["1", "x", '{"y":1.5}']


NOON = dt.datetime.fromisoformat("2024-01-01T12:00:00")
ODD = pl.DataFrame({
    "dec": pl.Series([Decimal("1.10"), None], dtype=pl.Decimal(20, 2)),
    "bin": [b"\xff\x00", b""],
    "dur": [dt.timedelta(seconds=1.5), None],
    "time": [dt.time(1, 2, 3, 4), None],
    "zone": pl.Series([dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None]).dt.convert_time_zone("Europe/Berlin"),
    "ns": pl.Series([1, None]).cast(pl.Datetime("ns")),
    "cat": pl.Series(["a", None], dtype=pl.Categorical),
    "nan": [float("nan"), -0.0],
    "list": [[1.5, None], []],
    "struct": [{"a": 1, "b": ["x"]}, None],
    "array": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)),
    "u64": pl.Series([2**64 - 1, 0], dtype=pl.UInt64),
    "null": pl.Series([None, None], dtype=pl.Null),
    "text": ['q"\r\n\x00', "\u2028"],
    "sp ace\"'": [1, 2],
})  # fmt: skip


@pytest.mark.parametrize("target", ["o.csv", "o.json", "o.jsonl", "o.parquet", "o.arrow", "o.delta"])
def test_every_type_is_written_and_read_back(target: str, run: Convert, tmp_path: Path) -> None:
    (ODD.drop("ns") if target == "o.delta" else ODD).write_ipc(tmp_path / "odd")
    done = run("odd", target)
    assert done.rows == 2
    assert done.nulled == (1 if target.startswith("o.json") else 0)
    if target in ("o.parquet", "o.arrow"):
        read = {"o.parquet": pl.read_parquet, "o.arrow": pl.read_ipc}[target](tmp_path / target)
        assert read.drop("null").equals(ODD.drop("null"))


@pytest.mark.parametrize(
    "kind", [pl.Datetime("ns"), pl.List(pl.Datetime("ns", "UTC")), pl.Struct({"x": pl.Datetime("ns")})]
)
def test_nanoseconds_that_delta_would_lose_are_refused_by_the_name_of_their_column(
    kind: pl.DataType, run: Convert, tmp_path: Path
) -> None:
    def of(number: int) -> pl.DataFrame:
        value = pl.lit(number).cast(pl.Datetime("ns", "UTC" if isinstance(kind, pl.List) else None)).alias("x")
        told = value if isinstance(kind, pl.Datetime) else pl.struct(value) if isinstance(kind, pl.Struct) else (
            pl.concat_list(value))  # fmt: skip
        return pl.select(told.alias("at"), pl.lit(1).alias("n"))

    of(1_001).write_ipc(tmp_path / "odd")
    of(-2_000).write_ipc(tmp_path / "whole")
    with pytest.raises(ConversionError, match=r"and at has nanoseconds that are no whole ones.* Fix: write Parquet"):
        run("odd", "o.delta")
    assert not [path for path in (tmp_path / "o.delta").rglob("*") if path.is_file()]
    run("whole", "o.delta")
    with pytest.raises(ConversionError, match="at has nanoseconds"):
        run("odd", "o.delta", overwrite=True)
    run("o.delta", "back.arrow")
    assert pl.read_ipc(tmp_path / "back.arrow")["at"].to_physical().equals(of(-2_000)["at"].to_physical())


@pytest.mark.parametrize("target", ["o.csv", "o.jsonl", "o.json"])
def test_texts_have_every_nanosecond_that_there_is(target: str, run: Convert, tmp_path: Path) -> None:
    number = pl.Series("number", [1, 86_399_999_999_999, 0], dtype=pl.Int64)
    pl.select(
        time=number.cast(pl.Time), inner=pl.struct(
            at=pl.concat_list(number.cast(pl.Datetime("ns"))), zone=number.cast(pl.Datetime("ns", "Europe/Berlin")),
            time=number.cast(pl.Time), took=number.cast(pl.Duration("ns")), day=pl.lit(NOON.date()),
            wide=pl.concat_list(number.cast(pl.Time), pl.lit(None)).list.to_array(2), text=pl.lit("x"),
        ),
    ).write_parquet(tmp_path / "fine")  # fmt: skip
    run("fine", target)
    run(target, "back.arrow")
    back = pl.read_ipc(tmp_path / "back.arrow").with_columns(pl.all().cast(pl.String))
    assert back["time"].to_list() == ["00:00:00.000000001", "23:59:59.999999999", "00:00:00"]
    assert json.loads(back["inner"][1]) == {
        "at": ["1970-01-01T23:59:59.999999999"], "zone": "1970-01-02T00:59:59.999999999+01:00",
        "time": "23:59:59.999999999", "took": "PT23H59M59.999999999S", "day": "2024-01-01",
        "wide": ["23:59:59.999999999", None], "text": "x",
    }  # fmt: skip


def test_nested_nulls_stay_nulls_where_times_are_spelled(run: Convert, tmp_path: Path) -> None:
    kind = pl.Struct({"a": pl.List(pl.Struct({"t": pl.Time}))})
    rows = [None, {"a": None}, {"a": []}, {"a": [None, {"t": None}, {"t": dt.time(1)}]}]
    pl.DataFrame({"v": pl.Series(rows, dtype=kind), "n": [1, 2, 3, 4]}).write_ipc(tmp_path / "deep")
    run("deep", "o.csv")
    found = [None if each is None else json.loads(each) for each in pl.read_csv(tmp_path / "o.csv")["v"]]
    assert found == [None, {"a": None}, {"a": []}, {"a": [None, {"t": None}, {"t": "01:00:00"}]}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "holds nothing"),
        (gzip.compress(CSV * 99, mtime=0)[:-9], "damaged or was cut off"),
        (_written("write_parquet")[:-9], "damaged or was cut off"),
        (_written("write_ipc")[:400], "damaged or was cut off"),
        (_avro()[:-3], "damaged or was cut off"),
        (b'[{"a":1},{"a":', "is no JSON"),
        (b"PK\x03\x04" + bytes(99), "zip archive is damaged"),
    ],
    ids=[
        "empty",
        "holds nothing",
        "gzip",
        "parquet",
        "arrow",
        "avro",
        "json",
        "zip",
    ],  # gzip holds the time, an id may not
)
def test_a_file_that_cannot_be_read_is_refused_and_nothing_is_written(
    content: bytes, told: str, run: Convert, tmp_path: Path
) -> None:
    with pytest.raises(ConversionError, match=told):
        run(content, "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_stands_under_the_name_is_not_replaced_unasked(run: Convert, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(ConversionError, match=r"is there already\. Fix: write to another name, or add --overwrite"):
        run(CSV, "out.csv")
    assert (tmp_path / "out.csv").read_text() == "mine"
    assert run(CSV, "out.csv", overwrite=True).rows == 3
    with pytest.raises(ConversionError, match="is the source itself"):
        run("out.csv", "out.csv", overwrite=True)


def test_a_guessed_encoding_is_said_to_be_a_guess(run: Convert, tmp_path: Path) -> None:
    done = run("name\nZoë\n".encode("cp1252"), "out.parquet")
    assert (done.encoding, done.encoding_certain) == ("cp1252", False)
    assert table(tmp_path)["name"].to_list() == ["Zoë"]
    assert run("имя\nЯ\n".encode("cp1251"), "two.parquet", encoding="cp1251").encoding_certain
    assert table(tmp_path, "two.parquet").to_dict(as_series=False) == {"имя": ["Я"]}


@pytest.mark.parametrize(
    ("content", "columns", "rows"),
    [
        (b"a,b\n", ["a", "b"], 0),
        (b"a\n1\n\n3\n", ["a"], 3),
        (b"1,2\n3,4\n", ["column_1", "column_2"], 2),
        (b"a,a,\nx,y,z\n", ["a", "a_2", "column_3"], 1),
        (b"only", ["only"], 0),
    ],
)
def test_columns_are_named_and_counted(
    content: bytes, columns: list[str], rows: int, run: Convert, tmp_path: Path
) -> None:
    assert run(content, "out.parquet").rows == rows
    assert table(tmp_path).columns == columns


def test_a_line_of_fifty_megabytes_and_a_thousand_columns_go_through(run: Convert, tmp_path: Path) -> None:
    run(b"a,b\n1," + b"x" * 50_000_000 + b"\n2,y\n", "long.parquet")
    assert table(tmp_path, "long.parquet")["b"].str.len_bytes().to_list() == [50_000_000, 1]
    wide = ",".join(f"c{place}" for place in range(3000)) + "\n" + ",".join("1" for _ in range(3000)) + "\n"
    assert run(wide.encode(), "wide.jsonl").rows == 1


def test_a_workbook_is_read_sheet_by_sheet(run: Convert, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", "when"])
    book.active.append([1, NOON])
    book.create_sheet("other").append(["b"])
    book.save(tmp_path / "in")
    assert run("in", "out.parquet").rows == 1
    assert table(tmp_path)["when"].to_list() == [NOON]
    with pytest.raises(ConversionError, match=r"has no sheet 'third'\. Fix: use one of Sheet, other"):
        run("in", "two.parquet", sheet="third")


def test_names_with_patterns_links_and_unicode_are_only_names(run: Convert, tmp_path: Path) -> None:
    odd = tmp_path / "a[1]*'?ü.csv"
    odd.write_bytes(CSV)
    (tmp_path / "link").symlink_to(odd)
    assert run("link", "o'ut[2].parquet").rows == 3
    assert run(odd.name, "out*.csv").rows == 3


def test_a_header_longer_than_a_sample_names_every_column(run: Convert, tmp_path: Path) -> None:
    names = [f"{'long_' * 60}{place}" for place in range(1000)]
    done = run((",".join(names) + "\n" + ",".join("1" for _ in names) + "\n").encode(), "out.parquet")
    assert (done.rows, done.rejected) == (1, 0)
    assert table(tmp_path).columns == names


def test_an_array_that_is_larger_than_the_memory_of_its_reader_goes_through(run: Convert) -> None:
    row = b'{"n": 1234567, "name": "' + b"x" * 400 + b'", "tags": ["a", "b"], "inner": {"a": 1.5}}'
    content = b"[" + b",\n".join([row] * 300_000) + b"]"
    assert run(content, "out.parquet", memory_bytes=512 << 20).rows == 300_000


@pytest.mark.parametrize("target", ["o.csv", "o.jsonl", "o.json"])
def test_a_value_of_many_megabytes_behind_short_ones_is_written(target: str, run: Convert, tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": [1, 2, 3], "text": ["a", "x" * 40_000_000, "b"]})
    frame.write_parquet(tmp_path / "long")
    assert run("long", target).parsed_rows == 3
    run(target, "again.parquet", memory_bytes=4 << 30)
    assert table(tmp_path, "again.parquet").equals(frame)


@pytest.mark.parametrize("delimiter", ["", "||", '"', "\n"])
def test_a_delimiter_that_is_none_is_refused(delimiter: str, run: Convert) -> None:
    with pytest.raises(ConversionError, match="delimits no fields"):
        run(CSV, "o.csv", delimiter=delimiter)


@pytest.mark.parametrize(
    ("encoding", "told"), [("base64", "is no encoding"), ("rot13", "is no encoding"), ("utf-16", "is not utf-16")]
)
def test_an_encoding_that_the_text_cannot_have_is_refused(encoding: str, told: str, run: Convert) -> None:
    with pytest.raises(ConversionError, match=told):
        run(CSV, "o.csv", encoding=encoding)


def test_a_target_that_cannot_be_written_is_told_by_its_name(run: Convert, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConversionError, match=r"file/o\.csv: cannot be written \((File exists|Not a directory)\). Fix"):
        run(CSV, "file/o.csv")


def test_a_full_disk_is_told_by_the_name_of_the_target(run: Convert, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "in").write_bytes(b"a,b\n" + b"1,2\n" * 100_000)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ConversionError, match=r"o\.csv: cannot be written \(File too large\). Fix: make room"):
            run("in", "o.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("rejects", ["in", "o.csv", "there"])
def test_rows_that_are_set_aside_replace_nothing(rejects: str, run: Convert, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("kept")
    with pytest.raises(ConversionError, match="Fix: give --rejects"):
        run(b"a,b\n1,2\n3\n", "o.csv", rejects=str(tmp_path / rejects))
    assert (tmp_path / "in").read_bytes() == b"a,b\n1,2\n3\n"
    assert (tmp_path / "there").read_text() == "kept"


def test_two_writers_of_one_table_leave_the_rows_of_one(tmp_path: Path) -> None:
    pl.DataFrame({"n": range(100)}).write_parquet(tmp_path / "in.parquet")
    both = threading.Barrier(2)
    told: list[str] = []

    def write() -> None:
        first = iter([both])
        try:
            convert(
                str(tmp_path / "in.parquet"), str(tmp_path / "o.delta"), settings=Settings.from_environment({}),
                progress=lambda _: next(first).wait(timeout=60) and None,
            )  # fmt: skip
            told.append("done")
        except ConversionError as error:
            told.append(error.problem)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert "done" in told
    assert min(told).startswith("another writer changed the table meanwhile")
    assert pl.read_delta(str(tmp_path / "o.delta")).height == 100
