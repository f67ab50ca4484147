"""Files that are there whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.files import written_whole


def test_what_a_killed_writer_left_goes_and_what_a_running_one_writes_stays(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, under_way = tmp_path / f".a[1].json.{ended.pid}", tmp_path / f".a[1].json.{os.getppid()}"
    others = tmp_path / f".b.json.{ended.pid}"
    for draft in (left, under_way, others):
        draft.write_text("half")

    with written_whole(tmp_path / "a[1].json") as draft:
        draft.write_text("whole")

    assert {path.name for path in tmp_path.iterdir()} == {"a[1].json", under_way.name, others.name}
    assert (tmp_path / "a[1].json").read_text() == "whole"


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail() -> None:
        with written_whole(path) as draft:
            draft.write_text("half")
            raise ValueError("no more room")

    with pytest.raises(ValueError, match="no more room"):
        fail()

    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "old"
