"""What lies below a prefix, and which of it is meant."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_resources.errors import BucketNotFound, ObjectError, ObjectNotFound
from platform_resources.storage.objects import Address, ObjectStore, S3Object, matching
from platform_resources.storage.objects.listing import latest, sampled
from tests.resources.storage.objects.conftest import Bucket
from tests.servers import S3Server

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_object(key: str, minute: int = 0, size: int = 1) -> S3Object:
    return S3Object(bucket="b", key=key, size_bytes=size, modified=NOON + timedelta(minutes=minute), etag=key)


def test_objects_are_listed_by_key_below_their_prefix_alone(store: ObjectStore, bucket: Bucket) -> None:
    for name in ("b/2", "b/1", "a", "é ü/+%20.csv"):
        bucket.put(name)
    found = [each.key.removeprefix(bucket.place.key) for each in store.objects(bucket.place)]
    assert found == ["a", "b/1", "b/2", "é ü/+%20.csv"]
    assert [each.key for each in store.objects(Address(bucket.place.bucket, f"{bucket.place.key}b"))] == [
        f"{bucket.place.key}b/1", f"{bucket.place.key}b/2"
    ]  # fmt: skip


def test_a_listing_goes_on_past_its_first_page(server: S3Server, bucket: Bucket) -> None:
    for number in range(1001):
        bucket.put(f"{number:04}", b"")
    assert sum(1 for _ in ObjectStore(server.settings).objects(bucket.place)) == 1001


def test_a_bucket_that_is_not_there_is_named(store: ObjectStore) -> None:
    with pytest.raises(BucketNotFound, match=r"s3://nobody-has-this: there is no such bucket\. Fix: "):
        list(store.objects("s3://nobody-has-this/x"))


def test_every_version_of_an_object_can_be_listed_and_fetched(
    server: S3Server, store: ObjectStore, bucket: Bucket, tmp_path
) -> None:
    bucket.client.put_bucket_versioning(Bucket=server.bucket, VersioningConfiguration={"Status": "Enabled"})
    bucket.put("v", b"first")
    where = bucket.put("v", b"second")
    found = list(store.objects(bucket.place, versions=True))
    assert [each.latest for each in found] == [True, False]
    old = store.get(found[1], tmp_path / "old")
    assert (old.path.read_bytes(), old.facts.version) == (b"first", found[1].version)
    assert store.get(where, tmp_path / "same", version=found[0].version).path.read_bytes() == b"second"


def test_the_latest_is_the_one_written_last_and_of_one_second_the_last_by_key() -> None:
    assert latest([an_object("b", 1), an_object("a", 2), an_object("c", 0)]) == an_object("a", 2)
    assert latest([an_object("b"), an_object("a")]) == an_object("b")
    assert latest([]) is None


def test_where_nothing_is_meant_the_latest_is_an_error(store: ObjectStore, bucket: Bucket) -> None:
    bucket.put("a.csv")
    with pytest.raises(ObjectNotFound, match="no object below it is meant"):
        store.latest(bucket.place, where=matching("*.parquet"))


@given(st.lists(st.integers(), unique=True, max_size=30), st.integers(0, 10), st.integers(), st.randoms())
def test_a_sample_depends_on_the_seed_and_not_on_the_order(numbers, size, seed, rng) -> None:
    objects = [an_object(str(number)) for number in numbers]
    shuffled = rng.sample(objects, len(objects))
    chosen = sampled(objects, size, seed)
    assert chosen == sampled(shuffled, size, seed)
    assert len(chosen) == min(size, len(objects))
    one_more = sampled([*objects, an_object("new")], size, seed)
    assert len(set(chosen) - set(one_more)) <= 1


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (matching("*.csv"), ["d/a.csv", "d/e/b.csv"]),
        (matching("d/*.csv"), ["d/a.csv", "d/e/b.csv"]),
        (matching("d/e/*"), ["d/e/b.csv"]),
        (matching(since=NOON + timedelta(minutes=1)), ["d/e/b.csv", "d/c.gz"]),
        (matching(until=NOON + timedelta(minutes=1)), ["d/a.csv"]),
        (matching(min_bytes=2, max_bytes=2), ["d/e/b.csv"]),
        (matching(), ["d/a.csv", "d/e/b.csv", "d/c.gz"]),
    ],
)
def test_a_predicate_holds_where_all_that_is_given_holds(predicate, expected) -> None:
    objects = [an_object("d/a.csv", 0, 1), an_object("d/e/b.csv", 1, 2), an_object("d/c.gz", 2, 3)]
    assert [each.key for each in objects if predicate(each)] == expected


@pytest.mark.parametrize("text", ["/folder/x", "gs://b/k", "s3://", "s3:///key", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ObjectError, match="is no address of objects"):
        Address.parse(text)
