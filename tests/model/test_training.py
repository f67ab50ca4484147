"""Training and export: learns, stops early, repeats itself, and never writes a graph that disagrees with torch."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.errors import BadInput, Misconfigured, Refused
from contracts.features import FEATURE_IDS, FEATURE_INDEX
from contracts.ports import FloatMatrix
from model import export as exporter
from model import stream
from model.evaluate import area_under_curve
from model.export import export
from model.network import RobotNetwork, probabilities
from model.normalise import Fit
from model.reading import Labelled, open_labelled
from model.schedule import Epoch, Listener, Schedule
from model.scorer import OnnxScorer
from model.stream import Draws
from model.train import Shape, learnable_features, train
from tests.model.labelled import MINUTE_MS, fitted, labelled_files

RawFeatures = Callable[[int, int], FloatMatrix]
DAY_MS = 24 * 3_600_000
RATE, LOGIN = FEATURE_INDEX["ip_rate_10m"], FEATURE_INDEX["logged_in"]
ALL = Shape(FEATURE_IDS)
# Weights would let the few wrong labels of logged-in clicks count as much as all right ones.
UNWEIGHTED = Shape(FEATURE_IDS, weighted=False)


class Heard(Listener):
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.told: list[tuple[int, int]] = []

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)

    def rows(self, done: int, at_most: int) -> None:
        self.told.append((done, at_most))


def robots(features: FloatMatrix) -> np.ndarray:
    return (features[:, RATE] > 3) & (features[:, LOGIN] == 0)


@pytest.fixture
def sample(raw_features: RawFeatures, tmp_path: Path) -> Callable[[int, int], Labelled]:
    """`sample(n, seed)`: robots click fast without logging in; a tenth of the labels is wrong."""

    def draw(n: int, seed: int) -> Labelled:
        features = raw_features(n, seed)
        wrong = np.random.default_rng(seed).random(n) < 0.1
        return labelled_files(tmp_path / f"{n}-{seed}", features, robots(features) ^ wrong)

    return draw


def test_the_network_learns_what_can_be_learned(
    sample: Callable[[int, int], Labelled], raw_features: RawFeatures
) -> None:
    heard = Heard()

    network = train(sample(4000, 1), sample(1000, 2), UNWEIGHTED, Schedule(max_epochs=12, batch_rows=64), heard)

    unseen = raw_features(2000, 3)
    assert area_under_curve(probabilities(network, unseen).astype(float), robots(unseen)) > 0.95
    assert heard.epochs[-1].training_loss < heard.epochs[0].training_loss


def test_the_same_seed_gives_the_same_network_and_another_seed_another(
    sample: Callable[[int, int], Labelled], raw_features: RawFeatures
) -> None:
    training, validation, unseen = sample(600, 1), sample(200, 2), raw_features(100, 3)

    first, again, other = (
        probabilities(train(training, validation, ALL, Schedule(seed=seed, max_epochs=2)), unseen) for seed in (1, 1, 2)
    )

    assert (first == again).all()
    assert (first != other).any()


def test_small_buffers_learn_as_well_and_repeat_themselves(
    sample: Callable[[int, int], Labelled], raw_features: RawFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a history larger than memory: five buffers an epoch, and only half of the clicks in each."""
    monkeypatch.setattr(stream, "BUFFER_ROWS", 600)
    training, validation, unseen = sample(6000, 1), sample(1000, 2), raw_features(2000, 3)
    schedule = Schedule(max_epochs=16, batch_rows=64, rows_per_epoch=3000, validation_rows=500)

    first, again = (probabilities(train(training, validation, UNWEIGHTED, schedule), unseen) for _ in range(2))

    assert (first == again).all()
    assert area_under_curve(first.astype(float), robots(unseen)) > 0.95


def test_training_leaves_the_global_randomness_alone(sample: Callable[[int, int], Labelled]) -> None:
    torch.manual_seed(99)
    before = torch.random.get_rng_state()

    train(sample(300, 1), sample(100, 2), ALL, Schedule(max_epochs=1))

    assert torch.equal(before, torch.random.get_rng_state())


def test_it_stops_when_later_clicks_gain_nothing_and_keeps_the_best_epoch(
    raw_features: RawFeatures, tmp_path: Path
) -> None:
    """Labels are chance: what is learned of them can only hurt on later clicks."""
    random, heard, features = np.random.default_rng(5), Heard(), raw_features(400, 2)
    training, robot = (random.random(400) < 0.5 for _ in range(2))
    validation = labelled_files(tmp_path / "v", features, robot)

    network = train(
        labelled_files(tmp_path / "t", raw_features(400, 1), training),
        validation,
        UNWEIGHTED,
        Schedule(max_epochs=60, patience=3),
        heard,
    )

    best = min(heard.epochs, key=lambda epoch: epoch.validation_loss)
    assert heard.epochs[-1].number == best.number + 3
    p = probabilities(network, features).astype(float)
    assert -np.log(np.where(robot, p, 1 - p)).mean() == pytest.approx(best.validation_loss, rel=1e-4)


def test_weights_make_both_labels_count_the_same_and_without_them_they_count_as_often_as_they_come(
    raw_features: RawFeatures, tmp_path: Path
) -> None:
    features = raw_features(2000, 1)
    features[:, LOGIN] = 0
    labelled = labelled_files(tmp_path / "rows", features, np.arange(2000) % 10 > 0)
    schedule = Schedule(max_epochs=3, batch_rows=64)

    weighted, plain = (
        probabilities(train(labelled, labelled, Shape(FEATURE_IDS, weighted=w), schedule), features).mean()
        for w in (True, False)
    )

    assert weighted == pytest.approx(0.5, abs=0.06)
    assert plain == pytest.approx(0.9, abs=0.05)


def test_l2_keeps_the_intermediate_weights_small(sample: Callable[[int, int], Labelled]) -> None:
    training, validation = sample(1000, 1), sample(300, 2)

    free, held = (
        train(training, validation, UNWEIGHTED, Schedule(max_epochs=15, batch_rows=64, l2=l2))
        .layers()[0]
        .weight.square()
        .sum()
        .item()
        for l2 in (0.0, 1.0)
    )

    assert held < free / 10


def test_progress_ends_at_what_was_read_and_says_how_much_it_may_become(
    sample: Callable[[int, int], Labelled],
) -> None:
    heard = Heard()

    train(sample(600, 1), sample(100, 2), ALL, Schedule(max_epochs=2, batch_rows=10), heard)

    assert heard.told[-1] == (1200, 1200)
    assert heard.told[0] == (500, 1200)


@pytest.mark.parametrize("label", [True, False])
def test_one_label_alone_teaches_nothing(
    sample: Callable[[int, int], Labelled], raw_features: RawFeatures, tmp_path: Path, label: bool
) -> None:
    one_sided = labelled_files(tmp_path / "one", raw_features(100, 1), np.full(100, label))

    with pytest.raises(Refused, match="both labels are needed"):
        train(one_sided, sample(100, 2), ALL, Schedule())
    with pytest.raises(Refused, match="The validation part has"):
        train(sample(100, 2), one_sided, ALL, Schedule())


def test_no_click_in_a_part_is_refused(sample: Callable[[int, int], Labelled]) -> None:
    whole = sample(100, 1)

    with pytest.raises(Refused, match="has 0 non-human clicks of 0"):
        train(whole.between(0, 5), whole, ALL, Schedule())


def test_a_damaged_file_is_one_sentence(sample: Callable[[int, int], Labelled]) -> None:
    labelled = sample(3000, 1)
    path = Path(labelled.groups[0].path)
    damaged = bytearray(path.read_bytes())
    damaged[4 : len(damaged) // 2] = b"\xff" * (len(damaged) // 2 - 4)
    path.write_bytes(damaged)

    with pytest.raises(BadInput, match=r"2024-01-01.parquet cannot be read"):
        train(labelled, labelled, ALL, Schedule())
    path.write_bytes(damaged[:100])
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        open_labelled(path.parent)


def test_a_folder_without_labels_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="holds no labelled clicks"):
        open_labelled(tmp_path)


def test_a_part_of_the_time_has_exactly_its_clicks(sample: Callable[[int, int], Labelled]) -> None:
    labelled = sample(1000, 1)
    start_ms = labelled.groups[0].first_ms

    part = labelled.between(start_ms + 100 * MINUTE_MS, start_ms + 700 * MINUTE_MS)

    ids = [click_id for table in part.tables(["click_id"]) for click_id in table["click_id"].to_pylist()]
    assert ids == [f"c{i}" for i in range(100, 700)]
    assert part.count().sum() == 600


def test_an_epoch_of_too_many_clicks_reads_others_each_time_until_all_were_read(
    sample: Callable[[int, int], Labelled],
) -> None:
    groups = sample(2560, 1).groups
    draws = Draws(groups, rows_most=512, seed=3)

    epochs = [draws.next() for _ in range(5)]

    assert [len(drawn) for drawn in epochs] == [2] * 5
    assert sorted(group for drawn in epochs for group in drawn) == sorted(groups)
    assert sorted(Draws(groups, 2560, seed=3).next()) == sorted(groups)


@pytest.mark.parametrize("buffer_rows", [100, 700, 10_000])
def test_batches_hold_every_click_once_and_are_of_one_size_but_for_the_last(
    sample: Callable[[int, int], Labelled], monkeypatch: pytest.MonkeyPatch, buffer_rows: int
) -> None:
    monkeypatch.setattr(stream, "BUFFER_ROWS", buffer_rows)
    labelled = sample(1500, 1)
    rate = np.concatenate([part.features[:, 0] for part in labelled.taught(None)])
    plain = fitted(np.ones((1, 53), np.float32), FEATURE_IDS)._replace(
        mean=np.zeros(53, np.float32), inverse_deviation=np.ones(53, np.float32)
    )
    reader = stream.Stream(labelled, None, plain, np.ones((336, 2), np.float32), torch.device("cpu"))

    batches = list(reader.batches(list(labelled.groups), 64, torch.Generator().manual_seed(1)))

    assert [len(batch.robot) for batch in batches] == [64] * 23 + [28]
    seen = np.concatenate([batch.normalised[:, 0].numpy() for batch in batches])
    assert not np.allclose(seen, np.log1p(rate))
    assert np.allclose(np.sort(seen), np.sort(np.log1p(rate)), rtol=1e-3)


def test_a_constant_column_is_ignored_even_when_it_varies_later(raw_features: RawFeatures, tmp_path: Path) -> None:
    features, later = raw_features(500, 1), raw_features(200, 2)
    features[:, 0] = 4.0

    network = train(
        labelled_files(tmp_path / "t", features, robots(features)),
        labelled_files(tmp_path / "v", later, robots(later)),
        ALL,
        Schedule(max_epochs=2),
    )

    varied = later.copy()
    varied[:, 0] = 10_000
    assert (probabilities(network, varied) == probabilities(network, later)).all()


def test_a_gap_that_was_never_seen_is_as_long_as_the_longest_window(raw_features: RawFeatures) -> None:
    features = raw_features(100, 1)
    normalisation = fitted(features, FEATURE_IDS)
    gap = FEATURE_INDEX["ip_gap_s"]
    never, longest = features.copy(), features.copy()
    never[:, gap], longest[:, gap] = -1.0, 86_400.0

    assert (normalisation.apply(never) == normalisation.apply(longest)).all()


def test_columns_normalised_block_by_block_have_the_weighted_mean_zero_and_deviation_one(
    raw_features: RawFeatures,
) -> None:
    """Blocks of unlike size and level, one without any weight."""
    features = raw_features(3000, 1)
    features[2000:, :40] *= 50
    weights = np.random.default_rng(1).random(3000).astype(np.float32)
    weights[100:200] = 0
    fit = Fit(FEATURE_IDS)

    for start, end in ((0, 100), (100, 200), (200, 2000), (2000, 3000)):
        fit.add(features[start:end], weights[start:end])

    normalised = fit.normalisation().apply(features).astype(float)
    assert np.allclose(np.average(normalised, axis=0, weights=weights), 0, atol=1e-4)
    assert np.allclose(np.average(normalised**2, axis=0, weights=weights), 1, atol=1e-3)


def test_the_calendar_is_learned_only_from_a_history_that_covers_it() -> None:
    assert not {"hour_sin", "weekday_cos"} & set(learnable_features(DAY_MS))
    assert {"hour_sin", "hour_cos"} < set(learnable_features(2 * DAY_MS))
    assert "weekday_sin" not in learnable_features(7 * DAY_MS - 1)
    assert learnable_features(7 * DAY_MS) == FEATURE_IDS


@pytest.mark.parametrize("hidden", [(), (8,), (128, 64)])
def test_a_subset_of_the_features_exports_and_scores_alike(raw_features: RawFeatures, hidden: tuple[int, ...]) -> None:
    ids = ("logged_in", "ip_gap_s", "hour_sin")
    features = np.ascontiguousarray(raw_features(200, 1)[:, [FEATURE_INDEX[i] for i in ids]])
    network = RobotNetwork(fitted(features, ids), seed=1, hidden=hidden)

    scores = OnnxScorer(export(network, features, ids)).score(features)

    assert np.abs(scores - probabilities(network, features)).max() < 1e-6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_learns_the_same_within_tolerance(
    sample: Callable[[int, int], Labelled], raw_features: RawFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, validation, unseen = sample(2000, 1), sample(500, 2), raw_features(500, 3)
    schedule = Schedule(max_epochs=2, batch_rows=64)
    on_gpu = probabilities(train(training, validation, ALL, schedule), unseen)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    on_cpu = probabilities(train(training, validation, ALL, schedule), unseen)

    assert math.isclose(float(np.abs(on_gpu - on_cpu).mean()), 0, abs_tol=0.01)


def test_a_graph_that_disagrees_with_torch_is_refused(
    network: RobotNetwork, backward_features: RawFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = exporter._layers(network)
    layers[2][1][0] += 0.01
    monkeypatch.setattr(exporter, "_layers", lambda network: layers)

    with pytest.raises(Refused, match="ONNX Runtime and torch disagree: row"):
        export(network, backward_features(50, 1), FEATURE_IDS[::-1])
