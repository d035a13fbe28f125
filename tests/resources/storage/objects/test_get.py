"""A file is what S3 holds, whole and in its place, or it is not there."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_resources.errors import ObjectError
from platform_resources.storage.objects import Address, ObjectStore
from platform_resources.storage.objects.address import place as place_of
from platform_resources.storage.objects.facts import facts_of, read_sidecar
from platform_resources.storage.objects.ranges import Range, ranges_of, requests_of
from tests.fault_proxy import fault_proxy
from tests.resources.storage.objects.conftest import RANGE_BYTES, Bucket
from tests.servers import S3Server

MIB = 1 << 20
BLOCK = hashlib.sha256(b"seed").digest() * 128


def content_of(size: int) -> bytes:
    """Bytes in which no two blocks are the same."""
    blocks = size // len(BLOCK) + 1
    return b"".join(number.to_bytes(8, "big") + BLOCK[8:] for number in range(blocks))[:size]


@pytest.mark.parametrize("size", [0, 1, RANGE_BYTES, RANGE_BYTES + 1, 3 * RANGE_BYTES - 1])
def test_an_object_of_any_size_comes_whole(store: ObjectStore, bucket: Bucket, tmp_path: Path, size: int) -> None:
    done = store.get(bucket.put("o", content_of(size)), tmp_path / "o")
    assert done.path.read_bytes() == content_of(size)
    assert (done.fetched_bytes, done.resumed_bytes) == (size, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o", "o.s3.json"]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_each_checksum_that_s3_keeps_is_compared(
    store: ObjectStore, bucket: Bucket, tmp_path: Path, algorithm: str
) -> None:
    done = store.get(bucket.put("o", content_of(3 * RANGE_BYTES + 1), ChecksumAlgorithm=algorithm), tmp_path / "o")
    assert [(each.name, each.state) for each in done.checks] == [("size", "matches"), (algorithm.lower(), "matches")]


@pytest.mark.parametrize(
    ("algorithm", "sizes"), [(None, [5, 1]), ("CRC32", [5, 6, 1]), ("SHA256", [6, 5, 0]), ("CRC64NVME", [5, 5, 1])]
)
def test_an_upload_in_parts_is_proven_by_its_checksum_and_by_its_etag(
    store: ObjectStore, bucket: Bucket, tmp_path: Path, algorithm: str | None, sizes: list[int]
) -> None:
    parts = [content_of(size * MIB + number) for number, size in enumerate(sizes)]
    more = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    done = store.get(bucket.put_parts("o", parts, **more), tmp_path / "o")
    assert done.path.read_bytes() == b"".join(parts)
    assert done.facts.part_sizes == tuple(map(len, parts))
    states = {each.name: each.state for each in store.verify(done.path).checks}
    assert states["etag"] == "matches"
    assert set(states.values()) == {"matches"}


def test_metadata_is_kept_beside_the_file(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    where = bucket.put("o.csv", b"a,b\n", Metadata={"run": "7"}, ContentType="text/csv")
    done = store.get(where, tmp_path / "o.csv")
    told = json.loads((tmp_path / "o.csv.s3.json").read_text())
    assert told["object"]["metadata"] == {"run": "7"}
    assert (told["object"]["content_type"], told["object"]["etag"]) == ("text/csv", done.facts.etag)
    assert read_sidecar(done.path)[0] == done.facts
    assert done.lineage["source"] == where


def test_a_file_that_is_there_is_not_fetched_again(server: S3Server, bucket: Bucket, tmp_path: Path) -> None:
    where = bucket.put("o", content_of(MIB))
    with fault_proxy(server.endpoint, rate=0) as proxy:
        through = ObjectStore(server.through(proxy.endpoint).settings, range_bytes=RANGE_BYTES)
        through.get(where, tmp_path / "o")
        before = proxy.body_bytes
        assert through.get(where, tmp_path / "o").fetched_bytes == 0
        assert proxy.body_bytes == before


@pytest.mark.parametrize("change", ["touched", "gone", "no metadata", "torn metadata"])
def test_a_file_that_is_no_longer_what_was_fetched_is_fetched_again(
    store: ObjectStore, bucket: Bucket, tmp_path: Path, change: str
) -> None:
    where, path = bucket.put("o", b"right"), tmp_path / "o"
    store.get(where, path)
    sidecar = tmp_path / "o.s3.json"
    {
        "touched": lambda: path.write_bytes(b"wrong"),
        "gone": path.unlink,
        "no metadata": sidecar.unlink,
        "torn metadata": lambda: sidecar.write_text(sidecar.read_text()[:50]),
    }[change]()
    assert store.get(where, path).fetched_bytes == 5
    assert path.read_bytes() == b"right"


def test_a_new_version_takes_the_place_of_the_old_one(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    where = bucket.put("o", b"old")
    store.get(where, tmp_path / "o")
    bucket.put("o", b"new")
    assert store.verify(tmp_path / "o").replaced
    assert store.get(where, tmp_path / "o").path.read_bytes() == b"new"


def test_an_object_that_changes_while_it_is_fetched_is_never_mixed(
    server: S3Server, bucket: Bucket, tmp_path: Path
) -> None:
    store = ObjectStore(server.settings, range_bytes=RANGE_BYTES, request_bytes=RANGE_BYTES)
    where, new = bucket.put("o", content_of(64 * RANGE_BYTES)), content_of(64 * RANGE_BYTES)[::-1]
    lock, changed = threading.Lock(), []

    def change(_: int) -> None:
        with lock:
            if not changed:
                changed.append(bucket.put("o", new))

    assert store.get(where, tmp_path / "o", progress=change).path.read_bytes() == new


KILLED = """
import os, signal, sys
from platform_resources.settings import Settings
from platform_resources.storage.objects import ObjectStore
left = int(sys.argv[3])
def progress(size):
    global left
    left -= size
    if left <= 0: os.kill(os.getpid(), signal.SIGKILL)
store = ObjectStore(Settings.from_environment().s3, range_bytes=int(sys.argv[4]))
store.get(sys.argv[1], sys.argv[2], progress=progress)
"""


def kill_at(server: S3Server, where: str, path: Path, size: int) -> None:
    """Fetches in a process of its own that dies once that many bytes are there."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **server.environment}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, where, str(path), str(size), str(RANGE_BYTES)], env=environment, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_killed_in_the_middle_it_goes_on_from_what_is_on_disk(server: S3Server, bucket: Bucket, tmp_path: Path) -> None:
    size = 64 * RANGE_BYTES
    where, path = bucket.put("o", content_of(size)), tmp_path / "o"
    kill_at(server, where, path, size // 2)
    assert not path.exists()
    with fault_proxy(server.endpoint, rate=0) as proxy:
        done = ObjectStore(server.through(proxy.endpoint).settings, range_bytes=RANGE_BYTES).get(where, path)
        assert proxy.body_bytes <= 0.55 * size
    assert done.fetched_bytes + done.resumed_bytes == size
    assert path.read_bytes() == content_of(size)


@pytest.mark.parametrize("damage", ["flipped", "cut off", "torn journal", "other object"])
def test_what_a_killed_attempt_left_is_trusted_only_after_a_look(
    server: S3Server, store: ObjectStore, bucket: Bucket, tmp_path: Path, damage: str
) -> None:
    size = 32 * RANGE_BYTES
    where, path = bucket.put("o", content_of(size)), tmp_path / "o"
    kill_at(server, where, path, 16 * RANGE_BYTES)
    part, journal = tmp_path / "o.s3.part", tmp_path / "o.s3.journal"
    if damage == "flipped":
        with part.open("r+b") as file:
            for place in range(0, size, RANGE_BYTES // 2):
                file.seek(place)
                file.write(b"!")
    elif damage == "cut off":
        os.truncate(part, RANGE_BYTES + 7)
    elif damage == "torn journal":
        os.truncate(journal, journal.stat().st_size - 3)
    else:
        bucket.put("o", content_of(size)[::-1])
    expected = content_of(size)[::-1] if damage == "other object" else content_of(size)
    assert store.get(where, path).path.read_bytes() == expected
    assert sorted(each.name for each in tmp_path.iterdir()) == ["o", "o.s3.json"]


def test_an_attempt_killed_before_it_named_the_new_object_leaves_nothing_wrong(
    store: ObjectStore, bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "o.s3.part").write_bytes(content_of(9 * RANGE_BYTES))
    (tmp_path / "o.s3.journal").touch()
    assert store.get(bucket.put("o", b"short"), tmp_path / "o").path.read_bytes() == b"short"


def test_the_version_from_before_there_were_versions_can_be_fetched(bucket: Bucket, tmp_path: Path) -> None:
    name = f"versions-{uuid.uuid4().hex[:8]}"
    store = ObjectStore(bucket.server.settings)
    bucket.client.create_bucket(Bucket=name)
    bucket.client.put_object(Bucket=name, Key="o", Body=b"old")
    try:
        bucket.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    except ClientError:
        pytest.skip("this server keeps no versions")
    bucket.client.put_object(Bucket=name, Key="o", Body=b"new")
    assert store.get(f"s3://{name}/o", tmp_path / "new").path.read_bytes() == b"new"
    done = store.get(f"s3://{name}/o", tmp_path / "old", version="null")
    assert (done.path.read_bytes(), done.lineage["version"]) == (b"old", "null")


@pytest.mark.parametrize(("name", "told"), [("x" * 250, "choose a shorter name"), ("link", "remove the link")])
def test_a_place_that_cannot_be_written_is_named_with_the_fix(
    store: ObjectStore, bucket: Bucket, tmp_path: Path, name: str, told: str
) -> None:
    (tmp_path / "link.s3.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ObjectError, match=rf"{name[:9]}.* cannot be written: .*{told}"):
        store.get(bucket.put("o"), tmp_path / name)


def test_two_that_fetch_the_same_file_fetch_it_once(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    where = bucket.put("o", content_of(4 * RANGE_BYTES))
    found = []
    threads = [threading.Thread(target=lambda: found.append(store.get(where, tmp_path / "o"))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each.fetched_bytes for each in found) == [0, 0, 0, 4 * RANGE_BYTES]
    assert (tmp_path / "o").read_bytes() == content_of(4 * RANGE_BYTES)


def test_several_objects_lie_below_the_folder_as_they_lie_below_the_prefix(
    store: ObjectStore, bucket: Bucket, tmp_path: Path
) -> None:
    for name in ("day/1/é.csv", "day/2/b.csv", "other"):
        bucket.put(name, name.encode())
    prefix = f"{bucket.place.key}da"
    wanted = store.select(Address(bucket.place.bucket, prefix))
    done = store.get_all(wanted, tmp_path, below=prefix)
    assert [str(each.path.relative_to(tmp_path)) for each in done] == ["day/1/é.csv", "day/2/b.csv"]
    assert [each.path.read_bytes() for each in done] == [b"day/1/\xc3\xa9.csv", b"day/2/b.csv"]


ESCAPES = ["../up", "a/../../up", "/etc/passwd", "a//b", "a/./b", "..", ".", "", "nul\0", "x.s3.json", "é" * 200]


@pytest.mark.parametrize("key", ESCAPES)
def test_a_key_that_would_leave_the_folder_is_refused_before_anything_is_fetched(key: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectError, match="cannot be a file below"):
        place_of(tmp_path, f"p/{key}", below="p/")


@given(st.text(max_size=40), st.text(max_size=10))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_key_whatever_leaves_the_folder(tmp_path: Path, key: str, below: str) -> None:
    try:
        path = place_of(tmp_path, key, below=below)
    except ObjectError:
        return
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert path != tmp_path


def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    with pytest.raises(ObjectError, match="a link leads out of it"):
        place_of(tmp_path / "in", "out/file")


def test_a_name_that_is_a_file_and_a_folder_is_a_clear_error(
    store: ObjectStore, bucket: Bucket, tmp_path: Path
) -> None:
    store.get(bucket.put("one"), tmp_path / "a")
    with pytest.raises(ObjectError, match="cannot be written"):
        store.get(bucket.put("two"), tmp_path / "a" / "b")


def test_verify_tells_a_file_that_was_changed(store: ObjectStore, bucket: Bucket, tmp_path: Path) -> None:
    done = store.get(bucket.put("o", b"right"), tmp_path / "o")
    assert store.verify(done.path).ok
    done.path.write_bytes(b"wrong")
    found = store.verify(done.path, ask=False)
    assert not found.ok
    assert {each.name: each.state for each in found.checks}["etag"] == "differs"
    done.path.write_bytes(b"longer than it was")
    assert [(each.name, each.state) for each in store.verify(done.path, ask=False).checks] == [("size", "differs")]


def test_a_file_that_was_never_fetched_cannot_be_verified(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "o").write_bytes(b"mine")
    with pytest.raises(ObjectError, match="is no file that was fetched"):
        store.verify(tmp_path / "o")


def test_a_folder_is_verified_to_its_end_and_each_file_says_what_is_wrong(
    store: ObjectStore, bucket: Bucket, tmp_path: Path
) -> None:
    names = ("bytes", "deleted", "good", "lost", "metadata", "replaced", "size")
    for name in names:
        store.get(bucket.put(name, b"content"), tmp_path / name)
    bucket.client.delete_object(Bucket=bucket.place.bucket, Key=f"{bucket.place.key}deleted")
    bucket.put("replaced", b"another")
    (tmp_path / "bytes").write_bytes(b"CONTENT")
    (tmp_path / "lost").unlink()
    (tmp_path / "metadata.s3.json").write_text("{")
    (tmp_path / "size").write_bytes(b"cont")
    found = {each.path.name: each for each in store.verify_all([tmp_path])}
    assert [name for name in names if found[name].ok] == ["good", "replaced"]
    assert found["replaced"].replaced
    problems = {name: each.problem for name, each in found.items() if each.problem}
    assert "S3 holds no such object any more" in problems.pop("deleted")
    assert "gone from the disk" in problems.pop("lost")
    assert "cannot be read" in problems.pop("metadata")
    assert problems == {}
    assert {"size"} == {each.name for each in found["size"].checks if each.state == "differs"}


def test_a_server_that_is_gone_is_asked_once_for_a_folder(server: S3Server, bucket: Bucket, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        ObjectStore(server.settings).get(bucket.put(name), tmp_path / name)
    (tmp_path / "b").write_bytes(b"CONTENT")
    with fault_proxy(server.endpoint, ["internal"], rate=1.0) as proxy:
        found = ObjectStore(replace(server.through(proxy.endpoint).settings, attempts=2)).verify_all([tmp_path])
    assert proxy.spoilt <= 2 * 2  # a HEAD and, for its reason, a GET
    assert [each.checks[-1].state for each in found] == ["matches", "differs", "matches"]
    assert all("attempts failed" in each.problem for each in found)


def test_an_etag_that_kms_made_is_not_held_against_the_bytes() -> None:

    head = {"ContentLength": 1, "ETag": f'"{"0" * 32}"', "LastModified": datetime.now(UTC)}
    assert facts_of(Address("b", "k"), head).etag_is_md5
    assert not facts_of(Address("b", "k"), head | {"ServerSideEncryption": "aws:kms"}).etag_is_md5


@given(st.lists(st.integers(1, 5 * RANGE_BYTES), min_size=0, max_size=5))
def test_ranges_cover_an_object_without_gap_or_overlap_and_within_its_parts(parts: list[int]) -> None:

    head = {"ContentLength": sum(parts), "ETag": '"x"', "LastModified": datetime.now(UTC)}
    found = ranges_of(facts_of(Address("b", "k"), head, tuple(parts)), RANGE_BYTES)
    assert [each.start for each in found] == [sum(each.size for each in found[:number]) for number in range(len(found))]
    assert sum(each.size for each in found) == sum(parts)
    assert all(each.size <= RANGE_BYTES for each in found)
    for number, size in enumerate(parts):
        assert sum(each.size for each in found if each.part == number) == size


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=40), st.integers(1, 5), st.integers(1, 30))
def test_requests_hold_every_range_once_in_order_without_a_gap(
    cuts: list[tuple[int, bool]], workers: int, longest: int
) -> None:
    ends = [sum(size for size, _ in cuts[: number + 1]) for number in range(len(cuts))]
    every = [Range(number, end - size, size, 0) for number, (end, (size, _)) in enumerate(zip(ends, cuts, strict=True))]
    left = [each for each, (_, there) in zip(every, cuts, strict=True) if not there]
    found = requests_of(left, workers, longest)
    assert [each for group in found for each in group] == left
    for group in found:
        assert all(before.end == after.start for before, after in pairwise(group))
        assert len(group) == 1 or group[-1].end - group[0].start <= longest
