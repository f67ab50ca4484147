"""Whether data and model may be trusted: summaries in, verdicts with measurement, limit and remedy out.

Knows: what is usual for an hour of the week, a slice and a feature, what a release may do, the file of limits.
Must not know: files of clicks, Kafka, the model itself, the clock.
"""
