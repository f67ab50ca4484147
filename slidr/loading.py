"""Loading releases as a worker does, for workers and for the commands that check before they switch."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from contracts.errors import BadInput, Misconfigured
from contracts.topics import Topic, topic_name
from model.release import load_release
from model.scorer import scorer_for
from model.signature import read_trusted_keys
from rules.ruleset import RuleSet
from slidr.settings import Settings, kafka_config
from streams.judge import Judge
from streams.release_admin import ReleaseLog

# Releases with the same rules share them: a swap keeps the verdicts on user agents and addresses that they remember.
_rules = lru_cache(maxsize=2)(RuleSet.from_json)


def load_judge(models_uri: str, version: str, trusted_keys: Path | None = None) -> Judge:
    """Load a release, its model warmed up and its rules compiled. Raises Misconfigured or Unavailable.

    The file of trusted keys is read each time, so that a key may be added without a restart.
    """
    release = load_release(models_uri, version, read_trusted_keys(trusted_keys))
    try:
        rules = _rules(release.rules_json)
    except BadInput as error:
        raise Misconfigured(f"rules.json of release {version!r} is wrong at {error.path}: {error}") from error
    return Judge(release, scorer_for(release), rules)


def judge_loader(settings: Settings) -> Callable[[str], Judge]:
    """`load(version)`: a release from where the settings say."""
    return lambda version: load_judge(settings.models_uri, version, settings.trusted_keys_file)


def release_log(settings: Settings) -> ReleaseLog:
    """The log of releases of the deployment."""
    topic = topic_name(Topic.MODEL_RELEASES, settings.topic_prefix)
    return ReleaseLog(kafka_config(settings, "consumer"), topic, settings.release)
