"""What the network has to beat, calibrated to the same goals and measured on the same clicks."""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from calibrate.calibration import calibrate
from calibrate.goals import Goals
from calibrate.measure import overall
from calibrate.result import Achieved, share
from contracts.files import written_whole
from contracts.scored import Scored
from model.baselines import NAMES, Contender, contender
from model.evaluate import area_under_curve, evaluate
from slidr.retrain.outcome import Seen
from slidr.retrain.plan import Plan
from slidr.retrain.steps import Cut, scored_by
from slidr.retrain.watcher import Watcher
from traffic.robots import HUMAN

_FOLDER: Final = "baselines"


def seen(test: Scored, thresholds: dict[str, float], achieved: Achieved, busy_over: float) -> Seen:
    """Look at the clicks that test thresholds."""
    recall = evaluate(test, thresholds, busy_over).recall
    return Seen(achieved, robot_auc(test), {kind: share(found.hits, found.of) for kind, found in recall.items()})


def robot_auc(scored: Scored) -> float | None:
    """Of simulated traffic with both people and robots."""
    if scored.kinds is None or scored.kind_index is None:
        return None
    robots = np.array([kind != HUMAN for kind in scored.kinds], np.bool_)
    found = area_under_curve(scored.score, robots[scored.kind_index])
    return None if np.isnan(found) else found


def measured(folder: Path, plan: Plan, cut: Cut, feature_ids: tuple[str, ...], watcher: Watcher) -> dict[str, Seen]:
    """By name; each is trained and measured once, and kept."""
    asked, found = plan.asked, {}
    for name in NAMES:
        path = folder / _FOLDER / f"{name}.json"
        if not path.exists():
            watcher.step(name)
            budget = asked.goals.fpr_budget
            made = contender(name, cut.training, cut.validation, feature_ids, asked.schedule, budget, watcher)
            _keep(path, _judged(made, cut, asked.goals, watcher))
        found[name] = msgspec.json.decode(path.read_bytes(), type=Seen)
    return found


def _keep(path: Path, what: Seen) -> None:
    path.parent.mkdir(exist_ok=True)
    with written_whole(path) as draft:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(what), indent=2) + b"\n")


def _judged(made: Contender, cut: Cut, goals: Goals, watcher: Watcher) -> Seen:
    # What has to be beaten need not find robots anywhere in particular.
    goals = msgspec.structs.replace(goals, coverage_floor=0.0, coverage_floors={})
    thresholds = calibrate(scored_by(made, cut.calibration, watcher), goals).thresholds
    test = scored_by(made, cut.test, watcher)
    return seen(test, thresholds, overall(test, thresholds, goals), goals.busy_over)
