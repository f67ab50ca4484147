"""The simulator beside real clicks: 20 minutes of TalkingData's, and as many simulated at the same time of day.

What a slice of 20 minutes cannot show (the rhythm of a day, people who come back) is not compared. Real users are
(ip, device, os), so simulated ones are (ip, user agent); a user's clicks in a slice shorter than the idle gap of 30
minutes are one session, so that real sessions are users.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.events import Click, Purchase
from traffic.simulate import Simulated, simulate

Integers = npt.NDArray[np.int64]
TOP = 10


class Sample(NamedTuple):
    """Clicks in time order: second, number of the address, of the user and of the session of each, (n,).

    `delays_s` has one entry a purchase that one of these clicks led to.
    """

    at_s: Integers
    ip: Integers
    user: Integers
    session: Integers
    delays_s: Integers


def read_talkingdata(path: Path) -> Sample:
    """The dataset's columns; an installed app stands for a purchase."""
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    users = _numbered([f"{row['ip']} {row['device']} {row['os']}" for row in rows])
    bought = [row for row in rows if row["is_attributed"] == "1"]
    return Sample(
        at_s=np.array([_second(row["click_time"]) for row in rows]),
        ip=_numbered([row["ip"] for row in rows]),
        user=users,
        session=users,
        delays_s=np.array([_second(row["attributed_time"]) - _second(row["click_time"]) for row in bought]),
    )


def simulated_like(real: Sample, seed: int) -> dict[str, Sample]:
    """As many clicks as the real sample has, at the same time; and those of people among them."""
    start_s, duration_s = int(real.at_s[0]), int(real.at_s[-1] - real.at_s[0]) + 1
    events = list(simulate(seed, 1000 * start_s, 1000 * duration_s, len(real.at_s) / duration_s, history_days=0))
    people = [item for item in events if item.truth is None or not item.truth.robot]
    return {"simulated": _sample(events), "simulated people": _sample(people)}


def measures(sample: Sample) -> dict[str, Any]:
    """What is compared, as numbers."""
    per_minute = clicks_per_s(sample)[:-1]
    gaps_s = gaps(sample)
    return {
        "clicks": len(sample.at_s),
        "clicks_per_s_by_minute": [round(float(value), 1) for value in (per_minute.min(), per_minute.max())],
        "clicks_per_user_p50_p90_p99_p999_max": _quantiles(per_entity(sample.user)),
        "clicks_per_session_p50_p90_p99_p999_max": _quantiles(per_entity(sample.session)),
        "gap_s_p10_p50_p90": np.percentile(gaps_s, (10, 50, 90)).round().tolist(),
        "share_of_busiest_ip": round(float(ip_shares(sample)[0]), 4),
        f"share_of_{TOP}_busiest_ips": round(float(ip_shares(sample)[:TOP].sum()), 4),
        "share_of_100_busiest_ips": round(float(ip_shares(sample)[:100].sum()), 4),
        "purchases_per_click": round(len(sample.delays_s) / len(sample.at_s), 4),
        "purchase_delay_s_p50": float(np.median(sample.delays_s)),
    }


def clicks_per_s(sample: Sample) -> npt.NDArray[np.float64]:
    """Mean rate in each minute since the first click; the last one is not a whole minute."""
    rates: npt.NDArray[np.float64] = np.bincount((sample.at_s - sample.at_s[0]) // 60) / 60
    return rates


def per_entity(numbers: Integers) -> Integers:
    """Clicks of each, the most first."""
    return np.sort(np.unique(numbers, return_counts=True)[1])[::-1]


def ip_shares(sample: Sample) -> npt.NDArray[np.float64]:
    """Share of clicks of each address, the busiest first."""
    counts = per_entity(sample.ip)
    shares: npt.NDArray[np.float64] = counts / counts.sum()
    return shares


def gaps(sample: Sample) -> Integers:
    """Seconds from each click to the next one of the same user."""
    order = np.lexsort((sample.at_s, sample.user))
    same = np.diff(sample.user[order]) == 0
    seconds: Integers = np.diff(sample.at_s[order])[same]
    return seconds


def _sample(events: list[Simulated]) -> Sample:
    clicks = [item.event for item in events if isinstance(item.event, Click)]
    return Sample(
        at_s=np.array([click.clicked_at_ms // 1000 for click in clicks]),
        ip=_numbered([click.ip for click in clicks]),
        user=_numbered([f"{click.ip} {click.user_agent}" for click in clicks]),
        session=_numbered([click.session_id for click in clicks]),
        delays_s=np.array(list(_delays_s(events))),
    )


def _delays_s(events: list[Simulated]) -> Iterator[int]:
    """The simulator numbers a purchase like the click that led to it."""
    clicked_at_ms = {item.event.click_id: item.at_ms for item in events if isinstance(item.event, Click)}
    for item in events:
        if isinstance(item.event, Purchase):
            yield (item.at_ms - clicked_at_ms[item.event.purchase_id.removeprefix("p-")]) // 1000


def _numbered(names: list[str]) -> Integers:
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _quantiles(counts: Integers) -> list[float]:
    found: list[float] = np.percentile(counts, (50, 90, 99, 99.9, 100)).round().tolist()
    return found


def _second(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
