"""The TalkingData slice, where it is at hand: 100,000 real clicks with their real skew."""

import os
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from contracts.events import Click, Decision
from contracts.topics import Topic
from slidr.servers import KafkaServer
from tests.acceptance.conftest import MakeDeployment
from tests.acceptance.deployment import Deployment
from tests.acceptance.test_faults import assert_conserved, assert_counters_as_undisturbed

DATA = Path(os.environ.get("TALKINGDATA_FOLDER", Path(__file__).parents[3] / "shared" / "data"))
SLICE = DATA / "talkingdata_slice.csv"


@pytest.mark.skipif(not SLICE.exists(), reason="TALKINGDATA_FOLDER names no folder with the slice")
def test_real_clicks_survive_a_kill_half_way(deployment: Deployment, redis_url: str) -> None:
    first, second = deployment.start_worker(), deployment.start_worker()
    deployment.wait(lambda: first.ready() and second.ready())

    with deployment.start_slidr("import", "talkingdata", str(SLICE), "--speed", "max") as importing:
        deployment.wait(lambda: second.metric("slidr_clicks_total") > 20_000)
        second.kill()
        assert importing.wait(60) == 0
    deployment.start_worker()
    deployment.wait_decided()

    assert_conserved(deployment, 100_000)
    decode = msgspec.json.Decoder(Click).decode
    clicks = [decode(message.value()) for message in deployment.read(Topic.CLICKS)]
    assert_counters_as_undisturbed(deployment, redis_url, clicks)


@pytest.mark.skipif(not SLICE.exists(), reason="TALKINGDATA_FOLDER names no folder with the slice")
def test_real_clicks_of_one_partition_give_the_same_bytes_whatever_kills(
    kafka: KafkaServer, redis_url: str, make_deployment: MakeDeployment
) -> None:
    calm, disturbed = (make_deployment(kafka, redis_url, partitions=1) for _ in range(2))
    for deployment in (calm, disturbed):
        assert deployment.slidr("import", "talkingdata", str(SLICE), "--speed", "max").returncode == 0

    calm.start_worker()
    calm.wait_decided()
    calm.close()
    for enough in (10_000, 30_000):
        worker = disturbed.start_worker()
        disturbed.wait(lambda worker=worker, enough=enough: worker.metric("slidr_clicks_total") > enough)
        worker.kill()
    disturbed.start_worker()
    disturbed.wait_decided()

    assert without_times(disturbed.decisions()) == without_times(calm.decisions())
    assert disturbed.feature_table().drop(["decided_at_ms"]).equals(calm.feature_table().drop(["decided_at_ms"]))


def without_times(decisions: list[tuple[int, Decision]]) -> list[Decision]:
    return [replace(decision, decided_at_ms=decision.clicked_at_ms) for _, decision in decisions]
