"""A download of 1 GB over loopback from a real S3 server, beside boto3, obstore and pyarrow; and what a kill costs.

Ours compares every byte with S3's checksum before the file takes its place; the peers' ranged downloads compare none.
The server is versitygw (PATH or VERSITYGW; `.ci/versitygw` builds it): moto reads the whole object for each range.
Clients are made, and their modules imported, before the clock starts. BENCH_S3_MIB makes the object smaller.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness import REPOSITORY, Case, Facts, main

sys.path.insert(0, str(REPOSITORY))

from platform_resources.s3 import S3Settings
from tests.servers import real_s3_server, versitygw

if TYPE_CHECKING:
    from platform_resources.storage.objects import ObjectStore

MIB = 1 << 20
SIZE = int(os.environ.get("BENCH_S3_MIB", "1024")) * MIB
BUCKET, KEY = "lake", "big"
ADDRESS = f"s3://{BUCKET}/{KEY}"
RANGE, WORKERS = 8 * MIB, 8
_ENDPOINT = "BENCH_S3_ENDPOINT"
_DIES = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
from objects import ADDRESS, SIZE, store
left = SIZE // 2
def progress(size):
    global left
    left -= size
    if left <= 0: os.kill(os.getpid(), signal.SIGKILL)
store().get(ADDRESS, sys.argv[1], progress=progress)
"""


def settings() -> S3Settings:
    """The server of this run."""
    keys = {"access_key_id": "testing", "secret_access_key": "testing-secret"}
    return S3Settings(endpoint_url=os.environ[_ENDPOINT], path_style=True, **keys)


def store() -> "ObjectStore":
    """Our side."""
    from platform_resources.storage.objects import ObjectStore

    return ObjectStore(settings())


def upload() -> None:
    """Puts the object as boto3 does by default: in parts of 8 MiB, each with a CRC32."""
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(SIZE // MIB):
            file.write(os.urandom(MIB))
        file.flush()
        settings().boto3_client().upload_file(file.name, BUCKET, KEY)


def _done(path: Path, **facts: object) -> Facts:
    assert path.stat().st_size == SIZE
    return facts


def _fresh(folder: Path) -> Path:
    """A place where nothing was fetched yet."""
    return Path(tempfile.mkdtemp(dir=folder)) / "out"


def _warm(ready: "ObjectStore", folder: Path) -> None:
    """Fetches a small object, so that what is imported at first use is there."""
    ready.settings.boto3_client().put_object(Bucket=BUCKET, Key="small", Body=b"x")
    ready.get(f"s3://{BUCKET}/small", _fresh(folder))


def ours(folder: Path) -> Iterator[Facts | None]:
    path, ready = _fresh(folder), store()
    _warm(ready, folder)
    yield None
    done = ready.get(ADDRESS, path)
    yield _done(path, proven_by=" ".join(each.name for each in done.checks))
    path.unlink()


def by_boto3(folder: Path) -> Iterator[Facts | None]:
    path, client = _fresh(folder), settings().boto3_client()
    client.head_object(Bucket=BUCKET, Key=KEY)
    yield None
    client.download_file(BUCKET, KEY, str(path))
    yield _done(path)
    path.unlink()


def by_obstore(folder: Path) -> Iterator[Facts | None]:
    path, ready = _fresh(folder), settings().obstore(BUCKET)
    ready.head(KEY)
    yield None
    with path.open("wb") as out:
        for block in ready.get(KEY).stream(min_chunk_size=RANGE):
            out.write(block)
    yield _done(path)
    path.unlink()


def by_obstore_ranges(folder: Path) -> Iterator[Facts | None]:
    from concurrent.futures import ThreadPoolExecutor

    path, ready = _fresh(folder), settings().obstore(BUCKET)
    ready.head(KEY)
    yield None
    handle = os.open(path, os.O_RDWR | os.O_CREAT)

    def fetch(start: int) -> None:
        os.pwrite(handle, ready.get_range(KEY, start=start, end=min(start + RANGE, SIZE)), start)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(fetch, range(0, SIZE, RANGE)))
    os.close(handle)
    yield _done(path)
    path.unlink()


def by_pyarrow(folder: Path) -> Iterator[Facts | None]:
    import pyarrow.fs

    address = os.environ[_ENDPOINT].removeprefix("http://")
    keys = {"access_key": "testing", "secret_key": "testing-secret"}
    path = _fresh(folder)
    ready = pyarrow.fs.S3FileSystem(endpoint_override=address, scheme="http", region="us-east-1", **keys)
    ready.get_file_info(f"{BUCKET}/{KEY}")
    yield None
    with ready.open_input_stream(f"{BUCKET}/{KEY}") as stream, path.open("wb") as out:
        while block := stream.read(RANGE):
            out.write(block)
    yield _done(path)
    path.unlink()


def resumed(folder: Path) -> Iterator[Facts | None]:
    path, ready = _fresh(folder), store()
    _warm(ready, folder)
    command = [sys.executable, "-c", _DIES, str(path), "", str(Path(__file__).parent)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    yield None
    done = ready.get(ADDRESS, path)
    yield _done(path, fetched=f"{done.fetched_bytes / SIZE:.1%} of the object")
    path.unlink()


SKIP = "" if versitygw() else "no versitygw on PATH and none named by VERSITYGW"
PEERS = {
    "boto3 download_file": by_boto3,
    "obstore, one stream": by_obstore,
    "obstore, 8 ranges side by side": by_obstore_ranges,
    "pyarrow, one stream": by_pyarrow,
}
TABLE = f"{SIZE // MIB} MiB from versitygw to a file"
CASES = [
    Case("ours, verified", ours, against=tuple(PEERS), table=TABLE, skip=SKIP),
    *(Case(name, steps, table=TABLE, skip=SKIP) for name, steps in PEERS.items()),
    Case("ours, after a kill at 50 %", resumed, against=("ours, verified",), table=TABLE, skip=SKIP),
]


if __name__ == "__main__":
    if "--case" in sys.argv or SKIP:
        main(CASES)
    else:
        with (
            tempfile.TemporaryDirectory(prefix="platform-s3-") as name,
            real_s3_server(Path(name) / "server") as server,
        ):
            os.environ[_ENDPOINT] = server.endpoint
            upload()
            main(CASES)
