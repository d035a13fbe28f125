"""Two processes fill a cache while a third cleans it and a fourth writes the tables: nothing lost, nothing stale."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from platform_resources.settings import Settings
from platform_resources.storage import Lake
from tests.resources.storage.caches.writing import SPECS, version
from tests.servers import S3Server

Process = subprocess.Popen[str]


@pytest.fixture
def environment(s3: S3Server, tmp_path: Path) -> dict[str, str]:
    places = {"PLATFORM_LAKE": f"s3://{s3.bucket}/{uuid.uuid4().hex}", "PLATFORM_STATE": str(tmp_path)}
    return s3.environment | places | {"PLATFORM_CACHE_BYTES": "100000"}


@pytest.fixture
def lake(environment: dict[str, str]) -> Lake:
    return Lake(Settings.from_environment(environment))


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[object]:
    started: list[Process] = []

    def one(what: str) -> Process:
        command = [sys.executable, "-m", "tests.resources.storage.caches.writing", what]
        started.append(process := subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=Path(__file__).parents[4],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))  # fmt: skip
        return process

    yield one
    for each in started:
        each.kill()
        each.wait()


def tell(process: Process, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_fill_while_a_third_cleans_and_readers_see_every_version_at_once(start, lake: Lake) -> None:
    processes = [start("fill"), start("fill"), start("clean")]
    assert [hear(each) for each in processes] == ["ready"] * 3
    for number in range(3):
        for spec in SPECS:
            lake.write(spec, version(number))
        for each in processes:
            tell(each, str(number))
        for spec in SPECS:
            lake.write(spec, version(number).filter(version(number)["_month"] == "jan"), partitions=["jan"])
        assert [hear(each) for each in processes] == ["ok"] * 3
    assert lake.cache is not None
    lake.cache.disk.shrink()
    assert lake.cache.disk.usage().size_bytes <= 100_000
    assert lake.cache.counters.recorded().misses > 0


def test_a_reader_killed_while_it_fills_harms_nobody(start, lake: Lake) -> None:
    for spec in SPECS:
        lake.write(spec, version(0))
    other = start("fill")
    assert hear(other) == "ready"
    for _ in range(2):
        victim = start("fill")
        assert hear(victim) == "ready"
        tell(victim, "0")
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        tell(other, "0")
        assert hear(other) == "ok"
    assert lake.cache is not None
    lake.cache.disk.clean(timedelta(0))
    assert lake.cache.disk.usage().size_bytes == 0
