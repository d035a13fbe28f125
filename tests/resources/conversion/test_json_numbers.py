"""No number in JSON is rounded: one that a double does not hold is a text, with the digits that were sent."""

import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from platform_resources.conversion import Conversion, convert, json_source
from platform_resources.conversion.json_numbers import survives
from platform_resources.settings import Settings


def converted(tmp_path: Path, content: bytes, target: str = "out.parquet") -> Conversion:
    (tmp_path / "in.json").write_bytes(content)
    return convert(str(tmp_path / "in.json"), str(tmp_path / target), settings=Settings.from_environment({}))


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b'{"o":[9007199254740993, 0.5]}\n', ["[9007199254740993,0.5]"]),
        (b'{"o":{"y":9007199254740993}}\n{"o":{"y":0.5}}\n', ['{"y":9007199254740993}', '{"y":0.5}']),
        (b'{"o":{"y":123456789012345678901234567890}}\n', ['{"y":123456789012345678901234567890}']),
        (b'{"o":{"y":9223372036854775808}}\n{"o":{"y":1}}\n', ['{"y":9223372036854775808}', '{"y":1}']),
        (b'{"o":[18446744073709551615,18446744073709551616]}\n', ["[18446744073709551615,18446744073709551616]"]),
        (b'[{"o":9007199254740993.01},{"o":123456789012345678901234567890}]',
         ["9007199254740993.01", "123456789012345678901234567890"]),
        (b'{"o":0.1000000000000000055511}\n{"o":"x"}\n', ["0.1000000000000000055511", "x"]),
        (b'{"o":9007199254740993.0}\n{"o":null}\n', ["9007199254740993.0", None]),
        (b'{"o":1e400}\n{"o":1.50}\n', ["1e400", "1.50"]),
        (b'{"o":{"\xc3\xbc\\"":[0.1000000000000000055511,"t",true,null]}}\n',
         ['{"ü\\"":[0.1000000000000000055511,"t",true,null]}']),
    ],
)  # fmt: skip
def test_a_number_that_would_be_rounded_makes_its_column_text(
    content: bytes, kept: list[str | None], tmp_path: Path
) -> None:
    converted(tmp_path, content)
    assert pl.read_parquet(tmp_path / "out.parquet")["o"].to_list() == kept


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"o":{"id":9007199254740993,"name":"12345678901234567890.12345"}}\n',
         {"id": 9007199254740993, "name": "12345678901234567890.12345"}),
        (b'{"o":[0.1234567890123456, 5e-324, 1.7976931348623157e308, 100000000000000000.0]}\n',
         [0.1234567890123456, 5e-324, 1.7976931348623157e308, 1e17]),
        (b'{"o":9223372036854775807}\n', 2**63 - 1),
        (b'{"o":[-9223372036854775808]}\n', [-(2**63)]),
        (b'{"o":0.25000000000000000000000}\n', 0.25),
    ],
)  # fmt: skip
def test_a_number_that_holds_stays_a_number(content: bytes, value: object, tmp_path: Path) -> None:
    converted(tmp_path, content)
    column = pl.read_parquet(tmp_path / "out.parquet")["o"]
    assert column.to_list() == [value]


def test_malformed_lines_go_aside_beside_a_number_that_is_kept(tmp_path: Path) -> None:
    done = converted(
        tmp_path, b'{"o":9007199254740993.01,"k":1}\nnope\n{"o":2,"o":3}\n{"o":"\\ud800"}\n{"o":4,"k":2}\n'
    )
    assert (done.rows, done.rejected) == (2, 3)
    assert pl.read_parquet(tmp_path / "out.parquet").rows() == [("9007199254740993.01", 1), ("4", 2)]
    assert [json.loads(line)["line"] for line in Path(done.rejects or "").read_text().splitlines()] == [2, 3, 4]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_a_double_is_written_as_survives(number: float) -> None:
    assert survives(repr(number))
    assert survives(json.dumps(number))


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30).map(str)
WHOLE = st.integers(-(10**25), 10**25).map(str)


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.lists(NUMBERS | WHOLE, min_size=1, max_size=4), st.booleans())
def test_every_number_says_the_same_afterwards(numbers: list[str], nested: bool) -> None:
    lines = [f'{{"o":{{"y":{each}}}}}' if nested else f'{{"o":{each}}}' for each in numbers]
    with TemporaryDirectory() as folder:
        converted(Path(folder), "\n".join(lines).encode())
        read = pl.read_parquet(Path(folder) / "out.parquet")["o"].to_list()
    for sent, value in zip(numbers, read, strict=True):
        found = json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
        found = found["y"] if nested else found
        said = (repr(found), format(found, ".17g")) if isinstance(found, float) else (found,)  # C prints 17 digits
        assert Decimal(sent) in map(Decimal, said)


@pytest.mark.parametrize("place", [0, 1, 20_000, 39_999])
def test_a_single_number_that_is_cut_is_found_wherever_it_stands(place: int, tmp_path: Path) -> None:
    lines = [b'{"o":0.5,"w":"%s"}\n' % (b"1" * 200) for _ in range(40_000)]
    lines[place] = b'{"o":0.1000000000000000055511,"w":""}\n'
    assert converted(tmp_path, b"".join(lines)).rows == 40_000
    assert pl.read_parquet(tmp_path / "out.parquet")["o"][place] == "0.1000000000000000055511"


@pytest.mark.parametrize("examples_bytes", [0, 1 << 20])
def test_keys_come_in_the_order_in_which_they_are_met(
    examples_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_source, "_EXAMPLES_BYTES", examples_bytes)
    lines = [
        b'{"b":1}',
        b"",
        b"  ",
        b'{"b":2,"a":{"y":1}}',
        b"{}",
        b'{"c":[1],"b":3}',
        b'{"a":{"x":"1"},"b":4.5}',
        b'{"b":5}',
    ]
    converted(tmp_path, b"\n".join(lines * 2000 + [b'{"z":true,"b":1}']))
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found.columns == ["b", "a", "c", "z"]
    assert found.schema["b"] == pl.Float64
    assert found.schema["a"] == pl.Struct({"y": pl.Int64, "x": pl.String})
