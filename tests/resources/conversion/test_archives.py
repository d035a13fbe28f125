"""Archives: of one that is damaged or cut off nothing is used; of one that holds the world only as much as fits."""

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard
from cramjam import snappy

from platform_resources.conversion import convert
from platform_resources.errors import ConversionError
from platform_resources.settings import Settings

SETTINGS = Settings.from_environment({})
ROWS = pl.DataFrame({"id": range(2000), "name": [f"name {place * 7919 % 10007}" for place in range(2000)]})
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
    "snappy": lambda content: bytes(snappy.compress(content)),
}


def written(write: str) -> bytes:
    out = io.BytesIO()
    getattr(ROWS, write)(out)
    return out.getvalue()


CONTENT = {
    "csv": written("write_csv"),
    "json lines": written("write_ndjson"),
    "json": json.dumps(ROWS.to_dicts()).encode(),
    "parquet": written("write_parquet"),
    "arrow": written("write_ipc"),
    "arrow stream": written("write_ipc_stream"),
    "avro": written("write_avro"),
}
CUTS: dict[str, Callable[[bytes], bytes]] = {
    "a byte": lambda packed: packed[:-1],
    "nine bytes": lambda packed: packed[:-9],
    "half": lambda packed: packed[: len(packed) // 2],
    "in the second member": lambda packed: packed + packed[: len(packed) // 2],
    "in the head of the second": lambda packed: packed + packed[:3],
    "something behind": lambda packed: packed + b"7,seven\n",
}


@pytest.mark.parametrize(
    ("content", "cut"), [("csv", cut) for cut in CUTS] + [(content, "nine bytes") for content in CONTENT]
)
@pytest.mark.parametrize("kind", PACK)
def test_nothing_is_used_of_an_archive_that_is_not_whole(kind: str, content: str, cut: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(CUTS[cut](PACK[kind](CONTENT[content])))
    with pytest.raises(
        ConversionError, match=rf"/in: the {kind} archive is damaged or was cut off .*Fix: send the file again\."
    ):
        convert(str(source), str(tmp_path / "out.jsonl"), settings=SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("content", CONTENT)
@pytest.mark.parametrize("kind", PACK)
def test_a_whole_one_is_read_whole(kind: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(PACK[kind](CONTENT[content]))
    done = convert(str(tmp_path / "in"), str(tmp_path / "out.arrow"), settings=SETTINGS)
    assert done.source_compression == kind
    assert pl.read_ipc(tmp_path / "out.arrow").equals(ROWS)


def test_an_archive_in_too_many_others_is_refused(tmp_path: Path) -> None:
    packed = CONTENT["csv"]
    for _ in range(4):
        packed = gzip.compress(packed)
    (tmp_path / "in").write_bytes(packed)
    with pytest.raises(ConversionError, match=r"is packed more than 3 times\. Fix: unpack it first"):
        convert(str(tmp_path / "in"), str(tmp_path / "out.csv"), settings=SETTINGS)


BOMB = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))
from platform_resources.conversion import convert
from platform_resources.errors import ConversionError
from platform_resources.settings import Settings
import platform_resources.storage.compression, pyarrow
try:
    convert(sys.argv[1], sys.argv[2], settings=Settings.from_environment({}))
except ConversionError as error:
    print(error)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""It tells its own memory: what getrusage tells begins with that of the process it was forked from."""


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_an_archive_that_holds_the_world_costs_a_little_memory_and_is_told(kind: str, tmp_path: Path) -> None:
    if kind == "zst":  # 2 GiB in one frame
        packer = zstandard.ZstdCompressor().compressobj()
        packed = b"".join(packer.compress(bytes(1 << 26)) for _ in range(32)) + packer.flush()
    else:
        packed = PACK[kind](bytes(1 << 26)) * 32
    (tmp_path / "in").write_bytes(packed)
    command = [sys.executable, "-c", BOMB, str(tmp_path / "in"), str(tmp_path / "out.csv")]
    told, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "/in: what is in it does not fit on the disk (File too large). Fix: set TMPDIR to a larger one." in told
    assert int(peak) < 400 << 10
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
