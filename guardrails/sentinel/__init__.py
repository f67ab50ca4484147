"""Whether the release in force does to live clicks what it should: counts of clicks in, verdicts and one action out.

Knows: counts by slice and minute of stream time, two releases on the same clicks, bands, purchases.
Must not know: Kafka, Arrow, the clock. All times are those of the clicks.
"""
