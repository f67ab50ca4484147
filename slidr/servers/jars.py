"""The jars of Apache Kafka, named with their sha256 in `kafka-jars.txt`, downloaded once into the cache.

    $SLIDR_CACHE_DIR/kafka-<id of the list>/*.jar     a jar stands here only once its hash was right
    $SLIDR_CACHE_DIR/kafka.lock                       held while downloading: of two processes, one waits

A download that was cut off goes on where it stopped. `SLIDR_MAVEN_URL` names a mirror of Maven Central where the
network allows no other.
"""

import fcntl
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from contracts.errors import Unavailable
from slidr.folders import cache_dir

LIST = Path(__file__).with_name("kafka-jars.txt")
DOWNLOADS_AT_ONCE = 4


class Jar(NamedTuple):
    """One Maven artifact and the sha256 of its file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def listed_jars(text: str) -> list[Jar]:
    """Parse lines of `group:artifact:version sha256:hex`."""
    rows = (re.split(" sha256:|:", line) for line in text.splitlines())
    return [Jar(group, artifact, version, sha256) for group, artifact, version, sha256 in rows]


def kafka_jars() -> Path:
    """Folder that holds every jar; downloads what is missing. Raises Unavailable when that fails."""
    text = LIST.read_text()
    folder = cache_dir() / f"kafka-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    jars = listed_jars(text)
    if _missing(jars, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one_process(folder.parent / "kafka.lock"):
            _download(_missing(jars, folder), folder)
    return folder


def _missing(jars: Sequence[Jar], folder: Path) -> list[Jar]:
    return [jar for jar in jars if not (folder / jar.filename).exists()]


@contextmanager
def _only_one_process(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another process is downloading Apache Kafka; waiting for it.", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(jars: Sequence[Jar], folder: Path) -> None:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if not jars:
        return
    console.print(f"Downloading Apache Kafka ({len(jars)} files, once) to {folder}", soft_wrap=True)
    with tempfile.TemporaryDirectory(dir=folder) as staging, ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        done = pool.map(lambda jar: _download_one(jar, Path(staging), folder), jars)
        for _ in track(done, "Apache Kafka", total=len(jars), console=console, disable=not console.is_terminal):
            pass


def _download_one(jar: Jar, staging: Path, folder: Path) -> None:
    from jgo.maven import MavenContext, PythonResolver

    mirror = os.environ.get("SLIDR_MAVEN_URL")
    repository = MavenContext(
        resolver=PythonResolver(),
        # A folder for each jar: the resolver is not made for several threads.
        repo_cache=staging / jar.filename,
        remote_repos={"mirror": mirror} if mirror else None,
    )
    try:
        path = repository.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (OSError, RuntimeError) as error:
        raise Unavailable(
            f"{jar.filename} of Apache Kafka could not be downloaded: {error} "
            "Check the network and try again, name a mirror in SLIDR_MAVEN_URL, "
            "or set SLIDR_KAFKA_BOOTSTRAP_SERVERS to a Kafka of your own."
        ) from error
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise Unavailable(f"{jar.filename} has sha256 {found}, expected {jar.sha256}: not the file we know. Not used.")
    os.replace(path, folder / jar.filename)
