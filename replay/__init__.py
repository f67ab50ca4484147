"""Replay: the decisions of a past range once more, by a pinned release, as corrections or beside what stands.

Knows: plans, the feature log, decisions in force, revisions, what would change and what it is worth.
Must not know: the live consumer group, Redis, the counters; it reads with `assign()` and disturbs nobody.
"""
