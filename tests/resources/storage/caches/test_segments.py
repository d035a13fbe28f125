"""Frames as mapped files: every type comes back as it went, at addresses that Polars need not copy from."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from platform_resources.storage.caches.disk import Draft
from platform_resources.storage.caches.segments import DamagedSegment, SegmentWriter, open_segment

KINDS = [pl.Int8, pl.Int64, pl.UInt64, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time,
         pl.Datetime("us", "UTC"), pl.Datetime("ns"), pl.Duration("us"), pl.Decimal(20, 3), pl.List(pl.String),
         pl.Array(pl.Int16, 2), pl.Struct({"x": pl.Int64, "y": pl.List(pl.Float32)})]  # fmt: skip


def written(path: Path, *frames: pl.DataFrame, piece_bytes: int = 1 << 20) -> Path:
    with Draft(path, "w+b") as file:
        writer = SegmentWriter(file, piece_bytes)
        for each in frames:
            writer.append(each)
        writer.finish()
    return path


def every_type() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "decimal": [Decimal("1.25"), None],
            "text": ["é" * 30, None],
            "nan": [float("nan"), None],
            "zone": [datetime(2024, 2, 29, 1, tzinfo=UTC), None],
            "day": [date(1, 1, 1), None],
            "time": [time(23, 59, 59, 999_999), None],
            "span": [timedelta(days=-1), None],
            "list": [["a", None], None],
            "struct": [{"x": 1, "y": "z"}, None],
            "bytes": [b"\x00\xff", None],
        },
        schema_overrides={"decimal": pl.Decimal(38, 2)},
    ).with_columns(small=pl.Series([2**64 - 1, None], dtype=pl.UInt64), none=pl.lit(None, dtype=pl.Int8))


def test_every_type_comes_back(tmp_path: Path) -> None:
    frame = every_type()
    assert_frame_equal(open_segment(written(tmp_path / "s", frame, frame.clear(), frame)), pl.concat([frame, frame]))


@settings(max_examples=30, deadline=None)
@given(frame=dataframes(allowed_dtypes=KINDS, max_cols=4, max_size=8, allow_null=True), cut=st.integers(0, 8))
def test_any_frame_comes_back_in_any_pieces(
    frame: pl.DataFrame, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("segments") / "s"
    assert_frame_equal(open_segment(written(path, frame.slice(0, cut), frame.slice(cut))), frame)


def test_the_buffers_lie_where_polars_takes_them_without_a_copy(tmp_path: Path) -> None:
    pieces = [pl.DataFrame({"a": pl.Series(range(rows), dtype=pl.Decimal(20, 2))}) for rows in (1001, 1017, 33)]
    frame = open_segment(written(tmp_path / "s", *pieces, piece_bytes=16_000))
    maps = [each.split()[0].split("-") for each in Path("/proc/self/maps").read_text().splitlines() if "/s" in each]
    ranges = [(int(start, 16), int(end, 16)) for start, end in maps]
    assert frame.n_chunks() == 3
    for chunk in frame["a"].get_chunks():
        address = chunk.to_arrow().buffers()[-1].address
        assert address % 16 == 0
        assert any(start <= address < end for start, end in ranges), "the column is a copy, not the file's pages"


def test_many_small_frames_are_one_chunk_and_a_large_one_is_several(tmp_path: Path) -> None:
    small, large = [pl.DataFrame({"a": [number]}) for number in range(40)], pl.DataFrame({"a": range(100_000)})
    assert open_segment(written(tmp_path / "s", *small)).n_chunks() == 1
    frame = open_segment(written(tmp_path / "l", large, large.clear(), piece_bytes=200_000))
    assert frame.n_chunks() == 4
    assert_frame_equal(frame, large)


def test_what_an_earlier_release_wrote_is_damage_and_never_misread(tmp_path: Path) -> None:
    path = written(tmp_path / "s", every_type())
    path.write_bytes(path.read_bytes()[:-1] + b"2")
    with pytest.raises(DamagedSegment, match="has no index"):
        open_segment(path)


def test_a_slice_does_not_bring_the_texts_of_its_neighbours(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": [str(number) * 100 for number in range(10_000)]})
    assert written(tmp_path / "s", frame.slice(0, 10)).stat().st_size < 20_000


def test_a_deleted_file_stays_readable(tmp_path: Path) -> None:
    frame = open_segment(path := written(tmp_path / "s", every_type()))
    path.unlink()
    assert_frame_equal(frame, every_type())


@pytest.mark.parametrize("keep", [0, 1, 15, 16, 200, -1])
def test_a_truncated_file_is_damaged_not_half_a_frame(tmp_path: Path, keep: int) -> None:
    path = written(tmp_path / "s", every_type())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedSegment):
        open_segment(path)


@pytest.mark.parametrize("bit", [0x01, 0x40, 0x80])
def test_a_wrong_bit_in_what_describes_the_columns_and_pieces_is_damage(tmp_path: Path, bit: int) -> None:
    path = written(tmp_path / "s", every_type())
    content = path.read_bytes()
    for at in range(len(content) - 700, len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
        with pytest.raises(DamagedSegment):
            open_segment(path)


def test_a_wrong_bit_in_what_describes_a_batch_is_damage_or_harmless_never_another_error(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(1000), "b": [float(row) for row in range(1000)]})
    path = written(tmp_path / "s", frame)
    content = path.read_bytes()
    batch = content.index(b"\xff\xff\xff\xff", 100)
    damaged = 0
    for at in range(batch, batch + 200):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :])
        try:
            open_segment(path)
        except DamagedSegment:
            damaged += 1
    assert damaged > 10
