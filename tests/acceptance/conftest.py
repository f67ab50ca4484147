"""Deployments on the shared servers, and on servers of a test's own that it may stop."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slidr.servers import KafkaServer
from tests.acceptance.deployment import Deployment

if TYPE_CHECKING:
    from tests.acceptance.recomputed import Decided

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


@pytest.fixture(scope="session")
def decided(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Decided]":
    """Decided by a worker and counted again. Publish nothing there: the tests share it."""
    from tests.acceptance.recomputed import decided_and_recounted  # it needs files that need this one

    with decided_and_recounted(kafka, tmp_path_factory.mktemp("recompute")) as found:
        yield found
