"""Following the run: twice a second the workers' metrics and the new decisions, until all that was sent is decided.

sent       events are in `traffic.sent` before they are on their topic ...
read       ... decisions, as billing reads them ...
drain      ... and then what was sent: so whatever is decided is known here
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from billing.reader import BillingReader
from contracts.errors import Unavailable
from contracts.topics import Topic, topic_name
from slidr.demo.schedule import HOUR_MS, LIVE_FROM_MS
from slidr.demo.tally import Tally
from slidr.demo.traffic import Traffic
from slidr.demo.watch import Snapshot, watch
from slidr.demo.workers import Workers

TICK_S = 0.5
PATIENCE_S = 120.0


class Sample(NamedTuple):
    """The state at a moment of the run: `at_s` of a monotonic clock, `hour` of the live day (below 0: the backlog).

    `lag` counts clicks that were sent before `decisions` was read, and have no decision there. Latencies are quantiles
    of the clicks decided since the sample before, 0 if there were none.
    """

    at_s: float
    hour: float
    sent: int
    decided: int
    lag: int
    in_worker_ms_p50: float
    in_worker_ms_p99: float


class Followed(NamedTuple):
    """All samples, the metrics at the start of the live day and at the end, and how long the backlog took."""

    samples: list[Sample]
    live_from: Snapshot | None
    last: Snapshot
    catch_up_s: float


class Moment(NamedTuple):
    """What the screen shows."""

    now: Snapshot
    live_from: Snapshot | None
    sample: Sample
    clicks_per_s: float
    tally: Tally


def follow(
    kafka: Mapping[str, Any], workers: Workers, traffic: Traffic, tally: Tally, show: Callable[[Moment], None]
) -> Followed:
    """Until everything sent is decided. Raises Unavailable if a worker or the traffic ends early, or nothing moves."""
    start_s = progress_at_s = time.monotonic()
    before, live_from, catch_up_s = watch(workers.ports), None, 0.0
    samples = [Sample(start_s, -1.0, 0, 0, 0, 0.0, 0.0)]
    with BillingReader(kafka, topic_name(Topic.DECISIONS)) as reader:
        while traffic.is_alive() or tally.decisions < traffic.clicks:
            time.sleep(TICK_S)
            workers.check()
            traffic.check()
            sent = traffic.clicks
            _read_on(reader, traffic, tally)
            now = watch(workers.ports)
            samples.append(_sample(sent, tally, now, before))
            if live_from is None and 0 < traffic.backlog_clicks <= tally.decisions:
                live_from, catch_up_s = now, samples[-1].at_s - start_s
                traffic.begin_live()
            if samples[-1].decided > samples[-2].decided:
                progress_at_s = samples[-1].at_s
            elif samples[-1].at_s > progress_at_s + PATIENCE_S:
                raise _stuck(traffic.clicks - tally.decisions)
            show(Moment(now, live_from, samples[-1], _clicks_per_s(*samples[-2:]), tally))
            before = now
    return Followed(samples, live_from, before, catch_up_s)


def _read_on(reader: BillingReader, traffic: Traffic, tally: Tally) -> None:
    """Up to the end of `decisions` as it is now."""
    decisions = [decision for batch in reader.batches(until_end=True) for decision in batch.decisions]
    while traffic.sent:
        tally.sent(traffic.sent.popleft())
    for decision in decisions:
        tally.decided(decision)


def _sample(sent: int, tally: Tally, now: Snapshot, before: Snapshot) -> Sample:
    return Sample(
        at_s=time.monotonic(),
        hour=(tally.sent_until_ms - LIVE_FROM_MS) / HOUR_MS,
        sent=sent,
        decided=tally.decisions,
        lag=max(0, sent - tally.decisions),
        in_worker_ms_p50=now.in_worker_ms(0.5, before),
        in_worker_ms_p99=now.in_worker_ms(0.99, before),
    )


def _clicks_per_s(before: Sample, now: Sample) -> float:
    return (now.decided - before.decided) / (now.at_s - before.at_s)


def _stuck(undecided: int) -> Unavailable:
    return Unavailable(
        f"{undecided} clicks were not decided within {PATIENCE_S:.0f} s. Look for what else keeps this machine busy, "
        "and start the demo again."
    )
