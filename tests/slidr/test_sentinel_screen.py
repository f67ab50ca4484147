"""What `slidr sentinel` shows to people: each verdict, alarms in sentences, and what came of an action."""

import io
from typing import Any

import pytest
from rich.console import Console

from contracts.verdicts import GuardrailVerdict
from guardrails.sentinel.judge import Action, Judgement
from slidr.commands import sentinel as command
from streams.sentinel import Report
from tests.builders import START_MS

PASSED = GuardrailVerdict("let_through", "passed", "all is well", where="app|user", measured=0.01, limit=0.9)
BLOCKED = GuardrailVerdict("newly_invalid", "blocked", "too much of it", "Roll back.", "mobile|user", 0.48, 0.2)
UNKNOWN = GuardrailVerdict("ivr_above", "not judged", "too few clicks", where="tablet|guest")


def report(*verdicts: GuardrailVerdict, action: Action | None = None, at_ms: int = START_MS) -> Report:
    return Report(Judgement(at_ms, "b", "a", verdicts, action), "rollback a is event 7" if action else None)


class Drawn:
    """What a live display would show."""

    def __init__(self) -> None:
        self.text = ""

    def update(self, shown: Any) -> None:
        console = Console(file=io.StringIO(), width=200)
        console.print(shown)
        self.text = console.file.getvalue()  # type: ignore[attr-defined]


def test_the_screen_shows_verdicts_alarms_and_what_was_done() -> None:
    drawn = Drawn()
    screen = command._Screen(drawn)

    screen.report(report(PASSED, BLOCKED, UNKNOWN, action=Action("rollback", "a", "because")))
    screen.report(report(PASSED))

    assert "b beside a" in drawn.text
    assert "let_through" in drawn.text
    assert "too much of it" not in drawn.text  # it is over
    assert "rollback a is event 7. because" in drawn.text


def test_the_screen_tells_what_to_do_about_an_alarm() -> None:
    drawn = Drawn()

    command._Screen(drawn).report(report(BLOCKED, UNKNOWN))

    assert "too much of it Roll back." in drawn.text
    assert "not judged" in drawn.text


def test_the_log_says_once_that_an_alarm_began_and_that_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    log = command._Log()

    for verdicts in ((BLOCKED,), (BLOCKED,), (PASSED,)):
        log.report(report(*verdicts))

    said = capsys.readouterr().out
    assert said.count("over its limit") == 1
    assert said.count("within its limit again") == 1
    assert said.count("judged") == 1  # a sign of life each minute of stream time
