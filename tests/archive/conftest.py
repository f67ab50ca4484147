"""An archive in every test's own folder, on each kind of store."""

from pathlib import Path

import pytest

from tests.archive.doubles import Place


@pytest.fixture(params=["folder", "objects"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, as_objects=request.param == "objects")
