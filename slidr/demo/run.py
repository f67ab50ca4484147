"""The demo from top to bottom. Event time runs ahead of the clock, so that purchases arrive while you watch.

-8 days                              -1 day         0                       +1 day
|--- history: a release is trained ---|--- backlog ---|--- live, in 40 seconds ---|
"""

import itertools
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress import Progress

from contracts.errors import Unavailable
from model.train import Schedule
from rules.ruleset import RuleSet
from slidr.demo.outcome import Outcome, conserved, ratio, verdicts
from slidr.demo.screen import live_table, show_outcome
from slidr.demo.traffic import Traffic
from slidr.demo.watch import Snapshot, watch
from slidr.demo.workers import Workers
from slidr.history import DAY_MS, simulated_history
from slidr.servers import EmbeddedServers
from slidr.training import Recipe, train_release
from streams.topic_admin import create_topics
from traffic.simulate import Simulated, simulate

LIVE_FROM_MS = 1_718_064_000_000  # Tuesday, 2024-06-11
HISTORY_DAYS = 7
CLICKS_PER_DAY = 40_000
LIVE_S = 40.0
FPR_BUDGET = 0.05
ROBOT_SHARE = 0.2
# Purchases go on after the last click; those of the next hours still tell of the day's clicks.
AFTER_MS = 2 * 3_600_000
WORKERS = 2
PARTITIONS = 4
PATIENCE_S = 120.0


def run_demo(console: Console, seed: int) -> Outcome:
    """Run everything on servers of its own; they and the workers are gone when this returns or raises."""
    started_s = time.monotonic()
    entity_key = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="slidr-demo-") as folder, EmbeddedServers() as servers:
        console.print(f"Kafka at {servers.kafka.bootstrap_servers} and Redis at {servers.redis.url} are up.")
        kafka = {"bootstrap.servers": servers.kafka.bootstrap_servers}
        create_topics(kafka, "", PARTITIONS, keep_forever=True)
        models = Path(folder) / "models"
        release = _train(console, models, seed)
        with Workers(WORKERS, servers, models, release, entity_key) as workers:
            workers.wait_ready()
            traffic = Traffic(kafka, *_traffic(seed), speed=DAY_MS / 1_000 / LIVE_S)
            traffic.start()
            try:
                last, live_from = _watch(console, workers, traffic)
            finally:
                traffic.stop()
        return _outcome(kafka, traffic, last, live_from, release, time.monotonic() - started_s)


def _train(console: Console, models: Path, seed: int) -> str:
    """Version of a release trained on the week before the backlog."""
    clicks = HISTORY_DAYS * CLICKS_PER_DAY
    with Progress(console=console, transient=True) as progress:
        counting = progress.add_task("Counting a week of history", total=clicks)
        history = simulated_history(
            seed,
            LIVE_FROM_MS - DAY_MS,
            HISTORY_DAYS,
            clicks,
            ROBOT_SHARE,
            lambda done: progress.update(counting, completed=done),
        )
        schedule = Schedule(seed=seed)
        training = progress.add_task("Training", total=schedule.max_epochs)
        report = train_release(
            history,
            Recipe(RuleSet.default(), FPR_BUDGET, schedule, created_at_ms=LIVE_FROM_MS - DAY_MS),
            str(models),
            lambda epoch: progress.update(training, completed=epoch.number),
        )
    console.print(f"Release {report.version} is trained on {report.clicks:,} clicks of a simulated week.")
    return report.version


def _traffic(seed: int) -> tuple[Iterator[Simulated], Iterator[Simulated]]:
    """Two days of one simulation, of other chances than the history's: the backlog and the live day."""
    per_s = CLICKS_PER_DAY * 1_000 / DAY_MS
    first, second = itertools.tee(simulate(seed + 1, LIVE_FROM_MS - DAY_MS, 2 * DAY_MS, per_s, ROBOT_SHARE))
    return (
        itertools.takewhile(lambda event: event.at_ms < LIVE_FROM_MS, first),
        (event for event in second if LIVE_FROM_MS <= event.at_ms < LIVE_FROM_MS + DAY_MS + AFTER_MS),
    )


def _watch(console: Console, workers: Workers, traffic: Traffic) -> tuple[Snapshot, Snapshot | None]:
    """Show the table until everything sent is decided; the last snapshot, and that at the start of live traffic."""
    before, before_s = watch(workers.ports), time.monotonic()
    live_from: Snapshot | None = None
    deadline_s = before_s + PATIENCE_S
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            time.sleep(0.5)
            workers.check()
            if traffic.error:
                raise Unavailable(f"The traffic could not be sent: {traffic.error}.") from traffic.error
            now, now_s = watch(workers.ports), time.monotonic()
            if live_from is None and traffic.live_from_ms and now.clicks >= traffic.backlog_clicks:
                live_from = now
            rate = (now.clicks - before.clicks) / (now_s - before_s)
            live.update(live_table(now, live_from, rate, traffic.clicks))
            if not traffic.is_alive() and now.clicks >= traffic.clicks:
                return now, live_from
            if now.clicks != before.clicks:
                deadline_s = now_s + PATIENCE_S
            elif now_s > deadline_s:
                raise Unavailable(f"{traffic.clicks - now.clicks} clicks were not decided within {PATIENCE_S:.0f} s.")
            before, before_s = now, now_s


def _outcome(
    kafka: dict[str, str], traffic: Traffic, last: Snapshot, live_from: Snapshot | None, release: str, seconds: float
) -> Outcome:
    total = conserved(kafka).total
    live = verdicts(kafka, traffic.live_from_ms, traffic.truths)
    return Outcome(
        clicks=total.clicks,
        decisions=total.decisions,
        missing=total.missing,
        duplicates=total.duplicates,
        conflicting=total.conflicting,
        live_clicks=live.clicks,
        invalid=live.invalid,
        ivr=ratio(live.invalid, live.clicks),
        fpr=ratio(live.purchasing_invalid, live.purchasing),
        purchasing_clicks=live.purchasing,
        recall=live.recall,
        in_worker_ms_p50=last.in_worker_ms(0.5, live_from),
        in_worker_ms_p999=last.in_worker_ms(0.999, live_from),
        model_version=release,
        seconds=round(seconds, 1),
    )


def demo(console: Console, seed: int) -> Outcome:
    """Run and show."""
    outcome = run_demo(console, seed)
    show_outcome(console, outcome)
    return outcome
