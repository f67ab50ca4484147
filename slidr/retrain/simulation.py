"""A release from simulated history: what `slidr train` and the demo make."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from calibrate.goals import Goals
from model.release import copy_release
from model.schedule import Schedule
from rules.ruleset import RuleSet
from slidr.history import SIMULATED_MATURITY_MS, history_inputs, write_history
from slidr.parents import PARENTS
from slidr.retrain.candidate import make
from slidr.retrain.layout import RELEASE
from slidr.retrain.outcome import Candidate
from slidr.retrain.plan import Asked, History, pinned, sha256
from slidr.retrain.watcher import Watcher
from traffic.scenario import Scenario


def train_on_simulation(
    scenario: Scenario,
    rules: RuleSet,
    fpr_budget: float,
    schedule: Schedule,
    models_uri: str,
    created_at_ms: int,
    on_clicks: Callable[[int], None] = lambda clicks: None,
    watcher: Watcher | None = None,
    with_baselines: bool = False,
    key: Ed25519PrivateKey | None = None,
) -> Candidate:
    """Simulate, make a candidate in a temporary folder, and write its release to `models_uri`, signed with `key`.

    All purchases of the clicks are known. Raises as `candidate.make` does; then nothing is written.
    """
    asked = Asked(
        history={"simulated": repr(scenario)},
        goals=Goals(fpr_budget=fpr_budget, parents=PARENTS),
        schedule=schedule,
        rules_sha256=sha256(rules.to_json()),
        maturity_ms=SIMULATED_MATURITY_MS,
        with_baselines=with_baselines,
    )
    with TemporaryDirectory(prefix="slidr-candidate-") as name:
        files, folder = Path(name) / "history", Path(name) / "candidate"
        write_history(scenario, rules, files, on_clicks)
        folder.mkdir()
        history = History(history_inputs(files), as_of_ms=scenario.period.until_ms + SIMULATED_MATURITY_MS)
        plan = pinned(folder, asked, lambda: history)
        candidate = make(folder, plan, rules.to_json(), None, created_at_ms, watcher or Watcher())
        copy_release(str(folder / RELEASE), models_uri, candidate.version, key)
    return candidate
