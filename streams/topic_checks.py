"""What the topics must be so that the job keeps its promises: pure, over what Kafka says of them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from contracts.topics import CLICKS_RETENTION_FLOOR_MS, HOUR_MS, SPECS, Topic, TopicSpec, topic_name

FOREVER = "-1"


class TopicState(NamedTuple):
    """A topic as Kafka describes it; `replication` is that of its weakest partition."""

    topic_id: str
    partitions: int
    replication: int
    config: Mapping[str, str]


def check_topics(described: Mapping[Topic, TopicState | None], prefix: str = "", replication: int = 1) -> list[str]:
    """All that is wrong with the topics (None: missing), a sentence each with the remedy; empty when they are right."""
    problems: list[str] = []
    clicks = described.get(Topic.CLICKS)
    for topic, spec in SPECS.items():
        name, state = topic_name(topic, prefix), described.get(topic)
        if state is None:
            problems.append(f"Topic {name} is missing. Make it with `slidr topics create`.")
            continue
        problems += _partition_problems(name, spec, state, clicks)
        problems += _setting_problems(name, topic, spec, state)
        problems += _replication_problems(name, state, replication)
    decisions = described.get(Topic.DECISIONS)
    if clicks and decisions and _kept_ms(decisions) < _kept_ms(clicks):
        problems.append(
            f"Topic {topic_name(Topic.DECISIONS, prefix)} is kept {_time(decisions)}, the clicks {_time(clicks)}: a "
            "click could be decided again after its decision was deleted. "
            + _set(topic_name(Topic.DECISIONS, prefix), "retention.ms", clicks.config["retention.ms"])
        )
    return problems


def _partition_problems(name: str, spec: TopicSpec, state: TopicState, clicks: TopicState | None) -> Iterator[str]:
    if spec.follows_clicks and clicks and state.partitions < clicks.partitions:
        yield (
            f"Topic {name} has {state.partitions} partitions, the clicks have {clicks.partitions}: what is decided for "
            f"a partition of the clicks goes to the same partition of {name}. "
            f"Add some: kafka-topics.sh --alter --topic {name} --partitions {clicks.partitions}"
        )
    if spec.partitions is not None and state.partitions != spec.partitions:
        yield (
            f"Topic {name} has {state.partitions} partitions and must have {spec.partitions}, since its records are "
            "one sequence. Delete it and make it anew with `slidr topics create`."
        )


def _setting_problems(name: str, topic: Topic, spec: TopicSpec, state: TopicState) -> Iterator[str]:
    policy = state.config["cleanup.policy"]
    if "compact" in policy and not spec.compacted:
        yield f"Topic {name} is compacted, which deletes records that are needed. " + _set(
            name, "cleanup.policy", "delete"
        )
    if spec.compacted and policy != "compact":
        yield f"Topic {name} has cleanup.policy {policy}: the newest record of a key could be deleted. " + _set(
            name, "cleanup.policy", "compact"
        )
    if state.config["unclean.leader.election.enable"] != "false":
        yield f"Topic {name} allows unclean leader election, which loses records that were acknowledged. " + _set(
            name, "unclean.leader.election.enable", "false"
        )
    yield from _retention_problems(name, topic, spec, state)
    if topic is Topic.CLICKS and state.config["message.timestamp.type"] != "CreateTime":
        yield (
            f"Topic {name} replaces the time that a click was sent by the time it was stored: windows go wrong. "
            + _set(name, "message.timestamp.type", "CreateTime")
        )


def _retention_problems(name: str, topic: Topic, spec: TopicSpec, state: TopicState) -> Iterator[str]:
    if topic is Topic.CLICKS and _kept_ms(state) < CLICKS_RETENTION_FLOOR_MS:
        yield (
            f"Topic {name} is kept {_time(state)}; lost counters are counted again from it, which takes "
            f"{CLICKS_RETENTION_FLOOR_MS // HOUR_MS} h of clicks. "
            + _set(name, "retention.ms", str(CLICKS_RETENTION_FLOOR_MS))
        )
    if spec.retention_ms < 0 and not spec.compacted and _kept_ms(state) < float("inf"):
        yield (
            f"Topic {name} is kept {_time(state)} and must be kept for ever: it is the record of who did what. "
            + _set(name, "retention.ms", FOREVER)
        )
    if topic in (Topic.CLICKS, Topic.DECISIONS, Topic.MODEL_RELEASES) and state.config["retention.bytes"] != FOREVER:
        yield (
            f"Topic {name} is cut at {state.config['retention.bytes']} bytes a partition, whatever its age. "
            + _set(name, "retention.bytes", FOREVER)
        )


def _replication_problems(name: str, state: TopicState, replication: int) -> Iterator[str]:
    if state.replication < replication:
        yield (
            f"Topic {name} has {state.replication} replica(s), expected {replication}: a broker that fails takes "
            "records with it. Add replicas with kafka-reassign-partitions.sh"
        )
    found, wanted = int(state.config["min.insync.replicas"]), min_insync(replication)
    if found < wanted:
        yield f"Topic {name} has min.insync.replicas {found}, expected {wanted}. " + _set(
            name, "min.insync.replicas", str(wanted)
        )
    if found > state.replication:
        yield (
            f"Topic {name} has min.insync.replicas {found} and {state.replication} replica(s): nothing can be written. "
            + _set(name, "min.insync.replicas", str(min_insync(state.replication)))
        )


def min_insync(replication: int) -> int:
    """Replicas that must have a record: all but one, so that one broker may be away."""
    return max(1, replication - 1)


def _kept_ms(state: TopicState) -> float:
    kept = int(state.config["retention.ms"])
    return kept if kept >= 0 else float("inf")


def _time(state: TopicState) -> str:
    kept = _kept_ms(state)
    return "for ever" if kept == float("inf") else f"{kept / HOUR_MS:.3g} h"


def _set(name: str, key: str, value: str) -> str:
    return f"Set it: kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {key}={value}"
