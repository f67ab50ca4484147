"""General invalid traffic: what can be told from one click without a model, and the lists that say so.

Knows: user agents, addresses, bounds on time; the file format of a release's rule lists.
Must not know: Kafka, Redis, the model, the clock.
"""
