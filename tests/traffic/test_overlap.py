"""Robots hide among people: no feature alone tells them apart, and none of either's habits is the other's alone."""

from typing import NamedTuple

import numpy as np
import pytest

from contracts.events import Click
from contracts.features import FEATURE_IDS
from contracts.ports import FloatMatrix
from features.memory_store import MemoryFeatureStore
from features.vector import feature_matrix
from model.evaluate import area_under_curve
from slidr.history import history_scenario
from traffic.robots import HUMAN, KINDS
from traffic.simulate import events

END_MS = 1_705_881_600_000  # 2024-01-22, a Monday
MOST_AUC = 0.9


class History(NamedTuple):
    """Features (n, F) of clicks, and what made them."""

    features: FloatMatrix
    kinds: list[str]


@pytest.fixture(scope="module")
def history() -> History:
    store = MemoryFeatureStore("a key for simulated clicks")
    traffic = list(events(history_scenario(seed=11, end_ms=END_MS, days=7, clicks=30_000, robot_share=0.2)))
    clicks = [event for _, event, _ in traffic if isinstance(event, Click)]
    return History(feature_matrix(store.count_clicks(clicks), clicks), [truth.kind for *_, truth in traffic if truth])


@pytest.mark.parametrize("feature", FEATURE_IDS)
def test_no_feature_alone_tells_robots_from_people(history: History, feature: str) -> None:
    robots = np.array(history.kinds) != HUMAN
    values = history.features[:, FEATURE_IDS.index(feature)].astype(np.float64)

    auc = area_under_curve(values, robots)

    assert max(auc, 1 - auc) <= MOST_AUC


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in (HUMAN, "crawler")])
def test_every_kind_has_clicks_that_look_like_busy_people_and_people_that_look_like_it(
    history: History, kind: str
) -> None:
    kinds = np.array(history.kinds)
    columns = [FEATURE_IDS.index(name) for name in ("account_clicks_1h", "ip_clicks_1h", "ip_ua_clicks_24h")]

    for column in columns:
        people, robots = (history.features[kinds == which, column] for which in (HUMAN, kind))
        # Neither lies wholly beyond what the other does.
        assert np.quantile(people, 0.999) > np.median(robots)
        assert np.quantile(robots, 0.02) < np.quantile(people, 0.99)
