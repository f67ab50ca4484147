"""The composition root: the only place that names concrete classes of several folders."""

from contracts.topics import Topic, topic_name
from features.redis_store import RedisFeatureStore
from slidr.loading import judge_loader
from slidr.settings import Settings, kafka_config
from streams.metrics import Metrics
from streams.releases import Releases
from streams.topic_admin import check_topics_at_start
from streams.worker import Worker, WorkerOptions


async def build_worker(settings: Settings, *, skip_expired: bool = False) -> Worker:
    """Check topics and release, connect, and return a worker ready to run. Raises SlidrError and leaves nothing."""
    assert settings.entity_key is not None, "checked by the settings of a worker"
    kafka = kafka_config(settings, "consumer")
    clicks = check_topics_at_start(kafka_config(settings, "admin"), settings.topic_prefix)
    metrics = Metrics()
    releases = Releases(
        kafka,
        topic_name(Topic.MODEL_RELEASES, settings.topic_prefix),
        settings.release,
        judge_loader(settings),
        metrics,
    )
    await releases.start()
    entity_key = settings.entity_key.get_secret_value()
    store = await RedisFeatureStore.connect(
        settings.redis_url,
        entity_key,
        namespace=settings.topic_prefix,
        ttl_hours=settings.state_ttl_hours,
        source=clicks.topic_id,
    )
    options = WorkerOptions(
        kafka=kafka,
        prefix=settings.topic_prefix,
        group=settings.group,
        session_s=settings.session_timeout_s,
        worker_id=settings.worker_id,
        clicks_topic_id=clicks.topic_id,
        http_host=settings.http_host,
        http_port=settings.metrics_port,
        dead_letter_limit_ratio=settings.dead_letter_limit_ratio,
        decide_while_cold=settings.decide_while_cold,
        skip_expired=skip_expired,
    )
    return Worker(options, store, store.hasher, releases, metrics)
