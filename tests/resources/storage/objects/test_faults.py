"""A world that spoils one request in five: right bytes or a clear error, never wrong bytes."""

import random
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import polars as pl
import pytest

from platform_resources.errors import (
    BucketNotFound,
    ClockSkew,
    CorruptObject,
    CredentialsExpired,
    CredentialsRefused,
    ObjectUnavailable,
    ResourceError,
    WrongRegion,
)
from platform_resources.s3 import S3Settings
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.objects import Address, ObjectStore
from platform_resources.storage.objects.attempts import Attempts
from platform_resources.transience import is_transient
from tests.fault_proxy import EVERY, NEVER_WRONG, Fault, fault_proxy
from tests.resources.storage.objects.conftest import RANGE_BYTES, Bucket
from tests.resources.storage.objects.test_get import content_of
from tests.servers import S3Server, real_s3_server, s3_server, versitygw

SIZE = 24 * RANGE_BYTES + 7
CUT = {"range_bytes": RANGE_BYTES, "request_bytes": RANGE_BYTES}  # many requests, so that each fault is met
Result = TypeVar("Result")


def through(server: S3Server, endpoint: str, **more: object) -> S3Settings:
    """Settings that reach the server by a proxy, patient enough for one in five and quick to call a silence one."""
    known = server.through(endpoint).settings
    return replace(known, **{"attempts": 12, "timeout_seconds": 0.5, **more})  # type: ignore[arg-type]


def role(server: S3Server) -> dict[str, str]:
    """What makes credentials renewable."""
    return {"role_arn": "arn:aws:iam::123456789012:role/reader", "sts_endpoint": server.endpoint}


@pytest.fixture(scope="module")
def moto() -> S3Server:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> S3Server:
    if versitygw() is None:
        pytest.skip("no versitygw on PATH and none named by VERSITYGW; moto accepts any signature and region")
    with real_s3_server(tmp_path_factory.mktemp("versitygw")) as server:
        yield server


@pytest.mark.parametrize("fault", [each for each in NEVER_WRONG if each != "expired"])
def test_what_passes_by_itself_is_waited_for(server: S3Server, bucket: Bucket, tmp_path: Path, fault: Fault) -> None:
    where = bucket.put("o", content_of(SIZE))
    with fault_proxy(server.endpoint, [fault]) as proxy:
        done = ObjectStore(through(server, proxy.endpoint), **CUT).get(where, tmp_path / "o")
        assert proxy.seen[fault] > 0
    assert done.path.read_bytes() == content_of(SIZE)


def test_a_token_that_expires_is_renewed_where_it_can_be(moto: S3Server, tmp_path: Path) -> None:
    bucket = Bucket(moto, Address(moto.bucket, "expired/"))
    where = bucket.put("o", content_of(SIZE))
    with fault_proxy(moto.endpoint, ["expired"]) as proxy:
        settings = through(moto, proxy.endpoint, **role(moto))
        done = ObjectStore(settings, **CUT).get(where, tmp_path / "o")
        assert proxy.seen["expired"] > 0
    assert done.path.read_bytes() == content_of(SIZE)


@pytest.mark.parametrize("seed", range(2))
def test_bytes_are_right_or_there_is_a_clear_error(server: S3Server, bucket: Bucket, tmp_path: Path, seed: int) -> None:
    where = bucket.put("o", content_of(SIZE))
    faults = [each for each in EVERY if each != "expired"]
    path, told = tmp_path / "o", list[str]()
    with fault_proxy(server.endpoint, faults, seed=seed) as proxy:
        store = ObjectStore(through(server, proxy.endpoint), **CUT)
        for _ in range(10):
            try:
                done = store.get(where, path)
                break
            except ResourceError as error:
                told.append(str(error))
                assert not path.exists()
        assert proxy.spoilt > 0
    assert done.path.read_bytes() == content_of(SIZE)
    assert store.verify(path, ask=False).ok
    assert all("Fix: " in each for each in told)


def test_a_server_that_breaks_off_each_answer_is_asked_on_and_what_it_gave_is_kept(
    server: S3Server, bucket: Bucket, tmp_path: Path
) -> None:
    where, path = bucket.put("o", content_of(SIZE)), tmp_path / "o"
    with fault_proxy(server.endpoint, ["truncated"], rate=1.0) as proxy:
        store = ObjectStore(through(server, proxy.endpoint, attempts=2), range_bytes=RANGE_BYTES, workers=1)
        with pytest.raises(ObjectUnavailable, match="2 attempts failed"):
            store.get(where, path)  # of the last range it never gives more than half
    done = ObjectStore(server.settings, range_bytes=RANGE_BYTES).get(where, path)
    assert done.fetched_bytes <= RANGE_BYTES + 7
    assert path.read_bytes() == content_of(SIZE)


def test_bytes_that_come_out_wrong_each_time_are_no_file(server: S3Server, bucket: Bucket, tmp_path: Path) -> None:
    where = bucket.put("o", content_of(3 * RANGE_BYTES))
    with fault_proxy(server.endpoint, ["corrupted"], rate=1.0) as proxy:
        store = ObjectStore(
            through(server, proxy.endpoint, attempts=3), range_bytes=RANGE_BYTES, request_bytes=RANGE_BYTES
        )
        with pytest.raises(CorruptObject, match=r"Fix: "):
            store.get(where, tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_keys_that_are_written_out_and_expired_are_an_error_at_once(server: S3Server, bucket: Bucket) -> None:
    where = bucket.put("o")
    with fault_proxy(server.endpoint, ["expired"], rate=1.0) as proxy:
        with pytest.raises(CredentialsExpired, match="PLATFORM_S3_ROLE or AWS_PROFILE renew them"):
            ObjectStore(through(server, proxy.endpoint)).facts(where)
        assert proxy.spoilt <= 2


def test_a_server_that_never_answers_as_it_should_is_given_up(server: S3Server, bucket: Bucket) -> None:
    where = bucket.put("o")
    for fault, expected in (("slow_down", ObjectUnavailable), ("skewed", ClockSkew)):
        with (
            fault_proxy(server.endpoint, [fault], rate=1.0) as proxy,
            pytest.raises(expected, match=r"Fix: "),
        ):
            ObjectStore(through(server, proxy.endpoint, attempts=3)).facts(where)


def test_a_refusal_is_told_at_once(real: S3Server) -> None:
    cases: list[tuple[dict[str, object], str, type[ResourceError]]] = [
        ({"secret_access_key": "wrong"}, "s3://lake/o", CredentialsRefused),
        ({"access_key_id": "nobody"}, "s3://lake/o", CredentialsRefused),
        ({"region": "eu-west-1"}, "s3://lake/o", WrongRegion),
        ({}, "s3://nobody-has-this/o", BucketNotFound),
    ]
    for change, where, expected in cases:
        with fault_proxy(real.endpoint, rate=0) as proxy:
            with pytest.raises(expected, match=r"Fix: "):
                ObjectStore(through(real, proxy.endpoint, **change)).facts(where)
            assert proxy.seen["passed"] <= 3  # HEAD tells no reason, so it is asked for once more as a GET


def test_waits_grow_and_are_spread() -> None:
    waits: list[float] = []
    attempts = Attempts(S3Settings(attempts=9), pause=waits.append, rng=random.Random(1))  # noqa: S311 - not a secret

    def fail(_: object) -> None:
        raise ConnectionResetError("peer")

    with pytest.raises(ObjectUnavailable, match="9 attempts failed, the last with ConnectionResetError"):
        attempts(fail, Address("b", "k"))
    assert len(waits) == 8
    assert all(0 <= wait <= min(5.0, 0.05 * 2**number) for number, wait in enumerate(waits, 1))
    assert len(set(waits)) == 8


def test_the_next_endpoint_serves_where_one_does_not(server: S3Server, bucket: Bucket, tmp_path: Path) -> None:
    where = bucket.put("o", content_of(SIZE))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with fault_proxy(server.endpoint, ["internal"], rate=1.0) as broken:
        settings = replace(server.settings, endpoint_url=dead, other_endpoints=(broken.endpoint, server.endpoint))
        done = ObjectStore(settings, **CUT).get(where, tmp_path / "o")
        assert broken.spoilt > 0
    assert done.path.read_bytes() == content_of(SIZE)


def until_it_works(action: Callable[[], Result]) -> Result:
    """What a step does: again where the error is transient, and what is not fails the test."""
    for _ in range(40):
        try:
            return action()
        except Exception as error:
            if not is_transient(error):
                raise
    raise AssertionError("it never worked")


@pytest.mark.parametrize("format_", ["delta", "parquet"])
def test_tables_keep_every_row_once(server: S3Server, place: Address, tmp_path: Path, format_: str) -> None:
    spec = TableSpec(path=f"shop/{format_}/v1", format=format_, mode="append")  # type: ignore[arg-type]
    with fault_proxy(server.endpoint, NEVER_WRONG) as proxy:
        lake = Lake(
            Settings(
                state=str(tmp_path), lake=f"{place}".rstrip("/"), landing=str(tmp_path),
                s3=through(server, proxy.endpoint, timeout_seconds=1.0),
            )
        )  # fmt: skip
        expected: list[int] = []
        for number in range(3):
            rows = pl.DataFrame({"n": list(range(number * 100, number * 100 + 100))})
            until_it_works(lambda rows=rows, number=number: lake.write(spec, rows, transaction=str(number)))
            expected += rows["n"].to_list()
            found = until_it_works(lambda: lake.scan(spec).collect())
            assert sorted(found["n"]) == expected
        assert proxy.spoilt > 0
