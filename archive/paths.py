"""Names of data files: `<topic>/date=2024-06-01/hour=13/<name>.parquet`, by event time in UTC."""

from datetime import UTC, datetime, timedelta

from contracts.topics import Topic


def data_path(topic: Topic, hour_ms: int, name: str) -> str:
    """Path, relative to the archive, of a file with events of the hour that begins at `hour_ms`."""
    hour = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=hour_ms)
    return f"{topic}/date={hour:%Y-%m-%d}/hour={hour:%H}/{name}.parquet"


def is_data(path: str) -> bool:
    """Whether the path is that of a data file."""
    return path.endswith(".parquet")
