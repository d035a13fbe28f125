"""Who the platform is before S3: keys written out, a profile, or a role that is assumed and assumed again."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from platform_resources.errors import SettingsError

if TYPE_CHECKING:
    import boto3
    from botocore.session import Session

_NAME = "dagster-asset-platform"
UNKNOWN_KEY = {"InvalidAccessKeyId", "XAdminUserNotFound", "InvalidClientTokenId", "InvalidToken"}
"""What servers call an access key or token that they do not know; versitygw says it with 404, as if all were gone."""
WRONG_SECRET = {"SignatureDoesNotMatch"}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What settings say of the caller.

    Attributes:
        profile: a profile of ~/.aws, of any kind that boto3 reads; keys written out win over it.
        role_arn: a role to assume with the credentials found; its temporary credentials renew themselves.
        sts_endpoint: where roles are assumed, if not at AWS.
    """

    region: str = "us-east-1"
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    sts_endpoint: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    @property
    def renews(self) -> bool:
        """Whether credentials can be asked for again; those written out in full cannot."""
        return bool(self.role_arn) or not self.access_key_id

    def rejected(self, server: str, code: str) -> tuple[str, str]:
        """Return what it means, and what to do, that a server does not accept the credentials; no word of them.

        Args:
            server: its address, or AWS.
            code: what the server calls it.
        """
        why = "its secret key is another" if code in WRONG_SECRET else "it does not know the access key"
        whose, fix = self._whose()
        other = "" if server == "AWS" else "; or PLATFORM_S3_ENDPOINT, if they belong to another server"
        return f"{server} does not accept the credentials of {whose}: {why} ({code})", f"{fix}{other}"

    def _whose(self) -> tuple[str, str]:
        """Return where the credentials come from, and how to mend them."""
        if self.role_arn:
            return f"the role {self.role_arn}", "correct the credentials that assume it, or PLATFORM_S3_ROLE"
        if self.access_key_id:
            return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "correct both, or unset them and set AWS_PROFILE"
        if self.profile:
            return f"the profile {self.profile!r}", "correct it in ~/.aws, or choose another by AWS_PROFILE"
        return "this machine", "set AWS_PROFILE, or the AWS_* keys"


def session_of(identity: Identity) -> "boto3.Session":
    """Return a session with the credentials that the settings name; those of a role renew themselves.

    Raises:
        SettingsError: The profile is not there.
    """
    import boto3
    from botocore.exceptions import ProfileNotFound

    profile = None if identity.access_key_id else identity.profile
    try:
        session = boto3.Session(
            profile_name=profile,
            region_name=identity.region,
            aws_access_key_id=identity.access_key_id,
            aws_secret_access_key=identity.secret_access_key,
            aws_session_token=identity.session_token,
        )
    except ProfileNotFound as error:
        raise SettingsError("AWS_PROFILE", str(error), fix="write it to ~/.aws, or unset the variable") from error
    return _assumed(session, identity) if identity.role_arn else session


def _assumed(source: "boto3.Session", identity: Identity) -> "boto3.Session":
    """Return a session of the role; it is assumed at the first request, and again before its credentials end."""
    import boto3
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.session import get_session

    keys = source.get_credentials()
    if keys is None:
        raise SettingsError(
            "PLATFORM_S3_ROLE", "there are no credentials to assume the role with", fix="set AWS_PROFILE or the keys"
        )
    extra = {"RoleSessionName": _NAME} | ({"ExternalId": identity.external_id} if identity.external_id else {})
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=_sts(source, identity),
        source_credentials=keys,
        role_arn=str(identity.role_arn),
        extra_args=extra,
    )
    session: Session = get_session()
    session._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]  # noqa: SLF001 - botocore has no other door
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )
    return boto3.Session(botocore_session=session, region_name=identity.region)


def _sts(source: "boto3.Session", identity: Identity) -> Any:
    def create(service: str, **arguments: Any) -> Any:
        arguments.setdefault("region_name", identity.region)
        return source._session.create_client(service, endpoint_url=identity.sts_endpoint, **arguments)  # noqa: SLF001 - as above

    return create
