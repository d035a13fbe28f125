"""One record from the environment feeds every vendor; what it does not understand it refuses."""

import io
import pickle
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from botocore import credentials
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
        ("PLATFORM_S3_ENDPOINT", "http://a:1,b:2", "'b:2' is no URL"),
        ("PLATFORM_S3_ENDPOINT", "http://key:secret@host", "PLATFORM_S3_ENDPOINT: holds credentials"),
        ("PLATFORM_S3_STS_ENDPOINT", "sts", "'sts' is no URL"),
        ("PLATFORM_S3_ATTEMPTS", "0", "'0' is no positive whole number"),
        ("PLATFORM_S3_ATTEMPTS", "1.5", "'1.5' is no positive whole number"),
        ("PLATFORM_S3_TIMEOUT", "nan", "'nan' is no positive number"),
        ("PLATFORM_CACHE", "s3://bucket/cache", "is no local folder. Allowed: a folder, off"),
        ("PLATFORM_CACHE_BYTES", "10GB", "'10GB' is no whole number. Fix: write digits alone"),
        ("PLATFORM_CACHE_MEMORY_BYTES", "-1", "'-1' is no whole number"),
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
    said = {
        "aws_region": "eu-west-1",
        "aws_server_side_encryption": "aws:kms",
        "aws_sse_kms_key_id": "arn:key",
        "aws_conditional_put": "etag",
    }
    assert said.items() <= S3Settings(kms_key_id="arn:key", region="eu-west-1").delta_options().items()


def test_a_profile_is_resolved_for_the_vendors_that_cannot_read_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text("[team]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    settings = S3Settings(profile="team")
    assert settings.delta_options()["aws_access_key_id"] == "FROMPROFILE"
    assert settings.pyiceberg_properties()["s3.access-key-id"] == "FROMPROFILE"
    ask = settings.polars_credentials()
    assert ask is not None
    assert ask()[0]["aws_access_key_id"] == "FROMPROFILE"


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


def test_pyiceberg_reads_what_the_others_wrote(s3: S3Server) -> None:
    files = pytest.importorskip("pyiceberg.io.pyarrow", reason="pyiceberg is not installed")
    settings = s3.settings
    settings.boto3_client().put_object(Bucket=s3.bucket, Key="berg", Body=b"ice")
    assert (
        files.PyArrowFileIO(settings.pyiceberg_properties()).new_input(f"s3://{s3.bucket}/berg").open().read() == b"ice"
    )


@pytest.fixture
def role(s3: S3Server) -> S3Settings:
    """Settings that assume a role; moto hands out credentials for any."""
    said = {"PLATFORM_S3_ROLE": "arn:aws:iam::123456789012:role/reader", "PLATFORM_S3_STS_ENDPOINT": s3.endpoint}
    return Settings.from_environment(s3.environment | said).s3


def test_a_role_is_assumed_for_every_vendor(s3: S3Server, role: S3Settings) -> None:
    role.boto3_client().put_object(Bucket=s3.bucket, Key="role", Body=b"played")
    assert bytes(role.obstore(s3.bucket).get("role").bytes()) == b"played"
    assert role.delta_options()["aws_session_token"]
    assert role.pyiceberg_properties()["s3.session-token"]
    assert role.polars_options().keys().isdisjoint({"aws_access_key_id", "aws_session_token"})
    pl.DataFrame({"a": [1]}).write_parquet(content := io.BytesIO())
    role.boto3_client().put_object(Bucket=s3.bucket, Key="role.parquet", Body=content.getvalue())
    options, ask = role.polars_options(), role.polars_credentials()
    scanned = pl.scan_parquet(f"s3://{s3.bucket}/role.parquet", storage_options=options, credential_provider=ask)
    assert scanned.collect().to_dicts() == [{"a": 1}]


def test_the_credentials_of_a_role_are_renewed_before_they_end(
    role: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = role.polars_credentials()
    assert ask is not None
    before = ask()[0]
    assert ask()[0] == before
    held, later = role.session.get_credentials(), datetime.now(UTC) + timedelta(minutes=55)
    monkeypatch.setattr(credentials, "_local_now", lambda: later)
    monkeypatch.setattr(held, "_time_fetcher", lambda: later)
    assert ask()[0]["aws_session_token"] != before["aws_session_token"]


def test_the_first_endpoint_that_answers_serves(s3: S3Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
    settings = Settings.from_environment(s3.environment | {"PLATFORM_S3_ENDPOINT": f"{dead}, {s3.endpoint}"}).s3
    assert settings.endpoints == (dead, s3.endpoint)
    settings.boto3_client().put_object(Bucket=s3.bucket, Key="either", Body=b"way")
    assert bytes(settings.obstore(s3.bucket).get("either").bytes()) == b"way"
    assert settings.delta_options()["aws_endpoint_url"] == s3.endpoint


def test_what_is_pickled_holds_no_session(role: S3Settings) -> None:
    token = role.delta_options()["aws_session_token"]
    sent = pickle.dumps(role)
    assert token.encode() not in sent
    assert pickle.loads(sent) == role  # noqa: S301 - our own bytes


def test_the_s3_resource_holds_references_to_secrets_only() -> None:
    options = Settings.from_environment(KEYS).s3.resource_options()
    assert options["aws_secret_access_key"].env_var_name == "AWS_SECRET_ACCESS_KEY"
    assert not any(secret in repr(options) for secret in ("very-secret", "token-secret"))


def test_what_was_read_from_s3_is_kept_below_the_state_unless_it_is_off(tmp_path: Path) -> None:
    state = {"PLATFORM_STATE": str(tmp_path)}
    assert Settings.from_environment(state).cache.folder == str(tmp_path / "cache")
    assert Settings.from_environment(state | {"PLATFORM_CACHE": "OFF"}).cache.folder is None
    chosen = {"PLATFORM_CACHE": "/fast", "PLATFORM_CACHE_BYTES": "7"}
    cache = Settings.from_environment(state | chosen).cache
    assert (cache.folder, cache.limit_bytes) == ("/fast", 7)


def test_settings_say_themselves_as_variables():
    full = {name: "7" for name in VARIABLES if "BYTES" in name or name.endswith(("ATTEMPTS", "TIMEOUT", "LATENCY"))}
    full |= {"PLATFORM_STATE": "/s", "PLATFORM_LAKE": "s3://b/lake", "PLATFORM_LANDING": "/in", "PLATFORM_CACHE": "/c",
             "PLATFORM_ENVIRONMENT": "staging", "PLATFORM_ICEBERG_CATALOG": "postgresql://u:p@h/d",
             "PLATFORM_PRICES": "/p", "PLATFORM_BROKER": "kafka://h:1", "PLATFORM_BROKER_OPTIONS": "/o",
             "PLATFORM_DEBEZIUM": "/d", "PLATFORM_TOPIC_PREFIX": "t.", "PLATFORM_BRANCH": "b", "PLATFORM_LOGS": "json",
             "PLATFORM_ALERTS": "/a.toml", "PLATFORM_TRACES": "http://o:4318",
             "PLATFORM_TRACE_LINK": "http://j/{trace_id}", "PLATFORM_WEB": "http://d:3000",
             "PLATFORM_CATALOG_TOKENS": "/t", "PLATFORM_CATALOG_URL": "http://c",
             "PLATFORM_OPENLINEAGE_URL": "http://o/api/v1/lineage",
             "PLATFORM_DATABASE_SHOP": "sqlite:////x", "PLATFORM_SINK_SHOP": "redis://u:p@h",
             "PLATFORM_SECRET_SHOP": "hush",
             "PLATFORM_S3_ENDPOINT": "http://a,http://b", "PLATFORM_S3_EXTERNAL_ID": "e", "PLATFORM_S3_KMS_KEY": "k",
             "PLATFORM_S3_PATH_STYLE": "false", "PLATFORM_S3_ROLE": "r", "PLATFORM_S3_STS_ENDPOINT": "http://sts",
             "AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "AWS_PROFILE": "pr",
             "AWS_REGION": "eu-west-1"}  # fmt: skip
    assert set(VARIABLES) <= {re.sub("_SHOP$", "_NAME", name) for name in full}
    for given in (full, {"PLATFORM_STATE": "/s", "PLATFORM_CACHE": "off"}):
        settings = Settings.from_environment(given)
        assert Settings.from_environment(settings.to_environment()) == settings


@pytest.mark.parametrize("place", ["s3://user:secret@b/lake", "s3://b/lake?secret=secret"])
@pytest.mark.parametrize("variable", ["PLATFORM_LAKE", "PLATFORM_LANDING"])
def test_an_address_that_holds_credentials_is_refused_without_its_echo(variable, place):
    with pytest.raises(
        SettingsError, match=f"{variable}: holds credentials or options. Fix: give keys as AWS"
    ) as caught:
        Settings.from_environment({variable: place})
    assert "secret" not in str(caught.value)
