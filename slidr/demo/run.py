"""The demo from top to bottom. Event time runs ahead of the clock, so that purchases arrive while you watch.

-8 days                              -1 day         0                                      +1 day
|--- history: a release is trained ---|--- backlog ---|--- live, in 50 seconds: attacks ------|

A seed fixes traffic and release. Of verdicts a few in ten thousand differ from run to run: how partitions interleave is
real, and with it how many clicks of a shared address came before.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import asdict
from rich.console import Console
from rich.live import Live

from billing.conservation import Counts
from billing.snapshot import reconcile
from slidr.demo.follow import Followed, follow
from slidr.demo.machine import machine
from slidr.demo.outcome import Outcome, caught_by_time, live_day
from slidr.demo.picture.page import write_page
from slidr.demo.picture.story import Story
from slidr.demo.readback import LiveClick, live_clicks
from slidr.demo.release import FPR_BUDGET, train
from slidr.demo.schedule import HOUR_MS, LIVE_FROM_MS, attacks, two_days
from slidr.demo.screen import live_view, show_outcome
from slidr.demo.tally import Tally
from slidr.demo.traffic import Traffic
from slidr.demo.workers import Workers
from slidr.history import DAY_MS
from slidr.servers import EmbeddedServers
from streams.topic_admin import create_topics

LIVE_S = 50.0
WORKERS = 2
PARTITIONS = 4
_BINS_PER_DAY = 48
# Distinct counts depend a little on keyed hashes, and a seed is to give the same run again.
_ENTITY_KEY = "simulated people have no secrets"


class _Ran(NamedTuple):
    release: str
    followed: Followed
    tally: Tally
    machine: dict[str, str]


def run_demo(console: Console, seed: int) -> Story:
    """Run everything on servers of its own; they and the workers are gone when this returns or raises."""
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slidr-demo-") as folder, EmbeddedServers() as servers:
        console.print(f"Kafka at {servers.kafka.bootstrap_servers} and Redis at {servers.redis.url} are up.")
        kafka = {"bootstrap.servers": servers.kafka.bootstrap_servers}
        create_topics(kafka, "", PARTITIONS, keep_forever=True)
        models = Path(folder) / "models"
        release = train(console, models, seed)
        with Workers(WORKERS, servers, models, release, _ENTITY_KEY) as workers:
            workers.wait_ready()
            tally = Tally(LIVE_FROM_MS)
            followed = _send_and_follow(console, kafka, workers, tally, seed)
        ran = _Ran(release, followed, tally, machine(servers.redis.url))
        return _story(kafka, ran, seed, started_s)


def _send_and_follow(console: Console, kafka: dict[str, Any], workers: Workers, tally: Tally, seed: int) -> Followed:
    traffic = Traffic(kafka, *two_days(seed), speed=DAY_MS / 1_000 / LIVE_S)
    traffic.start()
    try:
        with Live(console=console, refresh_per_second=4) as live:
            return follow(kafka, workers, traffic, tally, lambda moment: live.update(live_view(moment)))
    finally:
        traffic.stop()


def _story(kafka: Mapping[str, Any], ran: _Ran, seed: int, started_s: float) -> Story:
    """Everything that the screen and the picture tell at the end."""
    clicks = live_clicks(kafka, LIVE_FROM_MS, ran.tally.kinds)
    bin_ms = DAY_MS // _BINS_PER_DAY
    return Story(
        outcome=_outcome(reconcile(kafka).total, clicks, ran, seed, started_s),
        samples=ran.followed.samples,
        catch_up_s=ran.followed.catch_up_s,
        live_s=LIVE_S,
        bin_h=bin_ms / HOUR_MS,
        by_time=caught_by_time(clicks, LIVE_FROM_MS, bin_ms, _BINS_PER_DAY),
        workers=WORKERS,
        partitions=PARTITIONS,
        machine=ran.machine,
    )


def _outcome(total: Counts, clicks: Sequence[LiveClick], ran: _Ran, seed: int, started_s: float) -> Outcome:
    """The figures are those of the topics; only latencies are the workers' own, of live clicks."""
    last, live_from = ran.followed.last, ran.followed.live_from
    p50, p99, p999 = (last.in_worker_ms(q, live_from) for q in (0.5, 0.99, 0.999))
    return Outcome(
        **asdict(live_day(clicks, attacks(LIVE_FROM_MS))),
        clicks=total.clicks,
        decisions=total.decisions,
        missing=total.missing,
        duplicates=total.duplicates,
        conflicting=total.conflicting,
        fpr_budget=FPR_BUDGET,
        in_worker_ms_p50=p50,
        in_worker_ms_p99=p99,
        in_worker_ms_p999=p999,
        model_version=ran.release,
        seed=seed,
        seconds=round(time.monotonic() - started_s, 1),
    )


def demo(console: Console, seed: int, html: Path) -> Outcome:
    """Run, show, and draw the picture."""
    story = run_demo(console, seed)
    show_outcome(console, story.outcome)
    write_page(story, html)
    console.print(f"The picture of this run: {html.resolve()}")
    return story.outcome
