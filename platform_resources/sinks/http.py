"""What the sinks that speak HTTP have in common: one request, its trouble in our words, credentials out of the URL."""

import base64
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from platform_resources.sinks.errors import SinkError, SinkRefused, SinkUnreachable

_SECONDS = 30.0
_BUSY = {408, 425, 429}
_SUCCESS, _SERVER = range(200, 300), 500


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


class Endpoint:
    """A server's address; a password in it becomes a header and is never shown."""

    def __init__(self, url: str, dataset: str, sink: str) -> None:
        """Take `http://…` or `https://…`; a connection stays open between requests."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SinkError(dataset, sink, "its address is no http:// or https:// URL", fix="correct the setting")
        self._dataset, self._sink = dataset, sink
        self._is_secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
        self._headers: dict[str, str] = {}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body, and return an answer of success.

        Raises:
            SinkUnreachable: Nobody answers, or the server is busy or broken.
            SinkRefused: It says no.
        """
        try:
            answer = self._send(path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise SinkUnreachable(self._dataset, self._sink, f"it does not answer ({type(error).__name__})") from error
        if answer.status in _BUSY or answer.status >= _SERVER:
            raise SinkUnreachable(self._dataset, self._sink, f"it answers {answer.status}")
        if answer.status not in _SUCCESS:
            fix = "look at its address, its rights and its log"
            raise SinkRefused(self._dataset, self._sink, f"it answers {answer.status}", fix=fix)
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        is_kept = self._connection is not None
        try:
            return self._request(path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            if not is_kept:  # the server closed a connection that was idle
                raise
            self.close()
            return self._request(path, body, headers)

    def _request(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._connection is None and self._is_secure:
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(self._host, self._port, timeout=_SECONDS, context=context)
        elif self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=_SECONDS)
        self._connection.request("POST", (self._path + path) or "/", body, {**self._headers, **headers})
        response = self._connection.getresponse()
        return Answer(response.status, response.read())
