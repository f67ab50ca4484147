"""What explains that a recomputed feature or verdict is not the logged one."""

import numpy as np
import pytest

from contracts.agreement import Agreed
from contracts.feature_log import Flag
from contracts.features import FEATURE_INDEX, FEATURES
from replay.agreement import Agreement

SEED = 5


def compared(
    changed: str, flag: int = 0, flips: bool = True, known: bool = True,
    ip_shared: bool = True,
) -> Agreed:  # fmt: skip
    """Three clicks, of which one differs in a feature, and in its verdict."""
    logged = np.random.default_rng(SEED).lognormal(1, 1, (3, len(FEATURES))).astype(np.float32)
    again, invalid = logged.copy(), np.array([True, False, False])
    if changed:
        column = FEATURE_INDEX[changed]
        again[1, column] = np.nextafter(again[1, column], np.float32(np.inf))
    agreement = Agreement()
    flags = np.array([0, flag, 0], np.uint16)
    agreement.add(
        logged, again, flags, np.array([False, ip_shared, False]), invalid, np.array([True, flips, False]),
        np.array([True, known, True]),
    )  # fmt: skip
    return agreement.result()


@pytest.mark.parametrize("feature", ["ip_clicks_1m", "ip_distinct_users_24h", "ip_ua_gap_s"])
def test_the_last_bit_of_a_feature_that_partitions_share_is_a_difference_and_explained(feature: str) -> None:
    found = compared(feature)

    assert (found.equal, found.shared, found.without_state, found.unexplained) == (2, 1, 0, 0)
    assert (found.verdicts_equal, found.verdicts_explained, found.verdicts_unexplained) == (2, 1, 0)
    assert found.features[feature] == 2
    assert sum(found.features.values()) == 3 * len(FEATURES) - 1


@pytest.mark.parametrize("feature", ["account_clicks_1m", "session_gap_s", "account_distinct_ips_1h", "hour_sin"])
def test_a_difference_of_what_one_partition_alone_counts_is_not_explained(feature: str) -> None:
    found = compared(feature)

    assert (found.shared, found.without_state, found.unexplained) == (0, 0, 1)
    assert (found.verdicts_explained, found.verdicts_unexplained) == (0, 1)


def test_a_difference_of_an_address_that_one_partition_has_for_itself_is_not_explained() -> None:
    found = compared("ip_clicks_1m", ip_shared=False)

    assert (found.shared, found.unexplained, found.verdicts_unexplained) == (0, 1, 1)


@pytest.mark.parametrize("flag", [Flag.ANSWER_GONE, Flag.COLD])
def test_a_row_that_was_decided_without_its_state_is_explained(flag: int) -> None:
    found = compared("account_clicks_1m", flag)

    assert (found.without_state, found.unexplained, found.verdicts_explained) == (1, 0, 1)


def test_what_is_not_explained_is_told_click_by_click() -> None:
    table = np.ones((3, len(FEATURES)), np.float32)
    again, none, every = table.copy(), np.zeros(3, np.bool_), np.ones(3, np.bool_)
    again[0, FEATURE_INDEX["ip_gap_s"]] = again[1, FEATURE_INDEX["account_gap_s"]] = 2
    now = np.array([True, False, True])

    found = Agreement().add(table, again, np.zeros(3, np.uint16), every, none, now, every)

    assert found.tolist() == [False, True, True]


def test_a_verdict_that_differs_though_no_feature_does_is_not_explained() -> None:
    found = compared("")

    assert (found.equal, found.verdicts_equal, found.verdicts_explained, found.verdicts_unexplained) == (3, 2, 0, 1)


def test_a_verdict_of_a_release_that_cannot_be_asked_neither_agrees_nor_differs() -> None:
    found = compared("account_clicks_1m", known=False)

    assert (found.verdicts_unknown, found.verdicts_equal, found.verdicts_unexplained) == (1, 2, 0)
    assert found.verdict_ratio == 1.0


def test_the_share_of_equal_verdicts_is_of_all_clicks() -> None:
    assert compared("ip_gap_s").verdict_ratio == pytest.approx(2 / 3)
    assert compared("ip_gap_s", flips=False).verdict_ratio == 1.0
    assert Agreement().result().verdict_ratio == 1.0
