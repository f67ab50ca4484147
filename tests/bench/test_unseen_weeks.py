"""What a candidate holds in the week after: everything measured on the same clicks, at no more lost purchases."""

from bench.unseen_weeks import measure_unseen_week, table


def test_models_and_thresholds_are_compared_at_an_equal_rate_of_false_positives() -> None:
    steps: list[str] = []

    week = measure_unseen_week(
        seed=1, clicks=10_000, robot_share=0.2, fpr_budget=0.25, models=["velocity"], on_step=steps.append
    )

    compared = [week.by_slice, week.single_threshold, *week.models.values()]
    assert {each.ivr.of for each in compared} == {week.by_slice.ivr.of}
    assert {each.robots.of for each in compared} == {week.by_slice.robots.of}
    assert 0.15 < week.by_slice.robots.of / week.by_slice.ivr.of < 0.25
    assert all(each.night_robots.of < each.robots.of for each in compared)
    assert (week.fpr.value or 1) <= week.fpr_budget
    assert (week.single_threshold.robots.value or 0) > 2 * (week.single_threshold.ivr.value or 1) - 0.25
    assert steps[0] == "history"
    assert "| 1 | " in table([week])
