"""The commit log of one topic: numbered records, each linked to the one before by its sha256, and checkpoints.

    <archive>/clicks/_log/00000000/000000000041.json     commit 41; a thousand in a folder; never changed or deleted
    <archive>/clicks/_checkpoints/000000000040.json      what commits 0 to 40 mean, so that nobody reads them all

Who appends commit 42 creates its file, which only one of two can do. Who loses reads what the other has written, and
decides whether to try the next number or to stop.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from archive.commits import Commit, State
from archive.store import ArchiveStore, is_hidden
from contracts.errors import BadInput
from contracts.topics import Topic

PER_FOLDER: Final = 1000
CHECKPOINT_EVERY: Final = 50
_CHECKPOINTS_KEPT: Final = 2
_decode_commit = msgspec.json.Decoder(Commit).decode
_decode_state = msgspec.json.Decoder(State).decode


class CommitLog:
    """Commits of one topic. Raises BadInput for a log that contradicts itself, Unavailable, Misconfigured."""

    def __init__(self, store: ArchiveStore, topic: Topic) -> None:
        self._store = store
        self._topic = topic

    def load(self) -> State:
        """What the log means now; an empty state if there is none."""
        state = self._checkpoint()
        self.catch_up(state)
        return state

    def catch_up(self, state: State) -> list[Commit]:
        """Apply the commits that came since, and return them."""
        new = []
        for number, path in self._later(state.number):
            content = self._store.read(path)
            if number != state.number + 1 or content is None:
                raise BadInput(
                    f"Commit {state.number + 1} of {self._topic} is missing from the archive {self._store.uri}, though "
                    f"commit {number} is there. Restore the folder {self._topic}/_log from a copy."
                )
            new.append(self._apply(state, path, content))
        return new

    def commits(self) -> Iterator[Commit]:
        """All of them from the first on, each a file that is read: `load` does with a summary and the last few."""
        for _, path in self._later(-1):
            yield self._decoded(path, self._store.read(path) or b"")

    def append(self, state: State, commit: Commit) -> bool:
        """Append the commit and apply it; False, and nothing changed, if somebody else has appended one meanwhile."""
        commit = msgspec.structs.replace(commit, number=state.number + 1, previous=state.digest)
        state.check(commit)
        content = msgspec.json.encode(commit)
        if not self._store.create(self._path(commit.number), content):
            return False
        state.apply(commit, _sha256(content))
        return True

    def checkpoint_if_due(self, state: State) -> None:
        """Write a summary now and then. It is a help, not a promise: without it more commits are read."""
        if (state.number + 1) % CHECKPOINT_EVERY == 0:
            self._write_checkpoint(state)

    def _apply(self, state: State, path: str, content: bytes) -> Commit:
        commit = self._decoded(path, content)
        try:
            state.apply(commit, _sha256(content))
        except BadInput as error:
            raise BadInput(f"{path} of the archive {self._store.uri} cannot be right: {error}.") from error
        return commit

    def _decoded(self, path: str, content: bytes) -> Commit:
        try:
            return _decode_commit(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"{path} of the archive {self._store.uri} is damaged: {error}. Restore it.") from error

    def _later(self, number: int) -> Iterator[tuple[int, str]]:
        """Number and path of every commit above `number`, in order."""
        folder = (number + 1) // PER_FOLDER
        while paths := self._store.paths(f"{self._topic}/_log/{folder:08}"):
            for path in paths:
                if not is_hidden(path) and (found := _number(path)) > number:
                    yield found, path
            folder += 1

    def _checkpoint(self) -> State:
        for path in reversed(self._store.paths(f"{self._topic}/_checkpoints")):
            content = None if is_hidden(path) else self._store.read(path)
            if content is None:  # replaced by a newer one meanwhile, or its writer died
                continue
            try:
                return _decode_state(content)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadInput(
                    f"{path} of the archive {self._store.uri} is damaged: {error}. Delete it: it is only a summary "
                    "of the log, which is then read from further back."
                ) from error
        return State()

    def _write_checkpoint(self, state: State) -> None:
        folder = f"{self._topic}/_checkpoints"
        with self._store.writing(f"{folder}/{state.number:012}.json") as sink:
            sink.write(msgspec.json.encode(state))
        for path in [path for path in self._store.paths(folder) if not is_hidden(path)][:-_CHECKPOINTS_KEPT]:
            self._store.delete(path)

    def _path(self, number: int) -> str:
        return f"{self._topic}/_log/{number // PER_FOLDER:08}/{number:012}.json"


def _number(path: str) -> int:
    return int(path.rpartition("/")[2].removesuffix(".json"))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
