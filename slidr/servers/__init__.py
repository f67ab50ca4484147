"""A real Kafka and a real Redis for the demo, the tests and a first look: no Docker, no root, free ports.

Knows: processes, ports, folders, the jars of Kafka.
Must not know: topics, clicks, settings.
"""

from slidr.servers.embedded import EmbeddedServers
from slidr.servers.kafka import KafkaServer
from slidr.servers.redis import RedisServer

__all__ = ["EmbeddedServers", "KafkaServer", "RedisServer"]
