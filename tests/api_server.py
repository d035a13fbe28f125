"""A real HTTP server of records for tests, on a free port of loopback, with the faults that a test plans."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Api:
    """What the server has, does and was asked.

    Attributes:
        records: What `/items` serves.
        faults: What the next requests meet, in their order: a status, `cut`, `html`, or None for a right answer.
        retry_after: Sent with 429 and 503.
        size: Records on a page at most, whatever a client asks for.
        heeds: Whether it pays heed to where a page begins.
        wraps: Whether it begins anew behind its last page.
        etags: Whether it names versions.
        exact: The number that is written for a record's text `PRICE`.
    """

    records: list[Any] = field(default_factory=list)
    faults: list[int | str | None] = field(default_factory=list)
    retry_after: str = "2"
    size: int = 3
    heeds: bool = True
    wraps: bool = False
    etags: bool = False
    token: str = ""
    total: int | None = None
    elsewhere: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    exact: str = ""

    def page(self, query: dict[str, str]) -> tuple[list[Any], int]:
        """The records of a page, and where it begins."""
        rows = self.records
        if "since" in query:
            rows = [row for row in rows if str(row["at"]) >= query["since"]]
        start = int(query.get("offset") or query.get("cursor") or (int(query.get("page", "1")) - 1) * self.size)
        start = start if self.heeds else 0
        start = start % len(rows) if self.wraps else start
        return rows[start : start + self.size], start


class _Handler(BaseHTTPRequestHandler):
    api: Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        api, parts = self.api, urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        api.asked.append(self.path)
        api.headers.append(dict(self.headers))
        fault = api.faults.pop(0) if api.faults else None
        if isinstance(fault, int):
            self._send(fault, b"secret words of the server", {"Retry-After": api.retry_after})
            return
        if api.token and self.headers.get("Authorization") != api.token:
            self._send(401, b"{}")
            return
        rows, start = api.page(query)
        following = start + len(rows)
        more = following < len(api.records)
        document: Any = rows
        if parts.path == "/items":
            meta = {"next": str(following) if more else None, "total": api.total or len(api.records)}
            document = {"data": {"items": rows}, "meta": meta}
        headers = {"ETag": f'"{hash(json.dumps(api.records))}"'} if api.etags else {}
        if headers and self.headers.get("If-None-Match") == headers["ETag"]:
            self._send(304, b"", headers)
            return
        if parts.path == "/linked" and more:
            headers["Link"] = f'<{api.elsewhere or ""}/linked?offset={following}>; rel="next"'
        body = b"<html>sorry</html>" if fault == "html" else json.dumps(document).encode()
        body = body.replace(b'"PRICE"', api.exact.encode())
        self._send(200, body, headers, cut=fault == "cut")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        right = "Basic " + base64.b64encode(b"client:s3cret").decode()
        is_right = self.headers.get("Authorization") == right and "client_credentials" in body
        self._send(200 if is_right else 401, json.dumps({"access_token": "fresh"} if is_right else {}).encode())

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the library gives
        """Say nothing."""


@contextmanager
def api_server(**words: Any) -> Iterator[Api]:
    """Yields a server that answers."""
    api = Api(**words)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api})) as server:
        api.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
