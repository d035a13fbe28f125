"""One far side of each kind, and how its rows are read back; real servers run in the lane."""

import json
import sqlite3
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import psycopg2
import pytest

from platform_resources.alerts import Outbox
from platform_resources.brokers import LogBroker
from platform_resources.settings import Settings
from platform_resources.sinks import Sink, SinkContext, open_sink
from platform_resources.sinks import redis as redis_sink
from platform_resources.sinks import store as store_sink
from tests.brokers import Server, opensearch_server, redis_server
from tests.servers import no_postgres, postgres_server

DATASET = "shop/stock"


@dataclass
class FarSide:
    """An opened sink, and what it holds: documents by id."""

    sink: Sink
    read: Callable[[], dict[str, Any]]


@dataclass
class Receiver:
    """A web server that keeps what it is sent, and answers with the status it was given."""

    status: int = 200
    requests: list[tuple[dict[str, str], Any]] = field(default_factory=list)

    def documents(self) -> dict[str, Any]:
        kept: dict[str, tuple[int, Any]] = {}
        for _, body in self.requests:
            for entry in body["put"]:
                kept[entry["id"]] = max(kept.get(entry["id"], (0, None)), (body["number"], entry["row"]), key=_number)
            for name in body["delete"]:
                kept[name] = max(kept.get(name, (0, None)), (body["number"], None), key=_number)
        return {name: row for name, (_, row) in kept.items() if row is not None}


def _number(entry: tuple[int, Any]) -> int:
    return entry[0]


@pytest.fixture
def receiver() -> Iterator[tuple[str, Receiver]]:
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if received.status == 200:
                received.requests.append((dict(self.headers), json.loads(body)))
            self.send_response(received.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://ann:word@127.0.0.1:{server.server_address[1]}/hook", received
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with opensearch_server(tmp_path_factory.mktemp("opensearch")) as server:
        yield server


def context(settings: Settings) -> SinkContext:
    return SinkContext(
        dataset=DATASET, settings=settings, key=("sku",), schema={"sku": pl.String(), "left": pl.Int64()}
    )


def settings_at(path: Path, **sinks: str) -> Settings:
    return Settings(state=str(path), lake=f"{path}/lake", landing=f"{path}/landing", sinks=sinks)


@pytest.fixture(
    params=[
        *("store", "topic", "webhook", "alert", "redis", "sqlite", "postgresql"),
        pytest.param("search", marks=pytest.mark.lane),
    ],
)
def far_side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarSide]:
    kind, settings = request.param, settings_at(tmp_path)
    options: dict[str, Any] = {}
    read: Callable[[], dict[str, Any]]
    ids = ["a", "b", "c", "ü 1"]
    if kind == "store":
        options = {"store": "online"}
        read = lambda: dict(store_sink.look_up(settings, "online", DATASET, ids))  # noqa: E731
    elif kind in {"sqlite", "postgresql"}:
        url = f"sqlite:///{tmp_path}/far.db" if kind == "sqlite" else request.getfixturevalue("postgres")
        table = f"stock_{uuid.uuid4().hex}"
        settings, options = settings_at(tmp_path), {"connection": "far", "table": table}
        settings, kind = replace(settings, databases={"far": url}), "database"
        read = lambda: _table(url, table)  # noqa: E731
    elif kind == "topic":
        options = {"topic": "stock", "topic_partitions": 1}
        read = lambda: _last_messages(settings)  # noqa: E731
    elif kind == "alert":
        options = {"channel": "journal", "when": None, "title": "", "severity": "warn", "most": 9}
        read = lambda: _open_alerts(settings)  # noqa: E731
    elif kind == "webhook":
        url, receiver = request.getfixturevalue("receiver")
        settings, options = settings_at(tmp_path, hook=url), {"connection": "hook", "rows": 2}
        read = receiver.documents
    elif kind == "redis":
        settings = settings_at(tmp_path, cache=f"redis://{request.getfixturevalue('redis').address}")
        prefix = uuid.uuid4().hex
        options = {"connection": "cache", "prefix": prefix, "keep": None}
        read = lambda: dict(redis_sink.look_up(settings, "cache", prefix, ids))  # noqa: E731
    else:
        url = f"http://{request.getfixturevalue('opensearch').address}"
        index = f"stock-{uuid.uuid4().hex}"
        settings, options = settings_at(tmp_path, search=url), {"connection": "search", "index": index}
        read = lambda: _found(url, index)  # noqa: E731
    sink = open_sink(kind, options, context(settings))
    yield FarSide(sink, read)
    sink.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    if no_postgres():
        pytest.skip(no_postgres())
    with postgres_server() as url:
        yield url


def _table(url: str, table: str) -> dict[str, Any]:
    connect = sqlite3.connect if url.startswith("sqlite") else psycopg2.connect
    with closing(connect(url.replace("sqlite:///", "").replace("+psycopg2", ""))) as connection:
        cursor = connection.cursor()
        cursor.execute(f'select sku, "left" from {table}')  # noqa: S608 - our own name
        return {sku: {"sku": sku, "left": left} for sku, left in cursor.fetchall()}


def _last_messages(settings: Settings) -> dict[str, Any]:
    broker = LogBroker(f"{settings.state}/streams")
    rows = broker.read("stock", 0, 0, max_messages=1000, max_bytes=1 << 20).rows.to_pylist()
    last = {row["key"].decode(): row["value"] for row in rows}
    return {name: json.loads(value) for name, value in last.items() if value is not None}


def _open_alerts(settings: Settings) -> dict[str, Any]:
    told = [each.document for each in Outbox(settings.state).history(limit=99)]
    last = {document["key"]: document for document in reversed(told)}
    return {name: document["row"] for name, document in last.items() if document["event"] == "opened"}


def _found(url: str, index: str) -> dict[str, Any]:
    urllib.request.urlopen(urllib.request.Request(f"{url}/{index}/_refresh", method="POST")).close()  # noqa: S310 - ours
    with urllib.request.urlopen(f"{url}/{index}/_search?size=100") as answer:  # noqa: S310 - ours
        hits = json.load(answer)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}
