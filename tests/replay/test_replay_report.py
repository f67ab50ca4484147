"""The report counts every flip once, with its money, and says the same before a run and after it."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from slidr.times import show_time
from tests.builders import START_MS
from tests.replay.conftest import Slidr
from tests.replay.logged import Logged, clicks_of


def report(slidr: Slidr, replay_id: str) -> dict[str, Any]:
    done = slidr("replay", "report", replay_id, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_report_counts_what_billing_sees_change(
    logged: Logged, slidr: Slidr, planned: Callable[..., dict[str, Any]]
) -> None:
    logged.decide(clicks_of(2_000), "faulty")
    before = logged.effective()
    replay_id = planned("--from", show_time(START_MS))["id"]

    first = report(slidr, replay_id)
    slidr("replay", "run", replay_id, "--local", "--publish", "--only-changed")
    second = report(slidr, replay_id)

    after = logged.effective()
    confusion = Counter(f"{before[name].verdict} to {one.verdict}" for name, one in after.items())
    flips = [one for name, one in after.items() if one.verdict != before[name].verdict]
    assert first["compared"] == second["compared"]
    assert first["compared"]["confusion"] == confusion
    for name in ("slice", "advertiser_id", "campaign_id"):
        expected: Counter[tuple[str, str]] = Counter()
        for one in flips:
            expected[getattr(one, name), one.currency] += one.cost_micros
        found = {
            (line["value"], line["currency"]): line["credited_micros"] + line["charged_micros"]
            for line in first["compared"]["lines"][name]
        }
        assert {place: micros for place, micros in found.items() if micros} == dict(expected)
    assert {one["click_id"] for one in first["compared"]["examples"]} <= {one.click_id for one in flips}
    assert len(first["compared"]["examples"]) == 20
    assert first["runs"] == []
    assert [run["written"] for run in second["runs"]] == [len(flips)]


def test_the_page_is_well_formed_and_the_terminal_names_it(
    logged: Logged, slidr: Slidr, planned: Callable[..., dict[str, Any]]
) -> None:
    logged.decide(clicks_of(500), "faulty")
    replay_id = planned("--from", show_time(START_MS), "--slice", "mobile|user")["id"]

    shown = slidr("replay", "report", replay_id)

    page = Path(logged.environment["SLIDR_REPLAYS_URI"]) / f"{replay_id}.html"
    assert shown.returncode == 0, shown.stderr
    assert str(page) in shown.stdout
    assert "By campaign" in shown.stdout
    written = page.read_text()
    ElementTree.fromstring(written.removeprefix("<!DOCTYPE html>"))
    assert "mobile|user" in written
    assert "desktop|user" not in written
