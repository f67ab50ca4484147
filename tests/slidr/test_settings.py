"""Settings are read from the environment and one file, and all faults are told together, without secrets."""

import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_core import PydanticUndefined

from contracts.errors import Misconfigured
from slidr.running import RunningServers, announce, only_servers_of_this_user
from slidr.settings import KafkaSecurity, Settings, kafka_config
from slidr.settings_source import OTHER_NAMES, fields, load_settings, variable

ADDRESSES = ("kafka_bootstrap_servers", "redis_url")
EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No SLIDR_* of the machine, and no servers that its user keeps up."""
    for name in [name for name in os.environ if name.startswith("SLIDR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def set_all(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"SLIDR_{name}", value)


def use_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    file = tmp_path / "slidr.toml"
    file.write_text(text)
    monkeypatch.setenv("SLIDR_CONFIG", str(file))


def test_without_any_setting_the_defaults_hold() -> None:
    settings = load_settings()

    assert settings.release == "pass-through"
    assert settings.state_ttl_hours == 72
    assert settings.worker_id.endswith(f"-{os.getpid()}")
    assert settings.models_uri == ".slidr/models"


def test_the_environment_goes_before_the_file_setting_by_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = 'group = "file"\ntopic_prefix = "file-"\n[kafka_security]\nprotocol = "SSL"\nkey_password = "file"\n'
    use_file(monkeypatch, tmp_path, text)
    set_all(monkeypatch, GROUP="environment", KAFKA_SECURITY__KEY_PASSWORD="environment")

    settings = load_settings()

    assert (settings.group, settings.topic_prefix) == ("environment", "file-")
    assert settings.kafka_security.protocol == "SSL"
    assert settings.kafka_security.key_password is not None
    assert settings.kafka_security.key_password.get_secret_value() == "environment"


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.group = "another"


def test_all_faults_are_told_together_with_name_problem_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(
        monkeypatch,
        REDIS_URL="http://redis",
        STATE_TTL_HOURS="12",
        DEAD_LETTER_LIMIT_RATIO="1.5",
        KAFKA_SECURITY__PROTOCOL="SASL_SLL",
        TOPIC_PREFIX="a b",
        REDIS_ULR="redis://redis",
    )

    with pytest.raises(Misconfigured) as failure:
        load_settings(need=[*ADDRESSES, "entity_key"])

    told = dict(re.findall(r"- (SLIDR_\w+): (.*)", str(failure.value)))
    assert told.keys() == {
        "SLIDR_REDIS_URL",
        "SLIDR_STATE_TTL_HOURS",
        "SLIDR_DEAD_LETTER_LIMIT_RATIO",
        "SLIDR_KAFKA_SECURITY__PROTOCOL",
        "SLIDR_TOPIC_PREFIX",
        "SLIDR_REDIS_ULR",
        "SLIDR_KAFKA_BOOTSTRAP_SERVERS",
        "SLIDR_ENTITY_KEY",
    }
    assert "found '12'" in told["SLIDR_STATE_TTL_HOURS"]
    assert "such as SLIDR_STATE_TTL_HOURS=72" in told["SLIDR_STATE_TTL_HOURS"]
    assert "Did you mean SLIDR_REDIS_URL?" in told["SLIDR_REDIS_ULR"]
    assert "is not set" in told["SLIDR_ENTITY_KEY"]
    assert "slidr servers up" in told["SLIDR_KAFKA_BOOTSTRAP_SERVERS"]
    assert failure.value.exit_code == 2


def test_secrets_are_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hunter2"
    set_all(monkeypatch, ENTITY_KEY=secret, REDIS_URL=f"redis://user:{secret}")
    set_all(monkeypatch, KAFKA_SECURITY__SASL_PASSWORD=secret, KAFKA_SECURITY__PROTOCOL="SASL_SSL")

    with pytest.raises(Misconfigured) as failure:
        load_settings()

    assert "SLIDR_KAFKA_SECURITY__SASL_USERNAME" in str(failure.value)
    assert "SLIDR_ENTITY_KEY: must have at least 16 characters" in str(failure.value)
    assert secret not in str(failure.value)


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hunter2hunter2hunter2"
    set_all(monkeypatch, ENTITY_KEY=secret, REDIS_URL=f"redis://user:{secret}@redis:6379/0")

    assert secret not in repr(load_settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:0"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092,"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://redis:password@/0"),
        ("REDIS_URL", "redis://redis/first"),
        ("MODELS_URI", "ftp://host/models"),
        ("GROUP", "two words"),
        ("METRICS_PORT", "65536"),
        ("DEAD_LETTER_LIMIT_RATIO", "0"),
        ("STATE_TTL_HOURS", "39"),
        ("KAFKA_SECURITY__CA_FILE", "/no/such/file"),
        ("KAFKA_SECURITY__KEY_FILE", str(EXAMPLE)),
        ("KAFKA_SECURITY__SASL_MECHANISM", "GSSAPI"),
        ("KAFKA_SECURITY", "SSL"),
        ("KAFKA_SECURITY__PROTOKOL", "SSL"),
        ("CONFIG", "/no/such/file.toml"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    set_all(monkeypatch, **{name: value})

    with pytest.raises(Misconfigured, match=f"SLIDR_{name.partition('__')[0]}"):
        load_settings()


@pytest.mark.parametrize("text", ["group = ", 'gruop = "x"', "[redis]\nurl = 1", "kafka_security = 1"])
def test_a_wrong_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    use_file(monkeypatch, tmp_path, text)

    with pytest.raises(Misconfigured, match="SLIDR_"):
        load_settings()


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, GROUP="")

    assert load_settings().group == "slidr"


def test_addresses_set_nowhere_are_those_of_the_servers_that_are_up(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = RunningServers("127.0.0.1:20000", "redis://127.0.0.1:20001/0", "0123456789abcdef", None)

    with only_servers_of_this_user():
        announce(servers)
        settings = load_settings(need=[*ADDRESSES, "entity_key"])
        set_all(monkeypatch, REDIS_URL="redis://redis:6379/0")
        with pytest.raises(Misconfigured, match="SLIDR_KAFKA_BOOTSTRAP_SERVERS: is not set"):
            load_settings(need=ADDRESSES)

    assert settings.kafka_bootstrap_servers == "127.0.0.1:20000"
    assert settings.redis_url == "redis://127.0.0.1:20001/0"


def test_servers_that_are_no_longer_up_are_not_believed() -> None:
    with only_servers_of_this_user():
        announce(RunningServers("127.0.0.1:20000", "redis://127.0.0.1:20001/0", "0123456789abcdef", None))

    with pytest.raises(Misconfigured, match="SLIDR_REDIS_URL: is not set"):
        load_settings(need=ADDRESSES)


def test_librdkafka_gets_addresses_and_security() -> None:
    security = KafkaSecurity(
        protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="u",
        sasl_password=SecretStr("p"),
        ca_file=EXAMPLE,
    )
    settings = Settings(kafka_bootstrap_servers="kafka:9092", worker_id="w", kafka_security=security)

    assert kafka_config(settings, "producer") == {
        "bootstrap.servers": "kafka:9092",
        "client.id": "w-producer",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
        "ssl.ca.location": str(EXAMPLE),
    }


def test_the_example_file_documents_every_setting_and_no_other() -> None:
    entries = re.findall(r"((?:^# .*\n)+)#(SLIDR_\w+)=", EXAMPLE.read_text(), re.M)
    comments = {name: " ".join(comment.lower().split("\n# ")) for comment, name in entries}

    assert comments.keys() == {*map(variable, fields()), *OTHER_NAMES}
    for path, field in fields().items():
        assert str(field.description).lower() in comments[variable(path)]
        if field.default not in (None, "", PydanticUndefined):
            assert f"default: {str(field.default).lower()}\n" in comments[variable(path)]


def test_the_containers_are_given_settings_that_exist() -> None:
    compose = EXAMPLE.with_name("docker-compose.yml").read_text()

    assert set(re.findall(r"^ +(SLIDR_\w+):", compose, re.M)) <= {*map(variable, fields())}
