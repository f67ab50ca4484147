"""How Faust's own transport reaches Kafka, from the librdkafka configuration that all else uses."""

import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

import faust

from contracts.errors import Misconfigured


class Broker(NamedTuple):
    """Faust's `broker` and `broker_credentials`."""

    urls: list[str]
    credentials: Any


def broker_of(kafka: Mapping[str, str]) -> Broker:
    """From addresses and security. Raises Misconfigured for certificates that cannot be used."""
    urls = [f"kafka://{address.strip()}" for address in kafka["bootstrap.servers"].split(",")]
    protocol = kafka.get("security.protocol", "PLAINTEXT")
    tls = _tls(kafka) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return Broker(
            urls,
            faust.SASLCredentials(
                mechanism=kafka["sasl.mechanism"],
                username=kafka["sasl.username"],
                password=kafka["sasl.password"],
                ssl_context=tls,
            ),
        )
    return Broker(urls, faust.SSLCredentials(tls) if tls else None)


def _tls(kafka: Mapping[str, str]) -> ssl.SSLContext:
    certificate, key = kafka.get("ssl.certificate.location"), kafka.get("ssl.key.location")
    try:
        context = ssl.create_default_context(cafile=kafka.get("ssl.ca.location"))
        if certificate:
            # Without a password given, a key that needs one must not ask for it on the terminal.
            context.load_cert_chain(certificate, key, kafka.get("ssl.key.password", ""))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Misconfigured(
            f"Kafka's certificates cannot be used: {error}. Check SLIDR_KAFKA_SECURITY__CA_FILE, __CERTIFICATE_FILE, "
            "__KEY_FILE and __KEY_PASSWORD."
        ) from error
    return context
