"""What is packed comes out as it went in, or not at all."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_resources.errors import CorruptArchive, ObjectError
from platform_resources.storage.compression import SUFFIXES, compression_of, decompress, without_suffix
from platform_resources.storage.objects import ObjectStore
from platform_resources.storage.objects.checksums import crc
from tests.resources.storage.objects.conftest import Bucket

CONTENT = b"a,b\n" + b"1,2\n" * 100_000


def framed(content: bytes) -> bytes:
    """The snappy framing format, as its description says: chunks of at most 65,536 bytes, each with a masked CRC."""
    out = io.BytesIO()
    out.write(b"\xff\x06\x00\x00sNaPpY")
    for number, start in enumerate(range(0, len(content), 65536)):
        piece = content[start : start + 65536]
        found = crc("crc32c", piece)
        masked = (((found >> 15) | (found << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        packed = piece if number % 2 else pa.Codec("snappy").compress(piece, asbytes=True)
        body = struct.pack("<I", masked) + packed
        out.write(bytes([0x01 if number % 2 else 0x00]) + len(body).to_bytes(3, "little") + body)
    out.write(b"\xfe\x02\x00\x00\x00\x00")  # padding, which is to be skipped
    return out.getvalue()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": zstandard.compress,
    "xz": lzma.compress,
    "sz": framed,
    "snappy": lambda content: pa.Codec("snappy").compress(content, asbytes=True),
}


@pytest.mark.parametrize("suffix", PACK)
@given(content=st.binary(max_size=300_000), twice=st.booleans())
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_what_was_packed_comes_out_as_it_went_in(tmp_path: Path, suffix: str, content: bytes, twice: bool) -> None:
    twice = twice and suffix in ("gz", "bz2", "zst", "xz")  # members one after the other, as `cat` makes them
    source = tmp_path / f"x.{suffix}"
    source.write_bytes(PACK[suffix](content) * (1 + twice))
    kind = compression_of(source)
    assert kind is not None
    assert decompress(source, tmp_path / "out", kind) == len(content) * (1 + twice)
    assert (tmp_path / "out").read_bytes() == content * (1 + twice)


@pytest.mark.parametrize("suffix", PACK)
def test_content_that_ends_early_is_refused(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"x.{suffix}"
    packed = PACK[suffix](os.urandom(200_000))
    for size in (len(packed) - 20, len(packed) // 2):
        source.write_bytes(packed[:size])
        kind = compression_of(source)
        assert kind is not None
        with pytest.raises(CorruptArchive, match=r"content is broken.*Fix: have it sent again"):
            decompress(source, tmp_path / "out", kind)


MEMBERS = {
    "gz": gzip.compress(CONTENT[:400]),
    "bz2": bz2.compress(CONTENT[:400]),
    "xz": lzma.compress(CONTENT[:400]),
    "zst": zstandard.compress(CONTENT[:400]),
    "zst of unknown size": zstandard.ZstdCompressor(write_content_size=False).compress(CONTENT[:400]),
    "sz": framed(CONTENT[:400]),
}


@pytest.mark.parametrize("kind", MEMBERS)
def test_an_archive_is_refused_wherever_it_is_cut(tmp_path: Path, kind: str) -> None:
    """But between two members, or two chunks of snappy: that is where such archives end."""
    member, source = MEMBERS[kind], tmp_path / "x"
    taken = set()
    for size in range(len(member) + 1, 2 * len(member)):
        source.write_bytes((member * 2)[:size])
        try:
            decompress(source, tmp_path / "out", compression_of(source) or "snappy")
        except CorruptArchive:
            continue
        taken.add(size - len(member))
    assert taken == ({10, len(member) - 6} if kind == "sz" else set())


@pytest.mark.parametrize("kind", MEMBERS)
@pytest.mark.parametrize("behind", [b"id,name\n", b"\n", b"\x00\x01"])
def test_an_archive_with_something_else_behind_it_is_refused(tmp_path: Path, kind: str, behind: bytes) -> None:
    source = tmp_path / "x"
    source.write_bytes(MEMBERS[kind] + behind)
    with pytest.raises(CorruptArchive, match="content is broken"):
        decompress(source, tmp_path / "out", compression_of(source) or "snappy")


@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_zeros_behind_an_archive_only_fill_up_its_space(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "x"
    source.write_bytes(MEMBERS[kind] + bytes(512) + (MEMBERS[kind] + bytes(512) if kind == "xz" else b""))
    assert decompress(source, tmp_path / "out", compression_of(source) or "snappy") == 400 * (1 + (kind == "xz"))


def test_frames_that_are_to_be_skipped_are(tmp_path: Path) -> None:
    """As pzstd writes them, with sizes for readers that work in parallel."""
    source = tmp_path / "x"
    source.write_bytes((b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + MEMBERS["zst"]) * 2)
    assert compression_of(source) == "zst"
    assert decompress(source, tmp_path / "out", "zst") == 800


def test_xz_that_asks_for_gigabytes_of_memory_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_bytes(lzma.compress(b"a", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28}]))
    with pytest.raises(CorruptArchive, match="Memory usage limit exceeded"):
        decompress(source, tmp_path / "out", "xz")


@pytest.mark.parametrize("kind", MEMBERS)
def test_an_archive_with_another_byte_is_told_in_our_words_or_comes_out_as_it_was(tmp_path: Path, kind: str) -> None:
    """A byte of gzip's header may change without harm; zst has no checksum here, and snappy has kinds to be skipped."""
    source, target = tmp_path / "x", tmp_path / "out"
    for place in range(4, len(MEMBERS[kind])):
        changed = bytearray(MEMBERS[kind])
        changed[place] ^= 0xFF
        source.write_bytes(changed)
        with contextlib.suppress(CorruptArchive):
            decompress(source, target, compression_of(source) or "snappy")
            assert kind.startswith(("zst", "sz")) or target.read_bytes() == CONTENT[:400]


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "sz"])
def test_other_bytes_are_refused_by_the_checksum(tmp_path: Path, kind: str) -> None:
    packed = bytearray(PACK[kind](os.urandom(100_000)))
    packed[-1000] ^= 1
    (tmp_path / "x").write_bytes(packed)
    with pytest.raises(CorruptArchive, match="content is broken"):
        decompress(tmp_path / "x", tmp_path / "out", compression_of(tmp_path / "x") or "snappy")


def test_a_chunk_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(framed(CONTENT) + b"\x02\x01\x00\x00a")
    with pytest.raises(CorruptArchive, match="unknown kind 0x2"):
        decompress(tmp_path / "x", tmp_path / "out", "snappy")


def test_the_content_tells_how_it_is_packed_and_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(gzip.compress(CONTENT))
    (tmp_path / "y.gz").write_bytes(CONTENT)
    assert (compression_of(tmp_path / "x.csv"), compression_of(tmp_path / "y.gz")) == ("gz", None)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_suffix_of_what_is_packed_goes(suffix: str) -> None:
    assert (without_suffix(f"a.csv{suffix}"), without_suffix(suffix)) == ("a.csv", suffix)


def test_an_object_is_unpacked_once_it_is_proven(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    where = bucket.put("a.csv.gz", gzip.compress(CONTENT))
    done = store.get(where, tmp_path / "a.csv.gz", unpack=True)
    assert (done.path.name, done.path.read_bytes()) == ("a.csv", CONTENT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.csv.s3.json"]
    assert store.get(where, tmp_path / "a.csv.gz", unpack=True).fetched_bytes == 0
    assert store.verify(done.path).ok
    done.path.write_bytes(CONTENT[:-1])
    assert not store.verify(done.path).ok


def test_an_object_whose_content_is_broken_leaves_no_file(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    where = bucket.put("a.gz", gzip.compress(CONTENT)[:-9])
    with pytest.raises(CorruptArchive) as caught:
        store.get(where, tmp_path / "a.gz", unpack=True)
    assert str(caught.value).startswith(f"{where}: its gz content is broken")
    assert [path.name for path in tmp_path.iterdir() if ".s3." not in path.name] == []


def test_what_is_not_packed_stays_as_it_is(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    assert store.get(bucket.put("a.csv", CONTENT), tmp_path / "a.csv", unpack=True).path.read_bytes() == CONTENT


def test_two_objects_that_would_become_one_file_are_refused(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("a.csv")
    bucket.put("a.csv.gz", gzip.compress(CONTENT))
    with pytest.raises(ObjectError, match="would both be"):
        store.get_all(store.select(bucket.place), tmp_path, below=bucket.place.key, unpack=True)
