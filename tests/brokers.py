"""Real brokers for tests, each on a free port, ready when handed out and stopped afterwards.

Kafka's and Pulsar's jars are found by KAFKA_JARS and PULSAR_JARS, folders that `.ci/kafka` and `.ci/pulsar` fill; Redis
is found on PATH.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_SECONDS = 180


@dataclass
class Server:
    """A server that can be killed and started again on its port and data."""

    command: list[str]
    port: int
    log: Path
    folder: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                ended = self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    message = f"{self.command[0]} did not start: {self.log.read_text()[-2000:]}"
                    raise RuntimeError(message) from None
                time.sleep(0.1)
            else:
                return

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def kafka_server(folder: Path) -> Iterator[Server]:
    jars = os.environ.get("KAFKA_JARS")
    if not jars or not shutil.which("java"):
        pytest.skip(
            "no Kafka: KAFKA_JARS names no folder with its jars (.ci/kafka FOLDER fills one), or there is no java"
        )
    port, controller = _free_port(), _free_port()
    config = folder / "server.properties"
    config.write_text(
        "process.roles=broker,controller\nnode.id=1\n"
        f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
        f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n"
        f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\n"
        f"log.dirs={folder}/logs\nauto.create.topics.enable=false\nnum.partitions=1\n"
        "offsets.topic.num.partitions=4\noffsets.topic.replication.factor=1\n"
        "transaction.state.log.num.partitions=4\ntransaction.state.log.replication.factor=1\n"
        "transaction.state.log.min.isr=1\nshare.coordinator.state.topic.num.partitions=4\n"
        "share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n"
        "group.initial.rebalance.delay.ms=0\nbroker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n"
        "group.min.session.timeout.ms=1000\n"
    )
    java = ["java", "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    java += ["-cp", f"{jars}/*"]
    tool = [*java, "kafka.tools.StorageTool"]
    name = subprocess.run([*tool, "random-uuid"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([*tool, "format", "-t", name, "-c", str(config)], check=True, capture_output=True)
    server = Server([*java, "kafka.Kafka", str(config)], port, folder / "kafka.log")
    yield from _run(server)


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[Server]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis: redis-server is not on PATH (apt-get install redis-server)")
    port = _free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    server = Server([program, *options, "--appendonly", "yes", "--appendfsync", "always"], port, folder / "redis.log")
    yield from _run(server)


@contextlib.contextmanager
def pulsar_server(folder: Path) -> Iterator[tuple[Server, str]]:
    """Yields a standalone Pulsar and the URL of its web service."""
    jars = os.environ.get("PULSAR_JARS")
    if not jars or not shutil.which("java"):
        pytest.skip(
            "no Pulsar: PULSAR_JARS names no folder with its jars (.ci/pulsar FOLDER fills one), or there is no java"
        )
    port, web, bookie = _free_port(), _free_port(), _free_port()
    config = folder / "standalone.conf"
    config.write_text(
        "clusterName=standalone\nbindAddress=127.0.0.1\nadvertisedAddress=127.0.0.1\n"
        f"brokerServicePort={port}\nwebServicePort={web}\nbookkeeperPort={bookie}\n"
        "numIOThreads=2\nnumHttpServerThreads=4\nnumOrderedExecutorThreads=2\n"
        "managedLedgerDefaultEnsembleSize=1\nmanagedLedgerDefaultWriteQuorum=1\nmanagedLedgerDefaultAckQuorum=1\n"
        "managedLedgerCacheSizeMB=16\nwebSocketServiceEnabled=false\nfunctionsWorkerEnabled=false\n"
        "loadBalancerEnabled=false\nallowAutoTopicCreation=false\ndefaultNumberOfNamespaceBundles=4\n"
        "allowLoopback=true\ndbStorage_writeCacheMaxSizeMb=16\ndbStorage_readAheadCacheMaxSizeMb=8\n"
        "dbStorage_rocksDB_blockCacheSize=8388608\ndiskUsageThreshold=0.99\ndiskUsageWarnThreshold=0.98\n"
    )
    packages = ["java.base/sun.net", "java.base/java.lang", "java.base/java.nio", "java.base/jdk.internal.misc"]
    packages += ["java.management/sun.management", "jdk.management/com.sun.management.internal"]
    java = ["java", "-Xms64m", "-Xmx512m", "-XX:MaxDirectMemorySize=256m", "-XX:+UseSerialGC"]
    java += [word for package in packages for word in ("--add-opens", f"{package}=ALL-UNNAMED")]
    java += ["-Dio.netty.tryReflectionSetAccessible=true", "-Dlog4j2.level=WARN", "-cp", f"{jars}/*"]
    java += ["org.apache.pulsar.PulsarStandaloneStarter", "--config", str(config), "-nfw", "-nss"]
    java += ["--metadata-dir", f"{folder}/metadata", "--bookkeeper-dir", f"{folder}/bookkeeper"]
    server = Server([*java, "--bookkeeper-port", str(bookie)], port, folder / "pulsar.log", folder)
    admin = f"http://127.0.0.1:{web}"
    for running in _run(server):
        _until_pulsar_is_ready(admin, server)
        yield running, admin


def _until_pulsar_is_ready(admin: str, server: Server) -> None:
    """Wait for the namespace, which is there some seconds after the port answers."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{admin}/admin/v2/namespaces/public/default", timeout=5).close()  # noqa: S310 - our own http address
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Pulsar has no namespace: {server.log.read_text()[-2000:]}") from None
            time.sleep(0.2)
        else:
            return


@contextlib.contextmanager
def opensearch_server(folder: Path) -> Iterator[Server]:
    jars = os.environ.get("OPENSEARCH_JARS")
    if not jars or not shutil.which("java"):
        pytest.skip("no OpenSearch: OPENSEARCH_JARS names no folder with its jars (.ci/opensearch FOLDER fills one)")
    port, transport = _free_port(), _free_port()
    command = ["java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{jars}/*:{jars}/main"]
    server = Server([*command, "Main", str(folder), str(port), str(transport)], port, folder / "opensearch.log")
    yield from _run(server)


def _run(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
