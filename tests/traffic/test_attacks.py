"""Attacks: on top of everything else, when and as fast as told, by the kind told."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import Misconfigured
from contracts.events import Click
from tests.builders import START_MS
from traffic.attacks import KINDS_OF_ROBOTS, Attack, parse_attack
from traffic.simulate import Simulated, simulate

MINUTE_MS = 60_000


def clicks_of(traffic: list[Simulated]) -> list[tuple[Click, str]]:
    return [(item.event, item.truth.kind) for item in traffic if isinstance(item.event, Click) and item.truth]


@given(st.sampled_from(KINDS_OF_ROBOTS), st.integers(0, 30), st.integers(10, 30))
@settings(max_examples=14, deadline=None)
def test_an_attack_keeps_to_its_time_and_rate_and_changes_nothing_else(kind: str, from_min: int, minutes: int) -> None:
    from_ms = START_MS + from_min * MINUTE_MS
    attack = Attack(kind, from_ms, from_ms + minutes * MINUTE_MS, clicks_per_s=20)

    calm = clicks_of(list(simulate(3, START_MS, 60 * MINUTE_MS, 2, history_days=0)))
    attacked = clicks_of(list(simulate(3, START_MS, 60 * MINUTE_MS, 2, history_days=0, attacks=(attack,))))

    # click_ids number the clicks in time order.
    before = Counter(msgspec.structs.replace(click, click_id="c") for click, _ in calm)
    after = Counter(msgspec.structs.replace(click, click_id="c") for click, _ in attacked)
    extra = list((after - before).elements())
    assert not before - after
    assert all(attack.from_ms <= click.clicked_at_ms < attack.until_ms for click in extra)
    assert len(extra) == pytest.approx(20 * 60 * minutes, rel=0.25)
    assert Counter(k for _, k in attacked) - Counter(k for _, k in calm) == Counter({kind: len(extra)})


def test_an_attack_is_as_fierce_in_its_first_minute_as_in_its_last() -> None:
    attack = Attack("rotating", START_MS + 10 * MINUTE_MS, START_MS + 20 * MINUTE_MS, clicks_per_s=100)

    traffic = list(simulate(1, START_MS, 30 * MINUTE_MS, 1, robot_share=0, attacks=(attack,)))

    by_minute = Counter(
        (click.clicked_at_ms - START_MS) // MINUTE_MS for click, kind in clicks_of(traffic) if kind == "rotating"
    )
    assert set(by_minute) == set(range(10, 20))
    assert min(by_minute.values()) > 0.7 * 6000
    assert max(by_minute.values()) < 1.3 * 6000


def test_a_competitor_that_attacks_drains_one_campaign_of_one_advertiser() -> None:
    attack = Attack("competitor", START_MS, START_MS + 30 * MINUTE_MS, clicks_per_s=5)

    traffic = list(simulate(1, START_MS, 30 * MINUTE_MS, 1, robot_share=0, attacks=(attack,)))

    targets = {(click.advertiser_id, click.campaign_id) for click, kind in clicks_of(traffic) if kind == "competitor"}
    assert len(targets) == 1


@given(st.sampled_from(KINDS_OF_ROBOTS), st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_what_is_written_in_seconds_is_read_in_milliseconds(kind: str, start: int, duration: int, rate: int) -> None:
    attack = parse_attack(f"{kind}@{start}s+{duration}s:{rate}", START_MS)

    assert attack == Attack(kind, START_MS + 1000 * start, START_MS + 1000 * (start + duration), rate)


def test_minutes_hours_and_days_and_fractions_are_known() -> None:
    attack = parse_attack("low_and_slow@1.5h+2d:0.25", 0)

    assert attack == Attack("low_and_slow", 90 * MINUTE_MS, 90 * MINUTE_MS + 2 * 24 * 60 * MINUTE_MS, 0.25)
    assert parse_attack("burst@10m+5m:50", 0) == Attack("burst", 10 * MINUTE_MS, 15 * MINUTE_MS, 50)


@pytest.mark.parametrize("text", ["", "burst", "burst@10+5:50", "burst@10m-5m:50", "burst@10m+5m", "burst@10m+5m:-1"])
def test_what_is_no_attack_is_told_with_the_form(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"is no attack; expected kind@start\+duration:clicks_per_s"):
        parse_attack(text, START_MS)


@pytest.mark.parametrize(
    ("attack", "says"),
    [
        (Attack("ddos", START_MS, START_MS + 1, 1), "no 'ddos' robots; an attack is by burst, low_and_slow"),
        (Attack("burst", START_MS, START_MS, 1), "must be above 0"),
        (Attack("burst", START_MS, START_MS + 1, 0), "must be above 0"),
        (Attack("burst", START_MS - 1, START_MS + 1, 1), "goes on from -0.001 s"),
        (Attack("burst", START_MS, START_MS + 60_001, 1), "the simulation lasts 60 s"),
    ],
)
def test_an_attack_that_cannot_be_is_refused_at_once(attack: Attack, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        simulate(1, START_MS, 60_000, 1, attacks=(attack,))
