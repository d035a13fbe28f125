"""What was written is read back: each way in which a file can differ is planted, and found."""

import uuid
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from platform_resources.conversion import Options, convert, text_target
from platform_resources.conversion.blocks import ONE_IN, STRETCH_ROWS, Sample
from platform_resources.conversion.chunks import first_plan
from platform_resources.conversion.engine import session
from platform_resources.conversion.targets import Prepared, Target, prepared, target_of
from platform_resources.conversion.text_target import write_text
from platform_resources.conversion.verifying import check
from platform_resources.conversion.writing import Tally
from platform_resources.errors import NotVerified
from platform_resources.settings import Settings
from tests.fault_proxy import fault_proxy
from tests.servers import S3Server

MEMORY = 800_000_000
ROWS = 3 * STRETCH_ROWS
FRAME = pl.DataFrame({"id": range(ROWS), "text": [f'"{number}",\n' for number in range(ROWS)]})
SAMPLE = next(each for each in map(Sample, range(99)) if each.takes(STRETCH_ROWS) and not each.takes(2 * STRETCH_ROWS))
IN_SAMPLE, OUTSIDE = STRETCH_ROWS + 7, 2 * STRETCH_ROWS + 7
TEXTS = ("o.csv", "o.json", "o.jsonl")


class Written:
    """A text file that was written and is not yet verified."""

    def __init__(self, path: Path, sample: Sample) -> None:
        self.path = path
        self.target: Target = target_of(str(path), format_=None, compression=None)
        self.fit: Prepared = prepared(FRAME.schema, self.target)
        self.tally = Tally(first_plan(MEMORY, 4096), lambda _: None, sample)
        write_text(iter([FRAME]), path, self.target, self.fit, self.tally)

    def check(self) -> None:
        scratch = self.path.parent / "scratch"
        scratch.mkdir()
        with session(MEMORY, scratch) as connection:
            check(self.path, self.target, self.fit, self.tally, connection=connection, scratch=scratch)

    def place(self, *, parsed: bool) -> int:
        """A byte in the middle of the last block that is parsed, or is not."""
        start, found = 0, 0
        for block in self.tally.blocks:
            if block.rows and block.parsed == parsed:
                found = start + block.size_bytes // 2
            start += block.size_bytes
        return found

    def flip(self, place: int) -> None:
        with self.path.open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("name", [*TEXTS, "o.csv.gz", "o.json.zst", "o.jsonl.bz2", "o.jsonl.sz"])
@pytest.mark.parametrize("sample", [SAMPLE, Sample()], ids=["sample", "full"])
def test_a_file_as_it_was_written_is_verified(name: str, sample: Sample, tmp_path: Path) -> None:
    written = Written(tmp_path / name, sample)
    written.check()
    assert written.tally.rows == ROWS
    assert written.tally.print_.rows == (ROWS if sample.seed is None else 2 * STRETCH_ROWS)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("parsed", [True, False], ids=["in the sample", "outside it"])
def test_a_flipped_bit_is_found_wherever_it_is(name: str, parsed: bool, tmp_path: Path) -> None:
    written = Written(tmp_path / name, SAMPLE)
    written.flip(written.place(parsed=parsed))
    with pytest.raises(NotVerified, match="have the checksum"):
        written.check()


def test_a_flipped_bit_around_the_rows_is_found(tmp_path: Path) -> None:
    written = Written(tmp_path / "o.json", SAMPLE)
    written.flip(written.path.stat().st_size - 1)
    with pytest.raises(NotVerified, match="have the checksum"):
        written.check()


def test_a_flipped_bit_in_an_archive_is_found_also_where_it_changes_no_text(tmp_path: Path) -> None:
    written = Written(tmp_path / "o.csv.gz", SAMPLE)
    written.flip(4)  # the time in gzip's header
    with pytest.raises(NotVerified, match="its bytes have the checksum"):
        written.check()


@pytest.mark.parametrize("cut", [1, 100_000])
def test_a_file_that_was_cut_off_is_found(cut: int, tmp_path: Path) -> None:
    written = Written(tmp_path / "o.jsonl", SAMPLE)
    with written.path.open("r+b") as file:
        file.truncate(written.path.stat().st_size - cut)
    with pytest.raises(NotVerified, match=r"bytes, and [0-9,]+ were written"):
        written.check()


def spoilt(
    monkeypatch: pytest.MonkeyPatch, name: str, victim: int, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    """Lets the encoder of a format change the rows of the chunk in which one of them is."""
    format_ = name.partition(".")[2]
    encode = text_target._ENCODERS[format_]

    def wrong(rows: pl.DataFrame, target: Target, out: text_target._Pieces) -> None:
        met = "id" in rows.columns and rows["id"].is_in([victim]).any()
        encode(change(rows) if met else rows, target, out)

    monkeypatch.setitem(text_target._ENCODERS, format_, wrong)


def lost(rows: pl.DataFrame) -> pl.DataFrame:
    return rows[:-1]


def doubled(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, rows[-1:]])


def altered(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("id").replace({IN_SAMPLE: -1, OUTSIDE: -1}))


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("change", [lost, doubled])
@pytest.mark.parametrize("victim", [IN_SAMPLE, OUTSIDE], ids=["in the sample", "outside it"])
def test_a_line_that_an_encoder_loses_or_doubles_is_found(
    name: str,
    change: Callable[[pl.DataFrame], pl.DataFrame],
    victim: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoilt(monkeypatch, name, victim, change)
    with pytest.raises(NotVerified, match=r"rows, and [0-9,]+ were to be written"):
        Written(tmp_path / name, SAMPLE).check()


@pytest.mark.parametrize("name", TEXTS)
def test_a_wrong_value_is_found_in_the_sample_and_elsewhere_only_when_all_is_parsed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt(monkeypatch, name, IN_SAMPLE, altered)
    with pytest.raises(NotVerified, match="rows with hash"):
        Written(new(tmp_path / "a") / name, SAMPLE).check()
    monkeypatch.undo()
    spoilt(monkeypatch, name, OUTSIDE, altered)
    Written(new(tmp_path / "b") / name, SAMPLE).check()  # what a sample is: this one is missed
    with pytest.raises(NotVerified, match="rows with hash"):
        Written(new(tmp_path / "c") / name, Sample()).check()


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_quotes_and_line_ends_within_values_are_no_rows(tmp_path: Path) -> None:
    odd = ['"', "\n", '""\n"', "a\r\nb", "", 'x"' * 200_001, '\n"' * 150_000, "plain"]
    pl.DataFrame({"v": odd, "w": odd[::-1]}).write_parquet(tmp_path / "in.parquet")
    for name in TEXTS:
        done = convert(str(tmp_path / "in.parquet"), str(tmp_path / name), settings=Settings.from_environment({}))
        assert done.rows == done.parsed_rows == len(odd)


def test_a_sample_is_the_first_rows_and_one_stretch_of_every_32() -> None:
    for seed in range(20):
        taken = [Sample(seed).takes(stretch * STRETCH_ROWS) for stretch in range(1 + 5 * ONE_IN)]
        assert taken[0]
        assert [sum(taken[1 + run * ONE_IN : 1 + (run + 1) * ONE_IN]) for run in range(5)] == [1] * 5
        assert all(Sample(seed).takes(row) for row in (0, 1, STRETCH_ROWS - 1))
    chosen = {tuple(Sample(seed).takes(stretch * STRETCH_ROWS) for stretch in range(ONE_IN)) for seed in range(20)}
    assert len(chosen) > 1


def test_what_was_verified_is_said(tmp_path: Path) -> None:
    def run(source: str, target: str, **known: str) -> tuple[int, str, bool]:
        done = convert(
            str(tmp_path / source), str(tmp_path / target), settings=Settings.from_environment({}),
            options=Options(**known),  # type: ignore[arg-type]  # as the caller names them
        )  # fmt: skip
        return done.parsed_rows, done.verified, done.content_hash is not None

    FRAME.write_parquet(tmp_path / "many.parquet")
    FRAME[:30_000].write_parquet(tmp_path / "few.parquet")
    some, told, whole = run("many.parquet", "a.jsonl")
    assert STRETCH_ROWS <= some < ROWS
    assert (told, whole) == (f"{ROWS:,} rows counted, every byte compared, {some:,} rows parsed and compared", False)
    all_parsed = "{0:,} rows counted, every byte compared, {0:,} rows parsed and compared".format
    assert run("many.parquet", "b.jsonl", verify="full") == (ROWS, all_parsed(ROWS), True)
    assert run("few.parquet", "c.csv") == (30_000, all_parsed(30_000), True)
    assert run("many.parquet", "d.arrow") == (ROWS, f"{ROWS:,} rows read back and compared", True)


@pytest.fixture
def stored(s3: S3Server, tmp_path: Path) -> tuple[S3Server, str]:
    (tmp_path / "in.csv").write_text("a\n1\n2\n")
    return s3, f"s3://{s3.bucket}/{uuid.uuid4().hex}"


@pytest.mark.parametrize("name", ["o.jsonl", "o.csv.gz", "o.parquet", "o.arrow"])
def test_an_object_is_read_back_from_s3_and_taken_away_where_it_has_other_bytes(
    name: str, stored: tuple[S3Server, str], tmp_path: Path
) -> None:
    server, root = stored
    direct, overwrite = Settings.from_environment(server.environment), Options(overwrite=True)
    done = convert(str(tmp_path / "in.csv"), f"{root}/{name}", settings=direct, options=overwrite)
    assert done.verified.endswith("every byte read from S3 and compared")
    with fault_proxy(server.endpoint, ["corrupted"], rate=1.0) as proxy:
        settings = Settings.from_environment(server.through(proxy.endpoint).environment)
        with pytest.raises(NotVerified, match="its bytes have the checksum"):
            convert(str(tmp_path / "in.csv"), f"{root}/{name}", settings=settings, options=overwrite)
    convert(str(tmp_path / "in.csv"), f"{root}/{name}", settings=direct)  # nothing stands there
