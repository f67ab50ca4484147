"""The download of Kafka's jars, from a small Maven repository on the loopback."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from contracts.errors import Unavailable
from slidr.folders import cache_dir
from slidr.servers import jars

FILES = {f"/org/example/part-{i}/1.0/part-{i}-1.0.jar": f"jar {i}".encode() * 1000 for i in range(3)}


class Repository(ThreadingHTTPServer):
    """Serves FILES and remembers what was asked for; `broken` paths break off half-way."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.broken: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        body = FILES.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:10] if self.path in self.server.broken else body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Repository]:
    server = Repository()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    rows = [
        f"org.example:part-{i}:1.0 sha256:{hashlib.sha256(body).hexdigest()}" for i, body in enumerate(FILES.values())
    ]
    listing = tmp_path / "jars.txt"
    listing.write_text("\n".join(rows) + "\n")
    monkeypatch.setattr(jars, "LIST", listing)
    monkeypatch.setenv("SLIDR_MAVEN_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("SLIDR_CACHE_DIR", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_listed_jar_has_a_full_hash_and_a_name_of_its_own() -> None:
    listed = jars.listed_jars(jars.LIST.read_text())

    assert {len(jar.sha256) for jar in listed} == {64}
    assert len({jar.filename for jar in listed}) == len(listed)
    assert {"kafka_2.13", "kafka-clients", "slf4j-simple"} <= {jar.artifact for jar in listed}


def test_jars_are_downloaded_once(repository: Repository) -> None:
    first = jars.kafka_jars()
    second = jars.kafka_jars()

    assert first == second
    assert {path.name: path.read_bytes() for path in first.glob("*.jar")} == {
        Path(path).name: body for path, body in FILES.items()
    }
    assert sorted(repository.asked) == sorted(FILES)


def test_a_download_cut_off_goes_on_with_what_is_missing(repository: Repository) -> None:
    cut = next(iter(FILES))
    repository.broken.add(cut)
    with pytest.raises(Unavailable, match=r"part-0-1\.0\.jar"):
        jars.kafka_jars()
    repository.broken.clear()
    repository.asked.clear()

    folder = jars.kafka_jars()

    assert cut in repository.asked
    assert len(list(folder.glob("*.jar"))) == len(FILES)


def test_a_jar_with_another_hash_is_refused_and_not_kept(repository: Repository) -> None:
    jars.LIST.write_text("org.example:part-0:1.0 sha256:" + "0" * 64 + "\n")

    with pytest.raises(Unavailable, match=r"expected 0{64}"):
        jars.kafka_jars()

    assert not list(cache_dir().rglob("*.jar"))


def test_two_processes_at_once_download_each_jar_once(repository: Repository) -> None:
    code = (
        "import sys, pathlib; from slidr.servers import jars; jars.LIST = pathlib.Path(sys.argv[1]); jars.kafka_jars()"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(jars.LIST)]) for _ in range(2)]

    assert [process.wait() for process in both] == [0, 0]

    assert sorted(repository.asked) == sorted(FILES)


def test_a_repository_that_does_not_answer_is_unavailable_with_the_way_out(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIDR_MAVEN_URL", "http://127.0.0.1:1")

    with pytest.raises(Unavailable, match="SLIDR_KAFKA_BOOTSTRAP_SERVERS"):
        jars.kafka_jars()
