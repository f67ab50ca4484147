"""Decided live by a worker, then counted again from the clicks: the same, but for the order of clicks on shared IPs."""

from pathlib import Path

import msgspec
import pytest

from replay.log import ReplayLog
from rules.ruleset import RuleSet
from slidr.servers import KafkaServer
from tests.acceptance.conftest import MakeDeployment
from tests.acceptance.deployment import Deployment
from tests.acceptance.recomputed import Decided, decide_live, live, planned, records_of, replayed, shadow, state_of
from tests.acceptance.test_faults import skewed_clicks
from tests.replay.logged import write_release_of


@pytest.fixture
def deployment_of_one(kafka: KafkaServer, redis_url: str, make_deployment: MakeDeployment) -> Deployment:
    """One partition on the shared servers."""
    return make_deployment(kafka, redis_url, partitions=1)


def test_counted_again_one_partition_is_what_it_was_bit_for_bit(deployment_of_one: Deployment) -> None:
    decide_live(deployment_of_one, skewed_clicks(2_000))
    replay_id = planned(deployment_of_one)

    done = replayed(deployment_of_one, "run", replay_id, "--local")

    agreement = done["agreement"]
    assert agreement["clicks"] == agreement["equal"] == agreement["verdicts_equal"] == done["written"] > 1_900
    assert shadow(deployment_of_one, replay_id) == live(deployment_of_one)


def test_what_differs_over_several_partitions_is_explained_and_nothing_live_is_touched(decided: Decided) -> None:
    agreement = decided.outcome["agreement"]

    assert agreement["clicks"] == decided.outcome["written"] > 5_900
    assert agreement["unexplained"] == agreement["verdicts_unexplained"] == 0
    assert agreement["shared"] == agreement["clicks"] - agreement["equal"] > 0
    assert agreement["verdicts_equal"] / agreement["clicks"] > 0.999
    again = [one for part in shadow(decided.deployment, decided.replay_id) for one in part]
    before = [one for part in live(decided.deployment) for one in part]
    assert 0 < sum(one != other for one, other in zip(again, before, strict=True)) <= agreement["shared"]
    assert state_of(decided.deployment, decided.redis_url) == decided.before


def test_a_second_recomputation_killed_and_resumed_is_the_same_and_has_each_decision_once(decided: Decided) -> None:
    deployment = decided.deployment
    again = planned(deployment)

    with deployment.start_slidr("replay", "run", again, "--local", "--clicks-per-s", "5000") as process:
        deployment.wait(lambda: process.returncode is not None or records_of(deployment, again) > 0)
        process.kill()
    written = records_of(deployment, again)
    replayed(deployment, "run", again, "--local")

    assert 0 < written < decided.outcome["written"], process.stderr.read_text()
    assert shadow(deployment, again) == shadow(deployment, decided.replay_id)


def test_rules_fire_again_by_the_lists_of_the_release_and_the_report_tells_agreement_and_flips(
    decided: Decided,
) -> None:
    lists = msgspec.json.decode(RuleSet.default().to_json())
    lists["declared_robot"] = {name: [] for name in lists["declared_robot"]}
    models = Path(decided.deployment.environment["SLIDR_MODELS_URI"])
    write_release_of(models, "lenient", seed=1, rules_json=msgspec.json.encode(lists))

    report = replayed(decided.deployment, "report", planned(decided.deployment, "lenient"))

    crawlers = sum(
        one.rules == ("declared_robot",) and one.score < one.threshold
        for part in live(decided.deployment)
        for one in part
    )
    explained = report["agreement"]["verdicts_explained"]
    assert report["agreement"] == decided.outcome["agreement"]
    assert f"of {report['agreement']['clicks']:,} clicks" in Path(report["page"]).read_text()
    assert abs(report["compared"]["confusion"]["invalid to valid"] - crawlers) <= explained < crawlers


def test_another_entity_key_than_the_workers_is_refused_before_anything_is_written(decided: Decided) -> None:
    replay_id = planned(decided.deployment)

    done = decided.deployment.slidr("replay", "run", replay_id, "--local", SLIDR_ENTITY_KEY="some other key of length")

    assert done.returncode == 2, done.stdout
    assert "SLIDR_ENTITY_KEY is not the key of the workers" in done.stderr
    with ReplayLog(decided.deployment.kafka, decided.deployment.prefix) as log:
        assert replay_id not in [replay.id for replay in log.replays()]
