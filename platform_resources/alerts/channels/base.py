"""The port of all channels, and how the ones over HTTP are spoken to."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from platform_resources.errors import ResourceError

TIMEOUT_SECONDS = 10.0


class Channel(Protocol):
    """Takes messages, one at a time."""

    def send(self, document: Mapping[str, Any]) -> None:
        """Return when the message was taken.

        Raises:
            ChannelRefused: It was not, or nobody knows.
        """


class ChannelRefused(ResourceError):
    """A channel did not take a message.

    Attributes:
        lasting: Whether the same message will be refused again until somebody changes something.
        retry_after: Seconds that the channel asks to wait; None where it asks for nothing.
        taken: Whether some were told all the same, so that it must not be sent again.
    """

    transient = True

    def __init__(
        self,
        channel: str,
        reason: str,
        *,
        lasting: bool = False,
        retry_after: float | None = None,
        taken: bool = False,
    ) -> None:
        self.lasting, self.retry_after, self.taken = lasting, retry_after, taken
        fix = "correct its address or secret" if lasting else "none: it is sent again by itself"
        super().__init__(f"{channel}: {reason}. Fix: {fix}.")


def post(
    channel: str,
    url: str,
    document: Any,
    *,
    headers: Mapping[str, str] | None = None,
    accepted: tuple[int, ...] = (200, 201, 202, 204),
    timeout: float = TIMEOUT_SECONDS,
) -> None:
    """Post JSON and return when it was accepted; no error repeats the address, which may hold a secret.

    Raises:
        ChannelRefused: Another status, no answer in time, or no connection.
    """
    import requests  # noqa: PLC0415 - only where something is to be sent

    body = json.dumps(document, ensure_ascii=False).encode()
    try:
        answer = requests.post(
            url, data=body, headers={"Content-Type": "application/json", **(headers or {})}, timeout=timeout,
            allow_redirects=False,
        )  # fmt: skip
    except requests.Timeout:
        raise ChannelRefused(channel, f"no answer within {timeout:g} s") from None
    except (requests.RequestException, ValueError) as error:
        raise ChannelRefused(channel, f"no connection ({type(error).__name__})") from None
    if answer.status_code in accepted:
        return
    too_many, server = 429, 500
    lasting = answer.status_code < server and answer.status_code not in {408, too_many}
    raise ChannelRefused(
        channel,
        f"answered {answer.status_code}",
        lasting=lasting,
        retry_after=_seconds(answer.headers.get("Retry-After")),
    )


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
