"""The settings: every name, its meaning, its limits. Frozen; read once, by `slidr.settings_source.load_settings`.

The environment variable of `redis_url` is SLIDR_REDIS_URL, of `kafka_security.protocol` SLIDR_KAFKA_SECURITY__PROTOCOL.
In the TOML file that SLIDR_CONFIG names they are `redis_url = "..."` and `[kafka_security] protocol = "..."`. The
environment goes before the file. `.env.example` says the same for operators, and a test compares the two.
"""

import os
import re
import socket
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

DEFAULT_MODELS_URI = ".slidr/models"
DEFAULT_ARCHIVE_URI = ".slidr/archive"
DEFAULT_REPLAYS_URI = ".slidr/replays"
# Those of Apache Arrow.
FILE_SYSTEMS = ("file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs")
ClientKind = Literal["admin", "consumer", "producer"]


def _addresses(value: str) -> str:
    for address in value.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be a list of host:port, separated by commas")
    return value


def _redis_url(value: str) -> str:
    if not re.fullmatch(r"rediss?://([^@]*@)?(\[[0-9a-fA-F:]+\]|[^@:/?#\[\]]+)(:\d{1,5})?(/\d*)?", value):
        raise ValueError("must be redis://host:port/database, or rediss:// for TLS")
    return value


def _place(value: str) -> str:
    scheme, separator, _ = value.partition("://")
    if separator and scheme not in FILE_SYSTEMS:
        raise ValueError(f"must be a path, or a URI of one of {', '.join(FILE_SYSTEMS)}")
    return value


def _secret(value: SecretStr) -> SecretStr:
    if value.get_secret_value().startswith(("(", "$(")):
        raise ValueError("must be a secret, not the command that makes one")
    if len(value.get_secret_value()) < 16:
        raise ValueError("must have at least 16 characters")
    return value


class KafkaSecurity(BaseModel):
    """How Kafka is spoken to; the names are librdkafka's without their dots."""

    model_config = ConfigDict(frozen=True)

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="the protocol of Kafka's listener", examples=["SASL_SSL"]
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="how a password is proved", examples=["SCRAM-SHA-512"]
    )
    sasl_username: str | None = Field(default=None, description="our user name at Kafka", examples=["slidr"])
    sasl_password: SecretStr | None = Field(default=None, description="our password at Kafka", examples=["..."])
    ca_file: FilePath | None = Field(
        default=None, description="a PEM file of the certificates to trust", examples=["/etc/slidr/ca.pem"]
    )
    certificate_file: FilePath | None = Field(
        default=None, description="a PEM file of our own certificate", examples=["/etc/slidr/client.pem"]
    )
    key_file: FilePath | None = Field(
        default=None, description="a PEM file of our certificate's key", examples=["/etc/slidr/client.key"]
    )
    key_password: SecretStr | None = Field(default=None, description="the password of our key's file", examples=["..."])

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = ("sasl_mechanism", "sasl_username", "sasl_password") if self.protocol.startswith("SASL") else ()
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            also = ", ".join(f"SLIDR_KAFKA_SECURITY__{name.upper()}" for name in missing)
            raise ValueError(f"protocol {self.protocol} also needs {also}")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("__CERTIFICATE_FILE and __KEY_FILE go together: set both or neither")
        return self


class Settings(BaseSettings):
    """All settings, checked. The descriptions say what a right value is: they end the message about a wrong one."""

    model_config = SettingsConfigDict(
        env_prefix="SLIDR_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        validate_default=False,
    )

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_addresses)] = Field(
        default="", description="Kafka's addresses", examples=["kafka-1:9092,kafka-2:9092"]
    )
    kafka_security: KafkaSecurity = Field(default_factory=KafkaSecurity)
    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(
        default="", repr=False, description="Redis's address", examples=["rediss://user:password@redis:6379/0"]
    )
    models_uri: Annotated[str, AfterValidator(_place)] = Field(
        default=DEFAULT_MODELS_URI,
        description="the folder of the releases, a path or a URI",
        examples=["s3://bucket/models"],
    )
    signing_key_file: FilePath | None = Field(
        default=None,
        description="a PEM file of the private key that releases are signed with when they are published",
        examples=["/etc/slidr/signing.pem"],
    )
    trusted_keys_file: FilePath | None = Field(
        default=None,
        description="a PEM file of the public keys of which one must have signed a release",
        examples=["/etc/slidr/trusted.pem"],
    )
    guardrails_file: FilePath | None = Field(
        default=None,
        description="a TOML file with the limits of guardrails that are to differ from those of guardrails/limits.toml",
        examples=["/etc/slidr/guardrails.toml"],
    )
    archive_uri: Annotated[str, AfterValidator(_place)] = Field(
        default=DEFAULT_ARCHIVE_URI,
        description="the folder of the archive, a path or a URI",
        examples=["s3://bucket/archive"],
    )
    replays_uri: Annotated[str, AfterValidator(_place)] = Field(
        default=DEFAULT_REPLAYS_URI,
        description="the folder of the plans of replays, a path or a URI",
        examples=["s3://bucket/replays"],
    )
    entity_key: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(
        default=None,
        description="the secret that entities are hashed with, the same for all workers",
        examples=['"$(openssl rand -hex 32)"'],
    )
    topic_prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="what every topic's name begins with",
        examples=["eu-"],
    )
    group: str = Field(
        default="slidr", pattern=r"^[\w.-]{1,200}$", description="the consumer group of the workers", examples=["slidr"]
    )
    worker_id: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        pattern=r"^[\w.:-]{1,128}$",
        description="the name of this worker, unlike that of any other",
        examples=["worker-1"],
    )
    session_timeout_s: int = Field(
        default=10,
        ge=3,
        le=300,
        description="the seconds after which a worker or replay agent that is silent loses its partitions to others",
        examples=["10"],
    )
    release: str = Field(
        default="pass-through",
        min_length=1,
        max_length=128,
        description="the release to start with while no release was ever promoted",
        examples=["pass-through"],
    )
    http_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="the address that health and metrics are served on",
        examples=["0.0.0.0"],
    )
    metrics_port: int = Field(
        default=9464,
        ge=0,
        le=65535,
        description="the port of health and metrics, 0 for any free one",
        examples=["9464"],
    )
    state_ttl_hours: int = Field(
        default=72,
        ge=40,
        le=24 * 365,
        description="the hours that Redis keeps the state of a quiet entity",
        examples=["72"],
    )
    decide_while_cold: bool = Field(
        default=False,
        description="true to decide new clicks while lost state is counted again, false to let them wait",
        examples=["false"],
    )
    dead_letter_limit_ratio: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="the share of parked records among the last 10,000 of a partition past which it pauses",
        examples=["0.2"],
    )

    @classmethod
    def settings_customise_sources(cls, *_: object, **sources: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` hands over, which has read environment and file and keeps track of faults."""
        return (sources["init_settings"],)


def kafka_config(settings: Settings, kind: ClientKind) -> dict[str, str]:
    """librdkafka's configuration to reach Kafka: addresses, security, and a client id that shows in Kafka's logs."""
    security = settings.kafka_security
    values: dict[str, object] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": f"{settings.worker_id}-{kind}",
        "security.protocol": security.protocol,
        "sasl.mechanism": security.sasl_mechanism,
        "sasl.username": security.sasl_username,
        "sasl.password": security.sasl_password and security.sasl_password.get_secret_value(),
        "ssl.ca.location": security.ca_file,
        "ssl.certificate.location": security.certificate_file,
        "ssl.key.location": security.key_file,
        "ssl.key.password": security.key_password and security.key_password.get_secret_value(),
    }
    return {name: str(value) for name, value in values.items() if value is not None}
