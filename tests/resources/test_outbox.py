import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from platform_resources.outbox import Outbox


@contextmanager
def endpoint(*answers: int) -> Iterator[tuple[str, list[int]]]:
    """One that answers with these codes, then with 201; it notes what it took."""
    taken: list[int] = []
    codes = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            code = codes.pop(0) if codes else 201
            if code < 300:
                taken.append(body["n"])
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", taken
        server.shutdown()


def test_what_an_outage_holds_up_arrives_later_once_and_in_order(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.put([{"n": 1}, {"n": 2}], reader="a", place=7)
    assert outbox.deliver("http://127.0.0.1:9/").left == 2
    outbox.put([{"n": 3}], reader="a", place=9)
    with endpoint(201, 503) as (url, taken):
        assert outbox.deliver(url).error == "HTTP 503"
        assert (Outbox(tmp_path / "outbox.db").deliver(url).left, taken) == (0, [1, 2, 3])
    assert outbox.place("a") == 9


def test_a_message_that_is_refused_as_wrong_holds_up_no_other(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.put([{"n": 1}, {"n": 2}], reader="a", place=1)
    with endpoint(422) as (url, taken):
        delivery = outbox.deliver(url)
    assert (delivery.sent, delivery.refused, delivery.left, taken) == (1, 1, 0, [2])
