"""Replays whose features are counted again: in a Redis of the command's own, which is thrown away afterwards."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from billing.log import Stretch
from contracts.replay import Replay, ReplayJob
from features.entities import EntityHasher
from features.redis_store import RedisFeatureStore
from replay.again import ClickSource, check_key
from replay.agreement import Agreed
from replay.counting import Answers, count_again
from replay.limits import Limit
from replay.log import ReplayLog
from replay.measuring import Judges, measure
from replay.sharing import SharedIps
from replay.warming import GoOn, merged_clicks
from rules.ruleset import RuleSet
from slidr.replaying import Outcome, Told, clicks_of, logs_of, releases_of, run_here
from slidr.servers import RedisServer
from slidr.servers.redis import find_redis_server
from slidr.settings import Settings, kafka_config

COUNTING: Final = "Counting"
COMPARING: Final = "Comparing"
REPLAYING: Final = "Replaying"


def check_recompute(settings: Settings, job: ReplayJob) -> None:
    """Raise Misconfigured where features cannot be counted again, or could not be those of the workers."""
    find_redis_server()
    check_key(logs_of(settings), job.spans, EntityHasher(_key(settings)))


def recompute_here(settings: Settings, replay: Replay, log: ReplayLog, told: Told) -> Outcome:
    """Count, compare with what was logged, and do all partitions of a run. Raises SlidrError; what is done stays."""
    total = clicks_of(replay.job)
    replaying: Callable[[int], None] = lambda clicks: told(REPLAYING, total, clicks)  # noqa: E731
    if log.is_final(replay):
        return run_here(settings, replay, log, replaying)
    limit = Limit(replay, log)
    with counted_again(settings, replay.job, limit, told) as source:
        agreement = compared(settings, replay.job, source, limit, told)
        outcome = run_here(settings, replay, log, replaying, source.reader(rules_of(settings, replay.job)))
    outcome.agreement = None if limit.cancelled else agreement
    return outcome


@contextmanager
def counted_again(settings: Settings, job: ReplayJob, go_on: GoOn, told: Told) -> Iterator[ClickSource]:
    """Rows on features counted again; not all of them where `go_on` has ended it. Raises SlidrError."""
    kafka, prefix = kafka_config(settings, "consumer"), settings.topic_prefix
    ranges = job.recompute or {}
    total = sum(one.end - one.first for one in ranges.values())

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

    with RedisServer() as redis:
        asyncio.run(count(redis.url))
    yield ClickSource(logs_of(settings), answers, ips)


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
    assert settings.entity_key is not None, "asked for when the settings were read"
    return settings.entity_key.get_secret_value()
