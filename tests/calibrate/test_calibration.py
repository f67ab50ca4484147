"""From scored clicks to thresholds: budgets and floors hold, odd slices are safe, the impossible is refused."""

import math
import re

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrate.calibration import calibrate
from calibrate.goals import Goals
from calibrate.measure import remeasure
from calibrate.result import Calibrated
from calibrate.slices import NEVER
from contracts.errors import Misconfigured, Refused
from contracts.scored import Scored
from tests.calibrate.clicks import DAY_MS, PARENTS, SLICES, START_MS, clicks_of, traffic

GOALS = Goals(fpr_budget=0.1, parents=PARENTS)
SCORED = traffic(seed=2)


def goals(**changes: object) -> Goals:
    return msgspec.structs.replace(GOALS, **changes)


def losing(found: Calibrated, scored: Scored) -> float:
    return float(scored.invalid(found.thresholds)[scored.purchasing].mean())


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.12, 0.2]), st.sampled_from([0.0, 0.3, 0.5]))
def test_budget_caps_floors_and_steps_hold(seed: int, budget: float, floor: float) -> None:
    scored = traffic(seed=seed, clicks={"app|user": 3000, "web|guest": 3000, "web|user": 400})
    wanted = goals(fpr_budget=budget, coverage_floor=floor)

    found = calibrate(scored, wanted)

    assert set(found.thresholds) == set(SLICES)
    assert losing(found, scored) <= found.predicted_upper <= budget
    for choice in found.slices.values():
        assert choice.predicted_fpr <= choice.chosen_fpr + 1e-9
        assert choice.chosen_fpr <= choice.highest_fpr + 1e-9
        assert choice.predicted_fpr <= wanted.cap + 1e-9
        assert choice.counted.coverage.of == 0 or choice.counted.coverage.value >= floor
        assert choice.threshold == NEVER or choice.threshold in scored.score


def test_slices_find_more_than_one_threshold_does_at_the_same_loss() -> None:
    found = calibrate(traffic(seed=3, clicks=dict.fromkeys(SLICES, 8000)), GOALS)

    assert found.baselines["single threshold"].counted.fpr.hits <= found.overall.fpr.hits
    assert found.overall.ivr.hits > found.baselines["single threshold"].counted.ivr.hits


def test_the_single_threshold_loses_as_many_as_it_may_and_the_next_step_would_lose_more() -> None:
    found = calibrate(SCORED, GOALS)

    threshold = found.baselines["single threshold"].thresholds["app|user"]
    lower = np.unique(SCORED.score[SCORED.score < threshold])[-1]
    lost = (SCORED.invalid(dict.fromkeys(SLICES, lower)) & SCORED.purchasing).sum()
    assert lost > found.overall.fpr.hits


def test_a_slice_without_purchases_stays_within_the_overall_budget_of_its_parent() -> None:
    scored = SCORED._replace(purchasing=SCORED.purchasing & (SCORED.slice_index != SLICES.index("app|guest")))

    found = calibrate(scored, GOALS)

    choice = found.slices["app|guest"]
    sibling = scored.rows(scored.purchasing & (scored.slice_index == SLICES.index("web|guest")))
    lost = (sibling.score >= choice.threshold) | sibling.by_rules
    assert lost.mean() <= GOALS.fpr_budget
    assert choice.predicted_fpr <= GOALS.fpr_budget
    assert "No purchasing clicks of its own: set where guest keeps" in choice.note


def test_slices_without_clicks_get_a_threshold_from_their_parent() -> None:
    scored = traffic(clicks={"app|user": 4000, "app|guest": 4000})

    found = calibrate(scored, GOALS)

    assert found.slices["web|user"].note.startswith("No clicks of its own")
    assert 0 < found.thresholds["web|user"] < 1
    assert found.thresholds["web|user"] != found.thresholds["web|guest"]


def test_the_result_goes_into_json_and_comes_back() -> None:
    found = calibrate(traffic(clicks={"app|user": 4000, "app|guest": 4000}), GOALS)

    written = msgspec.json.encode(found)

    assert msgspec.json.decode(written, type=Calibrated) == found


def test_the_same_clicks_in_another_order_give_the_same_thresholds() -> None:
    shuffled = SCORED.rows(np.random.default_rng(1).permutation(len(SCORED.score)))

    assert calibrate(shuffled, GOALS).thresholds == calibrate(SCORED, GOALS).thresholds


def test_later_clicks_are_measured_and_judged_by_the_budget() -> None:
    found = calibrate(SCORED, GOALS)
    later = traffic(seed=9, start_ms=START_MS + 4 * DAY_MS)

    measured = remeasure(found, later)

    invalid = later.invalid(found.thresholds)
    assert measured.overall.fpr.hits == (invalid & later.purchasing).sum()
    assert measured.overall.ivr.hits == invalid.sum()
    assert measured.overall.fpr.value <= measured.overall.fpr_upper
    assert measured.within_budget == (measured.overall.fpr.value <= 0.1)
    assert sum(achieved.fpr.hits for achieved in measured.slices.values()) == measured.overall.fpr.hits
    assert set(measured.baselines) == {"single threshold", "knees"}


def test_clicks_that_are_not_all_later_measure_nothing() -> None:
    with pytest.raises(Refused, match=r"begin 24\.\d h before the calibration's end"):
        remeasure(calibrate(SCORED, GOALS), traffic(start_ms=START_MS + 3 * DAY_MS))


def with_nan(scored: Scored) -> Scored:
    return scored._replace(score=np.where(np.arange(len(scored.score)) < 3, math.nan, scored.score))


@pytest.mark.parametrize(
    ("scored", "says"),
    [
        (with_nan(SCORED), "3 of 8,000 calibration clicks have a score that is not a number"),
        (SCORED._replace(purchasing=np.zeros_like(SCORED.purchasing)), "led to a purchase"),
        (SCORED.rows(slice(0, 0)), "There are no calibration clicks"),
        (SCORED._replace(by_rules=SCORED.purchasing), r"rules alone invalidate \d+ of \d+ .* \(100.00%\)"),
        (SCORED.rows(slice(0, 120)), "too few to show"),
    ],
)
def test_clicks_that_can_show_nothing_are_refused(scored: Scored, says: str) -> None:
    with pytest.raises(Refused, match=says):
        calibrate(scored, GOALS)


def test_floors_beyond_the_budget_are_refused_with_what_is_feasible() -> None:
    wanted = goals(fpr_budget=0.06, slice_fpr_cap=1.0, coverage_floors={"app|guest": 0.97, "web|user": 0.9})

    with pytest.raises(Refused) as refusal:
        calibrate(SCORED, wanted)

    says = str(refusal.value)
    assert says.index("app|guest needs an FPR of") < says.index("web|user needs an FPR of")
    budget, floor = (float(number) / 100 for number in re.findall(r"at (?:least|most) ([\d.]+)%", says))
    calibrate(SCORED, msgspec.structs.replace(wanted, fpr_budget=budget))
    lowered = {name: min(floor, asked) for name, asked in wanted.coverage_floors.items()}
    calibrate(SCORED, msgspec.structs.replace(wanted, coverage_floors=lowered))
    with pytest.raises(Refused):
        calibrate(SCORED, msgspec.structs.replace(wanted, fpr_budget=budget - 0.0002))


def test_floors_beyond_the_cap_are_refused_with_what_it_allows() -> None:
    wanted = goals(slice_fpr_cap=0.12, coverage_floors={"web|guest": 0.95})

    with pytest.raises(
        Refused, match=r"web\|guest reaches 95.00% at an FPR of .* above the cap, which allows it"
    ) as found:
        calibrate(SCORED, wanted)

    allowed = float(re.findall(r"allows it ([\d.]+)%", str(found.value))[0]) / 100
    calibrate(SCORED, msgspec.structs.replace(wanted, coverage_floors={"web|guest": allowed}))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (goals(fpr_budget=1.5), "FPR budget is 1.5; expected a share"),
        (goals(coverage_floor=math.nan), "coverage floor is nan"),
        (goals(coverage_floors={"phone": 0.5}), "name slices that are not there: phone"),
        (goals(parents=PARENTS | {"all": "user"}), "go in a circle"),
        (goals(parents={}), "end in several groups"),
        (goals(confidence=1.0), "confidence from 0.5"),
    ],
)
def test_goals_that_make_no_sense_are_one_sentence(wanted: Goals, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        calibrate(SCORED, wanted)


def test_a_single_slice_needs_no_parent() -> None:
    chance = np.random.default_rng(1)
    scored = clicks_of(np.round(chance.random(3000), 6).tolist(), (chance.random(3000) < 0.3).tolist(), hours=48)

    found = calibrate(scored, Goals(fpr_budget=0.1))

    assert 0.9 < found.thresholds["all"] < 1
