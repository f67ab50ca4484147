"""What happened, kept for years: records of Kafka as Parquet files on any Arrow file system, each row exactly once.

Knows: Arrow schemas, files, the commit log that says which of them count, hashes instead of names.
Must not know: Kafka, a secret key, the clock.
"""
