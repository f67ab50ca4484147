"""A deployment for acceptance tests: topics on a real Kafka, a real Redis, and worker processes to disturb."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from billing.conservation import Conservation
from billing.log import open_consumer, scan, whole_log
from billing.records import decode_decision
from billing.snapshot import reconcile
from contracts import feature_log
from contracts.events import Click, Decision
from contracts.topics import Topic, topic_name
from slidr.servers.process import free_port
from streams.topic_admin import create_topics
from tests.processes import SHORT_SESSION_S, SlidrProcess, run_slidr, start_slidr

ENTITY_KEY = "an entity key for tests only"
PATIENCE_S = 120.0


class WorkerProcess:
    """One `slidr worker`, or `slidr replay-agent`, in a process of its own."""

    def __init__(
        self, environment: dict[str, str], log: Path, port: int | None = None, command: str = "worker"
    ) -> None:  # fmt: skip
        self.port = port or free_port()
        self.log = log
        self.process = SlidrProcess((command,), {**environment, "SLIDR_METRICS_PORT": str(self.port)}, log)

    def ready(self) -> bool:
        """Whether `/readyz` says so; fails the test if the process has ended."""
        assert not self.ended(), self.log.read_text()
        return self.get("/readyz")[0] == 200

    def ended(self) -> bool:
        """Whether the process has."""
        return self.process.returncode is not None

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 while nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """Sum of a metric's samples."""
        lines = [line.split() for line in self.get("/metrics")[1].splitlines() if line.startswith(name)]
        return sum(float(value) for _, value in lines)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: what a zombie is made of."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def process_ends_within(self, seconds: float) -> int:
        """Exit code; TimeoutError if it lives on."""
        return self.process.wait(seconds)

    def close(self) -> None:
        """End it, whatever state it is in."""
        self.process.kill()


class Deployment:
    """Topics with one prefix, and the workers started on them."""

    def __init__(self, bootstrap_servers: str, redis_url: str, prefix: str, folder: Path, partitions: int) -> None:
        self.kafka = {"bootstrap.servers": bootstrap_servers}
        self.prefix = prefix
        self.partitions = partitions
        self.workers: list[WorkerProcess] = []
        self._folder = folder
        self._producer = Producer(
            {**self.kafka, "linger.ms": 20, "message.max.bytes": 5_000_000, "enable.idempotence": True, "log_level": 2}
        )
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLIDR_")},
            "SLIDR_KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "SLIDR_REDIS_URL": redis_url,
            "SLIDR_ENTITY_KEY": ENTITY_KEY,
            "SLIDR_TOPIC_PREFIX": prefix,
            "SLIDR_GROUP": f"{prefix}workers",
            "SLIDR_SESSION_TIMEOUT_S": SHORT_SESSION_S,
            "SLIDR_MODELS_URI": str(folder / "models"),
        }

    def create_topics(self) -> None:
        """All topics; old event times are kept."""
        create_topics(self.kafka, self.prefix, self.partitions, keep_forever=True)

    def name(self, topic: Topic) -> str:
        """Name with prefix."""
        return topic_name(topic, self.prefix)

    def start_worker(self, port: int | None = None, **environment: str) -> WorkerProcess:
        """Start a worker, its health on `port` or a free one; settings may be overridden."""
        log = self._folder / f"worker-{len(self.workers)}.log"
        worker = WorkerProcess({**self.environment, **environment}, log, port)
        self.workers.append(worker)
        return worker

    def start_agent(self, name: str, **environment: str) -> WorkerProcess:
        """Start a replay agent by that name; settings may be overridden."""
        own = {**self.environment, "SLIDR_WORKER_ID": name, **environment}
        agent = WorkerProcess(own, self._folder / f"{name}.log", command="replay-agent")
        self.workers.append(agent)
        return agent

    def close(self) -> None:
        """End all workers and agents."""
        for worker in self.workers:
            worker.close()

    def slidr(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A command of `slidr`, run to its end."""
        return run_slidr(arguments, {**self.environment, **environment}, self._folder)

    def start_slidr(self, *arguments: str) -> SlidrProcess:
        """A command of `slidr` that goes on in the background until the end of the block."""
        return start_slidr(arguments, self.environment, self._folder)

    # -- records in

    def send(self, values: Iterable[tuple[str, bytes, int]], partition: int | None = None) -> None:
        """Produce (key, value, Kafka timestamp) to `clicks`."""
        for key, value, timestamp_ms in values:
            where = {} if partition is None else {"partition": partition}
            while True:
                try:
                    self._producer.produce(self.name(Topic.CLICKS), value, key, timestamp=timestamp_ms, **where)
                    break
                except BufferError:
                    self._producer.poll(0.1)
        assert self._producer.flush(60) == 0

    def send_clicks(self, clicks: Iterable[Click]) -> None:
        """Produce clicks as an ad server does: keyed by account, stamped with their time."""
        self.send((click.account_id, msgspec.json.encode(click), click.clicked_at_ms) for click in clicks)

    # -- records out

    def read(self, topic: Topic) -> Iterator[Message]:
        """All records of a topic, partition by partition, in log order."""
        consumer, name = open_consumer(self.kafka), self.name(topic)
        try:
            for partition, stretch in whole_log(consumer, name).items():
                for records in scan(consumer, name, {partition: stretch}):
                    yield from records
        finally:
            consumer.close()

    def decisions(self) -> list[tuple[int, Decision]]:
        """(partition, decision) of all records, likewise."""
        return [(message.partition(), decode_decision(message)) for message in self.read(Topic.DECISIONS)]

    def feature_table(self) -> Any:
        """All rows of the feature log as an Arrow table, by partition in log order."""
        batches = [
            feature_log.decode(message.value(), dict(message.headers() or []))
            for message in self.read(Topic.FEATURE_LOG)
        ]
        return pa.Table.from_batches(batches, feature_log.schema()).combine_chunks()

    def feature_rows(self) -> list[dict[str, Any]]:
        """The same as a dictionary a row."""
        return list(self.feature_table().to_pylist())

    def dead_letters(self) -> list[tuple[bytes, dict[str, str]]]:
        """(value, headers) of all dead letters."""
        return [
            (message.value(), {name: value.decode() for name, value in message.headers() or []})
            for message in self.read(Topic.DEAD_LETTERS)
        ]

    def end_offsets(self, topic: Topic) -> list[int]:
        """End of each partition."""
        consumer = Consumer({**self.kafka, "group.id": "acceptance"})
        try:
            return [
                consumer.get_watermark_offsets(TopicPartition(self.name(topic), partition), timeout=10)[1]
                for partition in range(self.partitions)
            ]
        finally:
            consumer.close()

    def conservation(self) -> Conservation:
        """Clicks against decisions."""
        return reconcile(self.kafka, self.prefix)

    def wait_decided(self) -> None:
        """Wait until every record of `clicks` is decided and in the feature log, or parked."""
        outputs = (Topic.DECISIONS, Topic.FEATURE_LOG, Topic.DEAD_LETTERS)
        consumer = Consumer({**self.kafka, "group.id": "acceptance"})
        consumer.assign([TopicPartition(self.name(topic), p, 0) for topic in outputs for p in range(self.partitions)])
        reached = {(topic, p): 0 for topic in outputs for p in range(self.partitions)}

        def done() -> bool:
            for message in consumer.consume(20_000, 0.1):
                if message.error() is None:
                    topic = Topic(message.topic().removeprefix(self.prefix))
                    place = (topic, message.partition())
                    reached[place] = max(reached[place], _last_source_offset(topic, message) + 1)
            ends = self.end_offsets(Topic.CLICKS)
            return all(
                max(reached[output, p], reached[Topic.DEAD_LETTERS, p]) == ends[p]
                for p in range(self.partitions)
                for output in (Topic.DECISIONS, Topic.FEATURE_LOG)
            )

        try:
            self.wait(done)
        finally:
            consumer.close()

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait for a condition; show the workers' logs if it does not come true."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            logs = "\n".join(worker.log.read_text()[-3_000:] for worker in self.workers)
            assert time.monotonic() < deadline_s, f"not within {PATIENCE_S:.0f} s\n{logs}"
            time.sleep(0.05)


class _DecisionKey(msgspec.Struct):
    source_offset: int


_decode_key = msgspec.json.Decoder(_DecisionKey).decode


def _last_source_offset(topic: Topic, message: Message) -> int:
    if topic is Topic.DECISIONS:
        return _decode_key(message.value()).source_offset
    header = feature_log.LAST_OFFSET_HEADER if topic is Topic.FEATURE_LOG else "source-offset"
    return int(dict(message.headers())[header])


def status_json(worker: WorkerProcess) -> dict[str, Any]:
    """Body of `/readyz`."""
    return dict(json.loads(worker.get("/readyz")[1]))
