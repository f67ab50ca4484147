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
from replay.rows import ReadRows, read_rows
from replay.sharing import SharedIps
from replay.warming import GoOn, merged_clicks
from rules.ruleset import RuleSet
from slidr.replaying import Outcome, releases_of, run_here
from slidr.servers import RedisServer
from slidr.settings import Settings, kafka_config

# told(step, total, n): n more clicks of a step are done.
Told = Callable[[str, int, int], None]
COUNTING: Final = "Counting"
COMPARING: Final = "Comparing"
REPLAYING: Final = "Replaying"
# Differing features that are named, those that differ most first.
_NAMED: Final = 10


def check_recompute(settings: Settings, job: ReplayJob) -> None:
    """Raise Misconfigured where features counted again could not be those of the workers."""
    check_key(kafka_config(settings, "consumer"), settings.topic_prefix, job.spans, EntityHasher(_key(settings)))


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
    yield ClickSource(kafka, prefix, answers, ips)


@contextmanager
def rows_of(settings: Settings, job: ReplayJob, told: Told) -> Iterator[tuple[ReadRows, Agreed | None]]:
    """How to read the rows of a job, with the agreement if they are counted again. Raises SlidrError."""
    if job.recompute is None:
        yield read_rows, None
        return
    check_recompute(settings, job)
    with counted_again(settings, job, lambda clicks: True, told) as source:
        agreement = compared(settings, job, source, lambda clicks: True, told)
        yield source.reader(rules_of(settings, job)), agreement


def compared(settings: Settings, job: ReplayJob, source: ClickSource, go_on: GoOn, told: Told) -> Agreed:
    """Features and verdicts counted again against those that were logged."""

    def done(clicks: int) -> bool:
        told(COMPARING, clicks_of(job), clicks)
        return go_on(clicks)

    return measure(source, job, Judges(releases_of(settings)), done)


def rules_of(settings: Settings, job: ReplayJob) -> RuleSet:
    """The rules of the release that decides again."""
    return RuleSet.from_json(releases_of(settings).load(job.model_version).rules_json)


def clicks_of(job: ReplayJob) -> int:
    """How many records of `clicks` a job covers."""
    return sum(span.offsets for span in job.spans.values())


def agreement_text(found: Agreed) -> str:
    """The same for a terminal."""
    if not found.clicks:
        return "No click was compared with what was logged."
    differ = found.clicks - found.equal
    flips = found.verdicts_explained + found.verdicts_unexplained
    lines = [
        f"Counted again and logged: of {found.clicks:,} clicks {found.equal / found.clicks:.4%} have every feature bit "
        f"for bit. {differ:,} do not: {found.shared:,} by the order of clicks of an IP that partitions share, "
        f"{found.without_state:,} were decided without their state, {found.unexplained:,} are not explained.",
        f"Verdicts of the releases that decided: {found.verdict_ratio:.4%} are the same. {flips:,} are not, of which "
        f"{found.verdicts_unexplained:,} are not explained.",
    ]
    if found.verdicts_unknown:
        lines.append(f"{found.verdicts_unknown:,} were decided by releases that cannot be read any more.")
    if named := [(equal, name) for name, equal in found.features.items() if equal < found.clicks]:
        shares = ", ".join(f"{name} {equal / found.clicks:.4%}" for equal, name in sorted(named)[:_NAMED])
        lines.append(f"Features that differ most, with the share that is equal: {shares}.")
    return "\n".join(lines)


def _key(settings: Settings) -> str:
    assert settings.entity_key is not None, "asked for when the settings were read"
    return settings.entity_key.get_secret_value()
