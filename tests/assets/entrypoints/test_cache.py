"""`platform cache`: what is there, what all processes counted, and how it is cleaned and verified."""

import json
import os
from pathlib import Path

import pytest

from platform_assets.entrypoints.cli import main
from platform_resources.settings import Settings
from platform_resources.storage.caches import Cache, open_cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path))
    monkeypatch.setenv("PLATFORM_CACHE", str(tmp_path / "кэш"))
    opened = open_cache(Settings.from_environment())
    assert opened is not None
    return opened


def keep(cache: Cache, key: str, *, used: float | None = None) -> Path:
    with cache.disk.draft("frames", key) as draft:
        draft.write(b"x" * 2048)
    (path,) = cache.disk.entries("frames", key)
    if used is not None:
        os.utime(path, (used, used))
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["cache", *arguments, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_stats_add_up_what_all_processes_counted(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    keep(cache, "a")
    for hits in (1, 2):
        process = open_cache(Settings.from_environment())
        assert process is not None
        process.counters.add(disk_hits=hits, misses=1)
        process.record()
        process.record()
    found = told(capsys, "stats")
    assert (found["entries"], found["size_bytes"], found["hit_rate"]) == (1, 2048, 0.6)
    assert (found["disk"]["hits"], found["misses"], found["memory"]["hit_rate"]) == (3, 2, 0.0)  # type: ignore[index]
    assert main(["cache", "stats"]) == 0
    page = capsys.readouterr().out
    assert "1 entry, 2.0 kB of 10.7 GB" in page
    assert "the lake lies on disk, where tables are not cached" in page
    assert found["used"] is False


def test_clean_removes_what_is_older(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    old, young = keep(cache, "old", used=1e9), keep(cache, "young")
    assert told(capsys, "clean", "--older-than", "7d") == {
        "removed": 1, "removed_bytes": 2048, "entries": 1, "size_bytes": 2048}  # fmt: skip
    assert (old.exists(), young.exists()) == (False, True)
    assert main(["cache", "clean", "--older-than", "0s"]) == 0
    assert capsys.readouterr().out == "1 entry of 2.0 kB removed, 0 entries of 0 B left\n"


def test_verify_names_and_removes_what_is_damaged(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    keep(cache, "a")
    damaged = keep(cache, "b")
    damaged.write_bytes(b"y" * 2048)
    assert told(capsys, "verify") == {
        "checked": 2, "checked_bytes": 4096, "corrupt": [damaged.relative_to(cache.disk.root).as_posix()]}  # fmt: skip
    assert main(["cache", "verify"]) == 0
    assert capsys.readouterr().out == "1 entry of 2.0 kB read, 0 damaged entries removed\n"


@pytest.mark.parametrize("age", ["", "7", "d", "-1d", "1.5h", "1y", "7 days", "99999999d"])
def test_what_is_no_age_is_refused_with_the_fix(cache: Cache, capsys: pytest.CaptureFixture[str], age: str) -> None:  # noqa: ARG001
    assert main(["cache", "clean", f"--older-than={age}"]) == 1
    assert "is no age. Fix: write a number" in capsys.readouterr().err


def test_a_cache_that_is_off_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PLATFORM_CACHE", "off")
    assert main(["cache", "stats"]) == 1
    assert "the cache is off. Fix: unset the variable" in capsys.readouterr().err


def test_a_folder_that_cannot_be_changed_is_named_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PLATFORM_CACHE", str(tmp_path / "file"))
    assert main(["cache", "clean", "--older-than", "7d"]) == 1
    assert f"{tmp_path / 'file'}: File exists. Fix: " in capsys.readouterr().err


def test_counters_that_cannot_be_read_count_from_zero(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    keep(cache, "a")
    for content in ("", "[]", '{"misses": "many"}', "\0"):
        (cache.disk.root / "counters.json").write_text(content)
        assert told(capsys, "stats")["misses"] == 0
