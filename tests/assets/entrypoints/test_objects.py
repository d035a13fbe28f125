"""`platform objects`: what a person and a program see, and the exit code."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_assets.entrypoints.cli import main
from tests.fault_proxy import fault_proxy
from tests.servers import S3Server, s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        client = server.settings.boto3_client()
        for name in ("a.csv.gz", "b.csv.gz", "c.txt"):
            body = gzip.compress(name.encode()) if name.endswith("gz") else name.encode()
            client.put_object(Bucket=server.bucket, Key=f"out/2024/{name}", Body=body)
        yield server


@pytest.fixture(autouse=True)
def environment(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PLATFORM_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PLATFORM_S3_ATTEMPTS", "3")


def test_ls_lists_objects_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["objects", "ls", "s3://lake/out", "--match", "*.gz"]) == 0
    shown = capsys.readouterr().out
    assert "out/2024/a.csv.gz" in shown
    assert "2 objects" in shown
    assert main(["objects", "ls", "s3://lake/out", "--json"]) == 0
    assert [each["key"] for each in json.loads(capsys.readouterr().out)] == [
        "out/2024/a.csv.gz", "out/2024/b.csv.gz", "out/2024/c.txt"
    ]  # fmt: skip


def test_select_prints_addresses_and_the_seed_decides_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for seed in ("1", "1"):
        assert main(["objects", "select", "s3://lake/out/", "--sample", "2", "--seed", seed]) == 0
        told.append(capsys.readouterr().out.splitlines())
    assert told[0] == told[1]
    assert len(told[0]) == 2
    assert all(each.startswith("s3://lake/out/2024/") for each in told[0])


def test_get_unpacks_and_verify_tells_what_was_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["objects", "get", "s3://lake/out/", str(tmp_path / "t"), "--unpack"]) == 0
    assert (tmp_path / "t/2024/a.csv").read_bytes() == b"a.csv.gz"
    assert main(["objects", "verify", str(tmp_path / "t")]) == 0
    (tmp_path / "t/2024/c.txt").write_bytes(b"d.txt")
    capsys.readouterr()
    assert main(["objects", "verify", str(tmp_path / "t"), "--offline", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [each["ok"] for each in told] == [True, True, False]
    assert told[2]["facts"]["key"] == "out/2024/c.txt"
    assert "differs" in {check["state"] for check in told[2]["checks"]}


def test_verify_goes_on_behind_an_object_that_was_deleted_and_ends_with_a_summary(
    s3: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = s3.settings.boto3_client()
    for name in "abc":
        client.put_object(Bucket=s3.bucket, Key=f"fleeting/{name}", Body=b"content")
    assert main(["objects", "get", "s3://lake/fleeting/", str(tmp_path / "t")]) == 0
    client.delete_object(Bucket=s3.bucket, Key="fleeting/a")
    (tmp_path / "t/b").write_bytes(b"CONTENT")
    capsys.readouterr()
    assert main(["objects", "verify", str(tmp_path / "t")]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "S3 holds no such object any more" in told
    assert told.endswith("1 of 3 files as S3 said; 1 differ; 1 gone, or not to be compared")


def test_doctor_says_that_a_good_bucket_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["objects", "doctor", "s3://lake/good", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["commits_are_safe"] is True
    assert "conditional create" in {probe["name"] for probe in told["probes"]}


def test_doctor_fails_on_a_server_that_does_not_know_conditions(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with fault_proxy(s3.endpoint, rate=0, drop=["If-None-Match"]) as proxy:
        monkeypatch.setenv("PLATFORM_S3_ENDPOINT", proxy.endpoint)
        assert main(["objects", "doctor", "s3://lake/bad"]) == 1
    assert "Table commits get lost here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["ls", "s3://nobody-has-this/"], "s3://nobody-has-this: there is no such bucket. Fix: "),
        (["ls", "flights/flights"], "not on S3. Fix: set PLATFORM_LAKE=s3://bucket/prefix"),
        (["ls", "flights/flihgts"], "there is no dataset 'flights/flihgts'. Fix: perhaps flights/flights"),
        (["select", "s3://lake/nothing", "--latest"], "no object below it is meant. Fix: "),
        (["select", "s3://lake/out", "--latest", "--sample", "1"], "exclude one another. Fix: "),
        (["get", "s3://lake/none", "target"], "no object below it is meant. Fix: "),
        (["verify", "nowhere"], "is no file that was fetched from S3. Fix: "),
        (["doctor"], "is no place on S3. Fix: "),
    ],
)
def test_what_cannot_be_is_told_with_the_fix(command: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["objects", *command]) == 1
    assert told in capsys.readouterr().err
