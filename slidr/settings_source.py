"""Reads the settings from the environment and the file, and reports all that is wrong with them in one message."""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from contracts.errors import Misconfigured
from slidr.running import running_servers
from slidr.settings import KafkaSecurity, Settings

PREFIX = "SLIDR_"
# Names that are read before, or without, the settings.
OTHER_NAMES = ("SLIDR_CONFIG", "SLIDR_CACHE_DIR", "SLIDR_MAVEN_URL")


def fields() -> dict[tuple[str, ...], FieldInfo]:
    """Every setting by its path: ("redis_url",) or ("kafka_security", "protocol")."""
    top = {(name,): field for name, field in Settings.model_fields.items() if name != "kafka_security"}
    return top | {("kafka_security", name): field for name, field in KafkaSecurity.model_fields.items()}


def variable(path: Sequence[str]) -> str:
    """Environment variable of a setting."""
    return PREFIX + "__".join(path).upper()


def load_settings(need: Sequence[str] = ()) -> Settings:
    """Read the settings; `need` names those that the command cannot do without.

    Addresses that are set nowhere are those of `slidr servers up`, if it runs. Raises Misconfigured with all faults.
    """
    faults: list[str] = []
    file = _read_file(faults)
    environment = _read_environment()
    values = _with_running_servers(_merged(file, environment))
    faults += _unknown_names(_names_in_use(file))
    faults += [_missing(name) for name in need if name not in values]
    try:
        settings = Settings(**values)
    except ValidationError as error:
        faults += _wrong_values(error)
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise Misconfigured(f"{len(faults)} setting(s) are wrong; nothing was started.{listed}")
    return settings


def _read_file(faults: list[str]) -> dict[str, Any]:
    name = os.environ.get("SLIDR_CONFIG")
    if not name:
        return {}
    try:
        return tomllib.loads(Path(name).expanduser().read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(f"SLIDR_CONFIG: {name} cannot be read as TOML: {error}. Mend the file or unset the variable.")
        return {}


def _read_environment() -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    # As one variable it would have to be JSON: it has no name of ours, and is reported as unknown.
    source.env_vars = {name: value for name, value in source.env_vars.items() if name != "slidr_kafka_security"}
    return source()


def _merged(file: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**file, **environment}
    if isinstance(file.get("kafka_security"), dict):
        merged["kafka_security"] = {**file["kafka_security"], **environment.get("kafka_security", {})}
    return merged


def _with_running_servers(values: dict[str, Any]) -> dict[str, Any]:
    if "kafka_bootstrap_servers" in values or "redis_url" in values:
        return values
    servers = running_servers()
    return values if servers is None else {**servers.addresses(), "entity_key": servers.entity_key, **values}


def _unknown_names(names: Sequence[str]) -> Iterator[str]:
    known = [*OTHER_NAMES, *map(variable, fields())]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 1)
            yield f"{name}: no such setting. " + (f"Did you mean {close[0]}?" if close else "See .env.example for all.")


def _names_in_use(file: Mapping[str, Any]) -> list[str]:
    in_environment = [name for name in os.environ if name.startswith(PREFIX)]
    in_file = [
        variable((key, inner)) if isinstance(value, dict) else variable((key,))
        for key, value in file.items()
        for inner in (value if isinstance(value, dict) else [key])
    ]
    return sorted({*in_environment, *in_file})


def _missing(name: str) -> str:
    remedy = _remedy((name,))
    if name in ("kafka_bootstrap_servers", "redis_url"):
        remedy += ". Or run `slidr servers up` in another terminal, for servers of this machine"
    return f"{variable((name,))}: is not set. {remedy}"


def _remedy(path: tuple[str, ...]) -> str:
    field = fields().get(path)
    if field is None:
        return "See .env.example"
    return f"Expected {field.description}, such as {variable(path)}={(field.examples or [''])[0]}"


def _wrong_values(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        path = tuple(str(part) for part in problem["loc"])
        why = problem["msg"].removeprefix("Value error, ")
        yield f"{variable(path)}: {_shown(path, problem['input'])}{why[0].lower()}{why[1:]}. {_remedy(path)}"


def _shown(path: tuple[str, ...], value: object) -> str:
    """The value found, where it can be shown: no secret, no address with a password in it."""
    field = fields().get(path)
    if field is None or not field.repr or "SecretStr" in str(field.annotation):
        return ""
    return f"found {value!r}; "
