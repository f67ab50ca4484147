"""The worker's view of the topics: what is wrong is told in full, with the remedy, before anything starts."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from contracts.errors import Misconfigured, Unavailable
from contracts.topics import HOUR_MS, SPECS, Topic
from slidr.servers import KafkaServer
from slidr.servers.process import free_port
from streams import topic_admin
from streams.topic_admin import check_topics_at_start, create_topics
from streams.topic_checks import TopicState, check_topics

WaitUntil = Callable[[Callable[[], object]], None]


def state(topic: Topic, partitions: int = 4, replication: int = 3, **config: str) -> TopicState:
    """A topic just as it should be, in a cluster of three; `retention_ms` is the setting `retention.ms`."""
    spec = SPECS[topic]
    right = {
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "retention.ms": str(spec.retention_ms),
        "retention.bytes": "-1",
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "false",
        "message.timestamp.type": "CreateTime",
    }
    asked = {key.replace("_", "."): value for key, value in config.items()}
    return TopicState(f"id of {topic}", spec.partitions or partitions, replication, {**right, **asked})


def described(**wrong: TopicState | None) -> dict[Topic, TopicState | None]:
    """All topics right, except for those given by name."""
    return {topic: wrong.get(topic.name.lower(), state(topic)) for topic in SPECS}


def admin(kafka: KafkaServer) -> dict[str, str]:
    return {"bootstrap.servers": kafka.bootstrap_servers, "log_level": "0"}


def test_topics_as_they_should_be_have_no_problem() -> None:
    assert check_topics(described(), replication=3) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"purchases": None}, "Topic eu-purchases is missing. Make it with `slidr topics create`"),
        ({"decisions": state(Topic.DECISIONS, 3)}, "--topic eu-decisions --partitions 4"),
        ({"feature_log": state(Topic.FEATURE_LOG, 1)}, "--topic eu-feature-log --partitions 4"),
        ({"dead_letters": state(Topic.DEAD_LETTERS, 2)}, "--topic eu-dead-letters --partitions 4"),
        ({"decisions": state(Topic.DECISIONS, cleanup_policy="compact")}, "eu-decisions is compacted"),
        ({"clicks": state(Topic.CLICKS, cleanup_policy="compact,delete")}, "eu-clicks is compacted"),
        ({"worker_status": state(Topic.WORKER_STATUS, cleanup_policy="delete")}, "add-config cleanup.policy=compact"),
        ({"decisions": state(Topic.DECISIONS, retention_ms=str(100 * HOUR_MS))}, "eu-decisions is kept 100 h"),
        ({"clicks": state(Topic.CLICKS, retention_ms=str(47 * HOUR_MS))}, "eu-clicks is kept 47 h"),
        ({"clicks": state(Topic.CLICKS, retention_bytes="1000000")}, "eu-clicks is cut at 1000000 bytes"),
        ({"clicks": state(Topic.CLICKS, message_timestamp_type="LogAppendTime")}, "message.timestamp.type=CreateTime"),
        ({"model_releases": state(Topic.MODEL_RELEASES, retention_ms="1000")}, "must be kept for ever"),
        (
            {"model_releases": state(Topic.MODEL_RELEASES)._replace(partitions=2)},
            "eu-model-releases has 2 partitions and must have 1",
        ),
        (
            {"clicks": state(Topic.CLICKS, unclean_leader_election_enable="true")},
            "eu-clicks allows unclean leader election",
        ),
        ({"clicks": state(Topic.CLICKS, replication=2)}, "eu-clicks has 2 replica(s), expected 3"),
        ({"clicks": state(Topic.CLICKS, min_insync_replicas="1")}, "min.insync.replicas 1, expected 2"),
        ({"clicks": state(Topic.CLICKS, min_insync_replicas="4")}, "nothing can be written"),
    ],
)
def test_what_is_wrong_with_a_topic_is_one_sentence_with_its_name(
    wrong: dict[str, TopicState | None], told: str
) -> None:
    problems = check_topics(described(**wrong), prefix="eu-", replication=3)

    assert len(problems) == 1
    assert told in problems[0]


def test_decisions_kept_for_ever_outlive_any_clicks() -> None:
    clicks, decisions = state(Topic.CLICKS, retention_ms="-1"), state(Topic.DECISIONS, retention_ms="-1")

    assert check_topics(described(clicks=clicks, decisions=decisions)) == []
    assert "eu-decisions is kept 720 h, the clicks for ever" in check_topics(described(clicks=clicks), "eu-")[0]


def test_created_topics_pass_the_check_and_are_made_once(kafka: KafkaServer, topic_prefix: str) -> None:
    made = create_topics(admin(kafka), topic_prefix, partitions=3)

    again = create_topics(admin(kafka), topic_prefix, partitions=5)
    clicks = check_topics_at_start(admin(kafka), topic_prefix)

    assert all(topic.made for topic in made)
    assert not any(topic.made for topic in again)
    assert {topic.name: topic.partitions for topic in again} == {topic.name: topic.partitions for topic in made}
    assert clicks.partitions == 3


def test_topics_for_history_keep_records_for_ever(kafka: KafkaServer, topic_prefix: str) -> None:
    create_topics(admin(kafka), topic_prefix, partitions=1, keep_forever=True)

    clicks = topic_admin.TopicAdmin(admin(kafka)).describe(topic_prefix)[Topic.CLICKS]

    assert clicks is not None
    assert clicks.config["retention.ms"] == "-1"


def test_all_problems_are_told_together(kafka: KafkaServer, topic_prefix: str, wait_until: WaitUntil) -> None:
    client = AdminClient({**admin(kafka)})
    few = NewTopic(f"{topic_prefix}decisions", 1, 1, config={"cleanup.policy": "compact"})
    many = NewTopic(f"{topic_prefix}clicks", 2, 1)
    for future in client.create_topics([few, many]).values():
        future.result(30)
    # The controller has made them; the broker hears of it a moment later.
    wait_until(lambda: sum(map(bool, topic_admin.TopicAdmin(admin(kafka)).describe(topic_prefix).values())) == 2)

    with pytest.raises(Misconfigured) as failure:
        check_topics_at_start(admin(kafka), topic_prefix)

    for told in ("decisions has 1 partitions", "decisions is compacted", "feature-log is missing"):
        assert f"{topic_prefix}{told}" in str(failure.value)


def test_clicks_made_anew_have_another_id(kafka: KafkaServer, topic_prefix: str, wait_until: WaitUntil) -> None:
    create_topics(admin(kafka), topic_prefix, partitions=1)
    before = check_topics_at_start(admin(kafka), topic_prefix)
    client = AdminClient({**admin(kafka)})
    client.delete_topics([f"{topic_prefix}clicks"])[f"{topic_prefix}clicks"].result(30)
    wait_until(lambda: topic_admin.TopicAdmin(admin(kafka)).describe(topic_prefix)[Topic.CLICKS] is None)

    create_topics(admin(kafka), topic_prefix, partitions=1)

    assert check_topics_at_start(admin(kafka), topic_prefix).topic_id != before.topic_id


def test_more_replicas_than_brokers_are_refused_with_the_way_out(kafka: KafkaServer, topic_prefix: str) -> None:
    with pytest.raises(Misconfigured, match="fewer replicas, or add brokers"):
        create_topics(admin(kafka), topic_prefix, partitions=1, replication=3)


def test_a_kafka_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_admin, "REQUEST_LIMIT_S", 0.5)

    with pytest.raises(Unavailable, match="Connection refused"):
        check_topics_at_start({"bootstrap.servers": f"127.0.0.1:{free_port()}"}, "")
