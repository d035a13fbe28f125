"""One record from the environment feeds every vendor; what it does not understand it refuses."""

from pathlib import Path

import dagster as dg
import pytest
from dagster_aws.s3 import S3Resource

from platform_resources.errors import SettingsError
from platform_resources.settings import VARIABLES, S3Settings, Settings
from tests.servers import S3Server

KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "very-secret", "AWS_SESSION_TOKEN": "token-secret"}


def test_an_empty_environment_keeps_everything_below_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({})
    state = str(tmp_path / ".platform")
    assert (settings.state, settings.lake, settings.landing) == (state, f"{state}/lake", f"{state}/landing")
    assert settings.tables_root == f"{state}/lake/development"


def test_without_an_argument_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ENVIRONMENT", "staging")
    assert Settings.from_environment().environment == "staging"


def test_a_lake_on_s3_is_a_bucket_and_a_prefix() -> None:
    settings = Settings.from_environment({"PLATFORM_LAKE": "s3://bucket/a/b/", "PLATFORM_ENVIRONMENT": "production"})
    assert settings.tables_root == "s3://bucket/a/b/production"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PLATFORM_LAEK", "/data", "is not a setting. Allowed: PLATFORM_LAKE, .* Fix: correct its name"),
        ("PLATFORM_ENVIRONMENT", "prod", "'prod' is not an environment. Allowed: development, staging, production"),
        ("PLATFORM_LAKE", "gs://bucket", "'gs://bucket' is no place for files. Allowed: a folder, s3://bucket/prefix"),
        ("PLATFORM_LANDING", "s3://", "PLATFORM_LANDING: 's3://' is no place for files"),
        ("PLATFORM_S3_ENDPOINT", "localhost:9000", "'localhost:9000' is no URL. Allowed: http://"),
        ("PLATFORM_S3_PATH_STYLE", "maybe", "'maybe' is neither true nor false"),
        ("AWS_ACCESS_KEY_ID", "AKIA", "AWS_SECRET_ACCESS_KEY go together. Fix: set both or neither"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_name(variable: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        Settings.from_environment({variable: value})
    assert caught.value.variable == variable


def test_every_variable_says_what_it_means() -> None:
    assert all(name.startswith("PLATFORM_") and text for name, text in VARIABLES.items())


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_environment({"PLATFORM_ENVIRONMENT": ""}).environment == "development"


def test_no_secret_is_shown() -> None:
    shown = repr(Settings.from_environment(KEYS))
    assert not any(secret in shown for secret in KEYS.values())


def test_a_region_is_found_under_either_name() -> None:
    assert Settings.from_environment({"AWS_DEFAULT_REGION": "eu-west-1"}).s3.region == "eu-west-1"
    both = {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert Settings.from_environment(both).s3.region == "eu-north-1"


def test_an_endpoint_implies_the_bucket_in_the_path() -> None:
    assert Settings.from_environment({"PLATFORM_S3_ENDPOINT": "http://localhost:9000/"}).s3.path_style
    assert not Settings.from_environment({}).s3.path_style
    hosted = {"PLATFORM_S3_ENDPOINT": "https://s3.example.com", "PLATFORM_S3_PATH_STYLE": "false"}
    assert not Settings.from_environment(hosted).s3.path_style


def test_delta_commits_by_conditional_put_and_encrypts_with_the_kms_key() -> None:
    assert S3Settings(kms_key_id="arn:key", region="eu-west-1").delta_options() == {
        "aws_region": "eu-west-1",
        "aws_server_side_encryption": "aws:kms",
        "aws_sse_kms_key_id": "arn:key",
        "aws_conditional_put": "etag",
    }


def test_a_profile_is_resolved_for_the_vendors_that_cannot_read_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text("[team]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    assert S3Settings(profile="team").polars_options()["aws_access_key_id"] == "FROMPROFILE"


def test_a_profile_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(
        SettingsError, match=r"AWS_PROFILE: The config profile .nobody. could not be found. Fix: write it"
    ):
        S3Settings(profile="nobody").delta_options()


def test_all_clients_reach_the_same_server(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_environment(s3.environment).s3
    settings.boto3_client().put_object(Bucket=s3.bucket, Key="hello", Body=b"world")
    assert bytes(settings.obstore(s3.bucket).get("hello").bytes()) == b"world"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, s3.environment[name])
    with dg.build_resources({"s3": S3Resource(**settings.resource_options())}) as resources:
        assert resources.s3.get_object(Bucket=s3.bucket, Key="hello")["Body"].read() == b"world"


def test_the_s3_resource_holds_references_to_secrets_only() -> None:
    options = Settings.from_environment(KEYS).s3.resource_options()
    assert options["aws_secret_access_key"].env_var_name == "AWS_SECRET_ACCESS_KEY"
    assert not any(secret in repr(options) for secret in ("very-secret", "token-secret"))
