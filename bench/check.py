"""The quick check: what a machine does not change, against the limits kept in `limits.json`.

CPU times are least of three rounds, in units of a fixed piece of work (`calibration.unit_us`) or as a ratio to the
reference of the same round; counts and sizes are what they are. Wall-clock times are not judged.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import redis
import typer
from confluent_kafka import Consumer, KafkaError, TopicPartition
from rich.progress import Progress

from bench.backlog import run_bare, run_usual, run_worker
from bench.calibration import unit_us
from bench.clicks import draw_clicks, fill
from bench.deployment import PARTITIONS, Deployment
from bench.progress import progress, step
from bench.stages import time_stages
from bench.usual_ways import FAUST
from contracts.errors import SlidrError
from contracts.topics import Topic
from streams.scoring import CHUNK_RECORDS

LIMITS = Path(__file__).with_name("limits.json")
ROUNDS = 3
CLICKS = 60_000
STAGE_CLICKS = 30_000
USUAL_CLICKS = 2_000
_SEED = 1

Limits = Mapping[str, Mapping[str, float]]


def main(as_json: bool) -> int:
    """Measure, compare, say what is beyond its limit; the exit code."""
    try:
        with progress() as shown, Deployment(PARTITIONS) as place:
            found = measure(place, shown)
    except SlidrError as error:
        typer.echo(str(error), err=True)
        return error.exit_code
    limits: Limits = json.loads(LIMITS.read_text())
    failures = beyond(found, limits)
    if as_json:
        typer.echo(json.dumps({"figures": found, "failures": failures}))
    else:
        _print(found, limits)
    for failure in failures:
        typer.echo(failure, err=True)
    return 1 if failures else 0


def measure(place: Deployment, shown: Progress) -> dict[str, float]:
    """All figures by name."""
    clicks = draw_clicks(CLICKS, _SEED)
    rounds = []
    counts: dict[str, float] = {}
    for number in range(ROUNDS):
        prefix = f"check-{number}-"
        place.create_topics(prefix)
        place.create_topics(f"bare-{prefix}")
        fill(place.kafka, prefix + Topic.CLICKS, clicks, place.partitions)
        cpu, counts = _round(place, prefix, shown)
        rounds.append(cpu)
    least = {name: min(figures[name] for figures in rounds) for name in rounds[0]}
    place.create_topics("usual-")
    fill(place.kafka, f"usual-{Topic.CLICKS}", clicks[:USUAL_CLICKS], place.partitions)
    usual = run_usual(place, FAUST, USUAL_CLICKS, shown).cpu_us
    return {**ratios(least, usual["process"] + usual["redis"]), **counts}


def ratios(least_us: Mapping[str, float], usual_us: float) -> dict[str, float]:
    """Figures without a unit, from CPU µs per click. Pure."""
    unit, bare = least_us["unit"], least_us["bare loop"]
    in_units = {f"{name}, in units": us / unit for name, us in least_us.items() if name not in ("unit", "bare loop")}
    found = {
        **in_units,
        "worker / bare loop": least_us["worker"] / bare,
        "usual Faust way with Redis / worker with Redis": usual_us / (least_us["worker"] + least_us["Redis"]),
    }
    return {name: round(value, 3) for name, value in found.items()}


def beyond(found: Mapping[str, float], limits: Limits) -> list[str]:
    """A sentence for each figure that is beyond its limit, or that was not measured. Pure."""
    failures = []
    for name, limit in limits.items():
        value = found.get(name)
        if value is None:
            failures.append(f"{name} has a limit in {LIMITS.name} and was not measured: remove it there.")
        elif value > limit.get("most", value):
            failures.append(f"{name} is {value:g}, and {limit['most']:g} is the most that {LIMITS.name} allows.")
        elif value < limit.get("least", value):
            failures.append(f"{name} is {value:g}, and {limit['least']:g} is the least that {LIMITS.name} allows.")
    return failures


def _round(place: Deployment, prefix: str, shown: Progress) -> tuple[dict[str, float], dict[str, float]]:
    """CPU µs per click by name, and counts per click."""
    bare = run_bare(place, prefix, f"bare-{prefix}", CLICKS, shown)
    with redis.Redis.from_url(place.servers.redis.url) as client:
        client.flushall()
        client.config_resetstat()
        worker = run_worker(place, prefix, CLICKS, shown)
        counts = _counts(client, place, prefix)
    with step(shown, "stages", STAGE_CLICKS * 150e-6):
        stages = time_stages(place, prefix, STAGE_CLICKS, CHUNK_RECORDS)
        unit = unit_us()
    stages = {f"stage {name}": us for name, us in stages.items()}
    totals = {"bare loop": bare.cpu_us["process"], "worker": worker.cpu_us["process"], "Redis": worker.cpu_us["redis"]}
    return {"unit": unit, **totals, **stages}, counts


def _counts(client: Any, place: Deployment, prefix: str) -> dict[str, float]:
    commands = sum(stat["calls"] for stat in client.info("commandstats").values())
    keys = client.dbsize()
    sizes = {
        f"bytes of {topic} per click": _value_bytes(place, prefix + topic) / CLICKS
        for topic in (Topic.DECISIONS, Topic.FEATURE_LOG)
    }
    found = {
        "Redis commands per click": commands / CLICKS,
        "Redis keys per click": keys / CLICKS,
        "Redis bytes per key": client.info("memory")["used_memory_dataset"] / keys,
        **sizes,
    }
    return {name: round(value, 3) for name, value in found.items()}


def _value_bytes(place: Deployment, topic: str) -> int:
    """Bytes of the values of all records of a topic."""
    consumer = Consumer({**place.kafka, "group.id": "sizes", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(place.partitions)])
    total, open_partitions = 0, place.partitions
    while open_partitions:
        for message in consumer.consume(10_000, 0.5):
            error = message.error()
            if error is None:
                total += len(message.value() or b"")
            elif error.code() == KafkaError._PARTITION_EOF:
                open_partitions -= 1
    consumer.close()
    return total


def _print(found: Mapping[str, float], limits: Limits) -> None:
    for line in lines(found, limits):
        typer.echo(line)
    sys.stdout.flush()


def lines(found: Mapping[str, float], limits: Limits) -> Iterable[str]:
    """A line a figure, with its limit. Pure."""
    for name, value in found.items():
        limit = limits.get(name, {})
        bounds = ", ".join(f"{kind} {bound:g}" for kind, bound in limit.items()) or "no limit"
        yield f"{name:<50} {value:>10.3f}   {bounds}"
