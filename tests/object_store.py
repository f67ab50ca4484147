"""An object store over HTTP that speaks as much of S3 as reading needs: look, list, and read a part.

Arrow's own S3 client talks to it, so that whatever reads from it reads as it would from a real one.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_MODIFIED = "Mon, 01 Jan 2024 00:00:00 GMT"


class ObjectStore:
    """The files below `folder` are the objects of the bucket `bucket`. `closed`: it refuses whoever asks."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.closed = folder, False
        self.parts_read: list[str] = []
        self._where = f"127.0.0.1:{port}"

    def uri(self, path: str) -> str:
        """An Arrow URI of a folder in the bucket."""
        return f"s3://key:secret@bucket/{path}?endpoint_override={self._where}&scheme=http&region=eu-west-1"

    def found(self, prefix: str) -> dict[str, Path]:
        """Objects by key."""
        paths = {str(path.relative_to(self.folder)): path for path in self.folder.rglob("*") if path.is_file()}
        return {key: path for key, path in sorted(paths.items()) if key.startswith(prefix)}


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Serve a folder until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.store = store = ObjectStore(folder, server.server_port)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave together: apart, each answer would wait for an acknowledgement.
    wbufsize = -1

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        store: ObjectStore = self.server.store  # type: ignore[attr-defined]
        address = urlsplit(self.path)
        key = unquote(address.path).removeprefix("/bucket").strip("/")
        asked = parse_qs(address.query)
        if store.closed:
            self._send(403, b"<Error><Code>AccessDenied</Code><Message>closed</Message></Error>", with_body)
        elif "list-type" in asked:
            self._send(200, _listing(store.found(asked.get("prefix", [""])[0])), with_body)
        elif not key:
            self._send(200, b"", with_body)
        elif (path := store.folder / key).is_file():
            self._send_object(path, key, store, with_body)
        else:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>", with_body)

    def _send_object(self, path: Path, key: str, store: ObjectStore, with_body: bool) -> None:
        content = path.read_bytes()
        if (part := self.headers.get("Range")) is None:
            return self._send(200, content, with_body)
        store.parts_read.append(key)
        first, last = part.removeprefix("bytes=").split("-")
        end = min(int(last) + 1, len(content))
        self._send(206, content[int(first) : end], with_body, f"bytes {first}-{end - 1}/{len(content)}")

    def _send(self, code: int, body: bytes, with_body: bool, part: str | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", _MODIFIED)
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def _listing(found: dict[str, Path]) -> bytes:
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
        f"<Size>{path.stat().st_size}</Size></Contents>"
        for key, path in found.items()
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()
