"""Names and dates that a format cannot hold are refused by name, or renamed; no library fails at them in its way."""

import json
from pathlib import Path

import polars as pl
import pytest

from platform_resources.conversion import Conversion, convert
from platform_resources.errors import ConversionError
from platform_resources.settings import Settings


def converted(folder: Path, source: str, target: str) -> Conversion:
    return convert(str(folder / source), str(folder / target), settings=Settings.from_environment({}))


@pytest.mark.parametrize("target", ["o.parquet", "o.jsonl", "o.csv", "o.delta"])
@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ('{"A":1,"a":2}\n', ["A", "a_2"]),
        ('{"A":1}\n{"a":2,"a_2":3}\n', ["A", "a_3", "a_2"]),
        ('{"":1,"b":{"A":1,"a":2}}\n', ["column_1", "b"]),
        ('{}\n{"a":1}\n', ["a"]),
    ],
)
def test_keys_that_no_table_tells_apart_are_renamed(
    content: str, columns: list[str], target: str, tmp_path: Path
) -> None:
    (tmp_path / "in.json").write_text(content)
    done = converted(tmp_path, "in.json", target)
    assert (list(done.columns), done.rows, done.rejected) == (columns, content.count("\n"), 0)


@pytest.mark.parametrize("content", ["{}\n{}\n", "[{}, {}]"])
def test_objects_without_a_key_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(content)
    with pytest.raises(ConversionError, match=r"in\.json: no line of it is a JSON object with a key\. Fix: "):
        converted(tmp_path, "in.json", "o.parquet")


@pytest.mark.parametrize("target", ["o.json", "o.jsonl", "o.delta"])
@pytest.mark.parametrize("source", ["in.csv", "in.parquet"])
def test_columns_that_differ_in_case_alone_are_refused_where_they_fall_together(
    source: str, target: str, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("A,a,b\n1,2,3\n")
    pl.DataFrame({"A": [1], "a": [2], "b": [3]}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(ConversionError, match=r"o\.\w+: columns A, a differ only in case.*Fix: rename one"):
        converted(tmp_path, source, target)
    assert not (tmp_path / target).exists()
    assert list(converted(tmp_path, source, "o.parquet").columns) == ["A", "a", "b"]


@pytest.mark.parametrize("target", ["o.csv", "o.jsonl", "o.arrow"])
def test_a_column_without_a_name_is_refused_where_it_needs_one(target: str, tmp_path: Path) -> None:
    pl.DataFrame({"": [1], "b": [2]}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(ConversionError, match=r"a column without a name cannot be written as \w+\. Fix: name it"):
        converted(tmp_path, "in.parquet", target)
    assert not (tmp_path / target).exists()


DAYS = pl.Series([0, 2**31 - 1, None], dtype=pl.Int32).cast(pl.Date)
TIMES = pl.Series([0, -(2**63) + 1, None], dtype=pl.Int64).cast(pl.Datetime("us"))


@pytest.mark.parametrize(
    ("far", "target"),
    [(DAYS, "o.csv"), (DAYS, "o.json"), (DAYS, "o.jsonl"), (DAYS, "o.delta"), (TIMES, "o.csv"), (TIMES, "o.jsonl")],
    ids=lambda each: each if isinstance(each, str) else str(each.dtype.base_type()),
)
def test_a_date_beyond_the_calendar_is_refused_by_its_column(
    far: pl.Series, target: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame({"id": [1, 2, 3], "when": far}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(
        ConversionError, match=r"column when has a date (more than 260,000|outside of the).*Fix: correct it"
    ):
        converted(tmp_path, "in.parquet", target)
    assert "panicked" not in capfd.readouterr().err
    assert not [path for path in tmp_path.rglob("o.*") if path.is_file()]
    assert converted(tmp_path, "in.parquet", "o.parquet").rows == 3


@pytest.mark.parametrize("target", ["o.csv", "o.jsonl"])
@pytest.mark.parametrize("kind", [pl.Date(), pl.Datetime("us"), pl.Datetime("ms")], ids=["date", "us", "ms"])
def test_years_of_more_than_four_digits_are_refused_also_behind_the_sample(
    kind: pl.DataType, target: str, tmp_path: Path
) -> None:
    def written(day: int) -> None:
        days = pl.Series("when", [0] * 70_000 + [day], dtype=pl.Int32).cast(pl.Date).cast(kind)
        days.to_frame().write_parquet(tmp_path / "in.parquet")
        converted(tmp_path, "in.parquet", target)
        (tmp_path / target).unlink()

    for last, beyond in ((-4_371_587, -4_371_588), (2_932_896, 2_932_897)):
        written(last)
        with pytest.raises(ConversionError, match="column when has a date outside of the years -9999 to 9999"):
            written(beyond)
    assert [each.name for each in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("source", ["in.parquet", "in.arrow"])
def test_a_table_without_columns_is_refused(source: str, tmp_path: Path) -> None:
    frame = pl.DataFrame()
    frame.write_parquet(tmp_path / source) if source == "in.parquet" else frame.write_ipc(tmp_path / source)
    with pytest.raises(ConversionError, match=r"in\.\w+: has no columns\. Fix: "):
        converted(tmp_path, source, "o.csv")


@pytest.mark.parametrize("target", ["o.csv", "o.jsonl", "o.parquet", "o.arrow"])
@pytest.mark.parametrize("source", ["in.parquet", "in.arrow"])
@pytest.mark.parametrize("kind", [pl.Int128, pl.UInt128])
def test_integers_of_128_bits_keep_their_digits_as_text(
    source: str, target: str, kind: type[pl.DataType], tmp_path: Path
) -> None:
    """Polars writes them into Parquet and Arrow files; Arrow, and with it most others, cannot open such a file."""
    values = [0, None, 2**100, 2**127 - 1] + ([-(2**127)] if kind is pl.Int128 else [2**128 - 1])
    frame = pl.DataFrame({"wide": values, "n": range(5)}, schema={"wide": kind, "n": pl.Int64})
    frame = frame.with_columns(within=pl.struct("wide"))
    frame.write_parquet(tmp_path / "in.parquet")
    frame.write_ipc(tmp_path / "in.arrow")
    done = converted(tmp_path, source, target)
    assert (done.rows, done.columns["wide"]) == (5, "String")
    assert done.changes["wide"] == f"{kind.__name__} is written as text"
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet, "arrow": pl.read_ipc}
    how = {"schema_overrides": {"wide": pl.String}} if target == "o.csv" else {}
    back = read[target.removeprefix("o.")](tmp_path / target, **how)
    assert back["wide"].to_list() == [None if each is None else str(each) for each in values]
    assert json.loads(back["within"][2]) == {"wide": 2**100}


def test_a_file_with_such_integers_goes_through_in_pieces(tmp_path: Path) -> None:
    frame = pl.select(pl.int_range(0, 100_000, dtype=pl.Int128).alias("wide") + 2**100)
    frame.write_parquet(tmp_path / "in.parquet", row_group_size=10_000)
    assert converted(tmp_path, "in.parquet", "o.parquet").rows == 100_000
    assert pl.read_parquet(tmp_path / "o.parquet")["wide"].cast(pl.Int128).equals(frame["wide"])
