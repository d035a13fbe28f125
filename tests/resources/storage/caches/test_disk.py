"""The disk tier: whole entries or none, bounded, and nothing wrong is ever handed out."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from platform_resources.storage.caches.disk import DiskTier

MIB = 1 << 20


@pytest.fixture
def tier(tmp_path: Path) -> DiskTier:
    return DiskTier(tmp_path / "cache", 64 * MIB)


def put(tier: DiskTier, key: str, content: bytes = b"content", *, used: float | None = None) -> Path:
    with tier.draft("things", key) as draft:
        draft.write(content)
    (path,) = tier.entries("things", key)
    if used is not None:
        os.utime(path, (used, used))
    return path


def contents(tier: DiskTier, key: str) -> list[bytes]:
    return [path.read_bytes() for path in tier.entries("things", key)]


def files(tier: DiskTier) -> list[Path]:
    return [path for path in tier.root.rglob("*") if path.is_file() and not path.name.startswith(".")]


@pytest.mark.parametrize("content", [b"", b"x", b"x" * (MIB - 1), b"x" * MIB, os.urandom(3 * MIB + 5)], ids=len)
def test_what_is_put_is_found_under_its_key_alone(tier: DiskTier, content: bytes) -> None:
    put(tier, "ключ/../ key\n" * 100, content)
    assert contents(tier, "ключ/../ key\n" * 100) == [content]
    assert contents(tier, "another") == []


def test_a_block_that_fails_publishes_nothing(tier: DiskTier) -> None:
    with contextlib.suppress(RuntimeError), tier.draft("things", "a") as draft:
        draft.write(b"half")
        raise RuntimeError
    assert contents(tier, "a") == []
    assert files(tier) == []


def test_an_entry_that_is_alone_replaces_the_earlier_ones(tier: DiskTier) -> None:
    put(tier, "a", b"old")
    with tier.draft("things", "a", alone=True) as draft:
        draft.write(b"new")
    assert contents(tier, "a") == [b"new"]


@pytest.mark.parametrize("damage", [lambda old: old[:-1], lambda old: old + b"x", lambda _: b""])
def test_an_entry_of_another_size_is_not_served_and_goes(tier: DiskTier, damage) -> None:
    path = put(tier, "a")
    path.write_bytes(damage(path.read_bytes()))
    assert contents(tier, "a") == []
    assert not path.exists()


@pytest.mark.parametrize("size", [100, 5 * MIB])
def test_verify_finds_one_wrong_bit_and_leaves_the_others(tier: DiskTier, size: int) -> None:
    damaged = put(tier, "a", content := bytes(size))
    put(tier, "b", content)
    wrong = bytearray(content)
    wrong[size // 2] ^= 4
    damaged.write_bytes(wrong)
    assert contents(tier, "a") == [bytes(wrong)], "no read sums up a whole entry; that is what verify is for"
    found = tier.verify()
    assert (found.checked, found.corrupt) == (2, (damaged.relative_to(tier.root).as_posix(),))
    assert (contents(tier, "a"), contents(tier, "b")) == ([], [content])


def test_an_entry_from_before_the_machine_started_is_summed_up_before_it_is_trusted(tier: DiskTier) -> None:
    whole, lost = put(tier, "whole"), put(tier, "lost")
    for path in (whole, lost):
        path.rename(path.with_name(path.name[:-8] + "0badb007"))
    zeros = next(lost.parent.iterdir())
    zeros.write_bytes(bytes(zeros.stat().st_size))
    assert (contents(tier, "whole"), contents(tier, "lost")) == ([b"content"], [])
    assert whole.exists(), "it bears this boot's name again, and is not summed up twice"


def test_the_least_recently_used_goes_when_the_limit_is_passed(tmp_path: Path) -> None:
    tier, now = DiskTier(tmp_path, 10 * MIB), time.time()
    for age, key in enumerate("abcdefghi"):
        put(tier, key, os.urandom(MIB), used=now - 1000 + age)
    tier.entries("things", "a")  # a use
    put(tier, "new", os.urandom(2 * MIB))
    assert [key for key in "abcdefghi" if not contents(tier, key)] == ["b", "c"]
    assert tier.usage().size_bytes <= 10 * MIB * 15 / 16
    assert tier.evicted == 2


def test_an_entry_larger_than_the_folder_is_refused(tmp_path: Path) -> None:
    tier = DiskTier(tmp_path, MIB)
    with pytest.raises(OSError, match="more than"), tier.draft("things", "a") as draft:
        draft.write(bytes(MIB + 1))
    assert tier.usage().size_bytes == 0


def test_clean_removes_what_was_not_used_for_so_long(tier: DiskTier) -> None:
    put(tier, "old", used=time.time() - 3 * 86_400)
    put(tier, "young")
    done = tier.clean(timedelta(days=2))
    assert (done.removed, done.entries) == (1, 1)
    assert (contents(tier, "old"), contents(tier, "young")) == ([], [b"content"])


def test_an_empty_or_absent_folder_is_no_error(tier: DiskTier) -> None:
    assert contents(tier, "a") == []
    assert tier.usage().entries == tier.verify().checked == tier.clean(timedelta(0)).removed == 0


WRITER = """
import sys
from pathlib import Path
from platform_resources.storage.caches.disk import DiskTier
with DiskTier(Path(sys.argv[1]), 1 << 30).draft("things", "a") as draft:
    draft.write(bytes(1 << 20))
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_a_writer_killed_in_the_middle_leaves_a_draft_that_goes_while_a_living_one_stays(tier: DiskTier) -> None:
    command = [sys.executable, "-c", WRITER, str(tier.root)]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for each in writers:
        assert each.stdout is not None
        each.stdout.readline()
    assert tier.usage().size_bytes == 2 * MIB
    writers[0].send_signal(signal.SIGKILL)
    writers[0].wait()
    tier.clean(timedelta(days=1))
    assert tier.usage().size_bytes == MIB
    writers[1].communicate(b"", timeout=60)
    assert contents(tier, "a") == [bytes(MIB)]


@contextlib.contextmanager
def full_disk(limit_bytes: int):
    """Files cannot grow beyond a limit, and say so as a full disk does: the write fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_write_that_finds_no_room_leaves_nothing_behind(tier: DiskTier) -> None:
    with full_disk(MIB), pytest.raises(OSError, match="File too large"), tier.draft("things", "a") as draft:
        draft.write(bytes(2 * MIB))
    assert files(tier) == []
    assert tier.usage().size_bytes == 0


@contextlib.contextmanager
def only_readable(root: Path):
    """Nothing below the folder may be changed: by rights, and, for root, by being nobody."""
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)
        for path in [root, *root.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A folder whose parents anybody may enter."""
    with tempfile.TemporaryDirectory(prefix="cache-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_may_only_be_read_serves_what_it_holds(anybodys: Path) -> None:
    tier = DiskTier(anybodys / "cache", 64 * MIB)
    put(tier, "now", used=time.time() - 1000)
    earlier = put(tier, "earlier", used=time.time() - 1000)
    earlier.rename(earlier.with_name(earlier.name[:-8] + "0badb007"))
    with only_readable(tier.root):
        assert [contents(tier, key) for key in ("now", "earlier", "none")] == [[b"content"], [b"content"], []]
        with pytest.raises(PermissionError), tier.draft("things", "new") as draft:
            draft.write(b"content")


def test_what_a_clock_that_ran_ahead_left_goes_first_and_a_use_sets_it_right(tmp_path: Path) -> None:
    tier, now = DiskTier(tmp_path, 10 * MIB), time.time()
    for key in ("ahead", "ahead but used", "old"):
        put(tier, key, os.urandom(3 * MIB), used=now - 1000 if key == "old" else now + 10**8)
    tier.entries("things", "ahead but used")
    put(tier, "new", os.urandom(3 * MIB))
    assert [key for key in ("ahead", "ahead but used", "old", "new") if not contents(tier, key)] == ["ahead"]


def test_two_origins_share_a_folder_and_no_entry(tmp_path: Path) -> None:
    here, there = (DiskTier(tmp_path, 64 * MIB, origin) for origin in ("http://here", "http://there"))
    put(here, "a", b"here")
    assert contents(there, "a") == []
    put(there, "a", b"there")
    assert (contents(here, "a"), contents(there, "a")) == ([b"here"], [b"there"])
    assert here.verify().checked == here.usage().entries == 2
