"""Every command of docs/runbook.md is run as it stands there, in its order, on real servers."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from contracts.topics import Topic
from slidr.times import show_time
from tests.acceptance.deployment import Deployment
from tests.acceptance.test_faults import skewed_clicks
from tests.builders import START_MS
from tests.releases import EVERYBODY, NOBODY, THRESHOLDS, write_small_release

PAGE = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for block in BLOCKS for line in block.splitlines()]


def test_every_block_holds_commands_of_slidr_alone() -> None:
    lines = [line for block in BLOCKS for line in block.splitlines()]

    assert len(lines) > 20
    assert [line for line in lines if not line.startswith("slidr ")] == []


@contextmanager
def slow_replay(deployment: Deployment) -> Iterator[str]:
    """The id of a run of its own process that takes a while: some seconds a record of the feature log."""
    planned = deployment.slidr("replay", "plan", "--from", "24h", "--model", NOBODY, "--json")
    replay_id = str(json.loads(planned.stdout)["id"])
    with deployment.start_slidr("replay", "run", replay_id, "--local", "--clicks-per-s", "20"):
        deployment.wait(lambda: '"running"' in deployment.slidr("replay", "status", replay_id, "--json").stdout)
        yield replay_id


@pytest.mark.timeout(400)
def test_every_command_of_the_runbook_does_its_work(deployment: Deployment, tmp_path: Path) -> None:
    deployment.environment |= {
        "SLIDR_ARCHIVE_URI": str(tmp_path / "archive"),
        "SLIDR_REPLAYS_URI": str(tmp_path / "replays"),
        "SLIDR_METRICS_PORT": "0",
        "COLUMNS": "160",
    }
    for version in (NOBODY, EVERYBODY):
        write_small_release(tmp_path / "0" / "models", version, THRESHOLDS[version])
    worker = deployment.start_worker()
    deployment.wait(worker.ready)
    for version in (NOBODY, EVERYBODY):
        done = deployment.slidr("promote", version, "--reason", "a test")
        assert done.returncode == 0, done.stderr
    deployment.send_clicks(skewed_clicks(400))
    deployment.send([("", b"no click", START_MS)], 0)
    deployment.wait_decided()

    with ExitStack() as running:
        ids, output = [""], {}
        for command in COMMANDS:
            if command[:2] == ["replay", "rate"]:
                ids.append(running.enter_context(slow_replay(deployment)))
            words = [{"VERSION": NOBODY, "ID": ids[-1]}.get(word, word) for word in command]
            done = deployment.slidr(*words)
            output[tuple(command[:2])] = done.stdout
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            if command[:2] == ["replay", "plan"]:
                ids += set(re.findall(r"r\d{8}-\d{6}-[0-9a-f]{4}", done.stdout))

    corrections = [one for _, one in deployment.decisions() if one.run == ids[1]]
    assert {one.verdict for one in corrections} == {"valid"}
    assert len(deployment.dead_letters()) >= 1
    assert all(end > 0 for end in deployment.end_offsets(Topic.DECISION_MARKERS))
    assert show_time(START_MS)[:10] in output["archive", "status"]
