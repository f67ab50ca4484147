"""Workers, a faulty release and the sentinel together: what it does to live clicks ends by itself."""

import re
import signal
from pathlib import Path

import numpy as np
import pytest

from contracts.events import ReleaseEvent
from contracts.features import FEATURE_IDS, FEATURES
from contracts.topics import Topic
from model.export import export
from model.manifest import SLICES, Training, thresholds_json
from model.network import RobotNetwork
from model.release import Draft, write_release
from rules.ruleset import RuleSet
from streams.release_admin import ReleaseLog
from tests.acceptance.deployment import Deployment
from tests.acceptance.test_faults import skewed_clicks
from tests.builders import START_MS
from tests.model.labelled import fitted

SOUND, FAULTY = "calls-nobody", "calls-everybody"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model store with a sound release and a faulty one."""
    table = np.random.default_rng(1).lognormal(1, 1, (300, len(FEATURES))).astype(np.float32)
    onnx = export(RobotNetwork(fitted(table, FEATURE_IDS), seed=1), table, FEATURE_IDS)
    for version, threshold in ((SOUND, 2.0), (FAULTY, 0.0)):
        draft = Draft(
            onnx=onnx,
            rules_json=RuleSet.default().to_json(),
            calibration_json=thresholds_json(dict.fromkeys(SLICES, threshold)),
            feature_ids=FEATURE_IDS,
            training=Training(START_MS, START_MS + 1, 300, 1),
            metrics={},
            created_at_ms=START_MS,
        )
        write_release(str(tmp_path / "models"), version, draft)
    return tmp_path / "models"


def test_a_faulty_release_is_rolled_back_and_the_workers_follow(deployment: Deployment, models: Path) -> None:
    clicks = skewed_clicks(12_000)
    settings = {"SLIDR_MODELS_URI": str(models), "SLIDR_RELEASE": SOUND}
    workers = [deployment.start_worker(**settings) for _ in range(2)]
    deployment.wait(lambda: all(worker.ready() for worker in workers))
    log = ReleaseLog(deployment.kafka, deployment.name(Topic.MODEL_RELEASES), SOUND)
    deployment.environment |= {**settings, "SLIDR_METRICS_PORT": "0"}
    with deployment.start_slidr("sentinel") as sentinel:
        deployment.send_clicks(clicks[:6_000])
        deployment.wait_decided()
        log.append(ReleaseEvent("promote", FAULTY, -1, START_MS, "dana", "override: it looks fine to me"))
        deployment.wait(lambda: all(worker.metric("slidr_release_swaps_total") == 1 for worker in workers))
        deployment.send_clicks(clicks[6_000:])

        deployment.wait(lambda: len(log.history()) == 2)
        deployment.wait(lambda: all(worker.metric("slidr_release_swaps_total") == 2 for worker in workers))
        sentinel.send_signal(signal.SIGINT)
        code = sentinel.wait(60)

    assert code == 0, sentinel.stderr.read_text()
    rollback = log.history()[-1]
    assert rollback.effective
    assert (rollback.event.action, rollback.event.version, rollback.event.by) == ("rollback", SOUND, "sentinel")
    # Whichever slice has enough clicks first is judged first.
    assert re.search(rf"newly_invalid: desktop\|(user|guest): {FAULTY} makes", rollback.event.reason)
