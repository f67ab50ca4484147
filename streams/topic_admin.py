"""Creates the topics, and checks before a worker starts that they are what the job needs.

Without `replication` the cluster's size decides: three replicas, or as many as there are brokers. Of several replicas,
all but one must have a record before it counts as written.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from time import monotonic, sleep
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its typing forgets to export two of these
    AdminClient,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from contracts.errors import Misconfigured, Unavailable
from contracts.topics import SPECS, Topic, TopicSpec, topic_name
from streams.topic_checks import FOREVER, TopicState, check_topics, min_insync

REQUEST_LIMIT_S: Final = 15.0
REPLICATION: Final = 3
# Errors that trying again does not mend, and what does.
_RIGHTS: Final = "Check SLIDR_KAFKA_SECURITY__* and what its user may do: describe, and to make topics also create."
REMEDIES: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError._AUTHENTICATION: _RIGHTS,
    KafkaError._INVALID_ARG: "Check SLIDR_KAFKA_SECURITY__*.",
    KafkaError.INVALID_REPLICATION_FACTOR: "Ask for fewer replicas, or add brokers.",
    KafkaError.INVALID_PARTITIONS: "Ask for at least one partition.",
    KafkaError.POLICY_VIOLATION: "The cluster's operator has to allow it.",
}


class ClicksTopic(NamedTuple):
    """Which `clicks` this is: a topic that was deleted and made again has another id."""

    topic_id: str
    partitions: int


class Created(NamedTuple):
    """What `create_topics` did about one topic: it made it, or found it as it was."""

    name: str
    partitions: int
    made: bool


class TopicAdmin:
    """What Kafka says of topics. Raises Unavailable when it does not answer, and Misconfigured when it never will.

    `config` is librdkafka's: addresses and security. `limit_s` is the patience with each question.
    """

    def __init__(self, config: Mapping[str, str], limit_s: float | None = None) -> None:
        self._limit_s = limit_s or REQUEST_LIMIT_S
        self._last_error = ""
        self._addresses = config["bootstrap.servers"]
        options: dict[str, Any] = {**config, "log_level": 0, "error_cb": self._remember}
        self._admin = AdminClient(options)

    def brokers(self) -> int:
        """How many brokers the cluster has."""
        return len(self._answer(self._admin.describe_cluster(request_timeout=self._limit_s)).nodes)

    def describe(self, prefix: str) -> dict[Topic, TopicState | None]:
        """Every topic of the deployment as it is, None where it is missing."""
        names = {topic: topic_name(topic, prefix) for topic in SPECS}
        asked = self._admin.describe_topics(TopicCollection(list(names.values())), request_timeout=self._limit_s)
        found = {topic: self._answer(asked[name], KafkaError.UNKNOWN_TOPIC_OR_PART) for topic, name in names.items()}
        configs = self._configs([names[topic] for topic, description in found.items() if description])
        return {
            topic: description
            and TopicState(
                topic_id=str(description.topic_id),
                partitions=len(description.partitions),
                replication=min(len(partition.replicas) for partition in description.partitions),
                config=configs[names[topic]],
            )
            for topic, description in found.items()
        }

    def has(self, name: str) -> bool:
        """Whether there is a topic of this name."""
        asked = self._admin.describe_topics(TopicCollection([name]), request_timeout=self._limit_s)
        return self._answer(asked[name], KafkaError.UNKNOWN_TOPIC_OR_PART) is not None

    def create(self, topics: Sequence[NewTopic]) -> set[str]:
        """Make topics; returns the names of those that were not there before."""
        asked = self._admin.create_topics(list(topics), operation_timeout=self._limit_s, request_timeout=self._limit_s)
        there = KafkaError.TOPIC_ALREADY_EXISTS
        return {name for name, future in asked.items() if self._answer(future, there, instead=there) is not there}

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        asked = self._admin.describe_configs(
            [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=self._limit_s
        )
        return {
            resource.name: {key: entry.value for key, entry in self._answer(future).items()}
            for resource, future in asked.items()
        }

    def _answer(self, future: Future[Any], expected_code: int | None = None, instead: Any = None) -> Any:
        """The answer, or `instead` for an error that is an answer too."""
        try:
            return future.result()
        except KafkaException as error:
            code = error.args[0].code()
            if code == expected_code:
                return instead
            raise self._explained(error.args[0]) from error

    def _explained(self, error: KafkaError) -> Misconfigured | Unavailable:
        self._admin.poll(0)  # delivers what the connections reported, such as a refused password
        reason = f"Kafka at {self._addresses}: {error.str().rstrip('.')}. {self._last_error}".rstrip()
        if error.code() in REMEDIES:
            return Misconfigured(f"{reason} {REMEDIES[error.code()]}")
        return Unavailable(f"{reason} Check that Kafka runs and that SLIDR_KAFKA_BOOTSTRAP_SERVERS is right.")

    def _remember(self, error: KafkaError) -> None:
        self._last_error = f"{error.str().rstrip('.')}."


def check_topics_at_start(admin_config: Mapping[str, str], prefix: str, replication: int | None = None) -> ClicksTopic:
    """Check every topic of the deployment. Raises Misconfigured with all problems together, or Unavailable."""
    admin = TopicAdmin(admin_config)
    described = admin.describe(prefix)
    problems = check_topics(described, prefix, replication or min(REPLICATION, admin.brokers()))
    clicks = described[Topic.CLICKS]
    if problems or clicks is None:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise Misconfigured(f"{len(problems)} thing(s) are wrong with the topics; nothing was started.{listed}")
    return ClicksTopic(clicks.topic_id, clicks.partitions)


def create_topics(
    admin_config: Mapping[str, str],
    prefix: str,
    partitions: int,
    replication: int | None = None,
    keep_forever: bool = False,
) -> list[Created]:
    """Make the topics that are missing and leave the others as they are; returns when all can be used.

    `keep_forever` is for imported history: Kafka deletes records by their own time, so old clicks would go at once.
    """
    admin = TopicAdmin(admin_config)
    replicas = replication or min(REPLICATION, admin.brokers())
    made = admin.create([_new_topic(topic, prefix, partitions, replicas, keep_forever) for topic in SPECS])
    described = _wait_until_all_are_there(lambda: admin.describe(prefix))
    return [
        Created(name := topic_name(topic, prefix), state.partitions, name in made) for topic, state in described.items()
    ]


def create_topic(admin_config: Mapping[str, str], name: str, spec: TopicSpec) -> bool:
    """Make one more topic, if it is not there; whether it was made. Returns when it can be used."""
    admin = TopicAdmin(admin_config)
    made = admin.create([_as_new(name, spec, spec.partitions or 1, min(REPLICATION, admin.brokers()), False)])
    deadline = monotonic() + REQUEST_LIMIT_S
    while not admin.has(name):
        if monotonic() > deadline:
            raise Unavailable(f"Kafka made {name} but did not show it within {REQUEST_LIMIT_S:.0f} s. Try again.")
        sleep(0.05)
    return bool(made)


def _new_topic(topic: Topic, prefix: str, partitions: int, replicas: int, keep_forever: bool) -> NewTopic:
    spec = SPECS[topic]
    return _as_new(topic_name(topic, prefix), spec, spec.partitions or partitions, replicas, keep_forever)


def _as_new(name: str, spec: TopicSpec, partitions: int, replicas: int, keep_forever: bool) -> NewTopic:
    config = {
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "retention.ms": FOREVER if keep_forever else str(spec.retention_ms),
        "retention.bytes": FOREVER,
        "min.insync.replicas": str(min_insync(replicas)),
        "unclean.leader.election.enable": "false",
        "message.timestamp.type": "CreateTime",
    }
    return NewTopic(name, partitions, replicas, config=config)


def _wait_until_all_are_there(describe: Callable[[], dict[Topic, TopicState | None]]) -> dict[Topic, TopicState]:
    """Brokers hear of a new topic a moment after the controller has made it."""
    deadline = monotonic() + REQUEST_LIMIT_S
    while monotonic() < deadline:
        described = {topic: state for topic, state in describe().items() if state is not None}
        if len(described) == len(SPECS):
            return described
        sleep(0.05)
    raise Unavailable(f"Kafka made the topics but did not show them within {REQUEST_LIMIT_S:.0f} s. Try again.")
