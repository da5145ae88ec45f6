"""A real Kafka of one node in KRaft mode, where its jars were installed: no test installs them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KAFKA = Path(__file__).with_name("kafka")
INSTALL = "mvn -q -B -f tests/kafka dependency:copy-dependencies"
JARS = KAFKA / "target" / "dependency"
CLUSTER = "4L6g3nShT-eMCtK--X86sw"
_JAVA = ("java", "-Xmx384m", "-Xms64m", "-XX:+UseSerialGC", "-cp", f"{JARS}/*")
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/logs
num.partitions={partitions}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# An answer means that it is on disk.
log.flush.interval.messages=1
"""


def why_no_kafka() -> str:
    """Return why its tests cannot run here; empty if they can."""
    if shutil.which("java") is None:
        return "Java is not installed, and Kafka is run with it"
    return "" if list(JARS.glob("kafka_2.13-*.jar")) else f"Kafka is not installed: {INSTALL}"


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Kafka:
    """One broker, which can be killed and started again.

    Attributes:
        port: where clients reach it.
        folder: all that it has.
    """

    def __init__(self, folder: Path, *, partitions: int = 2) -> None:
        self.folder = folder
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._properties = folder / "server.properties"
        self._properties.write_text(
            _PROPERTIES.format(
                port=self.port, controller=free_port(), folder=folder, partitions=partitions
            ),
            encoding="ascii",
        )
        self._log = (folder / "output").open("ab")
        options = ("format", "-t", CLUSTER, "-c", str(self._properties))
        self._run("kafka.tools.StorageTool", *options).wait(120)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it."""
        self.process = self._run("kafka.Kafka", str(self._properties))
        return self.process

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(60)

    def close(self) -> None:
        """End it."""
        self.kill()
        self._log.close()

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        environ = {"PATH": "/usr/bin:/bin", "LOG_DIR": str(self.folder)}
        return subprocess.Popen([*_JAVA, *command], stdout=self._log, stderr=self._log, env=environ)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Kafka]:
    """Run it until the end of the block."""
    kafka = Kafka(folder)
    try:
        yield kafka
    finally:
        kafka.close()
