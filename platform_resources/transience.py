"""Which errors pass by themselves: only these are worth a second try, for a wrong row stays wrong."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from platform_resources.errors import ResourceError
from platform_resources.s3_credentials import UNKNOWN_KEY, WRONG_SECRET

MAX_RETRIES = 3
_FIRST_SECONDS = 2.0
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
SKEWED = {"RequestTimeTooSkewed"}
_NETWORK = (ConnectionError, TimeoutError)
_BOTO = {"EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
         "ResponseStreamingError", "ProtocolError", "IncompleteReadError", "FlexibleChecksumError", "HTTPClientError",
         "ConnectionError"}  # fmt: skip
_CODES = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeoutException", "Throttling",
          "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "BadDigest", "IncompleteBody",
          "XAmzContentChecksumMismatch", "OperationAborted", "429", "500", "502", "503", "504"}  # fmt: skip
_TOLD = ("error sending request", "connection reset", "connection refused", "connection closed", "operation timed out",
         "error decoding response body", "error reading a body", "slowdown", "incomplete body", "end of file before",
         "429 too many requests", "500 internal server error", "502 bad gateway", "503 service unavailable",
         "504 gateway timeout", "expiredtoken", "requesttimetooskewed", "request or response body error",
         "aws error slow_down", "aws error internal_failure", "aws error service_unavailable", "aws error throttling",
         "aws error network_connection", "aws error request_timeout", "(http status 5",
         "response checksums mismatch")  # fmt: skip
_MUTE = re.compile(r"\(http status 400\) during \w+ operation: *(no response body\.?)? *$"
                   r"|error performing head .*: 400 bad request: *$", re.MULTILINE)  # fmt: skip
_REFUSED = ("403 forbidden", "accessdenied", "access_denied", "invalidaccesskeyid", "signaturedoesnotmatch",
            "lacked the necessary privileges", "401 unauthorized")  # fmt: skip
_VENDORS = ("obstore", "deltalake", "_internal", "polars", "builtins")


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: the network, a busy server, a lost race. A refusal is not.

    A token that expired and a clock that differs may be better in the next step, which asks for credentials anew.
    delta-rs, obstore, Polars and Arrow tell a network error only in words, so the words of their errors are read.
    """
    if isinstance(error, ResourceError):
        return error.transient
    if isinstance(error, _NETWORK) or type(error).__name__ in _BOTO:
        return True
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return response.get("Error", {}).get("Code") in _CODES | EXPIRED | SKEWED
    words = str(error).lower()
    return is_mute(error) or (_of_vendor(error) and any(phrase in words for phrase in _TOLD))


def is_mute(error: BaseException) -> bool:
    """Whether S3 said 400 and no reason: its answer to a HEAD when a token has expired."""
    return _of_vendor(error) and _MUTE.search(str(error).lower()) is not None


def is_refusal(error: BaseException) -> bool:
    """Whether S3 said no, by the words of a library; a token that expired or a clock that differs is none."""
    words = str(error).lower()
    refused = unaccepted(error) is not None or any(phrase in words for phrase in _REFUSED)
    return _of_vendor(error) and refused and not is_transient(error)


def unaccepted(error: BaseException) -> str | None:
    """Return what S3 calls credentials that it does not accept, by the words of a library; None for other errors."""
    words = str(error).lower().replace("_", "")
    codes = (code for code in sorted(UNKNOWN_KEY | WRONG_SECRET) if code.lower() in words)
    return next(codes, None) if _of_vendor(error) else None


def _of_vendor(error: BaseException) -> bool:
    """Whether an error comes from a library that tells what happened in words alone."""
    if type(error).__module__ == "builtins":
        return isinstance(error, OSError)
    return type(error).__module__.split(".")[0] in _VENDORS


@contextmanager
def retry_transient(seconds: float = _FIRST_SECONDS) -> Iterator[None]:
    """Asks Dagster to try the step again where what went wrong passes by itself; other errors go on as they are.

    Raises:
        dagster.RetryRequested: At most `MAX_RETRIES` times a step, `seconds` apart.
    """
    try:
        yield
    except Exception as error:
        if is_transient(error):
            import dagster as dg  # noqa: PLC0415 - a second of it, and only steps of Dagster's come here

            raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=seconds) from error
        raise
