"""The steps from a plan to thresholds. Each leaves files, and does nothing where they are already."""

from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from contracts.errors import Refused
from contracts.files import new_folder
from contracts.scored import Scored
from model.baselines import Contender, parity_sample
from model.export import export
from model.labels import Terms, write_labels
from model.manifest import MODEL, SLICES
from model.reading import Labelled, open_labelled
from model.schedule import Epoch, Listener
from model.scorer import OnnxScorer, features_read
from model.scoring import score_rows
from model.train import Shape, learnable_features, train
from model.weights import cell_weights, hour_weights
from slidr.retrain.plan import Plan
from slidr.retrain.watcher import Watcher
from slidr.scored_files import read_scored, write_scored

TRAINED: Final = "training.json"
_LEAST_CLICKS: Final = 1000


class Cut(NamedTuple):
    """Labelled clicks of each part, and how many were there to learn from and in all."""

    training: Labelled
    validation: Labelled
    calibration: Labelled
    test: Labelled
    learned_clicks: int
    clicks: int


class Trained(Struct, frozen=True):
    """How the model came about: `epochs` is empty and so are the weights for one that was trained elsewhere.

    `hour_weights`: mean weight of a click by hour of the week, (168,).
    """

    feature_ids: tuple[str, ...]
    epochs: list[Epoch]
    hour_weights: list[float]


def label(folder: Path, plan: Plan, watcher: Watcher) -> Cut:
    """Labels to learn from, by what was known when learning ended, and labels to judge by, by what is known now."""
    parts, asked = plan.parts, plan.asked
    learned = Terms(parts.training_ms, parts.learned_ms, parts.calibration_ms, asked.maturity_ms)
    judged = Terms(parts.calibration_ms, parts.end_ms, plan.as_of_ms, asked.maturity_ms)
    to_learn = _labelled(folder / "labels" / "learned", plan, learned, watcher)
    to_judge = _labelled(folder / "labels" / "judged", plan, judged, watcher)
    if (clicks := to_learn.rows_at_most + to_judge.rows_at_most) < _LEAST_CLICKS:
        raise Refused(
            f"The history has {clicks} clicks; at least {_LEAST_CLICKS} are needed to train, calibrate and measure on "
            "different ones. Take a longer one."
        )
    return Cut(
        training=to_learn.between(parts.training_ms, parts.validation_ms),
        validation=to_learn.between(parts.validation_ms, parts.learned_ms),
        calibration=to_judge.between(parts.calibration_ms, parts.test_ms),
        test=to_judge.between(parts.test_ms, parts.end_ms),
        learned_clicks=to_learn.rows_at_most,
        clicks=clicks,
    )


def _labelled(folder: Path, plan: Plan, terms: Terms, watcher: Watcher) -> Labelled:
    if not folder.exists():
        watcher.step("labels")
        write_labels(plan.inputs, terms, folder, on_day=watcher.labelled)
    return open_labelled(folder)


def learn(folder: Path, plan: Plan, cut: Cut, onnx: bytes | None, watcher: Watcher) -> Contender:
    """The network, or in its place `onnx`, trained elsewhere."""
    place = folder / "network"
    if not place.exists():
        watcher.step("network")
        if onnx is None:
            model, trained = _trained(plan, cut, watcher)
        else:
            model, trained = onnx, Trained(features_read(OnnxScorer(onnx)), [], [])
        with new_folder(place) as hidden:
            (hidden / MODEL).write_bytes(model)
            (hidden / TRAINED).write_bytes(msgspec.json.format(msgspec.json.encode(trained), indent=2) + b"\n")
    return Contender("network", read_trained(folder).feature_ids, OnnxScorer((place / MODEL).read_bytes()))


def read_trained(folder: Path) -> Trained:
    """How the model of a candidate came about."""
    return msgspec.json.decode((folder / "network" / TRAINED).read_bytes(), type=Trained)


def _trained(plan: Plan, cut: Cut, watcher: Watcher) -> tuple[bytes, Trained]:
    feature_ids = learnable_features(plan.parts.training_span_ms)
    notes = _Notes(watcher)
    network = train(cut.training, cut.validation, Shape(feature_ids), plan.asked.schedule, notes)
    model = export(network, parity_sample(cut.validation, feature_ids), feature_ids)
    counts = cut.training.count()
    return model, Trained(feature_ids, notes.epochs, hour_weights(counts, cell_weights(counts)).tolist())


class _Notes(Listener):
    """Keeps what is told of epochs."""

    def __init__(self, watcher: Watcher) -> None:
        self.epochs: list[Epoch] = []
        self._watcher = watcher

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        self._watcher.epoch(epoch)

    def rows(self, done: int, at_most: int) -> None:
        self._watcher.rows(done, at_most)


def score(folder: Path, contender: Contender, cut: Cut, watcher: Watcher) -> tuple[Scored, Scored]:
    """What the model says of the clicks that set the thresholds, and of those that test them."""
    found = []
    for name, part in (("calibration", cut.calibration), ("test", cut.test)):
        path = folder / "scored" / f"{name}.parquet"
        if not path.exists():
            watcher.step(f"scores for {name}")
            path.parent.mkdir(exist_ok=True)
            write_scored(path, scored_by(contender, part, watcher))
        found.append(read_scored(path, SLICES))
    return found[0], found[1]


def scored_by(contender: Contender, part: Labelled, watcher: Watcher) -> Scored:
    """Score clicks, in memory."""
    n = part.rows_at_most
    return score_rows(part, contender.scorer, contender.feature_ids, lambda done: watcher.scored(done, n))
