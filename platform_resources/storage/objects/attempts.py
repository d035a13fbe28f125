"""Asking S3 until it answers: again, after a random and growing while, where that helps; else a clear error at once."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from platform_resources.errors import (
    BucketNotFound,
    ClockSkew,
    CredentialsExpired,
    CredentialsRefused,
    ObjectChanged,
    ObjectError,
    ObjectForbidden,
    ObjectNotFound,
    ObjectUnavailable,
    WrongRegion,
)
from platform_resources.s3 import S3Settings
from platform_resources.s3_credentials import UNKNOWN_KEY, WRONG_SECRET
from platform_resources.storage.objects.address import Address
from platform_resources.transience import EXPIRED, SKEWED, is_transient

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from types_boto3_s3 import S3Client

Result = TypeVar("Result")
_FIRST_SECONDS, _LONGEST_SECONDS = 0.05, 5.0
_FORBIDDEN, _NOT_FOUND, _CHANGED, _ELSEWHERE = 403, 404, 412, (301, 307)
_NO_OBJECT = {"404", "NoSuchKey", "NoSuchVersion", "NotFound"}


@dataclass
class Attempts:
    """Calls to S3 through the endpoints of the settings, in order; safe for many threads.

    Attributes:
        pause: what waits; seconds.
        rng: what spreads the waits, so that many callers do not come back together.
    """

    settings: S3Settings
    pause: Callable[[float], None] = time.sleep
    rng: random.Random = field(default_factory=random.Random)
    _clients: dict[int, "S3Client"] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, call: "Callable[[S3Client], Result]", address: Address) -> Result:
        """Return what the call returns.

        Raises:
            ObjectUnavailable: What is transient did not pass within the attempts of the settings.
            ObjectError: What no further attempt would change, at the first.
        """
        last: Exception | None = None
        for number in range(self.settings.attempts):
            if last is not None:
                self.pause(self.rng.uniform(0, min(_LONGEST_SECONDS, _FIRST_SECONDS * 2**number)))
            client = self._client(number)
            try:
                return call(client)
            except Exception as error:  # noqa: BLE001 - all but what is transient is raised again
                last = error
                self._or_raise(error, client, address)
        assert last is not None, "there is at least one attempt"  # noqa: S101 - the settings see to it
        raise self._given_up(last, address) from last

    def _or_raise(self, error: Exception, client: "S3Client", address: Address) -> None:
        """Raise where no other attempt may help; credentials that expired are asked for anew."""
        if not is_transient(error):
            raise explained(error, address, self.settings) from error
        if _code(error) in EXPIRED:
            if not self.settings.renews:
                raise _expired(address) from error
            self._renew(client)

    def _client(self, number: int) -> "S3Client":
        """Return the client of an attempt's endpoint; boto3 makes clients in one thread at a time only."""
        place = number % len(self.settings.endpoints)
        with self._lock:
            if place not in self._clients:
                endpoint = self.settings.endpoints[place]
                self._clients[place] = self.settings.at(endpoint).boto3_client(attempts=1)
            return self._clients[place]

    def _renew(self, stale: "S3Client") -> None:
        """Get new credentials for the next client, once for all threads that found the old ones expired."""
        with self._lock:
            if stale in self._clients.values():
                self.settings = self.settings.renewed()
                self._clients = {}

    def _given_up(self, last: Exception, address: Address) -> ObjectError:
        if _code(last) in SKEWED:
            return ClockSkew(
                address, "this machine's clock differs from S3's by more than S3 accepts", fix="set the clock"
            )
        return ObjectUnavailable(address, self.settings.attempts, _error_text(last))


def explained(error: Exception, address: Address, settings: S3Settings) -> Exception:
    """Return the error in our words where it is a refusal by S3, and the error itself where it is not."""
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return ObjectForbidden(address, "there are no credentials", fix="set AWS_PROFILE, or the AWS_* keys")
    return _refused(error, address, settings) if isinstance(error, ClientError) else error


def _refused(error: "ClientError", address: Address, settings: S3Settings) -> ObjectError:
    code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in UNKNOWN_KEY | WRONG_SECRET:
        problem, fix = settings.rejection(code)
        return CredentialsRefused(address, problem, fix=fix)
    if status in _ELSEWHERE or code in ("PermanentRedirect", "AuthorizationHeaderMalformed"):
        return WrongRegion(f"s3://{address.bucket}", settings.region, _region(error.response))
    if code == "NoSuchBucket":
        return BucketNotFound(f"s3://{address.bucket}", "there is no such bucket", fix="correct its name, or create it")
    if status == _NOT_FOUND and code in _NO_OBJECT:
        return ObjectNotFound(address, "there is no such object", fix="platform objects ls shows what there is")
    if status == _CHANGED:
        return ObjectChanged(address, "it was written again while it was read", fix="read it again")
    if status == _FORBIDDEN:
        return ObjectForbidden(
            address, f"S3 refuses ({code})", fix="check the credentials and what their policy allows"
        )
    return ObjectError(address, f"S3 refuses: {_error_text(error)}", fix="check the address and the settings")


def status_of(error: Exception) -> int | None:
    """Return the HTTP status that S3 answered with, or None where it did not answer."""
    response = getattr(error, "response", None)
    return response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None


def _expired(address: Address) -> CredentialsExpired:
    return CredentialsExpired(
        address,
        "the temporary credentials have expired, and keys that are written out cannot be renewed",
        fix="set new AWS_* keys, or let PLATFORM_S3_ROLE or AWS_PROFILE renew them",
    )


def _code(error: BaseException) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _region(response: Mapping[str, Any]) -> str | None:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region: str | None = headers.get("x-amz-bucket-region") or response.get("Error", {}).get("Region")
    return region


def _error_text(error: BaseException) -> str:
    """Return what went wrong, without the request, which may hold a signature."""
    code = _code(error)
    return f"{code} (HTTP {status_of(error)})" if code and isinstance(error, Exception) else type(error).__name__
