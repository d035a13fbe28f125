"""What S3 refuses while a file is converted, in one sentence; never the request, which is signed with a key.

obstore, delta-rs and Polars tell it in a page of their own, each in another way. What they said is not kept as the
cause either: a traceback would print it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from platform_resources.errors import (
    BucketNotFound,
    CredentialsRefused,
    ObjectForbidden,
    ObjectUnavailable,
    ResourceError,
)
from platform_resources.s3 import bucket_and_key
from platform_resources.settings import S3Settings
from platform_resources.storage.refusals import reason
from platform_resources.transience import is_refusal, is_transient, unaccepted

_FIX = "check the credentials, what their policy allows, and the clock; platform objects doctor asks the bucket"


@contextmanager
def translated_errors(source: str, target: str, s3: S3Settings) -> Iterator[None]:
    """Pass errors on as they are, but for those of S3 about one of two locations.

    Raises:
        ObjectForbidden: S3 does not let these credentials do that, or does not know them.
        BucketNotFound: There is no such bucket.
        ObjectUnavailable: S3 did not answer as it should.
    """
    try:
        yield
    except Exception as error:
        remote = [location for location in (source, target) if location.startswith("s3://")]
        explained = _explained(error, remote, s3) if remote and not isinstance(error, ResourceError) else None
        if explained is None:
            raise
        raise explained from None


def _explained(error: Exception, remote: list[str], s3: S3Settings) -> ResourceError | None:
    words = str(error)
    named = next((location for location in remote if bucket_and_key(location)[1] in words), remote[0])
    where = named if len(remote) == 1 or bucket_and_key(named)[1] in words else " or ".join(remote)
    if "NoSuchBucket" in words:
        bucket = next((name for name in map(_bucket, remote) if f"<BucketName>{name}<" in words), None)
        named = f"s3://{bucket}" if bucket else " or ".join(f"s3://{_bucket(location)}" for location in remote)
        return BucketNotFound(named, "there is no such bucket", fix="correct the bucket's name, or create it")
    if code := unaccepted(error):
        problem, fix = s3.rejection(code)
        return CredentialsRefused(where, problem, fix=fix)
    if is_refusal(error):
        return ObjectForbidden(where, f"S3 refuses: {reason(error)}", fix=_FIX)
    if is_transient(error):
        return ObjectUnavailable(where, s3.attempts, reason(error))
    return None


def _bucket(location: str) -> str:
    return bucket_and_key(location)[0]
