"""Whole objects through the cache: right bytes always, a download only when they changed."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from platform_resources.settings import Settings
from platform_resources.storage.caches import Cache, CachedObjects, open_cache
from tests.resources.storage.caches.test_disk import full_disk
from tests.servers import Counter, S3Server, counting_proxy, s3_server

BODY = bytes(range(256)) * 400


class Clock:
    """Seconds that the test advances."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Counter]:
    with counting_proxy(s3.endpoint) as counter:
        yield counter


@pytest.fixture
def uri(s3: S3Server) -> str:
    return f"s3://{s3.bucket}/{uuid.uuid4().hex}/a b/ü.bin"


@pytest.fixture
def put(s3: S3Server, uri: str) -> Callable[[bytes], None]:
    key = uri.removeprefix(f"s3://{s3.bucket}/")
    return lambda body: s3.settings.boto3_client().put_object(Bucket=s3.bucket, Key=key, Body=body) and None


@pytest.fixture
def cache(s3: S3Server, proxy: Counter, tmp_path: Path) -> Callable[..., Cache]:
    def made(**more: str) -> Cache:
        opened = open_cache(Settings.from_environment({**s3.through(proxy.endpoint).environment,
                                                       "PLATFORM_STATE": str(tmp_path), **more}))  # fmt: skip
        assert opened is not None
        return opened

    return made


def test_a_second_read_costs_one_question(cache, put, uri: str, proxy: Counter) -> None:
    put(BODY)
    assert CachedObjects(cache()).read(uri) == BODY
    before, other = proxy.received_bytes, cache()
    assert CachedObjects(other).read(uri) == BODY
    assert proxy.received_bytes - before < 1000
    assert (other.counters.total.disk_hits, other.counters.total.revalidations) == (1, 1)


def test_a_new_content_is_seen_at_once(cache, put, uri: str) -> None:
    objects = CachedObjects(cache())
    for body in (BODY, b"", BODY[:7], BODY):
        put(body)
        assert objects.read(uri) == objects.read(uri) == body


def test_within_the_ttl_s3_is_not_asked_and_after_it_is(cache, put, uri: str, proxy: Counter) -> None:
    clock = Clock()
    objects = CachedObjects(cache(PLATFORM_CACHE_TTL_SECONDS="60"), clock)
    put(BODY)
    objects.read(uri)
    put(b"new")
    before = proxy.received_bytes
    clock.seconds += 59
    assert objects.read(uri) == BODY
    assert proxy.received_bytes == before
    clock.seconds += 2
    assert objects.read(uri) == b"new"


def test_an_unchanged_object_stays_young_after_it_was_asked_for(cache, put, uri: str, proxy: Counter) -> None:
    clock = Clock()
    objects = CachedObjects(cache(PLATFORM_CACHE_TTL_SECONDS="60"), clock)
    put(BODY)
    for _ in range(2):
        clock.seconds += 61
        objects.read(uri)
    before = proxy.received_bytes
    clock.seconds += 59
    assert objects.read(uri) == BODY
    assert proxy.received_bytes == before


def test_an_object_that_is_not_there_is_not_found_although_it_was(cache, put, s3: S3Server, uri: str) -> None:
    objects = CachedObjects(cache())
    put(BODY)
    objects.read(uri)
    s3.settings.boto3_client().delete_object(Bucket=s3.bucket, Key=uri.removeprefix(f"s3://{s3.bucket}/"))
    with pytest.raises(FileNotFoundError):
        objects.read(uri)


def test_an_open_object_stays_readable_when_it_is_evicted(cache, put, uri: str, tmp_path: Path) -> None:
    put(BODY)
    with CachedObjects(cache()).open(uri) as file:
        for path in (tmp_path / "cache" / "objects").rglob("*-*"):
            path.unlink()
        assert file.read() == BODY


def test_no_room_fails_no_read(cache, put, uri: str) -> None:
    put(BODY)
    assert CachedObjects(cache(PLATFORM_CACHE_BYTES="10")).read(uri) == BODY
    with full_disk(1000):
        assert CachedObjects(cache()).read(uri) == BODY


def test_a_bucket_of_the_same_name_on_another_server_is_another_bucket(cache, put, uri: str, s3: S3Server) -> None:
    put(BODY)
    objects = CachedObjects(cache(PLATFORM_CACHE_TTL_SECONDS="60"))
    assert objects.read(uri) == BODY
    with s3_server() as other:
        key = uri.removeprefix(f"s3://{s3.bucket}/")
        other.settings.boto3_client().put_object(Bucket=s3.bucket, Key=key, Body=b"theirs")
        theirs = CachedObjects(cache(PLATFORM_CACHE_TTL_SECONDS="60", PLATFORM_S3_ENDPOINT=other.endpoint))
        assert theirs.read(uri) == b"theirs"
        assert theirs.read(uri) == b"theirs"
    assert objects.read(uri) == BODY
