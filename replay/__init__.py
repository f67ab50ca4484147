"""Replay: the decisions of a past range once more, by a pinned release, as corrections or beside what stands.

Knows: plans, the feature log, clicks counted again, decisions in force, revisions, what would change and its worth.
Must not know: the live consumer group, Redis, the live counters; it reads with `assign()` and disturbs nobody.
"""
