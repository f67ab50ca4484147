"""Which topics are archived, and which column of each is its event time."""

from typing import Final

from contracts.errors import Misconfigured
from contracts.topics import Topic

EVENT_TIMES: Final[dict[Topic, str]] = {
    Topic.CLICKS: "clicked_at_ms",
    Topic.PURCHASES: "purchased_at_ms",
    Topic.FEATURE_LOG: "clicked_at_ms",
    Topic.DECISIONS: "clicked_at_ms",
}
ARCHIVED: Final = tuple(EVENT_TIMES)


def archived_topic(name: str) -> Topic:
    """The topic of that name. Raises Misconfigured for one that is not archived."""
    if name not in set(ARCHIVED):
        raise Misconfigured(f"Topic {name!r} is not archived. Archived are: {', '.join(ARCHIVED)}.")
    return Topic(name)
