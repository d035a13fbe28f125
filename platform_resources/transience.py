"""Which errors pass by themselves: only these are worth a second try, for a wrong row stays wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from platform_resources.errors import ResourceError

MAX_RETRIES = 3
_FIRST_SECONDS = 2.0
_NETWORK = (ConnectionError, TimeoutError)
_BOTO = {"EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"}
_CODES = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "500", "503"}
_TOLD = ("error sending request", "connection reset", "connection refused", "operation timed out", "slowdown",
         "503 service unavailable", "500 internal server error")  # fmt: skip


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: the network, a busy server, a lost race. A refusal is not.

    delta-rs, obstore and Polars tell a network error only in the words of an OSError, so the words are read.
    """
    if isinstance(error, ResourceError):
        return error.transient
    if isinstance(error, _NETWORK) or type(error).__name__ in _BOTO:
        return True
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return response.get("Error", {}).get("Code") in _CODES
    words = str(error).lower()
    return isinstance(error, OSError) and any(told in words for told in _TOLD)


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
            raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=seconds) from error
        raise
