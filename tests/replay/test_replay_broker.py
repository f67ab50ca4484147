"""Faust reaches Kafka as everything else does."""

import ssl
from pathlib import Path

import faust
import pytest

from contracts.errors import Misconfigured
from replay.broker import broker_of

PEM = str(Path(__file__).parents[1] / "features" / "localhost.pem")
PLAIN = {"bootstrap.servers": "one:9092, two:9093", "client.id": "agent"}
PASSWORD = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "dana", "sasl.password": "secret"}


def test_all_addresses_are_tried() -> None:
    broker = broker_of(PLAIN)

    assert broker.urls == ["kafka://one:9092", "kafka://two:9093"]
    assert broker.credentials is None


def test_a_password_is_proved_as_the_settings_say() -> None:
    credentials = broker_of({**PLAIN, "security.protocol": "SASL_PLAINTEXT", **PASSWORD}).credentials

    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.protocol.value, credentials.mechanism.value) == ("SASL_PLAINTEXT", "SCRAM-SHA-512")
    assert (credentials.username, credentials.password) == ("dana", "secret")
    assert credentials.ssl_context is None


def test_certificates_are_checked_against_the_file_of_the_settings() -> None:
    files = {"ssl.ca.location": PEM, "ssl.certificate.location": PEM, "ssl.key.location": PEM}
    plain = broker_of({**PLAIN, "security.protocol": "SSL", **files}).credentials
    password = broker_of({**PLAIN, "security.protocol": "SASL_SSL", **PASSWORD, "ssl.ca.location": PEM}).credentials

    assert plain.context.verify_mode == password.ssl_context.verify_mode == ssl.CERT_REQUIRED
    assert [one["serialNumber"] for one in plain.context.get_ca_certs()]
    assert password.protocol.value == "SASL_SSL"


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    with pytest.raises(Misconfigured, match="SLIDR_KAFKA_SECURITY__CA_FILE"):
        broker_of({**PLAIN, "security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "ca.pem")})
