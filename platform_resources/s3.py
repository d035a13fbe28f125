"""How S3 is reached: one record from which boto3, dagster-aws, obstore, delta-rs, Polars and pyiceberg are fed.

Credentials are written once. Temporary ones renew themselves where the vendor can ask again: boto3, obstore and Polars.
delta-rs and pyiceberg are handed a copy whenever a table is opened, which lasts at least ten more minutes for a role.
No secret is shown by `repr`, and none is pickled that the fields do not hold.
"""

# ruff: noqa: PLC0415 - vendors are imported by the steps that use them

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast
from urllib.parse import urlsplit

from platform_resources.errors import SettingsError
from platform_resources.s3_credentials import Identity, session_of

if TYPE_CHECKING:
    import boto3
    from obstore.store import S3Store
    from types_boto3_s3 import S3Client

_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 5.0
_ASK_AGAIN = timedelta(minutes=1)
_PROBE_SECONDS = 2.0


_SECRET_IN_ADDRESS = re.compile(
    r"^s3://[^/]*@|[?&][\w-]*(secret|token|key|password|signature|credential)[\w-]*=", re.IGNORECASE
)


def bucket_and_key(address: str) -> tuple[str, str]:
    """Split an s3:// address into its bucket and the key or prefix in it; either may be empty.

    >>> bucket_and_key("s3://lake/shop/orders")
    ('lake', 'shop/orders')
    """
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def holds_secret(address: str) -> bool:
    """Tell whether an s3:// address carries a user, or a query that names a key, token or signature.

    >>> holds_secret("s3://user:pass@lake/orders"), holds_secret("s3://lake/orders@2024.csv")
    (True, False)
    """
    return address.startswith("s3://") and _SECRET_IN_ADDRESS.search(address) is not None


class _Keys(NamedTuple):
    """Credentials of one moment."""

    access_key: str
    secret_key: str
    token: str | None

    def __repr__(self) -> str:
        """Return what names no secret."""
        return "_Keys(…)"


@dataclass(frozen=True, kw_only=True)
class S3Settings(Identity):
    """How to reach S3; empty on AWS, where instance roles and the usual AWS_* variables serve.

    Attributes:
        endpoint_url: an S3 server other than AWS; the first to be tried.
        other_endpoints: further addresses of the same server, tried in order where the first does not answer.
        attempts: how often one request is sent before its error counts, the first time included.
        timeout_seconds: how long a request may stay without an answer.
    """

    endpoint_url: str | None = None
    other_endpoints: tuple[str, ...] = ()
    kms_key_id: str | None = None
    path_style: bool = False
    attempts: int = 8
    timeout_seconds: float = 30.0

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: sessions and what they fetched stay in their process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the fields as they were."""
        self.__dict__.update(state)

    @property
    def endpoints(self) -> tuple[str | None, ...]:
        """All addresses in the order in which they are tried; None is AWS."""
        return (self.endpoint_url, *self.other_endpoints)

    def rejection(self, code: str) -> tuple[str, str]:
        """Return the problem and the fix where the server does not accept the credentials, which it calls `code`."""
        return self.rejected(self.reachable.endpoint_url or "AWS", code)

    @cached_property
    def reachable(self) -> "S3Settings":
        """The same with the first endpoint that accepts connections alone; the first of all where none does.

        It is looked for once a process, by the vendors that know one address only; one endpoint is never probed.
        """
        if not self.other_endpoints:
            return self
        answering = next(
            (endpoint for endpoint in self.endpoints if endpoint is None or _answers(endpoint)), self.endpoint_url
        )
        chosen = replace(self, endpoint_url=answering, other_endpoints=())
        chosen.__dict__["session"] = self.session
        return chosen

    def at(self, endpoint: str | None) -> "S3Settings":
        """Return the same with one endpoint alone, sharing the credentials."""
        chosen = replace(self, endpoint_url=endpoint, other_endpoints=())
        chosen.__dict__["session"] = self.session
        return chosen

    def renewed(self) -> "S3Settings":
        """Return the same with credentials asked for anew: what follows a token that the server calls expired."""
        return replace(self)

    @cached_property
    def session(self) -> "boto3.Session":
        """The boto3 session that holds the credentials and renews them; one a process."""
        return session_of(self)

    def boto3_client(self, *, attempts: int | None = None) -> "S3Client":
        """Return a boto3 client for S3 that waits longer, at random, before each further attempt."""
        from botocore.config import Config

        chosen = self.reachable
        style: Literal["path", "auto"] = "path" if self.path_style else "auto"
        client = chosen.session.client(
            "s3",
            endpoint_url=chosen.endpoint_url,
            region_name=self.region,
            config=Config(
                s3={"addressing_style": style},
                retries={"mode": "standard", "total_max_attempts": attempts or self.attempts},
                connect_timeout=min(self.timeout_seconds, 10.0),
                read_timeout=self.timeout_seconds,
                max_pool_connections=32,
            ),
        )
        _stay_in_region(client)
        return client

    def obstore(self, bucket: str, *, attempts: int | None = None) -> "S3Store":
        """Return an obstore client for one bucket; it asks for credentials again each minute where they renew."""
        from obstore.store import S3Store

        options = {**self._address(), **self._encryption(), **({} if self._asks else self._static())}
        return S3Store(
            bucket,
            config=cast("Any", options),
            client_options={
                "timeout": timedelta(seconds=self.timeout_seconds),
                "connect_timeout": timedelta(seconds=10),
            },
            retry_config={
                "max_retries": (attempts or self.attempts) - 1,
                "retry_timeout": timedelta(seconds=self._patience_seconds),
                "backoff": {
                    "init_backoff": timedelta(seconds=_FIRST_SECONDS),
                    "max_backoff": timedelta(seconds=_LONGEST_SECONDS),
                    "base": 2,
                },
            },
            credential_provider=self._ask if self._asks else None,
        )

    def delta_options(self) -> dict[str, str]:
        """Return the storage options of delta-rs; a commit is a conditional PUT, so no lock service is needed.

        Credentials that expire are those of this moment: open the table anew for each operation.
        """
        return {
            **self._address(),
            **self._static(),
            **self._encryption(),
            "aws_conditional_put": "etag",
            "timeout": f"{self.timeout_seconds:g}s",
            "max_retries": str(self.attempts - 1),
            "retry_timeout": f"{self._patience_seconds:g}s",
            "backoff_config.init_backoff": f"{_FIRST_SECONDS:g}s",
            "backoff_config.max_backoff": f"{_LONGEST_SECONDS:g}s",
        }

    def polars_options(self) -> dict[str, Any]:
        """Return the storage options with which Polars reads; credentials that renew are in `polars_credentials`."""
        return {
            **self._address(),
            **({} if self._asks else self._static()),
            "timeout": f"{self.timeout_seconds:g}s",
            "max_retries": self.attempts - 1,
            "retry_timeout_ms": round(self._patience_seconds * 1000),
            "retry_init_backoff_ms": round(_FIRST_SECONDS * 1000),
            "retry_max_backoff_ms": round(_LONGEST_SECONDS * 1000),
        }

    def polars_credentials(self) -> "Callable[[], tuple[dict[str, str], int | None]] | None":
        """Return what Polars calls as `credential_provider` to renew credentials; None where they never change."""
        return PolarsCredentials(self) if self._asks else None

    def pyiceberg_properties(self) -> dict[str, str]:
        """Return the FileIO properties of pyiceberg; credentials that expire are those of this moment.

        Its PyArrow FileIO takes no KMS key; `vendor/pyiceberg_s3` writes in its stead.
        """
        keys = self._keys()
        properties = {
            "s3.endpoint": self.reachable.endpoint_url,
            "s3.region": self.region,
            "s3.access-key-id": keys.access_key if keys else None,
            "s3.secret-access-key": keys.secret_key if keys else None,
            "s3.session-token": keys.token if keys else None,
            "s3.force-virtual-addressing": None if self.path_style else "true",
            "s3.connect-timeout": f"{min(self.timeout_seconds, 10.0):g}",
            "s3.request-timeout": f"{self.timeout_seconds:g}",
            **(
                {"s3.server-side-encryption": "aws:kms", "s3.sse-kms-key-id": self.kms_key_id}
                if self.kms_key_id
                else {}
            ),
        }
        return {name: value for name, value in properties.items() if value is not None}

    def upload_arguments(self) -> dict[str, str]:
        """Return the ExtraArgs of a boto3 upload, which encrypt it with the KMS key where there is one."""
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key_id} if self.kms_key_id else {}

    def resource_options(self) -> dict[str, Any]:
        """Return the arguments of `dagster_aws.s3.S3Resource`; secrets stay references that its page does not show.

        The resource knows keys and profiles; a role is assumed by a profile that says so in ~/.aws/config.
        """
        import dagster as dg

        secrets = {
            "aws_access_key_id": ("AWS_ACCESS_KEY_ID", self.access_key_id),
            "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY", self.secret_access_key),
            "aws_session_token": ("AWS_SESSION_TOKEN", self.session_token),
        }
        options: dict[str, Any] = {
            "region_name": self.region,
            "endpoint_url": self.reachable.endpoint_url,
            "profile_name": self.profile,
            "max_attempts": self.attempts,
        }
        options |= {name: dg.EnvVar(variable) for name, (variable, value) in secrets.items() if value}
        return {name: value for name, value in options.items() if value is not None}

    @property
    def _patience_seconds(self) -> float:
        """How long a vendor goes on trying one request."""
        return self.timeout_seconds * 3

    @property
    def _asks(self) -> bool:
        """Whether a vendor is given a function that finds credentials, rather than the credentials."""
        return bool(self.role_arn or (self.profile and not self.access_key_id))

    def _address(self) -> dict[str, str]:
        endpoint = self.reachable.endpoint_url
        options = {
            "aws_region": self.region,
            "aws_endpoint_url": endpoint,
            "aws_allow_http": "true" if (endpoint or "").startswith("http://") else None,
            "aws_virtual_hosted_style_request": "false" if self.path_style else None,
        }
        return {name: value for name, value in options.items() if value is not None}

    def _static(self) -> dict[str, str]:
        keys = self._keys()
        if keys is None:
            return {}
        pairs = {
            "aws_access_key_id": keys.access_key,
            "aws_secret_access_key": keys.secret_key,
            "aws_session_token": keys.token,
        }
        return {name: value for name, value in pairs.items() if value}

    def _keys(self) -> _Keys | None:
        """Return the credentials of this moment, or None where each vendor finds the machine's own by itself.

        Raises:
            SettingsError: The profile is not there, or has no credentials.
        """
        if not self._asks:
            known = self.access_key_id and self.secret_access_key
            return _Keys(str(self.access_key_id), str(self.secret_access_key), self.session_token) if known else None
        credentials = self.session.get_credentials()
        if credentials is None:
            raise SettingsError("AWS_PROFILE", f"profile {self.profile!r} has no credentials", fix="aws configure it")
        frozen = credentials.get_frozen_credentials()
        return _Keys(str(frozen.access_key), str(frozen.secret_key), frozen.token)

    def _ask(self) -> Any:
        """Return credentials as obstore wants them; botocore renews them ten minutes before they end."""
        keys = self._keys()
        assert keys is not None, "a provider is only given where there are credentials"  # noqa: S101 - an invariant
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": datetime.now(UTC) + _ASK_AGAIN,
        }

    def _encryption(self) -> dict[str, str]:
        if not self.kms_key_id:
            return {}
        return {"aws_server_side_encryption": "aws:kms", "aws_sse_kms_key_id": self.kms_key_id}


@dataclass(frozen=True)
class PolarsCredentials:
    """What Polars calls for credentials: a value, so that a lazy frame that holds it can be pickled."""

    settings: S3Settings

    def __call__(self) -> tuple[dict[str, str], int | None]:
        """Return the credentials under Polars's names, and when it should ask again, in seconds since 1970."""
        return self.settings._static(), int((datetime.now(UTC) + _ASK_AGAIN).timestamp())  # noqa: SLF001 - its other half


def _answers(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((str(address.hostname), port), timeout=_PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def _stay_in_region(client: "S3Client") -> None:
    """Lets a wrong region fail: boto3 would follow the bucket in silence, and every other vendor would not."""

    def refuse(request_dict: dict[str, Any], **_: object) -> None:
        request_dict.get("context", {}).setdefault("s3_redirect", {})["redirected"] = True

    client.meta.events.register_first("needs-retry.s3", refuse)
