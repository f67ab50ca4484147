"""The topics' settings agree with each other."""

from contracts.topics import CLICKS_RETENTION_FLOOR_MS, SPECS, Topic, topic_name


def test_every_topic_has_its_settings() -> None:
    assert set(SPECS) == set(Topic)


def test_decisions_are_kept_at_least_as_long_as_clicks() -> None:
    assert SPECS[Topic.DECISIONS].retention_ms >= SPECS[Topic.CLICKS].retention_ms >= CLICKS_RETENTION_FLOOR_MS


def test_what_is_decided_is_never_compacted_and_follows_the_clicks() -> None:
    outputs = [SPECS[topic] for topic in (Topic.DECISIONS, Topic.FEATURE_LOG, Topic.DEAD_LETTERS)]

    assert all(spec.follows_clicks and not spec.compacted for spec in outputs)


def test_the_name_on_the_wire_has_the_prefix() -> None:
    assert topic_name(Topic.CLICKS, "eu-") == "eu-clicks"
    assert topic_name(Topic.CLICKS) == "clicks"
