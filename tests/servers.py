"""Real servers for tests, each on a free port, ready when handed out and stopped afterwards.

S3 has two lanes. moto runs everywhere, but accepts any signature and reads the whole object for each range; versitygw
is a real server, for what only such a one can show; it is found on PATH or named by VERSITYGW, and `.ci/versitygw`
builds it.
"""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pymysql

from platform_resources.settings import S3Settings, Settings

BUCKET = "lake"


@dataclass(frozen=True)
class S3Server:
    """A running S3 server with one bucket."""

    endpoint: str
    bucket: str = BUCKET

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point the platform at this server."""
        return {
            "PLATFORM_S3_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing-secret",
            "AWS_REGION": "us-east-1",
        }

    @property
    def settings(self) -> S3Settings:
        """The same as a record."""
        return Settings.from_environment(self.environment).s3

    def through(self, endpoint: str) -> "S3Server":
        """The same server behind another address, such as a counting proxy."""
        return replace(self, endpoint=endpoint)


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """Yields an S3 server that answers."""
    binary = Path(sys.executable).with_name("moto_server")
    process = subprocess.Popen(
        [str(binary), "-H", "127.0.0.1", "-p", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        endpoint = next(line.split()[-1] for line in process.stderr if "Running on" in line)
        _thread(lambda: [None for _ in process.stderr or ()])  # so that it never blocks on a full pipe
        server = S3Server(endpoint.rstrip("/"))
        urllib.request.urlopen(f"{server.endpoint}/moto-api/data.json", timeout=10).close()  # noqa: S310 - our own http address
        server.settings.boto3_client().create_bucket(Bucket=server.bucket)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=10)


def no_postgres() -> str:
    """Why there can be no PostgreSQL server here; empty where there can."""
    return "" if _postgres_program("initdb") and _postgres_program("pg_ctl") else "PostgreSQL's server is not installed"


@contextlib.contextmanager
def postgres_server(*, replicates: bool = False) -> Iterator[str]:
    """Yields the SQLAlchemy URL of an empty database on a server that is reached by a socket in its own folder.

    One that replicates tells its changes, and listens on a port of loopback besides, for what cannot use a socket.
    PostgreSQL refuses to run as root, so there it runs as nobody.
    """
    who: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        if who:
            shutil.chown(folder, "nobody")
        data, control = f"{folder}/data", _postgres_program("pg_ctl")
        made = [_postgres_program("initdb"), "-D", data, "-U", "lake", "-A", "trust", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **who)
        port = free_port() if replicates else 5432
        where = f"127.0.0.1 -c port={port} -c wal_level=logical" if replicates else ""
        options = f"-c listen_addresses={where} -c unix_socket_directories={folder} -c fsync=off"
        start = [control, "-D", data, "-w", "-o", options, "-l", f"{folder}/log", "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder, **who)
        try:
            yield f"postgresql+psycopg2://lake@/postgres?host={folder}" + (f"&port={port}" if replicates else "")
        finally:
            stop = [control, "-D", data, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, capture_output=True, cwd=folder, **who)


@contextlib.contextmanager
def stopped_postgres(url: str) -> Iterator[None]:
    """Stop the server of `postgres_server` while the block runs, as a restart does, and start it again."""
    folder = url.partition("host=")[2].partition("&")[0]
    who: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
    control = [_postgres_program("pg_ctl"), "-D", f"{folder}/data", "-w", "-l", f"{folder}/log"]
    options = shlex.join(shlex.split(Path(folder, "data", "postmaster.opts").read_text())[3:])  # -D DATA is given
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": folder, **who}
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, **quiet)
    try:
        yield
    finally:
        subprocess.run([*control, "-o", options, "start"], check=True, **quiet)


def _postgres_program(name: str) -> str:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else "")


def free_port() -> int:
    """Give a port of loopback that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def no_debezium() -> str:
    """Why Debezium's engine cannot run here; empty where it can."""
    if not os.environ.get("DEBEZIUM_JARS"):
        return "Debezium's jars are not here: .ci/debezium FOLDER fetches them, and DEBEZIUM_JARS names the folder"
    return "" if shutil.which("java") else "there is no Java"


def no_jpype() -> str:
    """Why Debezium's engine cannot run in Python here; empty where it can."""
    folder = Path(os.environ.get("DEBEZIUM_JARS", "")) / "python" / "jpype"
    return "" if folder.exists() else "JPype is not beside Debezium's jars: .ci/debezium FOLDER fetches it"


def no_mariadb() -> str:
    """Why there can be no MariaDB server here; empty where there can."""
    return (
        "" if shutil.which("mariadbd") and shutil.which("mariadb-install-db") else "MariaDB's server is not installed"
    )


@contextlib.contextmanager
def mariadb_server(*, replicates: bool = False, words: Sequence[str] = ()) -> Iterator[str]:
    """Yields the URL of an empty database; MariaDB refuses to run as root, so there it runs as its own user.

    One that replicates writes its changes, row by row, into a log that others may read.
    """
    who: dict[str, Any] = {"user": "mysql", "group": "mysql", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="my-") as folder:
        if who:
            shutil.chown(folder, "mysql")
        port = free_port()
        data = ["--no-defaults", f"--datadir={folder}/data"]
        install = ["mariadb-install-db", *data, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True, cwd=folder, **who)
        words = [
            *data,
            *words,
            f"--socket={folder}/s",
            f"--pid-file={folder}/pid",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            *(["--log-bin=changes", "--binlog-format=ROW", "--server-id=1"] if replicates else []),
        ]
        start = ["mariadbd", *words, "--skip-name-resolve", "--innodb-buffer-pool-size=64M"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(start, cwd=folder, **quiet, **who) as server:
            try:
                for _ in range(300):
                    with contextlib.suppress(pymysql.Error):
                        with pymysql.connect(host="127.0.0.1", port=port, user="root") as connection:
                            connection.cursor().execute("create database shop")
                        break
                    time.sleep(0.1)
                yield f"mysql://root@127.0.0.1:{port}/shop"
            finally:
                server.kill()


def versitygw() -> str | None:
    """The program of the real lane, or None where this machine has none."""
    return os.environ.get("VERSITYGW") or shutil.which("versitygw")


@contextlib.contextmanager
def real_s3_server(folder: Path) -> Iterator[S3Server]:
    """Yields a versitygw over a folder, with versions; it checks signatures and answers ranges alone."""
    binary = versitygw()
    assert binary is not None, "skip the test where versitygw() finds none"
    data, earlier = folder / "objects", folder / "versions"
    data.mkdir(parents=True)
    earlier.mkdir()
    port = _free_port()
    server = S3Server(f"http://127.0.0.1:{port}")
    keys = {name: server.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    root = {"ROOT_ACCESS_KEY": keys["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": keys["AWS_SECRET_ACCESS_KEY"]}
    process = subprocess.Popen(
        [binary, "--port", f"127.0.0.1:{port}", "--keep-alive", "--quiet",
         "posix", "--versioning-dir", str(earlier), str(data)],
        env={**os.environ, **root}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _until_it_answers(port, process)
        server.settings.boto3_client().create_bucket(Bucket=server.bucket)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _until_it_answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    waiting = threading.Event()
    for _ in range(200):
        assert process.poll() is None, "versitygw ended at once"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        waiting.wait(0.05)
    raise AssertionError("versitygw does not answer")


@dataclass
class Counter:
    """A proxy in front of a server, and the bytes it has passed back."""

    endpoint: str
    received_bytes: int = 0


@contextlib.contextmanager
def counting_proxy(endpoint: str) -> Iterator[Counter]:
    """Yields a proxy that counts what clients of the server receive."""
    host, port = endpoint.removeprefix("http://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        counter = Counter(f"http://127.0.0.1:{listener.getsockname()[1]}")
        _thread(lambda: _accept(listener, (host, int(port)), counter))
        yield counter


def _accept(listener: socket.socket, address: tuple[str, int], counter: Counter) -> None:
    with contextlib.suppress(OSError):  # the listener was closed: the test is over
        while True:
            client, server = listener.accept()[0], socket.create_connection(address)
            _thread(lambda client=client, server=server: _pass(client, server, None))
            _thread(lambda client=client, server=server: _pass(server, client, counter))


def _pass(source: socket.socket, target: socket.socket, counter: Counter | None) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(1 << 16):
            if counter is not None:
                counter.received_bytes += len(chunk)
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


def _thread(work: Callable[[], object]) -> None:
    threading.Thread(target=work, daemon=True).start()
