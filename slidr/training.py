"""From a history in files to a written release: labels, network, threshold, and a measurement on unseen clicks.

How the history is cut is drawn in `history_parts`. Everything on the way is in files too: a history need not fit into
memory.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from contracts.errors import Refused
from contracts.scored import Scored
from model.baselines import Contender, baselines, parity_sample
from model.export import export
from model.inputs import Inputs
from model.labels import MATURITY_MS, Terms, known_of, write_labels
from model.manifest import SLICES, Training
from model.reading import Labelled, open_labelled
from model.release import Draft, write_release
from model.scorer import OnnxScorer
from model.scoring import score_rows
from model.train import Epoch, Listener, Schedule, Shape, learnable_features, train
from rules.ruleset import RuleSet
from slidr.history import history_inputs, write_history
from slidr.history_parts import Parts, split
from slidr.measured import Measured, check_purchases, measure, threshold_for
from traffic.scenario import Scenario

_LEAST_CLICKS: Final = 1000


class History(NamedTuple):
    """Files of clicks and purchases, and the time up to which purchases are known (None: up to the latest one)."""

    inputs: Inputs
    as_of_ms: int | None = None


class Recipe(NamedTuple):
    """How to train: the release's rules, the share of purchasing clicks that it may invalidate, and the schedule.

    Clicks younger than `maturity_ms` teach nothing yet. `with_baselines`: what the network has to beat is trained too.
    """

    rules: RuleSet
    fpr_budget: float
    schedule: Schedule
    created_at_ms: int
    maturity_ms: int = MATURITY_MS
    with_baselines: bool = False


@dataclass(frozen=True)
class Report:
    """What was trained from how many clicks, and how it does on the last part of them; baselines by name, if wanted."""

    version: str
    clicks: int
    epochs: int
    threshold: float
    fpr_budget: float
    measured: Measured
    baselines: dict[str, Measured] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """The numbers that the release's manifest keeps."""
        return {**self.measured.metrics(), "fpr_budget": self.fpr_budget}


class Watcher(Listener):
    """Hears how everything gets on; this one only counts epochs."""

    epochs = 0

    def labelled(self, done: int, days: int) -> None:
        """So many days of so many have labels."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch of the network has ended."""
        self.epochs += 1


class _Cut(NamedTuple):
    """Labelled clicks of each part."""

    training: Labelled
    validation: Labelled
    calibration: Labelled
    test: Labelled
    learned_clicks: int
    clicks: int


def train_on_simulation(
    scenario: Scenario,
    recipe: Recipe,
    models_uri: str,
    on_clicks: Callable[[int], None] = lambda clicks: None,
    watcher: Watcher | None = None,
) -> Report:
    """Write the scenario's history to a temporary folder and train on it, all its purchases known."""
    with TemporaryDirectory(prefix="slidr-history-") as name:
        folder = Path(name) / "history"
        write_history(scenario, recipe.rules, folder, on_clicks)
        history = History(history_inputs(folder), scenario.period.until_ms + recipe.maturity_ms)
        return train_release(history, recipe, models_uri, watcher)


def train_release(history: History, recipe: Recipe, models_uri: str, watcher: Watcher | None = None) -> Report:
    """Train a network, set one threshold for all slices, measure, and write the release.

    The threshold is set where the interval of the false-positive rate ends within the budget.
    Raises Refused for a history that teaches nothing, or a budget that can't be shown to hold; BadInput and
    Misconfigured for files of no use. Then nothing is written.
    """
    watcher = watcher or Watcher()
    known = known_of(history.inputs)
    as_of_ms = history.as_of_ms or _all_known(known.last_purchase_ms)
    parts = split(known.first_click_ms, min(known.last_click_ms + 1, as_of_ms - recipe.maturity_ms), recipe.maturity_ms)
    with TemporaryDirectory(prefix="slidr-labels-") as folder:
        cut = _label(history.inputs, parts, as_of_ms, recipe, Path(folder), watcher)
        return _train(cut, parts, recipe, models_uri, bool(history.inputs.truth), watcher)


def _all_known(last_purchase_ms: int | None) -> int:
    if last_purchase_ms is None:
        raise Refused(
            "The purchases files hold no purchase, so no click would be labelled human. Name the files of the same "
            "time as the clicks."
        )
    return last_purchase_ms + 1


def _label(inputs: Inputs, parts: Parts, as_of_ms: int, recipe: Recipe, folder: Path, watcher: Watcher) -> _Cut:
    """Labels to learn from, by what was known when learning ended, and labels to judge by, by what is known now."""
    learned, judged = folder / "learned", folder / "judged"
    terms = Terms(parts.training_ms, parts.learned_ms, parts.calibration_ms, recipe.maturity_ms)
    first = write_labels(inputs, terms, learned, on_day=watcher.labelled)
    terms = Terms(parts.calibration_ms, parts.end_ms, as_of_ms, recipe.maturity_ms)
    second = write_labels(inputs, terms, judged, on_day=watcher.labelled)
    if (clicks := first.clicks + second.clicks) < _LEAST_CLICKS:
        raise Refused(
            f"The history has {clicks} clicks; at least {_LEAST_CLICKS} are needed to train, calibrate and measure on "
            "different ones. Take a longer one."
        )
    to_learn, to_judge = open_labelled(learned), open_labelled(judged)
    return _Cut(
        training=to_learn.between(parts.training_ms, parts.validation_ms),
        validation=to_learn.between(parts.validation_ms, parts.learned_ms),
        calibration=to_judge.between(parts.calibration_ms, parts.test_ms),
        test=to_judge.between(parts.test_ms, parts.end_ms),
        learned_clicks=first.clicks,
        clicks=clicks,
    )


def _train(cut: _Cut, parts: Parts, recipe: Recipe, models_uri: str, with_kinds: bool, watcher: Watcher) -> Report:
    feature_ids = learnable_features(parts.training_span_ms)
    network = train(cut.training, cut.validation, Shape(feature_ids), recipe.schedule, watcher)
    epochs = watcher.epochs
    onnx = export(network, parity_sample(cut.validation, feature_ids))
    candidate = Contender("network", feature_ids, OnnxScorer(onnx))
    threshold, measured = _judge(candidate, cut, recipe.fpr_budget, with_kinds)
    report = Report(
        version=_version(onnx, recipe.created_at_ms),
        clicks=cut.clicks,
        epochs=epochs,
        threshold=threshold,
        fpr_budget=recipe.fpr_budget,
        measured=measured,
        baselines=_baselines(cut, feature_ids, recipe, with_kinds) if recipe.with_baselines else {},
    )
    write_release(models_uri, report.version, _draft(onnx, feature_ids, parts, cut, recipe, report))
    return report


def _judge(contender: Contender, cut: _Cut, fpr_budget: float, with_kinds: bool) -> tuple[float, Measured]:
    """The threshold that one part of the clicks sets, and what it does to the next."""

    def score(part: Labelled) -> Scored:
        scored = score_rows(part, contender.scorer, contender.feature_ids, with_kinds)
        check_purchases(scored)
        return scored

    threshold = threshold_for(score(cut.calibration), fpr_budget)
    return threshold, measure(score(cut.test), threshold)


def _baselines(cut: _Cut, feature_ids: tuple[str, ...], recipe: Recipe, with_kinds: bool) -> dict[str, Measured]:
    """What the network has to beat, at the same budget on the same clicks."""
    contenders = baselines(cut.training, cut.validation, feature_ids, recipe.schedule, recipe.fpr_budget)
    return {each.name: _judge(each, cut, recipe.fpr_budget, with_kinds)[1] for each in contenders}


def _version(onnx: bytes, created_at_ms: int) -> str:
    """Time, so that names sort as they were made, and a digest, so that two of one second differ."""
    at = datetime.fromtimestamp(created_at_ms / 1000, UTC)
    return f"{at:%Y%m%dT%H%M%SZ}-{hashlib.sha256(onnx).hexdigest()[:8]}"


def _draft(onnx: bytes, feature_ids: tuple[str, ...], parts: Parts, cut: _Cut, recipe: Recipe, report: Report) -> Draft:
    return Draft(
        onnx=onnx,
        rules_json=recipe.rules.to_json(),
        thresholds=dict.fromkeys(SLICES, report.threshold),
        feature_ids=feature_ids,
        training=Training(
            from_ms=parts.training_ms,
            to_ms=parts.learned_ms,
            clicks=cut.learned_clicks,
            seed=recipe.schedule.seed,
        ),
        metrics=report.metrics(),
        created_at_ms=recipe.created_at_ms,
    )
