"""Simulated traffic as it happens: each click is sent at the moment that it claims to have been made."""

import os
import time
from collections.abc import Callable, Iterator
from itertools import chain, takewhile
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from contracts.errors import Misconfigured
from traffic.pace import Lateness, Schedule, on_time
from traffic.publish import Publisher
from traffic.scenario import Scenario
from traffic.simulate import Simulated, events

# The first clicks have to be drawn before they are due: some 0.1 s for each 1000 clicks/s. And purchases from before
# them have to be drawn and sent, about one for each click that is to come.
_LEAD_S = 1.0
_LEAD_PER_CLICK_S = 0.0003
_LEAD_PER_PAST_PURCHASE_S = 0.00003
_PROGRESS_CLICKS = 100


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
    scenario: Scenario,
    publisher: Publisher,
    truth_file: Path | None = None,
    stopped: Callable[[], bool] = lambda: False,
    on_sent: Callable[[int], None] = lambda _: None,
) -> LiveSummary:
    """Send until the duration is over or `stopped`. Purchases that would come later are not sent.

    The scenario starts now, whatever its own start is. What was bought before is sent at once, with its own time. Send
    times are fixed beforehand: what is late is sent at once with its own time, so that a consumer measures from when
    the click should have come. The truth goes to `truth_file`, a JSON object a line. `on_sent` hears the number of
    clicks now and then.
    """
    start_s = time.time() + _lead_s(scenario)
    scenario = scenario.starting_at(round(1000 * start_s))
    items: Iterator[Simulated] = takewhile(lambda item: item.at_ms < scenario.period.until_ms, events(scenario))
    schedule = Schedule(scenario.start_ms, time.monotonic() + start_s - time.time(), speed=1)
    lateness, robot_clicks = Lateness(), 0
    encode = msgspec.json.Encoder().encode
    with _open_truth(truth_file) as truths:
        items = _after_the_past(items, scenario.start_ms, publisher, stopped)
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
        seconds=round(max(0.0, time.time() - start_s), 3),
        late_ms_p50=lateness.quantile_ms(0.5),
        late_ms_p99=lateness.quantile_ms(0.99),
        late_ms_worst=lateness.worst_ms,
    )


def _lead_s(scenario: Scenario) -> float:
    past_purchases = scenario.expected_clicks if scenario.history_days else 0
    return _LEAD_S + _LEAD_PER_CLICK_S * scenario.clicks_per_s + _LEAD_PER_PAST_PURCHASE_S * past_purchases


def _after_the_past(
    items: Iterator[Simulated], start_ms: int, publisher: Publisher, stopped: Callable[[], bool]
) -> Iterator[Simulated]:
    """Send what happened before the start, and give the rest."""
    for item in items:
        if item.at_ms >= start_ms or stopped():
            return chain([item], items)
        publisher.send(item.event)
    return iter(())


def _open_truth(path: Path | None) -> BinaryIO:
    try:
        return Path(path or os.devnull).open("wb")
    except OSError as error:
        raise Misconfigured(f"The truth cannot be written to {path}: {error.strerror}.") from error
