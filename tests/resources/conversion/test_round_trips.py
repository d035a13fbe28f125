"""Whatever a table holds goes from CSV or JSON through Parquet and back, and says the same; or it is told."""

import csv
import io
import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from platform_resources.conversion import Conversion, Options, convert
from platform_resources.settings import Settings

SETTINGS = Settings.from_environment({})
ODD = ["", "01234", "1e2", "1E5", "-0", "+5", "NaN", "nan", "inf", "Infinity", "null", "NULL", "true", "True", "yes",
       "2024-02-29", "2023-02-29", "0001-01-01", "9999-12-31", "2024-01-01T00:00:00Z", "2024-03-31 02:30:00",
       "2024-01-01 10:00:00+05:30", "1999-12-31T23:59:60Z", "0x10", "1_000", " 7", "7 ", "9007199254740993", "1.10",
       "99999999999999999999", "0.1", "1e-400", "a\x00b", "\ufeff", "é", "😀", "\u2028", "'", '"', 'say "hi"', "a,b",
       "a;b", "a\tb", "a|b", "line\nline", "line\r\nline", "\r", "#x", "=1+1", "\\", "\\N", "--",
       "24:00:00"]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=8),
    st.integers().map(str),
    st.floats(allow_nan=False).map(repr),
    st.dates().map(str),
    st.datetimes().map(str),
)
SLOW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def converted(folder: str, source: str, target: str, **known: object) -> Conversion:
    options = Options(**known)  # type: ignore[arg-type]  # as the caller names them
    return convert(f"{folder}/{source}", f"{folder}/{target}", settings=SETTINGS, options=options)


def table(width: int) -> st.SearchStrategy[list[list[str]]]:
    return st.lists(st.lists(TEXTS, min_size=width, max_size=width), min_size=1, max_size=6)


def as_csv(rows: list[list[str]], delimiter: str) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [[f"c{place}" for place in range(len(rows[0]))], *rows]
    )
    return out.getvalue()


def said(value: object, written: str) -> bool:
    """Whether a typed value is what was written."""
    if isinstance(value, str):
        return value == written
    if isinstance(value, bool):
        return str(value).lower() == written.lower()
    if isinstance(value, float):
        return math.isnan(value) if written.lower() == "nan" else value == float(written)
    if isinstance(value, int):
        return str(value) == written
    found = str(value).replace("+00:00", "")
    return found.startswith(written.replace("T", " ")[:10]) or "+" in written[10:] or "-" in written[10:]


@SLOW
@given(
    st.integers(1, 4).flatmap(table),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
@example([["1e2", "x"], ["NaN", ""]], ",", "utf-8")
@example([["a\x00b", "x"]], ",", "utf-8")
def test_csv_through_parquet_says_the_same(rows: list[list[str]], delimiter: str, encoding: str) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "in").write_bytes(as_csv(rows, delimiter).encode(encoding))
        done = converted(folder, "in", "out.parquet", delimiter=delimiter, header=True, encoding=encoding)
        assert (done.rows, done.rejected) == (len(rows), 0)
        found = pl.read_parquet(f"{folder}/out.parquet").rows()
        for row, written in zip(found, rows, strict=True):
            assert all(said(value, text) for value, text in zip(row, written, strict=True)), (row, written)
        converted(folder, "out.parquet", "there.jsonl")
        converted(folder, "out.parquet", "there.csv")
        back = converted(folder, "there.csv", "back.parquet", header=True, delimiter=",")
        assert back.rows == len(rows)
        assert converted(folder, "there.jsonl", "back.arrow").rows == len(rows)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "é", "sp ace", 'q"']), VALUES, min_size=1, max_size=4)


@SLOW
@given(st.lists(OBJECTS, min_size=1, max_size=6))
def test_json_lines_through_parquet_say_the_same(rows: list[dict[str, object]]) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "in").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        done = converted(folder, "in", "out.parquet")
        assert (done.rows, done.rejected) == (len(rows), 0)
        for found, row in zip(pl.read_parquet(f"{folder}/out.parquet").to_dicts(), rows, strict=True):
            for name, value in row.items():
                got = found[name]
                assert got == value or got == json.dumps(value) or json.loads(got) == value, (name, got, value)
        converted(folder, "out.parquet", "there.jsonl")
        assert converted(folder, "there.jsonl", "back.parquet").rows == len(rows)


@pytest.mark.parametrize("target", ["o.parquet", "o.jsonl"])
def test_a_cell_of_ten_megabytes_goes_through(target: str, tmp_path: Path) -> None:
    cell = ("ä,\n" + "x" * 1000) * 10_000
    (tmp_path / "in").write_text(as_csv([["1", cell], ["2", "x"]], ","), encoding="utf-8")
    assert converted(str(tmp_path), "in", target).rows == 2
    converted(str(tmp_path), target, "back.arrow")
    assert pl.read_ipc(tmp_path / "back.arrow")["c1"].to_list() == [cell, "x"]
