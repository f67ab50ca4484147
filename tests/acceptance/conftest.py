"""Deployments on the shared servers, and on servers of a test's own that it may stop."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slidr.servers import KafkaServer
from tests.acceptance.deployment import Deployment

MakeDeployment = Callable[..., Deployment]


@pytest.fixture
def make_deployment(topic_prefix: str, tmp_path: Path) -> Iterator[MakeDeployment]:
    """`make_deployment(kafka, redis_url, partitions=4)`; its workers end with the test."""
    made: list[Deployment] = []

    def make(kafka: KafkaServer, redis_url: str, partitions: int = 4) -> Deployment:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        deployment = Deployment(kafka.bootstrap_servers, redis_url, f"{topic_prefix}{len(made)}-", folder, partitions)
        deployment.create_topics()
        made.append(deployment)
        return deployment

    yield make
    for deployment in made:
        deployment.close()


@pytest.fixture
def deployment(kafka: KafkaServer, redis_url: str, make_deployment: MakeDeployment) -> Deployment:
    """Four partitions on the shared servers."""
    return make_deployment(kafka, redis_url)
