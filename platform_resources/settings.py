"""The only reader of the environment: one record from which every vendor is fed.

It refuses variables it does not know, because a misspelt setting is silent otherwise, and it never shows a secret.
"""

# ruff: noqa: PLC0415 - vendors are imported by the steps that use them

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from platform_resources.errors import SettingsError

if TYPE_CHECKING:
    from obstore.store import S3Store
    from types_boto3_s3 import S3Client

Environment = Literal["development", "staging", "production"]
VARIABLES = {
    "PLATFORM_LAKE": "where tables lie: a folder or s3://bucket/prefix; default <state>/lake",
    "PLATFORM_ENVIRONMENT": "development, staging or production; default development",
    "PLATFORM_STATE": "folder of local state; default .platform in the current folder",
    "PLATFORM_LANDING": "where files land: a folder or s3://bucket/prefix; default <state>/landing",
    "PLATFORM_S3_ENDPOINT": "URL of an S3 server other than AWS",
    "PLATFORM_S3_KMS_KEY": "KMS key that encrypts what is written to S3",
    "PLATFORM_S3_PATH_STYLE": "true or false: bucket in the path of the URL; default true when an endpoint is set",
}
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, kw_only=True)
class S3Settings:
    """How to reach S3; empty on AWS, where instance roles and the usual AWS_* variables serve."""

    endpoint_url: str | None = None
    region: str = "us-east-1"
    profile: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    kms_key_id: str | None = None
    path_style: bool = False

    def delta_options(self) -> dict[str, str]:
        """Returns the storage options of delta-rs; a commit is a conditional PUT, so no lock service is needed."""
        return {**self.polars_options(), **self._encryption(), "aws_conditional_put": "etag"}

    def polars_options(self) -> dict[str, str]:
        """Returns the storage options with which Polars reads."""
        options = {
            "aws_region": self.region,
            "aws_endpoint_url": self.endpoint_url,
            "aws_allow_http": "true" if (self.endpoint_url or "").startswith("http://") else None,
            "aws_virtual_hosted_style_request": "false" if self.path_style else None,
            **self._credentials("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
        }
        return {name: value for name, value in options.items() if value is not None}

    def boto3_client(self) -> "S3Client":
        """Returns a boto3 client for S3."""
        import boto3
        from botocore.config import Config

        style: Literal["path", "auto"] = "path" if self.path_style else "auto"
        session = boto3.Session(profile_name=self.profile, region_name=self.region)
        return session.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            aws_session_token=self.session_token,
            config=Config(s3={"addressing_style": style}),
        )

    def obstore(self, bucket: str) -> "S3Store":
        """Returns an obstore client for one bucket."""
        from obstore.store import S3Store

        options = {**self.polars_options(), **self._encryption()}
        return S3Store(bucket, config=cast("Any", options))

    def upload_arguments(self) -> dict[str, str]:
        """Returns the ExtraArgs of a boto3 upload, which encrypt it with the KMS key where there is one."""
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key_id} if self.kms_key_id else {}

    def resource_options(self) -> dict[str, Any]:
        """Returns the arguments of `dagster_aws.s3.S3Resource`; secrets stay references that its page does not show."""
        import dagster as dg

        secrets = {
            "aws_access_key_id": ("AWS_ACCESS_KEY_ID", self.access_key_id),
            "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY", self.secret_access_key),
            "aws_session_token": ("AWS_SESSION_TOKEN", self.session_token),
        }
        options: dict[str, Any] = {
            "region_name": self.region,
            "endpoint_url": self.endpoint_url,
            "profile_name": self.profile,
        }
        options |= {name: dg.EnvVar(variable) for name, (variable, value) in secrets.items() if value}
        return {name: value for name, value in options.items() if value is not None}

    def _credentials(self, key: str, secret: str, token: str) -> dict[str, str | None]:
        """Returns the credentials under a vendor's names; only boto3 can read a profile, so it resolves one."""
        if not self.profile or self.access_key_id:
            return {key: self.access_key_id, secret: self.secret_access_key, token: self.session_token}
        import boto3
        from botocore.exceptions import ProfileNotFound

        try:
            found = boto3.Session(profile_name=self.profile, region_name=self.region).get_credentials()
        except ProfileNotFound as error:
            raise SettingsError("AWS_PROFILE", str(error), fix="write it to ~/.aws, or unset the variable") from error
        if found is None:
            raise SettingsError("AWS_PROFILE", f"profile {self.profile!r} has no credentials", fix="aws configure it")
        frozen = found.get_frozen_credentials()
        return {key: frozen.access_key, secret: frozen.secret_key, token: frozen.token}

    def _encryption(self) -> dict[str, str]:
        if not self.kms_key_id:
            return {}
        return {"aws_server_side_encryption": "aws:kms", "aws_sse_kms_key_id": self.kms_key_id}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the platform lives; development, staging and production differ by these values alone."""

    state: str
    lake: str
    landing: str
    environment: Environment = "development"
    s3: S3Settings = field(default_factory=S3Settings)

    @classmethod
    def from_environment(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Returns the settings that the environment describes; an empty variable counts as unset.

        Raises:
            SettingsError: a PLATFORM_ variable is unknown, or a value is not allowed.
        """
        given = {name: value for name, value in (os.environ if env is None else env).items() if value != ""}
        _refuse_unknown(given)
        state = str(Path(given.get("PLATFORM_STATE", ".platform")).absolute())
        return cls(
            state=state,
            lake=_place("PLATFORM_LAKE", given.get("PLATFORM_LAKE", f"{state}/lake")),
            landing=_place("PLATFORM_LANDING", given.get("PLATFORM_LANDING", f"{state}/landing")),
            environment=_environment(given.get("PLATFORM_ENVIRONMENT", "development")),
            s3=_s3(given),
        )

    @property
    def tables_root(self) -> str:
        """The folder or prefix below which this environment's tables lie."""
        return f"{self.lake}/{self.environment}"


def _refuse_unknown(given: Mapping[str, str]) -> None:
    for name in sorted(given):
        if name.startswith("PLATFORM_") and name not in VARIABLES:
            raise SettingsError(name, "is not a setting", allowed=tuple(VARIABLES), fix="correct its name or unset it")


def _environment(value: str) -> Environment:
    allowed = get_args(Environment)
    if value not in allowed:
        raise SettingsError(
            "PLATFORM_ENVIRONMENT", f"{value!r} is not an environment", allowed=allowed, fix="choose one of them"
        )
    return cast("Environment", value)


def _place(variable: str, value: str) -> str:
    """Returns an absolute folder, or s3://bucket/prefix without a slash at its end."""
    if "://" not in value:
        return str(Path(value).expanduser().absolute())
    scheme, _, rest = value.partition("://")
    if scheme != "s3" or not rest.strip("/"):
        raise SettingsError(
            variable,
            f"{value!r} is no place for files",
            allowed=("a folder", "s3://bucket/prefix"),
            fix="write it like one of them",
        )
    return value.rstrip("/")


def _s3(given: Mapping[str, str]) -> S3Settings:
    endpoint = given.get("PLATFORM_S3_ENDPOINT")
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise SettingsError(
            "PLATFORM_S3_ENDPOINT", f"{endpoint!r} is no URL", allowed=("http://…", "https://…"), fix="add the scheme"
        )
    if bool(given.get("AWS_ACCESS_KEY_ID")) != bool(given.get("AWS_SECRET_ACCESS_KEY")):
        raise SettingsError("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY go together", fix="set both or neither")
    return S3Settings(
        endpoint_url=endpoint.rstrip("/") if endpoint else None,
        region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or "us-east-1",
        profile=given.get("AWS_PROFILE"),
        access_key_id=given.get("AWS_ACCESS_KEY_ID"),
        secret_access_key=given.get("AWS_SECRET_ACCESS_KEY"),
        session_token=given.get("AWS_SESSION_TOKEN"),
        kms_key_id=given.get("PLATFORM_S3_KMS_KEY"),
        path_style=_boolean(
            "PLATFORM_S3_PATH_STYLE", given.get("PLATFORM_S3_PATH_STYLE"), default=endpoint is not None
        ),
    )


def _boolean(variable: str, value: str | None, *, default: bool) -> bool:
    if value is None:
        return default
    if value.lower() not in _BOOLEANS:
        raise SettingsError(variable, f"{value!r} is neither true nor false", allowed=("true", "false"), fix="choose")
    return _BOOLEANS[value.lower()]
