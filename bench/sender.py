"""The open-loop sender, a process of its own: send times are fixed beforehand, and what is late is sent at once.

    python -m bench.sender BOOTSTRAP TOPIC PARTITIONS CLICKS CLICKS_PER_S SEED LINGER_MS OUT.npz

Everything is drawn and encoded before the first send, so that sending costs about 3 µs a click. OUT holds, for each
click in the order of sending, its partition, when it was due and when it was handed to librdkafka (monotonic seconds).
A click's own time and its Kafka timestamp are those at which it was due.
"""

import gc
import sys
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

from bench.clicks import START_MS, draw_clicks, partition_of
from contracts.events import Click

_LEAD_S = 1.0
_LEAD_PER_CLICK_S = 4e-6
_FLUSH_S = 60.0
_Floats = npt.NDArray[np.float64]


class Plan(NamedTuple):
    """What is sent where and when: n records, their partitions, keys, times in ms UTC and in monotonic seconds."""

    values: list[bytes]
    partitions: list[int]
    keys: list[str]
    at_ms: list[int]
    due_s: _Floats


def make_plan(clicks: list[Click], partitions: int, start_s: float, start_ms: int) -> Plan:
    """Shift clicks drawn from START_MS on so that they begin at `start_s` of the clock, `start_ms` UTC. Pure."""
    encode = msgspec.json.Encoder().encode
    shift_ms = start_ms - START_MS
    at_ms = [click.clicked_at_ms + shift_ms for click in clicks]
    return Plan(
        [encode(msgspec.structs.replace(click, clicked_at_ms=at)) for click, at in zip(clicks, at_ms, strict=True)],
        [partition_of(click, partitions) for click in clicks],
        [click.account_id for click in clicks],
        at_ms,
        start_s + (np.array(at_ms, np.float64) - start_ms) / 1_000,
    )


def send(producer: Producer, topic: str, plan: Plan) -> _Floats:
    """Send on time; return when each record was handed over, in monotonic seconds."""
    produce, clock, sleep = producer.produce, time.monotonic, time.sleep
    sent_s = np.empty(len(plan.due_s))
    due_s = plan.due_s.tolist()
    for i, (value, partition, key, at_ms) in enumerate(zip(*plan[:4], strict=True)):
        now_s = clock()
        if due_s[i] > now_s:
            producer.poll(0)
            sleep(due_s[i] - now_s)
            now_s = clock()
        produce(topic, value, key, partition, timestamp=at_ms)
        sent_s[i] = now_s
    return sent_s


def main(
    bootstrap: str,
    topic: str,
    partitions: int,
    clicks: int,
    clicks_per_s: float,
    seed: int,
    linger_ms: float,
    out: Path,
) -> None:
    """Draw, encode, send, confirm, write OUT."""
    drawn = draw_clicks(clicks, seed, clicks_per_s)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": linger_ms,
            "enable.idempotence": True,  # the order within a partition tells which record is which
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    producer.list_topics(topic, timeout=30)
    lead_s = _LEAD_S + _LEAD_PER_CLICK_S * clicks
    plan = make_plan(drawn, partitions, time.monotonic() + lead_s, time.time_ns() // 1_000_000 + int(1_000 * lead_s))
    del drawn
    gc.collect()
    gc.freeze()
    gc.disable()
    sent_s = send(producer, topic, plan)
    if left := producer.flush(_FLUSH_S):
        raise RuntimeError(f"{left} clicks were not stored within {_FLUSH_S:.0f} s.")
    np.savez(out, partition=np.array(plan.partitions), due_s=plan.due_s, sent_s=sent_s)


if __name__ == "__main__":
    bootstrap, topic, partitions, clicks, clicks_per_s, seed, linger_ms, out = sys.argv[1:]
    main(bootstrap, topic, int(partitions), int(clicks), float(clicks_per_s), int(seed), float(linger_ms), Path(out))
