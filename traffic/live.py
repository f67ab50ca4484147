"""Simulated traffic as it happens: each click is sent at the moment that it claims to have been made."""

import os
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from contracts.errors import Misconfigured
from traffic.pace import Lateness, Schedule, on_time
from traffic.publish import Publisher
from traffic.simulate import PURCHASE_DELAY_S, simulate

# The first clicks have to be drawn before they are due: some 0.1 s for each 1000 clicks/s.
_LEAD_S = 1.0
_LEAD_PER_CLICK_S = 0.0003
_PROGRESS_CLICKS = 100


class LiveTraffic(Struct, frozen=True):
    """What to simulate: see `traffic.simulate.simulate`."""

    seed: int
    duration_s: float
    clicks_per_s: float
    robot_share: float = 0.2
    purchase_delay_s: float = PURCHASE_DELAY_S


class LiveSummary(Struct):
    """What was sent and stored in Kafka, and by how much sends missed their time."""

    clicks: int
    robot_clicks: int
    purchases: int
    seconds: float
    late_ms_p50: int
    late_ms_p99: int
    late_ms_worst: int


def send_live(
    traffic: LiveTraffic,
    publisher: Publisher,
    truth_file: Path | None = None,
    stopped: Callable[[], bool] = lambda: False,
    on_sent: Callable[[int], None] = lambda _: None,
) -> LiveSummary:
    """Send until the duration is over or `stopped`. Purchases that would come later are not sent.

    Send times are fixed beforehand: what is late is sent at once with its own time, so that a consumer measures from
    when the click should have come. The truth goes to `truth_file`, a JSON object a line. `on_sent` is told the number
    of clicks now and then.
    """
    start_s = time.time() + _LEAD_S + _LEAD_PER_CLICK_S * traffic.clicks_per_s
    start_ms, duration_ms = round(1000 * start_s), round(1000 * traffic.duration_s)
    simulated = simulate(
        traffic.seed, start_ms, duration_ms, traffic.clicks_per_s, traffic.robot_share, traffic.purchase_delay_s
    )
    items = takewhile(lambda item: item.at_ms < start_ms + duration_ms, simulated)
    schedule = Schedule(start_ms, time.monotonic() + start_ms / 1000 - time.time(), speed=1)
    lateness, robot_clicks = Lateness(), 0
    encode = msgspec.json.Encoder().encode
    with _open_truth(truth_file) as truths:
        for _, event, truth in on_time(items, lambda item: item.at_ms, schedule, lateness, stopped):
            publisher.send(event)
            if truth is not None:
                robot_clicks += truth.robot
                truths.write(encode(truth) + b"\n")
            if publisher.clicks % _PROGRESS_CLICKS == 0:
                on_sent(publisher.clicks)
    publisher.confirm()
    return LiveSummary(
        clicks=publisher.clicks,
        robot_clicks=robot_clicks,
        purchases=publisher.purchases,
        seconds=round(time.time() - start_s, 3),
        late_ms_p50=lateness.quantile_ms(0.5),
        late_ms_p99=lateness.quantile_ms(0.99),
        late_ms_worst=lateness.worst_ms,
    )


def _open_truth(path: Path | None) -> BinaryIO:
    try:
        return Path(path or os.devnull).open("wb")
    except OSError as error:
        raise Misconfigured(f"The truth cannot be written to {path}: {error.strerror}.") from error
