"""How a billing consumer reads decisions: the reader's rule, a Kafka reader, a ledger, a check that nothing got lost.

Knows: decisions, source offsets, revisions, a reader's positions; confluent-kafka and SQLite.
Must not know: features, models, workers, or any package beyond contracts, msgspec and confluent-kafka: it installs
alone.
"""
