"""CPU per click by stage: the worker's own functions on real records, in chunks and takes of the worker's size.

    fetch ─► lanes ─► decode ─► hash ─► client ─► (Redis) ─► matrix ─► model ─► rules ─► verdicts ─► decisions
                                                                                                        │
                                             acknowledge ◄─ feature log ◄─ produce ◄─ encode ◄─ metrics ┘

Each stage goes over all takes before the next one begins, and its CPU time is taken of its thread, or of the process
where librdkafka's threads have a part. What the worker's total has above the sum is the event loop, Faust, hand-overs
between threads, and caches that other stages have cooled.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import uvloop
from confluent_kafka import Consumer, TopicPartition
from rich.progress import Progress

from bench.backlog import run_worker
from bench.clicks import draw_clicks, fill
from bench.cpu import cpu_s
from bench.deployment import Deployment
from bench.progress import step
from contracts.events import Click, Decision
from contracts.features import FEATURE_INDEX
from contracts.ports import CountCall, Counted, FloatMatrix, Recall
from contracts.topics import Topic
from features.entities import EntityHasher
from features.redis_store import RedisFeatureStore
from features.vector import feature_matrix
from model.decide import Verdicts, decide
from model.release import Release, load_release
from model.scorer import scorer_for
from rules.ruleset import RuleSet
from streams.dead_letters import ParkedShare
from streams.delivery import Delivery
from streams.feature_rows import Rows
from streams.judge import Judged
from streams.lane import Chunk, Lane, Piece, StartPoint, Tails
from streams.metrics import Metrics
from streams.outputs import Outputs, decisions_of
from streams.poll_thread import CONSUMER_CONFIG, POLL_RECORDS
from streams.records import RawRecord, decode_clicks
from streams.scoring import CHUNK_RECORDS, TAKE_RECORDS

PREFIX = "stages-"
ENTITY_KEY = "an entity key for benchmarks only"
_STAGES_S_PER_CLICK = 150e-6
_GAP = FEATURE_INDEX["account_campaign_gap_s"]
_FLUSH_S = 60.0
# Longer than rows wait for company.
_HAND_ON_S = 0.5
_DECIDED_AT_MS = 1_704_070_800_000


class Stopwatch:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, clock: Callable[[], float] = time.thread_time) -> Iterator[None]:
        """Time what is done within, by the CPU of this thread or another clock."""
        started_s = clock()
        yield
        self.cpu_s[name] = self.cpu_s.get(name, 0.0) + clock() - started_s


class Judgement(NamedTuple):
    """One take, judged: its chunks, clicks, features (n, F) float32 and verdicts."""

    chunks: list[Chunk]
    features: FloatMatrix
    judged: Judged


def measure_stages(place: Deployment, clicks: int, chunk_records: int, seed: int, shown: Progress) -> dict[str, Any]:
    """CPU µs per click by stage, and of the shipped worker deciding the same clicks from a backlog."""
    drawn = draw_clicks(clicks, seed)
    place.create_topics(PREFIX)
    fill(place.kafka, PREFIX + Topic.CLICKS, drawn, place.partitions)
    worker = run_worker(place, PREFIX, clicks, shown)
    with step(shown, f"stages, {clicks:,} clicks", 5 + clicks * _STAGES_S_PER_CLICK):
        stages = time_stages(place, PREFIX, clicks, chunk_records)
    return {"clicks": clicks, "chunk_records": chunk_records, "seed": seed, "stages_us": stages, "worker": worker}


def time_stages(place: Deployment, prefix: str, clicks: int, chunk_records: int) -> dict[str, float]:
    """CPU µs per click by stage, of the first `clicks` records; what is written goes under a prefix of its own."""
    watch = Stopwatch()
    out = f"{prefix}out-"
    records = _fetch(place, prefix + Topic.CLICKS, clicks, watch)
    takes = _take(records, chunk_records, watch)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_count(place, out, takes, watch))
    judgements = _judge(load_release(place.models_uri, place.release), takes, watch)
    _write(place, out, judgements, watch)
    gc.collect()  # the producer's connection goes before its server does
    return {name: round(1e6 * seconds / clicks, 2) for name, seconds in watch.cpu_s.items()}


def _fetch(place: Deployment, topic: str, clicks: int, watch: Stopwatch) -> dict[int, list[RawRecord]]:
    consumer = Consumer({**place.kafka, **CONSUMER_CONFIG, "auto.offset.reset": "earliest", "group.id": "stages"})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(place.partitions)])
    by_partition: dict[int, list[RawRecord]] = {}
    left = clicks
    with watch.stage("fetch", time.process_time):
        while left:
            for message in consumer.consume(min(POLL_RECORDS, left), 0.1):
                by_partition.setdefault(message.partition() or 0, []).append(message)  # type: ignore[arg-type]
                left -= 1
    consumer.close()
    return by_partition


def _take(records: dict[int, list[RawRecord]], chunk_records: int, watch: Stopwatch) -> list[list[Chunk]]:
    """Takes of the worker's size; the chunks of one are of different partitions as long as there are any."""
    with watch.stage("lanes"):
        lanes = [_lane(partition, pieces) for partition, pieces in records.items()]
        chunks = []
        while ready := [lane for lane in lanes if lane.takeable(False)]:
            chunks += [lane.take(chunk_records) for lane in ready]
    size = TAKE_RECORDS // CHUNK_RECORDS
    with watch.stage("decode"):
        for chunk in chunks:
            chunk.decoded = decode_clicks(chunk.records)
    return [chunks[start : start + size] for start in range(0, len(chunks), size)]


def _lane(partition: int, records: Sequence[RawRecord]) -> Lane:
    lane = Lane(StartPoint(partition, records[0].offset(), Tails()), ParkedShare(1.0))
    lane.begin_recovery()
    lane.resume(Recall(None, {}))
    for start in range(0, len(records), POLL_RECORDS):
        lane.receive(Piece(records[start : start + POLL_RECORDS], time.monotonic()))
    return lane


async def _count(place: Deployment, out: str, takes: list[list[Chunk]], watch: Stopwatch) -> None:
    hasher = EntityHasher(ENTITY_KEY)
    with watch.stage("hash"):
        for take in takes:
            for chunk in take:
                hasher.visits(chunk.decoded.clicks)
    redis = place.servers.redis
    store = await RedisFeatureStore.connect(redis.url, ENTITY_KEY, namespace=out)
    with watch.stage("Redis", lambda: cpu_s(redis.pid)), watch.stage("client"):
        for take in takes:
            for chunk, counted in zip(take, await asyncio.gather(*map(store.count, map(_call, take))), strict=True):
                assert isinstance(counted, Counted)
                chunk.answers = counted.answers
    # The store hashes, too.
    watch.cpu_s["client"] -= watch.cpu_s["hash"]
    await store.close()


def _call(chunk: Chunk) -> CountCall:
    clicks, offsets = chunk.decoded.counted()
    finished = chunk.first_offset - 1
    return CountCall(chunk.lane.partition, chunk.expected_watermark, chunk.last_offset, finished, clicks, offsets)


def _judge(release: Release, takes: list[list[Chunk]], watch: Stopwatch) -> list[Judgement]:
    scorer, rules = scorer_for(release), RuleSet.from_json(release.rules_json)
    clicks = [[click for chunk in take for click in chunk.decoded.clicks] for take in takes]
    times = [[at_ms for chunk in take for at_ms in chunk.decoded.timestamps_ms] for take in takes]
    with watch.stage("matrix"):
        matrices = [
            feature_matrix(b"".join(chunk.answers for chunk in take), of_take)
            for take, of_take in zip(takes, clicks, strict=True)
        ]
    with watch.stage("model"):
        scores = [scorer.score(release.gather(matrix)) for matrix in matrices]
    with watch.stage("rules"):
        fired = [
            rules.fired(of_take, at_ms, matrix[:, _GAP].tolist())
            for of_take, at_ms, matrix in zip(clicks, times, matrices, strict=True)
        ]
    with watch.stage("verdicts"):
        verdicts = list(map(_decide(release), clicks, scores, fired))
    judged = map(Judged, verdicts, fired)
    return list(map(Judgement, takes, matrices, judged))


def _decide(
    release: Release,
) -> Callable[[list[Click], npt.NDArray[np.float32], list[tuple[str, ...]]], Verdicts]:
    return lambda clicks, scores, fired: decide(release, clicks, scores, fired)


def _write(place: Deployment, out: str, judgements: list[Judgement], watch: Stopwatch) -> None:
    place.create_topics(out)
    delivery = Delivery(place.kafka, lambda reason: None)
    outputs = Outputs(delivery, out, "topic", lambda chunks: None)
    hasher, metrics = EntityHasher(ENTITY_KEY), Metrics()
    with watch.stage("decisions"):
        decided = [part for judgement in judgements for part in _parts(judgement)]
    encode = msgspec.json.Encoder().encode
    with watch.stage("encode"):
        for _, decisions, _ in decided:
            for decision in decisions:
                encode(decision)
    with watch.stage("produce", time.process_time):
        for chunk, decisions, _ in decided:
            outputs.write_decisions(chunk, decisions)
        delivery.flush(_FLUSH_S)
    watch.cpu_s["produce"] -= watch.cpu_s["encode"]
    with watch.stage("metrics"):
        for chunk, decisions, _ in decided:
            metrics.decided(chunk, decisions, time.monotonic(), _DECIDED_AT_MS)
    with watch.stage("feature log", time.process_time):
        for chunk, decisions, features in decided:
            hashes = [hasher.account(click) for click in chunk.decoded.clicks]
            outputs.write_rows(chunk, Rows(decisions, features, hashes, chunk.decoded.flags))
        with suppress(TimeoutError):
            asyncio.run(asyncio.wait_for(outputs.hand_on_rows(), _HAND_ON_S))
        delivery.flush(_FLUSH_S)
    with watch.stage("acknowledge"):
        for chunk, _, _ in decided:
            chunk.lane.answered(chunk)
            chunk.deliveries_left = 0
            chunk.lane.finish()
    delivery.close(_FLUSH_S)


def _parts(judgement: Judgement) -> Iterator[tuple[Chunk, list[Decision], FloatMatrix]]:
    """Each chunk of a take with its decisions and its rows of the matrix."""
    start = 0
    for chunk in judgement.chunks:
        part = slice(start, start + len(chunk.decoded.clicks))
        yield chunk, decisions_of(chunk, judgement.judged, part, "bench", _DECIDED_AT_MS), judgement.features[part]
        start = part.stop
