"""The JSON Schemas that others build on are those of the code, and the code breaks none of them."""

import json
from pathlib import Path

import msgspec
import pytest

from contracts import agreement, events, replay, schemas
from contracts.errors import Refused
from contracts.schemas import EVENTS, broken_by_code, committed_schema, schema, write_schemas
from contracts.topics import Topic


@pytest.mark.parametrize("topic", EVENTS)
def test_the_committed_schema_is_that_of_the_code(topic: Topic) -> None:
    assert committed_schema(topic) == schema(topic), "run `make schemas`, and commit what it writes"


@pytest.mark.parametrize("topic", EVENTS)
def test_the_code_breaks_no_reader_or_writer(topic: Topic) -> None:
    assert broken_by_code(topic) == []


def test_there_is_a_schema_for_every_event_and_no_other() -> None:
    defined = {name for topic in EVENTS for name in schema(topic)["$defs"]}
    structs = {
        name
        for module in (agreement, events, replay)
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    }

    assert structs - {"Struct"} == defined
    assert {path.stem for path in schemas.FOLDER.glob("*.json")} == set(EVENTS)


def test_a_breaking_change_is_refused_and_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = schema(Topic.CLICKS)
    older["$defs"]["Click"]["properties"]["browser"] = {"type": "string"}
    monkeypatch.setattr(schemas, "FOLDER", tmp_path)
    (tmp_path / "clicks.json").write_text(json.dumps(older))

    with pytest.raises(Refused, match=r"clicks \$\.browser: is gone"):
        write_schemas()

    assert [path.name for path in tmp_path.iterdir()] == ["clicks.json"]


def test_written_schemas_are_those_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "FOLDER", tmp_path)

    written = write_schemas()

    assert {path.name: json.loads(path.read_text()) for path in written} == {
        f"{topic}.json": schema(topic) for topic in EVENTS
    }
