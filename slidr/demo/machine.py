"""What the demo ran on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import redis

from slidr.servers.jars import LIST, listed_jars

_PACKAGES = ("slidr", "faust-streaming", "confluent-kafka", "onnxruntime-gpu", "torch")


def machine(redis_url: str) -> dict[str, str]:
    """Processor, cores, kernel, and everything that does the work, each with its version."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        redis_version = str(client.info("server")["redis_version"])
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "load": f"{os.getloadavg()[0]:.1f} processes at once in the last minute, the demo's among them",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Kafka": next(jar.version for jar in listed_jars(LIST.read_text()) if jar.artifact == "kafka-server"),
        "Redis": redis_version,
        **{name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
