"""A proxy in front of an S3 server that spoils a share of the requests, chosen by a seed.

It understands HTTP, hands everything on as it came (signatures cover the host, so that stays), and plays the world:
busy servers, lost connections, answers that end early or come with other bytes, tokens and clocks that S3 refuses.
"""

import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Fault = Literal[
    "internal", "slow_down", "timeout", "reset", "reset_after", "truncated", "corrupted", "wrong_checksum",
    "expired", "skewed",
]  # fmt: skip
NEVER_WRONG: tuple[Fault, ...] = (
    "internal", "slow_down", "timeout", "reset", "reset_after", "truncated", "expired", "skewed",
)  # fmt: skip
EVERY: tuple[Fault, ...] = (*NEVER_WRONG, "corrupted", "wrong_checksum")
_REFUSALS = {
    "internal": (500, "InternalError"),
    "slow_down": (503, "SlowDown"),
    "expired": (400, "ExpiredToken"),
    "skewed": (403, "RequestTimeTooSkewed"),
}
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class FaultProxy:
    """A running proxy: where it listens, what it spoils, and how often it has.

    Attributes:
        rate: the share of requests that are spoilt.
        drop: names of request headers that the server behind never sees, as with servers that are older than these.
        served: path and size of each body that was passed back.
    """

    endpoint: str
    upstream: tuple[str, int]
    faults: Sequence[Fault]
    rate: float
    rng: random.Random
    drop: frozenset[str] = frozenset()
    seen: Counter[str] = field(default_factory=Counter)
    served: list[tuple[str, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def draw(self) -> Fault | None:
        """The fate of the next request."""
        with self.lock:
            fault = self.rng.choice(list(self.faults)) if self.faults and self.rng.random() < self.rate else None
            self.seen[fault or "passed"] += 1
            return fault

    def count(self, path: str, size: int) -> None:
        with self.lock:
            self.served.append((path, size))

    @property
    def body_bytes(self) -> int:
        """How many bytes were passed back in bodies."""
        with self.lock:
            return sum(size for _, size in self.served)

    @property
    def spoilt(self) -> int:
        """How many requests were."""
        return sum(self.seen.values()) - self.seen["passed"]


@contextlib.contextmanager
def fault_proxy(
    endpoint: str, faults: Sequence[Fault] = EVERY, *, rate: float = 0.2, seed: int = 0, drop: Sequence[str] = ()
) -> Iterator[FaultProxy]:
    """Yields a proxy in front of an http:// endpoint."""
    host, _, port = endpoint.removeprefix("http://").partition(":")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    made = FaultProxy(
        endpoint=f"http://127.0.0.1:{server.server_address[1]}",
        upstream=(host, int(port)),
        faults=faults,
        rate=rate,
        rng=random.Random(seed),  # noqa: S311 - not a secret
        drop=frozenset(name.lower() for name in drop),
    )
    server.proxy = made  # type: ignore[attr-defined]  # the handler is made by the server, and knows nothing else
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.over.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def proxy(self) -> FaultProxy:
        return self.server.proxy  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._serve()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's word
        """Says nothing."""

    def _serve(self) -> None:
        body = self._body()
        fault = self.proxy.draw()
        if fault in _REFUSALS:
            self._refuse(*_REFUSALS[fault])
        elif fault == "timeout":
            self._wait()
        elif fault == "reset":
            self._reset()
        else:
            self._hand_on(body, fault)

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_expect_100(self) -> bool:
        return True  # answered with the body

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    def _refuse(self, status: int, code: str) -> None:
        content = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code} planted</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _wait(self) -> None:
        """Keeps the client waiting until it goes, or the test is over."""
        self.connection.settimeout(0.1)
        while not self.proxy.over.is_set():
            try:
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _hand_on(self, body: bytes, fault: Fault | None) -> None:
        kept = {name: value for name, value in self.headers.items() if name.lower() not in self.proxy.drop | _HOP}
        upstream = HTTPConnection(*self.proxy.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in kept.items():
                if name.lower() != "expect":
                    upstream.putheader(name, value)
            if body or self.command in ("PUT", "POST"):
                upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            self._answer(answer, answer.read(), fault)
        finally:
            upstream.close()

    def _answer(self, answer: HTTPResponse, content: bytes, fault: Fault | None) -> None:
        if fault == "reset_after":
            self._reset()
            return
        told = answer.headers.get("Content-Length") if self.command == "HEAD" else str(len(content))
        data = answer.status in (200, 206) and self.command == "GET" and bool(content)
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, _other(value) if fault == "wrong_checksum" and _is_checksum(name) else value)
        if told is not None and answer.status not in (204, 304):
            self.send_header("Content-Length", told)
        self.end_headers()
        if fault == "corrupted" and data and not answer.headers.get("Content-Type", "").startswith("application/xml"):
            content = _flipped(content, self.proxy.rng)
        if fault == "truncated" and data:
            content = content[: len(content) // 2]
            self.close_connection = True
        self.proxy.count(self.path, len(content))
        self.wfile.write(content)


def _is_checksum(name: str) -> bool:
    return name.lower().startswith("x-amz-checksum-") and name.lower() != "x-amz-checksum-type"


def _other(value: str) -> str:
    """Another checksum of the same form."""
    return ("B" if value[0] == "A" else "A") + value[1:]


def _flipped(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :]
