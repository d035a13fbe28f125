"""A text becomes a double only where the double says all of it, in the first rows and in the last."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_resources.conversion import convert
from platform_resources.readers.numerals import are_doubles
from platform_resources.settings import Settings

LOSSY = ["9007199254740993.0", "0.1234567890123456789", "1e400", "-1e400", "1e-400", "0.0e1e", "00.5", "-00.5", "+1.5",
         "1_0.5", "1,5", " 1.5", "", "12345678901234567", "1" * 500 + ".5"]  # fmt: skip
EXACT = ["0", "-0", "0.0", "-0.0", "0e5", "1.50", "1e3", "0.1", "1.7976931348623157e308", "5e-324", "-2.5E-3",
         "0.30000000000000004", "0.10000000000000001", "33829.490000000002"]  # fmt: skip


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False))))
def test_doubles_are_known_as_they_are_printed(values: list[float | None]) -> None:
    assert are_doubles(pl.Series([None if value is None else repr(value) for value in values], dtype=pl.String))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_doubles_are_known_in_the_digits_that_c_prints(values: list[float]) -> None:
    assert are_doubles(pl.Series([format(each, ".17g") for each in values if not each.is_integer()], dtype=pl.String))


@pytest.mark.parametrize("text", LOSSY)
def test_one_text_of_which_a_double_would_lose_something_is_enough(text: str) -> None:
    assert not are_doubles(pl.Series(["1.5", None, text]))


@pytest.mark.parametrize("text", EXACT)
def test_a_text_that_a_double_says_is_one(text: str) -> None:
    assert are_doubles(pl.Series(["1.5", text, "nan"]))


@pytest.mark.parametrize("text", [*LOSSY, *EXACT, "inf", "-inf", "NaN", "-0.012345678901234568", "-123.45678901234567"])
def test_a_late_value_is_held_to_the_rule_of_the_first_ones(text: str, tmp_path: Path) -> None:
    rows = [f"{number}.5,x" for number in range(80_000)]
    rows[70_000] = f'"{text}",x'
    (tmp_path / "in.csv").write_text("\n".join(["v,k", *rows]) + "\n")
    convert(str(tmp_path / "in.csv"), str(tmp_path / "out.parquet"), settings=Settings.from_environment({}))
    found = pl.read_parquet(tmp_path / "out.parquet")["v"]
    whole = text in EXACT or text not in LOSSY
    assert found.dtype == (pl.Float64 if whole else pl.String)
    assert str(found[70_000]) == (str(float(text)) if whole else text)
