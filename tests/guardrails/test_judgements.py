"""Each guardrail's judgement against an obvious oracle."""

from math import exp, factorial, log
from statistics import NormalDist, median

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.scored import Scored
from contracts.summaries import BINS, FeatureDay, ModelSummary, Promised, SliceModel, Sources
from contracts.verdicts import GuardrailVerdict
from guardrails import features, model, sources, volume
from guardrails.chance import ruled_out
from guardrails.change import judge_change
from guardrails.data import human_density, judge_day
from guardrails.limits import Trailing, read_limits
from guardrails.odds import Odds
from guardrails.past import judged
from guardrails.verdicts import collapsed
from model.model_summaries import summarise_model
from tests.guardrails.days import MONDAY, day

LIMITS = read_limits()
HOURLY = st.lists(st.integers(0, 500), min_size=24, max_size=24)
KNOWN = st.lists(st.booleans(), min_size=24, max_size=24)
COUNTS = st.lists(st.integers(0, 300), min_size=BINS, max_size=BINS).filter(lambda counts: sum(counts) > 0)


def poisson(count: int, expected: float) -> float:
    return exp(-expected) * expected**count / factorial(count)


@given(st.integers(0, 60), st.floats(0.1, 40), st.sampled_from([2.0, 3.0, 5.0]))
def test_chance_is_ruled_out_when_the_tail_of_the_poisson_distribution_is_thinner(
    found: int, expected: float, errors: float
) -> None:
    tail = sum(poisson(n, expected) for n in (range(found + 1) if found < expected else range(found, 150)))
    threshold = NormalDist().cdf(-errors)
    assume(abs(tail - threshold) > 1e-6 * threshold)

    assert ruled_out(found, expected, 0, errors) == (tail < threshold)


def test_a_spread_seen_before_explains_what_independent_events_would_not() -> None:
    assert ruled_out(500, 1000, 50, 5)
    assert not ruled_out(500, 1000, 150, 5)
    assert ruled_out(0, 20_000, 0, 5)
    assert not ruled_out(20_100, 20_000, 0, 5)


@given(
    st.dictionaries(
        st.integers(0, 5), st.tuples(HOURLY, st.lists(st.booleans(), min_size=24, max_size=24)), min_size=1
    ),
    HOURLY,
    st.sampled_from([1, 3, 24]),
)
def test_what_is_usual_is_the_median_of_the_same_hours_of_earlier_weeks(
    weeks: dict[int, tuple[list[int], list[bool]]], today: list[int], length: int
) -> None:
    """Every seventh day, so that weeks are all there is; other days are unknown."""
    trailing = Trailing(weeks=6, least_weeks=2, least_days=2, standard_errors=5)
    past = {
        MONDAY + 7 * week: day(MONDAY + 7 * week, purchases=tuple(counts), whole=tuple(whole))
        for week, (counts, whole) in weeks.items()
    }
    now = day(MONDAY + 42, purchases=tuple(today))

    at = judged(now, list(past.values()), trailing)
    found = {s.end_hour: s for s in at.stretches([length], lambda d: np.array(d.purchases), lambda d: d.whole)}

    for end in range(1, 25):
        spans = [
            sum(other.purchases[end - length : end])
            for other in past.values()
            if end >= length and all(other.whole[end - length : end])
        ]
        if end >= length and len(spans) >= 2:
            assert found[end].found == sum(today[end - length : end])
            assert found[end].usual.median == median(spans)
        else:
            assert end not in found


def test_a_stretch_reaches_back_over_midnight() -> None:
    days = [day(number, purchases=(number,) * 24) for number in range(MONDAY, MONDAY + 29)]

    at = judged(days[-1], days, LIMITS.trailing)
    (stretch,) = (s for s in at.stretches([3], lambda d: np.array(d.purchases), lambda d: d.whole) if s.end_hour == 1)

    assert stretch.found == 2 * (MONDAY + 27) + MONDAY + 28
    assert stretch.usual.median == median(2 * (n - 1) + n for n in (MONDAY + 7, MONDAY + 14, MONDAY + 21))


@given(st.integers(0, 300))
def test_hours_with_too_few_clicks_block(clicks: int) -> None:
    days = [day(MONDAY + n) for n in range(28)]
    now = day(MONDAY + 28, clicks)

    verdict = volume.volume(judged(now, days, LIMITS.trailing), LIMITS)

    assert (verdict.outcome == "blocked") == (clicks < 100 * LIMITS.volume.least_share_of_day)


@pytest.mark.parametrize(("clicks", "outcome"), [(590, "passed"), (610, "blocked")])
def test_a_day_with_far_too_many_clicks_blocks(clicks: int, outcome: str) -> None:
    days = [day(MONDAY + n) for n in range(28)]

    assert volume.volume(judged(day(MONDAY + 28, clicks), days, LIMITS.trailing), LIMITS).outcome == outcome


@given(st.integers(1, 4000))
def test_odds_of_a_part_are_compared_with_those_that_are_usual(hits: int) -> None:
    """Usual is one in five, which is a quarter of the others."""
    days = [day(MONDAY + n) for n in range(10)]
    today, earlier = days[-1], days[:-1]
    odds = Odds("parts", "", lambda d: (hits, 5000) if d is today else (1000, 5000))

    (found,) = odds.looked(judged(today, earlier, LIMITS.trailing), 1.6, 5)

    assert found.measured == pytest.approx(hits / (5000 - hits) / 0.25)
    assert found.beyond == (found.measured > 1.6)


@given(COUNTS, COUNTS)
def test_psi_is_its_formula_over_groups_that_part_the_usual_values(found: list[int], usual: list[int]) -> None:
    a, e = np.array(found, float), np.array(usual, float)

    below = np.cumsum(e) - e / 2
    tenth = [min(int(share * 10), 9) for share in below / e.sum()]
    groups = sorted(set(tenth))
    by_group = [
        [sum(n for n, t in zip(counts, tenth, strict=True) if t == g) + 0.5 for g in groups] for counts in (a, e)
    ]
    shares = [[n / sum(counts) for n in counts] for counts in by_group]
    assert features.psi(a, e) == pytest.approx(
        sum((p - q) * log(p / q) for p, q in zip(*shares, strict=True)), abs=1e-9
    )


@given(COUNTS)
def test_values_as_usual_have_no_psi(counts: list[int]) -> None:
    assert features.psi(np.array(counts, float), np.array(counts, float)) == pytest.approx(0)


@given(st.sampled_from([-20, -8, -6, 6, 8, 20]), st.lists(st.integers(20, 500), min_size=20, max_size=20))
def test_values_times_a_power_of_two_are_other_units(half_octaves: int, counts: list[int]) -> None:
    values = [0] * BINS
    values[30:50] = counts
    moved = list(np.roll(values, half_octaves))
    days = [day(MONDAY + n, features={"ip_gap_s": FeatureDay(tuple(values))}) for n in range(8)]
    now = day(MONDAY + 8, features={"ip_gap_s": FeatureDay(tuple(int(n) for n in moved))})

    verdict = features.units(judged(now, days, LIMITS.trailing), LIMITS)

    assert verdict.measured == pytest.approx(2 ** (half_octaves / 2))
    assert verdict.outcome == "blocked"


@given(st.sets(st.integers(0, 200), min_size=1), st.sets(st.integers(0, 200), min_size=1))
def test_the_share_that_two_days_share_is_counted_if_their_samples_are_whole(ours: set[int], theirs: set[int]) -> None:
    size = max(len(ours), len(theirs))
    union = sorted(ours | theirs)[:size]
    jaccard = len([x for x in union if x in ours and x in theirs]) / len(union)

    assert sources.shared(tuple(ours), tuple(theirs)) == pytest.approx(2 * jaccard / (1 + jaccard))
    assert sources.shared(tuple(ours), tuple(ours)) == 1


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 200))
def test_gaps_and_repetitions_are_shares_of_a_day(missing: int, repeated: int, again: int) -> None:
    rows = 1000 + again
    now = day(sources=Sources(rows, again, missing, repeated, (1,), (2,)))
    at = judged(now, [], LIMITS.trailing)

    gaps, repetitions = sources.gaps(at, LIMITS), sources.repeated_clicks(at, LIMITS)

    assert gaps.measured == missing / (1000 + missing)
    assert (gaps.outcome == "blocked") == (gaps.measured > 0.05)
    assert repetitions.measured == (again + repeated) / rows
    assert (repetitions.outcome == "blocked") == (repetitions.measured > 0.02)


@given(st.integers(0, 167), st.integers(0, 400))
def test_an_hour_of_the_week_is_blocked_once_chance_does_not_explain_how_few_are_human(hour: int, human: int) -> None:
    labelled = 10_000
    week = [0] * 168
    week[hour] = human
    now = day(week_labelled=(labelled,) * 168, week_human=tuple(n or 5_000 for n in week))
    if not human:
        now = day(week_labelled=(labelled,) * 168, week_human=tuple(0 if h == hour else 5_000 for h in range(168)))

    verdict = human_density([now], LIMITS)

    assert verdict.measured == human / labelled
    # 2 % of 10,000, less five standard errors of 14.
    assert (verdict.outcome == "blocked") == (human < 130)


def test_a_handful_of_clicks_does_not_show_that_nobody_is_human() -> None:
    few = day(week_labelled=(20,) * 168, week_human=(0,) * 168)

    assert human_density([few], LIMITS).outcome == "passed"


def slice_model(**fields: object) -> SliceModel:
    plain = {"clicks": 10_000, "invalid": 2000, "purchasing": 400, "purchasing_invalid": 12, "busy": 1000}
    return SliceModel(**{**plain, "busy_invalid": 500, "threshold": 0.8, **fields})  # type: ignore[arg-type]


def summary(*slices: SliceModel, **fields: object) -> ModelSummary:
    plain = {"not_scores": 0, "extreme": 0, "alike": 10, "purchasing_auc": 0.3}
    names = ("mobile|user", "mobile|guest")
    return ModelSummary(slices=dict(zip(names, slices, strict=False)), **{**plain, **fields})  # type: ignore[arg-type]


def promised(**fields: object) -> Promised:
    plain = {"fpr_budget": 0.05, "slice_fpr_cap": 0.15, "coverage_floors": {}, "predicted_upper": 0.045}
    return Promised(**{**plain, "thresholds": {"mobile|user": 0.8}, **fields})  # type: ignore[arg-type]


def outcomes(verdicts: list[GuardrailVerdict]) -> dict[str, str]:
    return {verdict.guardrail: verdict.outcome for verdict in verdicts}


def test_a_release_as_promised_passes() -> None:
    found = outcomes(model.judge_model(summary(slice_model()), promised(), LIMITS))

    assert found.pop("coverage") == "not judged"
    assert set(found.values()) == {"passed"}


@pytest.mark.parametrize(
    ("counts", "asked", "guardrail"),
    [
        ({}, {"predicted_upper": 0.051}, "fpr"),
        ({"purchasing_invalid": 40}, {}, "fpr"),
        ({"purchasing_invalid": 100}, {}, "slice_fpr"),
        ({}, {"coverage_floors": {"mobile|user": 0.6}}, "coverage"),
        ({"threshold": 0.81}, {}, "calibration"),
    ],
)
def test_a_release_that_breaks_a_promise_is_blocked(
    counts: dict[str, object], asked: dict[str, object], guardrail: str
) -> None:
    found = outcomes(model.judge_model(summary(slice_model(**counts)), promised(**asked), LIMITS))

    assert found[guardrail] == "blocked"


@pytest.mark.parametrize(
    ("fields", "guardrail"),
    [
        ({"not_scores": 1}, "scores"),
        ({"extreme": 2001}, "scores"),
        ({"alike": 3001}, "scores"),
        ({"purchasing_auc": 0.51}, "score_direction"),
    ],
)
def test_scores_that_are_wrong_block(fields: dict[str, object], guardrail: str) -> None:
    found = outcomes(model.judge_model(summary(slice_model(), **fields), promised(), LIMITS))

    assert found[guardrail] == "blocked"


@given(st.integers(0, 4000), st.integers(0, 4000), st.floats(0, 1))
def test_a_change_blocks_beyond_its_limit_and_chance(ours: int, theirs: int, more: float) -> None:
    flipped = abs(ours - theirs) + int(more * 100)
    counts = slice_model(invalid=ours, champion_invalid=theirs, flipped=flipped, champion_threshold=0.8)

    found = outcomes(judge_change(summary(counts), LIMITS))

    sure = 3 * flipped**0.5 / 10_000
    change, flips = abs(ours - theirs) / 10_000, flipped / 10_000
    assert (found["ivr_change"] == "blocked") == (change - sure > 0.05)
    assert (found["decision_flips"] == "blocked") == (flips - sure > 0.08)


@pytest.mark.parametrize(("theirs", "outcome"), [(0.46, "passed"), (0.44, "blocked"), (2.0, "passed")])
def test_a_threshold_may_not_jump_and_above_one_all_are_alike(theirs: float, outcome: str) -> None:
    counts = slice_model(champion_threshold=theirs, champion_invalid=2000, flipped=0)

    assert outcomes(judge_change(summary(counts), LIMITS))["threshold_jump"] == outcome


def test_all_that_blocks_is_told_and_of_the_rest_the_last() -> None:
    verdicts = [
        GuardrailVerdict("a", "passed", "first"),
        GuardrailVerdict("b", "not judged", "too early"),
        GuardrailVerdict("a", "blocked", "second"),
        GuardrailVerdict("b", "passed", "before"),
        GuardrailVerdict("b", "passed", "third"),
        GuardrailVerdict("a", "blocked", "fourth"),
        GuardrailVerdict("c", "not judged", "never"),
        GuardrailVerdict("b", "not judged", "partial"),
    ]

    assert [verdict.sentence for verdict in collapsed(verdicts)] == ["second", "fourth", "third", "never"]


@given(st.data())
def test_what_a_release_does_is_counted_click_by_click(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))

    def column(values: st.SearchStrategy[object]) -> np.ndarray:
        return np.array(data.draw(st.lists(values, min_size=n, max_size=n)))

    score = column(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0, float("nan")]))
    flags = st.booleans()
    scored = Scored(
        slices=("a", "b"),
        score=score,
        slice_index=column(st.integers(0, 1)),
        purchasing=column(flags),
        by_rules=column(flags),
        session_clicks_1h=column(st.sampled_from([1.0, 9.0])),
        hour_of_week=np.zeros(n, np.int16),
        clicked_at_ms=np.zeros(n, np.int64),
    )
    ours, theirs = {"a": 0.5, "b": 0.9}, {"a": 0.2, "b": 1.0}

    found = summarise_model(scored, ours, 5, (scored, theirs))

    for i, name in enumerate("ab"):
        rows = [k for k in range(n) if scored.slice_index[k] == i]
        if not rows:
            assert name not in found.slices
            continue
        invalid = {k for k in rows if scored.by_rules[k] or score[k] >= ours[name]}
        champion = {k for k in rows if scored.by_rules[k] or score[k] >= theirs[name]}
        counts = found.slices[name]
        assert (counts.clicks, counts.invalid) == (len(rows), len(invalid))
        assert (counts.champion_invalid, counts.flipped) == (len(champion), len(invalid ^ champion))
        assert counts.purchasing_invalid == len([k for k in invalid if scored.purchasing[k]])
        assert counts.busy_invalid == len([k for k in invalid if scored.session_clicks_1h[k] > 5])
    numbers = [s for s in score if not np.isnan(s)]
    assert found.not_scores == n - len(numbers)
    assert found.extreme == len([s for s in numbers if s in (0, 1)])
    assert found.alike == max((numbers.count(s) for s in numbers), default=0)


def test_verdicts_are_numbers_that_a_manifest_can_keep() -> None:
    days = [day(MONDAY + n) for n in range(30)]

    verdicts = judge_day(days[-1], days, LIMITS)

    assert msgspec.json.decode(msgspec.json.encode(verdicts), type=list[GuardrailVerdict]) == verdicts
    assert all(verdict.measured is None or type(verdict.measured) is float for verdict in verdicts)
