"""Simulated days, made once for all tests of the guardrails."""

from pathlib import Path

import pytest

from contracts.summaries import DaySummary
from guardrails.limits import Limits, read_limits
from tests.guardrails.simulated import Spoiler, clean_days, write_days


@pytest.fixture(scope="session")
def limits() -> Limits:
    return read_limits()


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guardrails") / "history"
    write_days(folder)
    return folder


@pytest.fixture(scope="session")
def clean(history: Path) -> list[DaySummary]:
    """A summary of each day."""
    return clean_days(history, history.with_name("labels"))


@pytest.fixture
def spoiler(history: Path, tmp_path: Path) -> Spoiler:
    return Spoiler(history, tmp_path)
