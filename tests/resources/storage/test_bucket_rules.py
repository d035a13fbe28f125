"""Lifecycle rules reach the bucket once, and nobody else's are touched."""

import uuid
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from platform_resources.settings import S3Settings, Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.bucket_rules import BucketRule, BucketRules, BucketRulesRefused, data_prefixes
from platform_resources.storage.folder import DiskFolder
from platform_resources.storage.formats import FORMATS
from platform_resources.storage.table import Format
from tests.servers import S3Server

COLD = BucketRule(
    name="shop/sales:_partition=",
    prefix="lake/shop/sales/v1/_partition=",
    transitions=((90, "STANDARD_IA"), (180, "GLACIER_IR")),
)
LAKE = BucketRule(name="lake", prefix="lake/", uploads_days=7, earlier_versions_days=30)


@pytest.fixture
def rules(s3: S3Server) -> BucketRules:
    bucket = f"b-{uuid.uuid4().hex}"
    s3.settings.boto3_client().create_bucket(Bucket=bucket)
    return BucketRules(s3.settings, bucket, "platform/lake")


def foreign(number: int) -> dict[str, object]:
    return {
        "ID": f"theirs-{number}",
        "Filter": {"Prefix": f"logs/{number}/"},
        "Status": "Enabled",
        "Expiration": {"Days": 9},
    }


def there(rules: BucketRules) -> list[dict[str, object]]:
    return rules.s3.boto3_client().get_bucket_lifecycle_configuration(Bucket=rules.bucket)["Rules"]  # type: ignore[return-value]


def give(rules: BucketRules, count: int) -> None:
    rules.s3.boto3_client().put_bucket_lifecycle_configuration(
        Bucket=rules.bucket,
        LifecycleConfiguration={"Rules": [foreign(number) for number in range(count)]},  # type: ignore[typeddict-item]
    )


def test_a_diff_changes_nothing_and_a_put_changes_it_once(rules: BucketRules) -> None:
    assert [each.change for each in rules.diff([COLD, LAKE]).changes] == ["add", "add"]
    with pytest.raises(rules.s3.boto3_client().exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
        there(rules)
    assert not rules.put([COLD, LAKE]).is_empty
    before = there(rules)
    assert rules.put([COLD, LAKE]).is_empty
    assert rules.diff([LAKE, COLD]).is_empty
    assert there(rules) == before


def test_rules_that_are_not_ours_stay_as_they_are(rules: BucketRules) -> None:
    give(rules, 3)
    before = there(rules)
    rules.put([COLD])
    rules.put([replace(COLD, transitions=((100, "STANDARD_IA"),)), LAKE])
    assert [each for each in there(rules) if str(each["ID"]).startswith("theirs")] == before
    assert rules.put([]).others == 3
    assert there(rules) == before


def test_a_rule_that_differs_is_changed_and_one_not_wanted_goes(rules: BucketRules) -> None:
    rules.put([COLD, LAKE])
    other = replace(COLD, transitions=((100, "STANDARD_IA"),))
    assert {each.id: each.change for each in rules.put([other]).changes} == {
        "platform/lake:lake": "remove", "platform/lake:shop/sales:_partition=": "change",
    }  # fmt: skip
    assert [each["Transitions"] for each in there(rules)] == [[{"Days": 100, "StorageClass": "STANDARD_IA"}]]
    rules.put([])
    assert rules.diff([]).changes == ()


def test_two_platforms_in_one_bucket_do_not_see_one_another(rules: BucketRules) -> None:
    other = BucketRules(rules.s3, rules.bucket, "platform/lake2")
    rules.put([LAKE])
    assert other.put([replace(LAKE, prefix="lake2/")]).others == 1
    other.put([])
    assert rules.diff([LAKE]).is_empty


def test_a_bucket_of_999_foreign_rules_has_room_for_one_more(rules: BucketRules) -> None:
    give(rules, 999)
    with pytest.raises(BucketRulesRefused, match="has 999 rules of others, and 2 of ours would make more than 1000"):
        rules.put([COLD, LAKE])
    assert len(there(rules)) == 999
    rules.put([LAKE])
    assert len(there(rules)) == 1000
    assert rules.put([LAKE]).is_empty


def test_a_missing_bucket_and_a_server_that_is_not_there_are_told(rules: BucketRules) -> None:
    with pytest.raises(BucketRulesRefused, match="NoSuchBucket"):
        replace(rules, bucket="nobody-has-it").put([LAKE])
    nowhere = S3Settings(endpoint_url="http://127.0.0.1:9", access_key_id="k", secret_access_key="s", path_style=True)
    with pytest.raises(BucketRulesRefused, match="check the endpoint"):
        replace(rules, s3=nowhere).diff([])


def test_names_of_any_length_and_script_have_an_id(rules: BucketRules) -> None:
    odd = [replace(COLD, name="日本" * 200, prefix="lake/日本/"), replace(COLD, name="é", prefix="lake/é/")]
    rules.put(odd)
    assert rules.put(odd).is_empty
    assert all(len(str(each["ID"]).encode()) <= 255 for each in there(rules))


@pytest.mark.parametrize("stored", FORMATS)
@pytest.mark.parametrize("partition", [None, "_partition"])
def test_prefixes_hold_every_data_file_that_is_written_and_nothing_else(
    tmp_path: Path, stored: Format, partition: str | None
) -> None:
    lake = Lake(Settings.from_environment({"PLATFORM_STATE": str(tmp_path)}))
    spec = TableSpec(path="a/b/v1", format=stored, mode="append", partition_column=partition)
    lake.write(spec, pl.DataFrame({"id": [1, 2], "_partition": ["ü/1", "b"]}))
    names = [each.name for each in DiskFolder(lake.location(spec)).entries()]
    chosen = [name for name in names if name.startswith(data_prefixes(spec))]
    assert len(chosen) == len(lake.operations(spec).files()) > 0
    assert not any(name.startswith(("_delta_log/", "_schema/", "metadata/")) for name in chosen)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (TableSpec(path="a/b/v1", partition_column="_partition"), ("_partition=",)),
        (TableSpec(path="a/b/v1"), ("part-",)),
        (TableSpec(path="a/b/v1", format="parquet"), ("data.parquet", "part-")),
    ],
)
def test_data_files_have_prefixes_that_no_log_has(spec: TableSpec, expected: tuple[str, ...]) -> None:
    assert data_prefixes(spec) == expected
    assert not any("_delta_log/".startswith(each) or "_schema/".startswith(each) for each in expected)
