"""What a candidate holds of its promises in a week that it has not seen, over several seeds.

    week 1   history: labels, network, thresholds, by the product's own steps
    week 2   the same people and new robots; labelled when all is known, and only measured

Everything is compared at an equal FPR of week 2: each model, and the network with a single threshold, at the lowest
threshold that loses no more purchasing clicks of that week than the candidate's thresholds by slice did.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from msgspec import Struct

from calibrate.baselines import single_threshold
from calibrate.goals import Goals
from calibrate.result import Share, share
from contracts.scored import Scored
from model.baselines import Contender, contender
from model.evaluate import area_under_curve
from model.labels import Terms, write_labels
from model.reading import open_labelled
from model.schedule import Schedule
from rules.ruleset import RuleSet
from slidr.history import DAY_MS, SIMULATED_MATURITY_MS, history_inputs, history_scenario, write_history
from slidr.parents import PARENTS
from slidr.retrain import steps
from slidr.retrain.candidate import make
from slidr.retrain.plan import Asked, History, pinned, sha256
from slidr.retrain.watcher import Watcher
from traffic.robots import HUMAN

_WEEK_MS: Final = 7 * DAY_MS
_END_MS: Final = 1_705_881_600_000  # a Monday
_NIGHT_HOURS: Final = range(6)
_BY_SLICE: Final = "network, by slice"
_SINGLE: Final = "network, one threshold"


class Compared(Struct, frozen=True):
    """Shares of the unseen week invalidated at the candidate's FPR: of all clicks, and of robots' by day and at night.

    `night_fpr` is of purchasing clicks from 0:00 to 6:00, local time. `night_pairs`: how often a robot's click of these
    hours scores above a person's, at whatever threshold.
    """

    ivr: Share
    robots: Share
    night_robots: Share
    night_fpr: Share
    night_pairs: float


class UnseenWeek(Struct, frozen=True):
    """One seed: the candidate's thresholds on the week after, and everything else at as many lost purchases."""

    seed: int
    fpr_budget: float
    predicted_upper: float
    fpr: Share
    by_slice: Compared
    single_threshold: Compared
    models: dict[str, Compared]


def measure_unseen_week(
    seed: int,
    clicks: int,
    robot_share: float,
    fpr_budget: float,
    models: Sequence[str],
    on_step: Callable[[str], None],
) -> UnseenWeek:
    """Two simulated weeks of `clicks` clicks each; `models` of `model.baselines.NAMES` are trained beside it."""

    class Told(Watcher):
        def step(self, what: str) -> None:
            on_step(what)

    with TemporaryDirectory(prefix="slidr-weeks-") as name:
        files, folder = Path(name) / "history", Path(name) / "candidate"
        on_step("history")
        write_history(history_scenario(seed, _END_MS, 14, 2 * clicks, robot_share), RuleSet.default(), files)
        return _measured(files, folder, seed, fpr_budget, models, Told())


def _measured(
    files: Path, folder: Path, seed: int, fpr_budget: float, models: Sequence[str], watcher: Watcher
) -> UnseenWeek:
    rules_json, inputs = RuleSet.default().to_json(), history_inputs(files)
    week_2_ms = _END_MS - _WEEK_MS
    asked = Asked(
        history={"simulated": f"week 1 of seed {seed}"},
        goals=Goals(fpr_budget=fpr_budget, parents=PARENTS),
        schedule=Schedule(seed=seed),
        rules_sha256=sha256(rules_json),
        maturity_ms=SIMULATED_MATURITY_MS,
    )
    folder.mkdir()
    plan = pinned(folder, asked, lambda: History(inputs, as_of_ms=week_2_ms + SIMULATED_MATURITY_MS))
    made = make(folder, plan, rules_json, None, plan.as_of_ms, watcher)
    as_of_ms = _END_MS + SIMULATED_MATURITY_MS
    write_labels(inputs, Terms(week_2_ms, _END_MS, as_of_ms, SIMULATED_MATURITY_MS), folder / "unseen")
    unseen, cut = open_labelled(folder / "unseen"), steps.label(folder, plan, watcher)
    network = steps.learn(folder, plan, cut, None, watcher)

    def scored(model: Contender) -> Scored:
        return steps.scored_by(model, unseen, watcher)

    week = scored(network)
    invalid = week.invalid(made.calibrated.thresholds)
    lost = int((invalid & week.purchasing).sum())

    def at_equal_fpr(clicks: Scored) -> Compared:
        return _compared(clicks, clicks.invalid(single_threshold(clicks, asked.goals, lost)))

    others = {}
    for name in models:
        watcher.step(name)
        trained = contender(name, cut.training, cut.validation, network.feature_ids, asked.schedule, fpr_budget)
        others[name] = at_equal_fpr(scored(trained))
    return UnseenWeek(
        seed=seed,
        fpr_budget=fpr_budget,
        predicted_upper=made.calibrated.predicted_upper,
        fpr=share(lost, int(week.purchasing.sum())),
        by_slice=_compared(week, invalid),
        single_threshold=at_equal_fpr(week),
        models=others,
    )


def _compared(clicks: Scored, invalid: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Compared:
    assert clicks.kinds is not None
    robots = np.array([kind != HUMAN for kind in clicks.kinds])[clicks.kind_index]
    night = np.isin(clicks.hour_of_week % 24, _NIGHT_HOURS)

    def of(which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Share:
        return share(int((invalid & which).sum()), int(which.sum()))

    return Compared(
        ivr=of(np.ones(len(invalid), bool)),
        robots=of(robots),
        night_robots=of(robots & night),
        night_fpr=of(clicks.purchasing & night),
        night_pairs=area_under_curve(clicks.score[night], robots[night]),
    )


_ROWS: Final[dict[str, Callable[[Compared], float]]] = {
    "clicks invalidated (IVR)": lambda seen: seen.ivr.value or 0.0,
    "robots' clicks invalidated": lambda seen: seen.robots.value or 0.0,
    "the same, 0:00 to 6:00": lambda seen: seen.night_robots.value or 0.0,
    "FPR, 0:00 to 6:00": lambda seen: seen.night_fpr.value or 0.0,
    "pairs in the right order, 0:00 to 6:00": lambda seen: seen.night_pairs,
}


def table(weeks: list[UnseenWeek]) -> str:
    """A row a seed in Markdown, and the mean with its spread."""
    names = [_BY_SLICE, _SINGLE, *weeks[0].models]

    lines = ["| seed | FPR (budget) | bound foreseen | " + " | ".join(f"IVR {name}" for name in names) + " |"]
    lines.append("|" + "---|" * (3 + len(names)))
    for week in weeks:
        fpr = f"{_percent(week.fpr)} ({100 * week.fpr_budget:g} %)"
        ivrs = (_percent(_of(week, name).ivr) for name in names)
        lines.append(f"| {week.seed} | {fpr} | {100 * week.predicted_upper:.2f} % | {' | '.join(ivrs)} |")
    lines.append("")
    lines.append("| at equal FPR, mean of seeds ± spread | " + " | ".join(names) + " |")
    lines.append("|" + "---|" * (1 + len(names)))
    for told, value in _ROWS.items():
        cells = (_spread([value(_of(week, name)) for week in weeks]) for name in names)
        lines.append(f"| {told} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _of(week: UnseenWeek, name: str) -> Compared:
    return {_BY_SLICE: week.by_slice, _SINGLE: week.single_threshold, **week.models}[name]


def _percent(found: Share) -> str:
    return "-" if found.value is None else f"{100 * found.value:.2f} %"


def _spread(values: list[float]) -> str:
    return f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1 if len(values) > 1 else 0):.2f} %"
