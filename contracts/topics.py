"""The topics, and what each must be set to. Names carry the deployment's prefix (`SLIDR_TOPIC_PREFIX`)."""

from enum import StrEnum
from typing import NamedTuple

HOUR_MS = 3_600_000


class Topic(StrEnum):
    """Every topic of the deployment, by its name without prefix."""

    CLICKS = "clicks"
    PURCHASES = "purchases"
    DECISIONS = "decisions"
    FEATURE_LOG = "feature-log"
    DEAD_LETTERS = "dead-letters"
    MODEL_RELEASES = "model-releases"
    WORKER_STATUS = "worker-status"
    REPLAY_REQUESTS = "replay-requests"
    REPLAY_TASKS = "replay-tasks"
    REPLAY_PROGRESS = "replay-progress"
    SENTINEL_STATE = "sentinel-state"
    DECISION_MARKERS = "decision-markers"


class TopicSpec(NamedTuple):
    """How a topic is created and what the worker insists on.

    `partitions` None means "as many as asked for"; `follows_clicks` means at least as many as `clicks` has.
    `retention_ms` -1 keeps for ever.
    """

    partitions: int | None
    retention_ms: int
    compacted: bool = False
    follows_clicks: bool = False


DAY_MS = 24 * HOUR_MS
CLICKS_RETENTION_FLOOR_MS = 48 * HOUR_MS

SPECS: dict[Topic, TopicSpec] = {
    Topic.CLICKS: TopicSpec(partitions=None, retention_ms=7 * DAY_MS),
    Topic.PURCHASES: TopicSpec(partitions=None, retention_ms=7 * DAY_MS),
    Topic.DECISIONS: TopicSpec(partitions=None, retention_ms=30 * DAY_MS, follows_clicks=True),
    Topic.FEATURE_LOG: TopicSpec(partitions=None, retention_ms=30 * DAY_MS, follows_clicks=True),
    Topic.DEAD_LETTERS: TopicSpec(partitions=None, retention_ms=30 * DAY_MS, follows_clicks=True),
    Topic.MODEL_RELEASES: TopicSpec(partitions=1, retention_ms=-1),
    Topic.WORKER_STATUS: TopicSpec(partitions=1, retention_ms=-1, compacted=True),
    Topic.REPLAY_REQUESTS: TopicSpec(partitions=1, retention_ms=-1),
    Topic.REPLAY_TASKS: TopicSpec(partitions=None, retention_ms=7 * DAY_MS, follows_clicks=True),
    Topic.REPLAY_PROGRESS: TopicSpec(partitions=1, retention_ms=-1, compacted=True),
    Topic.SENTINEL_STATE: TopicSpec(partitions=1, retention_ms=-1, compacted=True),
    # Not compacted: the first marker of an hour counts, compaction would keep the last.
    Topic.DECISION_MARKERS: TopicSpec(partitions=None, retention_ms=-1, follows_clicks=True),
}


def topic_name(topic: Topic, prefix: str = "") -> str:
    """Name on the wire: `topic_name(Topic.CLICKS, "eu-")` is `eu-clicks`."""
    return prefix + topic.value


# At most this many records of one partition are ever under way in one worker. So much may a paused worker's late
# duplicates reach back: who starts in the middle of `decisions` reads back this far to know what stands already.
MAX_IN_FLIGHT_RECORDS = 16_384
