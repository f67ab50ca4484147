"""Throughput on a backlog: the shipped worker against a loop that consumes and produces the same records untouched."""

import subprocess
import sys
import time
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.cpu import cpu_s, machine
from contracts.events import Click
from contracts.topics import Topic
from slidr.servers import EmbeddedServers
from streams.topic_admin import create_topics
from traffic.simulate import simulate

START_MS = 1_704_067_200_000
CLICKS_PER_S = 1_157  # of event time: a hundred million a day
PATIENCE_S = 600.0


def measure_backlog(clicks: int, partitions: int, seed: int) -> dict[str, Any]:
    """Fill `clicks`, then run the bare loop and one worker over it, one after the other."""
    with EmbeddedServers() as servers:
        kafka = {"bootstrap.servers": servers.kafka.bootstrap_servers}
        create_topics(kafka, "", partitions, keep_forever=True)
        create_topics(kafka, "bare-", partitions, keep_forever=True)
        _fill(kafka, clicks, seed)
        bare_s = _bare_loop(kafka, clicks, partitions)
        worker = _worker(servers, kafka, clicks, partitions)
    per_s = clicks / worker["seconds"]
    return {
        "clicks": clicks,
        "partitions": partitions,
        "worker_clicks_per_s": round(per_s),
        "bare_loop_clicks_per_s": round(clicks / bare_s),
        "ratio_to_bare_loop": round(per_s * bare_s / clicks, 3),
        **worker,
        "machine": machine(),
    }


def _fill(kafka: dict[str, str], clicks: int, seed: int) -> None:
    producer = Producer({**kafka, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
    left = clicks
    duration_ms = 2 * clicks * 1_000 // CLICKS_PER_S
    for simulated in simulate(seed, START_MS, duration_ms, CLICKS_PER_S, history_days=0):
        if not isinstance(simulated.event, Click):
            continue
        value = msgspec.json.encode(simulated.event)
        producer.produce(Topic.CLICKS, value, simulated.event.account_id, timestamp=simulated.at_ms)
        left -= 1
        if left % 10_000 == 0:
            producer.poll(0)
        if left == 0:
            break
    if left or producer.flush(120):
        raise RuntimeError(f"The backlog could not be written: {left} clicks short.")


def _bare_loop(kafka: dict[str, str], clicks: int, partitions: int) -> float:
    """Seconds to consume every click and produce it to another topic, in one thread."""
    consumer = Consumer({**kafka, "group.id": "bare", "enable.auto.commit": False})
    consumer.assign([TopicPartition(Topic.CLICKS, partition, 0) for partition in range(partitions)])
    producer = Producer({**kafka, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    started_s = time.monotonic()
    left = clicks
    while left > 0:
        for message in consumer.consume(2_000, 0.1):
            producer.produce(f"bare-{Topic.DECISIONS}", message.value(), message.key(), message.partition() or 0)
            left -= 1
        producer.poll(0)
    producer.flush(120)
    consumer.close()
    return time.monotonic() - started_s


def _worker(servers: EmbeddedServers, kafka: dict[str, str], clicks: int, partitions: int) -> dict[str, Any]:
    pids = {"redis": servers.redis.pid, "kafka": servers.kafka.pid}
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    environment = {**servers.environment("a key for benchmarks only"), "SLIDR_METRICS_PORT": "0"}
    process = subprocess.Popen([sys.executable, "-m", "slidr", "worker"], env=environment)
    try:
        first_s, last_s = _watch(kafka, clicks, partitions, process)
        cpu = {name: cpu_s(pid) - before[name] for name, pid in pids.items()} | {"worker": cpu_s(process.pid)}
    finally:
        process.terminate()
        process.wait(60)
    return {
        "seconds": round(last_s - first_s, 2),
        "cpu_us_per_click": {name: round(seconds * 1e6 / clicks, 1) for name, seconds in cpu.items()},
    }


def _watch(
    kafka: dict[str, str], clicks: int, partitions: int, process: subprocess.Popen[bytes]
) -> tuple[float, float]:
    """Monotonic seconds when the first and when the last decision was there."""
    consumer = Consumer({**kafka, "group.id": "watch"})
    places = [TopicPartition(Topic.DECISIONS, partition) for partition in range(partitions)]
    deadline_s = time.monotonic() + PATIENCE_S
    first_s = 0.0
    try:
        while time.monotonic() < deadline_s and process.poll() is None:
            decided = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
            first_s = first_s or (time.monotonic() if decided else 0.0)
            if decided >= clicks:
                return first_s, time.monotonic()
            time.sleep(0.05)
    finally:
        consumer.close()
    raise RuntimeError(f"The worker did not decide {clicks} clicks within {PATIENCE_S:.0f} s.")
