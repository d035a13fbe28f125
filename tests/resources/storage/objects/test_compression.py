"""What is packed comes out as it went in, or not at all."""

import bz2
import gzip
import io
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
from platform_resources.storage.objects import ObjectStore
from platform_resources.storage.objects.checksums import crc
from platform_resources.storage.objects.compression import SUFFIXES, compression_of, decompress, without_suffix
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
    "sz": framed,
    "snappy": lambda content: pa.Codec("snappy").compress(content, asbytes=True),
}


@pytest.mark.parametrize("suffix", PACK)
@given(content=st.binary(max_size=300_000), twice=st.booleans())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_packed_comes_out_as_it_went_in(tmp_path: Path, suffix: str, content: bytes, twice: bool) -> None:
    twice = twice and suffix in ("gz", "bz2", "zst")  # members one after the other, as `cat` makes them
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


def test_a_frame_with_other_bytes_is_refused(tmp_path: Path) -> None:
    packed = bytearray(framed(os.urandom(100_000)))
    packed[-1000] ^= 1
    (tmp_path / "x.sz").write_bytes(packed)
    with pytest.raises(CorruptArchive, match="a checksum inside it is wrong"):
        decompress(tmp_path / "x.sz", tmp_path / "out", "snappy")


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
    with pytest.raises(CorruptArchive):
        store.get(where, tmp_path / "a.gz", unpack=True)
    assert [path.name for path in tmp_path.iterdir() if ".s3." not in path.name] == []


def test_what_is_not_packed_stays_as_it_is(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    assert store.get(bucket.put("a.csv", CONTENT), tmp_path / "a.csv", unpack=True).path.read_bytes() == CONTENT


def test_two_objects_that_would_become_one_file_are_refused(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("a.csv")
    bucket.put("a.csv.gz", gzip.compress(CONTENT))
    with pytest.raises(ObjectError, match="would both be"):
        store.get_all(store.select(bucket.place), tmp_path, below=bucket.place.key, unpack=True)
