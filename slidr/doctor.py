"""What `slidr doctor` looks at: one function a question, each giving findings with what was seen and the remedy."""

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from typing import Literal, NamedTuple

from contracts.errors import Misconfigured, SlidrError, Unavailable
from slidr.settings import Settings, kafka_config
from slidr.settings_source import load_settings

State = Literal["right", "wrong", "unavailable", "not needed"]
PYTHON = (3, 11)
REDIS = (6, 2)
ANSWER_LIMIT_S = 3.0
# What needs the packages of each extra.
EXTRAS = {"worker": "the worker", "train": "training and calibration", "embedded": "servers without Docker"}
LISTED_VERSIONS = {
    "confluent-kafka", "faust-streaming", "onnxruntime-gpu", "redis", "pyarrow", "numpy", "torch", "cvxpy"
}  # fmt: skip


class Finding(NamedTuple):
    """One thing that was looked at. `remedy` is empty when nothing has to be done."""

    what: str
    state: State
    seen: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, cheap things first; never raises for what it finds."""
    yield _python()
    if _version("slidr") is None:
        yield Finding(
            "packages", "wrong", "slidr is not installed", "Run `make setup`, or pip install 'slidr[worker]'."
        )
        return
    yield from _packages()
    yield _onnx_runtime()
    try:
        settings = load_settings()
    except Misconfigured as error:
        yield Finding("settings", "wrong", str(error))
        return
    yield Finding("settings", "right", "all are well formed")
    yield _entity_key(settings)
    yield from _kafka(settings)
    yield _redis(settings)
    yield from _releases(settings)


def exit_code(findings: list[Finding]) -> int:
    """2 if an operator must act, else 3 if a server has to come back, else 0."""
    states = {finding.state for finding in findings}
    return 2 if "wrong" in states else 3 if "unavailable" in states else 0


def _python() -> Finding:
    seen = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if sys.version_info < PYTHON:
        return Finding("python", "wrong", seen, f"Use Python {PYTHON[0]}.{PYTHON[1]} or newer.")
    return Finding("python", "right", seen)


def _packages() -> Iterator[Finding]:
    for extra, needed_by in EXTRAS.items():
        names = _requirements(extra)
        versions = {name: _version(name) for name in names}
        missing = [name for name, version in versions.items() if version is None]
        what = f"packages: {extra}"
        if missing:
            state: State = "wrong" if extra == "worker" else "not needed"
            remedy = f"Needed for {needed_by}: pip install 'slidr[{extra}]'"
            yield Finding(what, state, f"missing: {', '.join(missing)}", remedy)
        else:
            shown = [f"{name} {versions[name]}" for name in names if name in LISTED_VERSIONS] or names
            yield Finding(what, "right", ", ".join(shown))


def _requirements(extra: str) -> list[str]:
    """Names of an extra's packages, as this installation of SLIDR declares them."""
    declared = importlib.metadata.requires("slidr") or []
    return [re.split(r"[^\w.-]", line)[0] for line in declared if re.search(rf"extra == .{extra}\b", line)]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _onnx_runtime() -> Finding:
    try:
        import onnxruntime
    except ImportError as error:
        return Finding("onnx runtime", "wrong", str(error), "pip install 'slidr[worker]'")
    names = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    return Finding("onnx runtime", "right", f"built for {', '.join(names)}")


def _entity_key(settings: Settings) -> Finding:
    if settings.entity_key is None:
        remedy = "Workers need it: set it to a secret of 16 characters or more, the same for all."
        return Finding("SLIDR_ENTITY_KEY", "wrong", "not set", remedy)
    return Finding("SLIDR_ENTITY_KEY", "right", "set")


def _kafka(settings: Settings) -> Iterator[Finding]:
    from streams.topic_admin import TopicAdmin, check_topics_at_start

    if not settings.kafka_bootstrap_servers:
        yield _no_address("kafka", "SLIDR_KAFKA_BOOTSTRAP_SERVERS")
        return
    config = kafka_config(settings, "admin")
    try:
        brokers = TopicAdmin(config, ANSWER_LIMIT_S).brokers()
    except SlidrError as error:
        yield _failed("kafka", error)
        return
    yield Finding("kafka", "right", f"{brokers} broker(s) at {settings.kafka_bootstrap_servers}")
    try:
        clicks = check_topics_at_start(config, settings.topic_prefix)
    except SlidrError as error:
        yield _failed("topics", error)
        return
    yield Finding("topics", "right", f"all there, {clicks.partitions} partition(s) of clicks")


def _redis(settings: Settings) -> Finding:
    import redis

    if not settings.redis_url:
        return _no_address("redis", "SLIDR_REDIS_URL")
    try:
        with redis.Redis.from_url(settings.redis_url, socket_timeout=ANSWER_LIMIT_S, decode_responses=True) as client:
            info = client.info()
    except redis.RedisError as error:
        return Finding("redis", "unavailable", str(error), "Check that Redis runs and SLIDR_REDIS_URL is right.")
    version = tuple(int(part) for part in str(info["redis_version"]).split("."))
    if version < REDIS:
        return Finding("redis", "wrong", f"version {info['redis_version']}", "Use Redis 6.2 or newer.")
    if info["maxmemory_policy"] != "noeviction":
        remedy = "It would drop counters, unnoticed: CONFIG SET maxmemory-policy noeviction"
        return Finding("redis", "wrong", f"maxmemory-policy {info['maxmemory_policy']}", remedy)
    return Finding("redis", "right", f"version {info['redis_version']}, {info['used_memory_human']} in use")


def _releases(settings: Settings) -> Iterator[Finding]:
    from model.release import load_release
    from model.scorer import scorer_for
    from model.signature import read_trusted_keys
    from model.store import ModelStore

    try:
        versions = ModelStore(settings.models_uri).versions()
        yield Finding("releases", "right", f"{len(versions)} in {settings.models_uri}, and pass-through")
        for version in versions[-1:]:
            trusted = read_trusted_keys(settings.trusted_keys_file)
            provider = scorer_for(load_release(settings.models_uri, version, trusted)).provider
            yield Finding("scoring", "right", f"release {version} loads and runs on {provider}")
    except SlidrError as error:
        yield _failed("releases", error)


def _no_address(what: str, name: str) -> Finding:
    return Finding(what, "unavailable", "no address is set", f"Set {name}, or run `slidr servers up`.")


def _failed(what: str, error: SlidrError) -> Finding:
    return Finding(what, "unavailable" if isinstance(error, Unavailable) else "wrong", str(error))
