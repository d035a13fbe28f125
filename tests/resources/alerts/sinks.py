"""Sinks on loopback that take what channels send, and refuse as they are told to."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


@dataclass
class HttpSink:
    """What came in, and the answers that are still to be given before all is well."""

    url: str = ""
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    hangs: threading.Event | None = None
    status: int = 200


@contextmanager
def http_sink(status: int = 200) -> Iterator[HttpSink]:
    """A web server that keeps every request that it answers well."""
    sink = HttpSink(status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if sink.hangs is not None:
                sink.hangs.wait(5)
                return
            code, headers = sink.answers.pop(0) if sink.answers else (sink.status, {})
            if code < 300:
                sink.posts.append((self.path, dict(self.headers), body))
            self.send_response(code)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the name that the library gives

        def log_message(self, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield sink
        finally:
            server.shutdown()


@dataclass
class MailSink:
    """Mails by recipients; an address that begins with `nobody` is refused."""

    port: int = 0
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    """An SMTP server, as much of RFC 5321 as a client of ours speaks."""
    sink = MailSink()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            recipients: list[str] = []
            self._say("220 sink")
            while line := self.rfile.readline().decode().strip():
                verb = line.split(":")[0].split(" ")[0].upper()
                if verb == "RCPT" and "<nobody" in line:
                    self._say("550 no such user")
                elif verb == "DATA":
                    self._say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    mail = message_from_bytes(b"".join(lines), policy=policy.default)
                    sink.mails.append((recipients, cast("EmailMessage", mail)))
                    self._say("250 taken")
                    recipients = []
                elif verb == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    recipients += [line.split("<")[1].split(">")[0]] if verb == "RCPT" else []
                    self._say("250 sink")

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        sink.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield sink
        finally:
            server.shutdown()
