"""Replays whose features are counted again: in a Redis of the process's own, which is thrown away afterwards."""

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from billing.log import Stretch
from contracts.agreement import Agreed
from contracts.errors import Misconfigured, Unavailable
from contracts.replay import Replay, ReplayJob
from features.entities import EntityHasher
from features.redis_store import RedisFeatureStore
from replay.again import ClickSource, check_key
from replay.counting import Answers, count_again
from replay.log import ReplayLog, left_of
from replay.measuring import Judges, measure
from replay.preparing import Preparing
from replay.run import Recounted, Where
from replay.sharing import SharedIps
from replay.warming import GoOn, merged_clicks
from rules.ruleset import RuleSet
from slidr.replaying import Told, clicks_of, clicks_to_count, do_partitions, logs_of, releases_of
from slidr.servers import RedisServer
from slidr.servers.redis import find_redis_server
from slidr.settings import Settings, kafka_config

COUNTING: Final = "Counting"
COMPARING: Final = "Comparing"
REPLAYING: Final = "Replaying"


def check_recompute(settings: Settings, job: ReplayJob) -> None:
    """Raise Misconfigured where features cannot be counted again, or could not be those of the workers."""
    key = _key(settings)
    find_redis_server()
    check_key(logs_of(settings), job.spans, EntityHasher(key))


def recompute(
    settings: Settings, where: Where, told: Told, replay: Replay, log: ReplayLog, stop: threading.Event
) -> None:  # fmt: skip
    """Count, compare with what was logged, and do all partitions of a run, until `stop`.

    What is done of it stays. Raises SlidrError.
    """
    total, job = clicks_of(replay.job), replay.job
    if not (left := left_of(replay, log.progress(replay.revision))):
        return
    preparing = Preparing(replay, left[0], log, where.by, stop)
    with counted_again(settings, job, preparing.over("counting", clicks_to_count(job)), told) as source:
        if stop.is_set():
            return
        agreement = compared(settings, job, source, preparing.over("comparing", total), told)
        recounted = Recounted(source.reader(rules_of(settings, job)), None if preparing.cancelled else agreement)
        do_partitions(settings, where, replay, log, lambda clicks: told(REPLAYING, total, clicks), stop, recounted)


def recompute_by_agent(
    settings: Settings, where: Where, replay: Replay, log: ReplayLog, stop: threading.Event
) -> None:  # fmt: skip
    """As `recompute`, without bars. Raises Misconfigured as `check_recompute`, before anything is written."""
    check_recompute(settings, replay.job)
    recompute(settings, where, lambda step, total, done: None, replay, log, stop)


@contextmanager
def counted_again(settings: Settings, job: ReplayJob, go_on: GoOn, told: Told) -> Iterator[ClickSource]:
    """Rows on features counted again; not all of them where `go_on` has ended it. Raises SlidrError."""
    kafka, prefix = kafka_config(settings, "consumer"), settings.topic_prefix
    ranges, total = job.recompute or {}, clicks_to_count(job)

    def counted(clicks: int) -> bool:
        told(COUNTING, total, clicks)
        return go_on(clicks)

    spans = {p: Stretch(span.first, span.end) for p, span in job.spans.items()}
    answers, ips = Answers(Path(tempfile.gettempdir()), spans), SharedIps()

    async def count(url: str) -> None:
        store = await RedisFeatureStore.connect(url, _key(settings))
        try:
            await count_again(store, merged_clicks(kafka, prefix, ranges, counted), answers, ips)
        finally:
            await store.close()

    with RedisServer() as redis, _end_told(redis):
        asyncio.run(count(redis.url))
    yield ClickSource(logs_of(settings), answers, ips)


@contextmanager
def _end_told(redis: RedisServer) -> Iterator[None]:
    """An end of the Redis is for an operator: whoever tried again would count all anew, to the same end."""
    try:
        yield
    except Unavailable as error:
        if redis.running:
            raise
        raise Misconfigured(
            "The Redis in which features were counted again has ended. It needs as much memory as the workers' Redis, "
            "and the system stops what asks for more than there is: give this process more, and run the replay again."
        ) from error


def compared(settings: Settings, job: ReplayJob, source: ClickSource, go_on: GoOn, told: Told) -> Agreed:
    """Features and verdicts counted again against those that were logged."""

    def done(clicks: int) -> bool:
        told(COMPARING, clicks_of(job), clicks)
        return go_on(clicks)

    return measure(source, job, Judges(releases_of(settings)), done)


def rules_of(settings: Settings, job: ReplayJob) -> RuleSet:
    """The rules of the release that decides again."""
    return RuleSet.from_json(releases_of(settings).load(job.model_version).rules_json)


def _key(settings: Settings) -> str:
    if settings.entity_key is None:
        raise Misconfigured(
            "SLIDR_ENTITY_KEY is not set. Counts of distinct entities depend on it: set the one that the workers have."
        )
    return settings.entity_key.get_secret_value()
