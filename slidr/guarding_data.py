"""The days that a candidate is made of, counted, kept and judged.

CANDIDATE/summaries/2024-06-01.json     a day of the candidate's clicks (`contracts.summaries.DaySummary`)
HISTORY/2024-06-01.json                 the same of days that earlier candidates were made of
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import BadInput, Misconfigured
from contracts.files import new_folder, written_whole
from contracts.summaries import DaySummary
from contracts.verdicts import GuardrailVerdict
from guardrails.data import judge_days
from guardrails.limits import Limits
from guardrails.past import day_name
from model.day_summaries import Labels, Span, summarise
from slidr.retrain.plan import Plan, read_plan

SUMMARIES: Final = "summaries"


def judge_data(candidate: Path, plan: Plan, limits: Limits, history: Path | None) -> list[GuardrailVerdict]:
    """Judge the days of a candidate; those of `history`, a folder of summaries, tell what is usual besides."""
    days = candidate_days(candidate, plan)
    known = read_days(history) if history and history.exists() else []
    return judge_days(days, known, limits)


def candidate_days(candidate: Path, plan: Plan) -> list[DaySummary]:
    """The candidate's days, counted the first time. Raises as `summarise` does."""
    folder = candidate / SUMMARIES
    if not folder.exists():
        days = summarise(plan.inputs, _labels(candidate, plan), Span(plan.parts.training_ms, plan.parts.end_ms))
        with new_folder(folder) as hidden:
            for day in days:
                (hidden / _file_of(day)).write_bytes(msgspec.json.encode(day))
    return read_days(folder)


def remember(candidate: Path, history: Path) -> None:
    """Keep the candidate's whole days in the folder `history`, so that later candidates are compared with them."""
    try:
        history.mkdir(parents=True, exist_ok=True)
        for day in candidate_days(candidate, read_plan(candidate)):
            if all(day.whole):
                with written_whole(history / _file_of(day)) as draft:
                    draft.write_bytes(msgspec.json.encode(day))
    except OSError as error:
        raise Misconfigured(f"The summaries cannot be kept in {history}: {error.strerror}. Name another.") from error


def read_days(folder: Path) -> list[DaySummary]:
    """The days of a folder, in order. Raises BadInput for a file that is no summary."""
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> DaySummary:
    try:
        return msgspec.json.decode(path.read_bytes(), type=DaySummary)
    except (msgspec.DecodeError, OSError) as error:
        raise BadInput(
            f"{path} is no summary of a day: {error}. Delete it with its folder: it is made again."
        ) from error


def _file_of(day: DaySummary) -> str:
    return f"{day_name(day.day)}.json"


def _labels(candidate: Path, plan: Plan) -> Sequence[Labels]:
    parts, folder = plan.parts, candidate / "labels"
    return (
        Labels(folder / "learned", Span(parts.training_ms, parts.learned_ms)),
        Labels(folder / "judged", Span(parts.calibration_ms, parts.end_ms)),
    )
