"""Everything that guardrails say of a candidate."""

from pathlib import Path

from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Limits
from slidr.guarding_data import judge_data
from slidr.guarding_model import judge_release
from slidr.retrain.plan import read_plan


def judge_candidate(
    candidate: Path, limits: Limits, champion: Path | None = None, history: Path | None = None
) -> list[GuardrailVerdict]:
    """Judge the finished folder of `slidr retrain`.

    `champion`: folder of the release that it would follow. `history`: folder with summaries of earlier days
    (`guarding_data.remember`). Raises Misconfigured for a folder that is no candidate, and for files that are gone.
    """
    plan = read_plan(candidate)
    return [*judge_data(candidate, plan, limits, history), *judge_release(candidate, plan, limits, champion)]
