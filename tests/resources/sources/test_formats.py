"""Files as people send them: read as they are, or refused with a reason that quotes nothing of them."""

import gzip
import io

import numpy as np
import polars as pl
import pytest

from platform_resources.sources.formats import parse

SECRET = "ada@example.com"


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n", [("1", "2")]),
        ("a.csv", b'a,b\n"x\ny","say ""z"""\n', [("x\ny", 'say "z"')]),
        ("a.csv", b'a,b\n1,\n\n"",3\n\n', [("1", None), ("", "3")]),
        ("a.csv", b"a\n1\n\n3\n", [("1",), (None,), ("3",)]),
        ("A.CSV.GZ", gzip.compress(b"a,b\n1,2\n"), [("1", "2")]),
        ("a.csv", gzip.compress(b"a,b\n1,2\n"), [("1", "2")]),
        ("a.csv.gz", b"a,b\n1,2\n", [("1", "2")]),
        ("a.csv", b"a;b\n1,5;2\n\n3,5;4\n", [("1,5", "2"), ("3,5", "4")]),
        ("a.csv", b"a\nx;y\nz\n", [("x;y",), ("z",)]),
        ("a.csv", "a,b\n1,€\n".encode("utf-16"), [("1", "€")]),
        ("a.jsonl", '{"a":"€"}\n'.encode("utf-16"), [("€",)]),
        ("a.jsonl", b'\xef\xbb\xbf{"a":"x\xe2\x80\xa8y"}\n\n{"b":[1.5]}', [("x\u2028y", None), (None, "[1.5]")]),
        ("a.json", b'{"a":1}\n{"a":2}\n', [("1",), ("2",)]),
        (
            "a.json",
            b'{"a":9007199254740993.01,"b":9007199254740993.0}',
            [("9007199254740993.01", "9007199254740993.0")],
        ),
        ("a.json", b'{"a":0.1000000000000000055511,"b":1e-400}', [("0.1000000000000000055511", "1e-400")]),
        ("a.json", b'{"a":1.10,"b":1e3}', [("1.1", "1000.0")]),
        ("a.jsonl", b'[\n {"a":1},\n {"a":2}\n]', [("1",), ("2",)]),
        ("a.json", b'[{"a":1e400},{"a":1.0},{"a":true}]', [("1e400",), ("1.0",), ("true",)]),
    ],
)
def test_texts_are_read_as_they_stand(name: str, content: bytes, rows: list[tuple[str | None, ...]]) -> None:
    frame, reason = parse(name, content)
    assert frame is not None, reason
    assert frame.rows() == rows


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"a,b,c\n3,4,5\n1,ada@example.com", "row 2 has 2 fields, the header has 3"),
        ("a.csv", b'a,b\n1,2\n3,"ada@example.com\n', "a quote is left open"),
        ("a.csv", b"a,b\n1,2,ada@example.com\n", "more fields than the header"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99)[:-9], "end-of-stream"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99)[:12] + bytes(range(99)), "decompressing"),
        ("a.json", b'[{"a":"ada@example.com",}]', "it cannot be parsed"),
        ("a.json", b'{"a":1,"a":2}', "a record has a name twice"),
        ("a.jsonl", b'{"a":1}\n\n{"a":', "line 3: Expecting value at character 6"),
        ("a.json", b"[" * 99_999, "recursion"),
        ("a.csv", "a,b\n1,ada@example.com é\n".encode("cp1252"), "it is not UTF-8: byte 0xe9"),
    ],
)
def test_a_broken_file_is_refused_and_the_reason_quotes_nothing_of_it(name: str, content: bytes, told: str) -> None:
    frame, reason = parse(name, content)
    assert frame is None
    assert told in reason
    assert SECRET not in reason


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_damaged_bytes_never_raise(name: str) -> None:
    buffer = io.BytesIO()
    frame = pl.DataFrame({"a": [1, 2, 3] * 99, "s": ["x"] * 297})
    frame.write_parquet(buffer) if name == "a.parquet" else frame.write_ipc(buffer)
    for seed in range(200):
        damaged = np.frombuffer(buffer.getvalue(), np.uint8).copy()
        chance = np.random.default_rng(seed)
        damaged[chance.integers(damaged.size, size=3)] = chance.integers(256, size=3)
        read, reason = parse(name, damaged.tobytes())
        assert (read is None) == bool(reason)
