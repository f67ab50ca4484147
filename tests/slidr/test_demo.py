"""The demo's pure parts: what attacks when, and figures while it runs that agree with those at the end."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from contracts.errors import Misconfigured
from contracts.events import Click, Purchase
from model.labels import ATTRIBUTION_MS
from slidr.commands import app
from slidr.demo.attribution import all_attributed
from slidr.demo.kinds import DESCRIPTIONS, Caught, hard_sentence
from slidr.demo.outcome import caught_by_time, live_day
from slidr.demo.readback import LiveClick
from slidr.demo.schedule import LIVE_FROM_MS, PLAN, attacks, under_way
from slidr.demo.tally import Tally
from slidr.history import DAY_MS
from tests.builders import START_MS, click, decision, purchase
from tests.model.label_oracle import attributed
from traffic.attacks import KINDS_OF_ROBOTS, Attack, check_attacks
from traffic.columns import Window
from traffic.robots import KINDS
from traffic.simulate import Simulated, Truth

USERS, SESSIONS = (None, "ann", "bob"), ("s1", "s2")
# Around the attribution window's end, and many of the same millisecond.
TIMES_MS = st.sampled_from([0, 1, 2, 3, ATTRIBUTION_MS, ATTRIBUTION_MS + 1, ATTRIBUTION_MS + 2])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Click], list[Purchase]]:
    """Clicks and purchases of few accounts, each in time order; purchases name a click that there is, or none."""
    at_ms = sorted(draw(st.lists(TIMES_MS, max_size=12)))
    clicks = [
        click(
            click_id=f"c{i}",
            clicked_at_ms=START_MS + ms,
            user_id=draw(st.sampled_from(USERS)),
            session_id=draw(st.sampled_from(SESSIONS)),
        )
        for i, ms in enumerate(at_ms)
    ]
    bought_ms = sorted(draw(st.lists(TIMES_MS, max_size=8)))
    names = st.sampled_from([None, None, *(made.click_id for made in clicks)])
    purchases = [
        purchase(
            purchase_id=f"p{i}",
            purchased_at_ms=START_MS + ms,
            user_id=draw(st.sampled_from(USERS)),
            session_id=draw(st.sampled_from((None, *SESSIONS))),
            click_id=draw(names),
        )
        for i, ms in enumerate(bought_ms)
    ]
    return clicks, purchases


@given(histories())
def test_clicks_attributed_as_they_come_are_those_attributed_in_hindsight(
    history: tuple[list[Click], list[Purchase]],
) -> None:
    clicks, purchases = history

    found = all_attributed(clicks, purchases[::-1])

    assert found == {clicks[i].click_id for i in attributed(clicks, purchases)}


def test_a_purchase_counts_whether_it_comes_before_or_after_the_decision_and_once() -> None:
    tally = Tally(live_from_ms=START_MS)
    for click_id in ("early", "late", "yesterday's"):
        at_ms = START_MS - (click_id == "yesterday's")
        tally.sent(Simulated(at_ms, click(click_id=click_id, clicked_at_ms=at_ms), Truth(click_id, "human", False)))

    tally.sent(Simulated(START_MS, purchase(click_id="early"), None))
    for click_id, verdict in (("early", "invalid"), ("late", "valid"), ("yesterday's", "invalid")):
        tally.decided(decision(click_id=click_id, verdict=verdict))
    for click_id in ("late", "late", "yesterday's"):
        tally.sent(Simulated(START_MS + 1, purchase(click_id=click_id), None))

    assert tally.decisions == 3
    assert tally.total == tally.purchasing == tally.by_kind["human"] == Caught(clicks=2, invalid=1)


def test_robots_of_every_kind_attack_once_within_the_live_day_and_overlap_with_another() -> None:
    planned = attacks(LIVE_FROM_MS)

    check_attacks(planned, Window(LIVE_FROM_MS, LIVE_FROM_MS + DAY_MS))
    assert sorted(attack.kind for attack in planned) == sorted(KINDS_OF_ROBOTS)
    assert all(len(under_way(planned, attack.until_ms - 1)) > 1 for attack in planned[:-1])
    assert under_way(planned, LIVE_FROM_MS) == under_way(planned, LIVE_FROM_MS + DAY_MS - 1) == []


def test_the_docstring_draws_each_attack_where_the_table_has_it() -> None:
    import slidr.demo.schedule as schedule

    lines = (schedule.__doc__ or "").splitlines()
    drawn = {}
    left = next(row.index("0     2") for row in lines if row.lstrip().startswith("0     2"))
    for planned in PLAN:
        row = next(row for row in lines if f"={planned.kind}=" in row)
        bars = [at for at, sign in enumerate(row) if sign == "|" and "=" in row[max(0, at - 1) : at + 2]]
        drawn[planned.kind] = ((bars[0] - left) / 3, (bars[-1] - left) / 3, float(row.rsplit("|", 1)[1].split()[0]))

    assert drawn == {plan.kind: (plan.from_h, plan.until_h, plan.clicks_per_h) for plan in PLAN}


def test_every_kind_is_described() -> None:
    assert set(DESCRIPTIONS) == set(KINDS)


def test_the_live_day_counts_by_kind_and_by_attack_and_a_share_of_nothing_is_none() -> None:
    clicks = [
        LiveClick(10, "burst", True, False),
        LiveClick(25, "burst", False, False),
        LiveClick(12, "human", True, True, double=True),
        LiveClick(13, "human", False, True),
    ]

    day = live_day(clicks, [Attack("burst", 5, 20, 1.0), Attack("crawler", 5, 20, 1.0)])

    assert (day.live_clicks, day.invalid, day.ivr) == (4, 2, 0.5)
    assert (day.fpr, day.purchasing_clicks, day.purchasing_invalid) == (0.5, 2, 1)
    assert 0 < day.fpr_low < 0.5 < day.fpr_high < 1
    assert day.people_double_clicks == 1
    assert day.recall == {"burst": 0.5}
    assert [(a.kind, a.clicks, a.recall) for a in day.attacks] == [("burst", 1, 1.0), ("crawler", 0, None)]


def test_verdicts_over_time_leave_out_what_lies_outside_the_day() -> None:
    clicks = [LiveClick(at_ms, "human", at_ms == 10, False) for at_ms in (9, 10, 14, 15, 20)]

    found = caught_by_time(clicks, from_ms=10, bin_ms=5, bins=2)

    assert found == {"human": [Caught(2, 1), Caught(1, 0)]}


def test_robots_that_mostly_get_through_are_named_the_hardest_first_and_none_if_none_do() -> None:
    sentence = hard_sentence({"burst": 0.9, "imitator": 0.2, "low_and_slow": 0.1})

    assert "low_and_slow (10% caught), imitator (20% caught)" in sentence
    assert "burst" not in sentence
    assert hard_sentence({"burst": 0.9}) == ""


def test_a_picture_that_cannot_be_written_is_refused_before_anything_starts(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["demo", "--html", str(tmp_path / "missing" / "demo.html")])

    assert isinstance(refused.exception, Misconfigured)
    assert "missing/demo.html" in str(refused.exception)
