"""Training and export: learns, stops early, repeats itself, and never writes a graph that disagrees with torch."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from contracts.errors import Refused
from contracts.features import FEATURE_IDS, FEATURE_INDEX
from contracts.ports import FloatMatrix
from model import export as exporter
from model.evaluate import area_under_curve
from model.export import export
from model.network import RobotNetwork, probabilities
from model.normalise import fit
from model.scorer import OnnxScorer
from model.train import Epoch, Sample, Schedule, learnable_features, train

RawFeatures = Callable[[int, int], FloatMatrix]
DAY_MS = 24 * 3_600_000
RATE, LOGIN = FEATURE_INDEX["ip_rate_10m"], FEATURE_INDEX["logged_in"]


@pytest.fixture
def sample(raw_features: RawFeatures) -> Callable[[int, int], Sample]:
    """Robots click fast without logging in; a tenth of the labels is wrong."""

    def draw(n: int, seed: int) -> Sample:
        features = raw_features(n, seed)
        robot = (features[:, RATE] > 3) & (features[:, LOGIN] == 0)
        wrong = np.random.default_rng(seed).random(n) < 0.1
        return Sample(features, robot ^ wrong, np.ones(n, np.float32))

    return draw


def test_the_network_learns_what_can_be_learned(sample: Callable[[int, int], Sample]) -> None:
    epochs: list[Epoch] = []

    network = train(
        sample(4000, 1), sample(1000, 2), FEATURE_IDS, Schedule(max_epochs=12, batch_rows=64), epochs.append
    )

    unseen = sample(2000, 3)
    truth = (unseen.features[:, RATE] > 3) & (unseen.features[:, LOGIN] == 0)
    assert area_under_curve(probabilities(network, unseen.features).astype(float), truth) > 0.95
    assert epochs[-1].training_loss < epochs[0].training_loss


def test_the_same_seed_gives_the_same_network_and_another_seed_another(sample: Callable[[int, int], Sample]) -> None:
    training, validation = sample(600, 1), sample(200, 2)

    first, again, other = (
        probabilities(train(training, validation, FEATURE_IDS, Schedule(seed=seed, max_epochs=2)), validation.features)
        for seed in (1, 1, 2)
    )

    assert (first == again).all()
    assert (first != other).any()


def test_training_leaves_the_global_randomness_alone(sample: Callable[[int, int], Sample]) -> None:
    torch.manual_seed(99)
    before = torch.random.get_rng_state()

    train(sample(300, 1), sample(100, 2), FEATURE_IDS, Schedule(max_epochs=1))

    assert torch.equal(before, torch.random.get_rng_state())


def test_it_stops_when_later_clicks_gain_nothing_and_keeps_the_best_epoch(raw_features: RawFeatures) -> None:
    """Labels are chance: what is learned of them can only hurt on later clicks."""
    random = np.random.default_rng(5)
    training, validation = (
        Sample(raw_features(n, seed), random.random(n) < 0.5, np.ones(n, np.float32))
        for n, seed in ((400, 1), (400, 2))
    )
    epochs: list[Epoch] = []

    network = train(training, validation, FEATURE_IDS, Schedule(max_epochs=60, patience=3), epochs.append)

    best = min(epochs, key=lambda epoch: epoch.validation_loss)
    assert epochs[-1].number == best.number + 3
    p = probabilities(network, validation.features).astype(float)
    loss = -np.log(np.where(validation.robot, p, 1 - p)).mean()
    assert loss == pytest.approx(best.validation_loss, rel=1e-4)


def test_weights_decide_what_is_learned(raw_features: RawFeatures) -> None:
    features = raw_features(2000, 1)
    robot = np.arange(2000) % 2 == 0
    weights = np.where(robot, 9.0, 1.0).astype(np.float32)
    learned = Sample(features, robot, weights)

    network = train(learned, learned, FEATURE_IDS, Schedule(max_epochs=3, batch_rows=64))

    assert probabilities(network, features).mean() == pytest.approx(0.9, abs=0.05)


def test_l2_keeps_the_intermediate_weights_small(sample: Callable[[int, int], Sample]) -> None:
    training, validation = sample(1000, 1), sample(300, 2)

    free, held = (
        train(training, validation, FEATURE_IDS, Schedule(max_epochs=15, batch_rows=64, l2=l2))
        .first.weight.square()
        .sum()
        .item()
        for l2 in (0.0, 1.0)
    )

    assert held < free / 10


@pytest.mark.parametrize("label", [True, False])
def test_one_label_alone_teaches_nothing(sample: Callable[[int, int], Sample], label: bool) -> None:
    one_sided = sample(100, 1)._replace(robot=np.full(100, label))

    with pytest.raises(Refused, match="both labels are needed"):
        train(one_sided, sample(100, 2), FEATURE_IDS, Schedule())


def test_features_that_are_no_numbers_are_refused_with_their_count(sample: Callable[[int, int], Sample]) -> None:
    broken = sample(100, 1)
    broken.features[[3, 7], 5] = np.nan

    with pytest.raises(Refused, match="validation part has 2 clicks of 100"):
        train(sample(100, 2), broken, FEATURE_IDS, Schedule())


def test_a_constant_column_is_ignored_even_when_it_varies_later(sample: Callable[[int, int], Sample]) -> None:
    training, validation = sample(500, 1), sample(200, 2)
    training.features[:, 0] = 4.0

    network = train(training, validation, FEATURE_IDS, Schedule(max_epochs=2))

    varied = validation.features.copy()
    varied[:, 0] = 10_000
    assert (probabilities(network, varied) == probabilities(network, validation.features)).all()


def test_a_gap_that_was_never_seen_is_as_long_as_the_longest_window(raw_features: RawFeatures) -> None:
    features = raw_features(100, 1)
    normalisation = fit(features, FEATURE_IDS, np.ones(100, np.float32))
    gap = FEATURE_INDEX["ip_gap_s"]
    never, longest = features.copy(), features.copy()
    never[:, gap], longest[:, gap] = -1.0, 86_400.0

    assert (normalisation.apply(never) == normalisation.apply(longest)).all()


def test_normalised_columns_have_the_weighted_mean_zero_and_deviation_one(raw_features: RawFeatures) -> None:
    features = raw_features(3000, 1)
    weights = np.random.default_rng(1).random(3000).astype(np.float32)

    normalised = fit(features, FEATURE_IDS, weights).apply(features).astype(float)

    assert np.allclose(np.average(normalised, axis=0, weights=weights), 0, atol=1e-4)
    assert np.allclose(np.average(normalised**2, axis=0, weights=weights), 1, atol=1e-3)


def test_the_calendar_is_learned_only_from_a_history_that_covers_it() -> None:
    assert not {"hour_sin", "weekday_cos"} & set(learnable_features(DAY_MS))
    assert {"hour_sin", "hour_cos"} < set(learnable_features(2 * DAY_MS))
    assert "weekday_sin" not in learnable_features(7 * DAY_MS - 1)
    assert learnable_features(7 * DAY_MS) == FEATURE_IDS


def test_a_subset_of_the_features_exports_and_scores_alike(raw_features: RawFeatures) -> None:
    ids = ("logged_in", "ip_gap_s", "hour_sin")
    features = np.ascontiguousarray(raw_features(200, 1)[:, [FEATURE_INDEX[i] for i in ids]])
    network = RobotNetwork(fit(features, ids, np.ones(200, np.float32)), seed=1)

    scores = OnnxScorer(export(network, features)).score(features)

    assert np.abs(scores - probabilities(network, features)).max() < 1e-6


def test_a_graph_that_disagrees_with_torch_is_refused(
    network: RobotNetwork, backward_features: RawFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = exporter._layers(network)
    layers[2][1][0] += 0.01
    monkeypatch.setattr(exporter, "_layers", lambda network: layers)

    with pytest.raises(Refused, match="ONNX Runtime and torch disagree: row"):
        export(network, backward_features(50, 1))
