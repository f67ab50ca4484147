"""The folder of plans, over any Arrow file system: `<replays>/<id>.json`, written whole."""

from pathlib import Path
from typing import Any, Final

import msgspec
from pyarrow import fs

from contracts.errors import Misconfigured
from contracts.files import Place, errors_of, open_place, written_whole
from replay.plan import Plan

_SHOWN: Final = 10
_decode = msgspec.json.Decoder(Plan).decode


class Plans:
    """Plans below `uri`, a path or URI. Raises Unavailable while it does not answer, Misconfigured if it never will."""

    def __init__(self, uri: str) -> None:
        self._place = Place(uri, "folder of replays", "plans of replays", "SLIDR_REPLAYS_URI", "s3://bucket/replays")
        with errors_of(self._place):
            self._files, self._base = open_place(uri)

    def save(self, plan: Plan) -> str:
        """Write a plan; returns where."""
        self.write(f"{plan.id}.json", msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
        return f"{self._base}/{plan.id}.json"

    def write(self, name: str, content: bytes) -> str:
        """Write a file beside the plans; returns where."""
        with errors_of(self._place):
            self._files.create_dir(self._base, recursive=True)
            if isinstance(self._files, fs.LocalFileSystem):
                with written_whole(Path(self._base) / name) as draft:
                    draft.write_bytes(content)
            else:
                self._write_object(name, content)
        return f"{self._base}/{name}"

    def read(self, replay_id: str) -> Plan:
        """The plan of an id. Raises Misconfigured if there is none, or if it cannot be read."""
        try:
            with errors_of(self._place), self._files.open_input_file(f"{self._base}/{replay_id}.json") as file:
                return _decode(file.read())
        except FileNotFoundError as error:
            there = ", ".join(self.ids()[-_SHOWN:]) or "none"
            raise Misconfigured(
                f"There is no plan {replay_id!r} in {self._place.uri}. Plans there: {there}."
            ) from error
        except msgspec.DecodeError as error:
            raise Misconfigured(f"The plan {replay_id!r} cannot be read: {error}. Plan again.") from error

    def ids(self) -> list[str]:
        """Ids of all plans, which begin with the time that they were made at."""
        with errors_of(self._place):
            found: list[Any] = self._files.get_file_info(fs.FileSelector(self._base, allow_not_found=True))
        return sorted(info.base_name.removesuffix(".json") for info in found if info.base_name.endswith(".json"))

    def _write_object(self, name: str, content: bytes) -> None:
        with self._files.open_output_stream(f"{self._base}/{name}") as stream:
            stream.write(content)
