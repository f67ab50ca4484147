"""What is beyond a limit is named, with what was found and what is allowed."""

import json

from bench.check import LIMITS, beyond, lines, ratios


def test_within_the_limits_there_is_nothing_to_say() -> None:
    assert beyond({"a": 1.0, "b": 2.0, "c": 9.0}, {"a": {"most": 1.0}, "b": {"least": 2.0}}) == []


def test_beyond_a_limit_a_sentence_names_figure_found_and_limit() -> None:
    failures = beyond({"cost": 1.5, "gain": 20.0}, {"cost": {"most": 1.25}, "gain": {"least": 25.0}})

    assert failures == [
        "cost is 1.5, and 1.25 is the most that limits.json allows.",
        "gain is 20, and 25 is the least that limits.json allows.",
    ]


def test_a_limit_on_what_is_not_measured_any_more_is_a_failure() -> None:
    (failure,) = beyond({}, {"gone": {"most": 1.0}})

    assert "gone" in failure
    assert "not measured" in failure


def test_ratios_do_not_change_with_the_speed_of_the_machine() -> None:
    slow = {"unit": 10.0, "bare loop": 4.0, "worker": 60.0, "Redis": 50.0, "stage decode": 5.0}
    fast = {name: us / 3 for name, us in slow.items()}

    assert ratios(slow, usual_us=2_200.0) == ratios(fast, usual_us=2_200.0 / 3)
    assert ratios(slow, usual_us=2_200.0) == {
        "worker, in units": 6.0,
        "Redis, in units": 5.0,
        "stage decode, in units": 0.5,
        "worker / bare loop": 15.0,
        "usual Faust way with Redis / worker with Redis": 20.0,
    }


def test_the_kept_limits_are_bounds_on_numbers() -> None:
    limits = json.loads(LIMITS.read_text())

    assert all(set(limit) <= {"most", "least"} and limit for limit in limits.values())


def test_every_figure_is_shown_with_its_limit() -> None:
    shown = list(lines({"a": 1.0, "b": 2.0}, {"a": {"most": 3.0}}))

    assert shown[0].endswith("most 3")
    assert shown[1].endswith("no limit")
