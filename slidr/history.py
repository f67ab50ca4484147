"""History to learn from: simulated clicks with the features that a worker would have seen, by the same code.

    FOLDER/feature-log/part-00000.parquet    as the archive keeps the feature log; decided without a model
    FOLDER/purchases/part-00000.parquet      purchases, who bought as digests
    FOLDER/truth/part-00000.parquet          what really made each click, which only a simulation knows

In memory are some thousand clicks and the counters of whoever clicked in the last 28 hours.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from contracts import feature_log, purchase_log
from contracts.events import Click, Purchase
from contracts.files import new_folder
from contracts.ports import FloatMatrix
from features.memory_store import MemoryFeatureStore
from features.vector import SESSION_CLICKS_1H, feature_matrix
from model.inputs import TRUTH_SCHEMA, Inputs
from model.release import pass_through
from model.scorer import PassThroughScorer
from rules.ruleset import RuleSet
from slidr.part_files import PartFiles
from streams.judge import Judge
from streams.outputs import live_decisions
from traffic.scenario import Scenario
from traffic.simulate import Simulated, Truth, events

DAY_MS: Final = 86_400_000
# Simulated people who buy do so in minutes, ten as a median.
SIMULATED_MATURITY_MS: Final = 2 * 3_600_000
FEATURE_LOG: Final = "feature-log"
PURCHASES: Final = "purchases"
TRUTH: Final = "truth"
# Features are a function of the clicks, and with a key of its own a history is the same on every machine.
_ENTITY_KEY: Final = "simulated history has no secrets"
_CHUNK: Final = 1024
_FORGET_EACH_MS: Final = 3_600_000
_PARTITION: Final = 0


class HistorySummary(NamedTuple):
    """What was written."""

    folder: str
    clicks: int
    robot_clicks: int
    purchases: int


def history_scenario(seed: int, end_ms: int, days: float, clicks: int, robot_share: float) -> Scenario:
    """About `clicks` clicks of the `days` before `end_ms`."""
    duration_ms = round(days * DAY_MS)
    return Scenario(seed, end_ms - duration_ms, duration_ms, clicks * 1000 / duration_ms, robot_share)


def write_history(
    scenario: Scenario, rules: RuleSet, folder: Path, on_progress: Callable[[int], None] = lambda clicks: None
) -> HistorySummary:
    """Write the scenario's history; `on_progress` hears how many clicks are done. Equal scenarios, equal rows.

    Raises Misconfigured for a scenario that makes no traffic or a folder that cannot be written, Refused for one that
    is not empty; then nothing is left behind.
    """
    scenario.check()
    counting, robots = _Counting(rules), 0
    with new_folder(folder) as hidden, ExitStack() as files:
        clicks, purchases, truths = (
            files.enter_context(PartFiles(hidden / name, schema))
            for name, schema in (
                (FEATURE_LOG, feature_log.schema()),
                (PURCHASES, purchase_log.schema()),
                (TRUTH, TRUTH_SCHEMA),
            )
        )
        for chunk in _chunks(events(scenario)):
            if bought := [event for _, event, _ in chunk if isinstance(event, Purchase)]:
                purchases.write(counting.purchase_rows(bought, purchases.rows))
            if made := [event for _, event, _ in chunk if isinstance(event, Click)]:
                clicks.write(counting.click_rows(made, clicks.rows))
                known = [truth for _, _, truth in chunk if truth]
                truths.write(_truth_rows(known))
                robots += sum(truth.robot for truth in known)
                on_progress(clicks.rows)
    return HistorySummary(str(folder), clicks.rows, robots, purchases.rows)


def history_inputs(folder: Path) -> Inputs:
    """The files of a history that `write_history` wrote."""
    rows, purchases, truth = (
        sorted(map(str, (folder / name).glob("*.parquet"))) for name in (FEATURE_LOG, PURCHASES, TRUTH)
    )
    return Inputs(rows, purchases, truth)


def _chunks(simulated: Iterator[Simulated]) -> Iterator[list[Simulated]]:
    while chunk := list(islice(simulated, _CHUNK)):
        yield chunk


class _Counting:
    """Counters, rules and digests of one history."""

    def __init__(self, rules: RuleSet) -> None:
        self._store = MemoryFeatureStore(_ENTITY_KEY)
        self._judge = Judge(pass_through(), PassThroughScorer(), rules)
        self._forgotten_ms = 0

    def click_rows(self, clicks: Sequence[Click], first_offset: int) -> Any:
        """Feature-log rows of clicks in time order, decided as soon as they were made by the last one's time."""
        features: FloatMatrix = feature_matrix(self._store.count_clicks(clicks), clicks)
        judged = self._judge.judge(clicks, [click.clicked_at_ms for click in clicks], features)
        offsets, now_ms = range(first_offset, first_offset + len(clicks)), clicks[-1].clicked_at_ms
        self._forget(now_ms)
        return feature_log.record_batch(
            live_decisions(clicks, offsets, _PARTITION, judged, self._judge.version, now_ms),
            features,
            [self._store.hasher.account(click) for click in clicks],
            features[:, SESSION_CLICKS_1H],
            [0] * len(clicks),
        )

    def purchase_rows(self, purchases: Sequence[Purchase], first_offset: int) -> Any:
        """Rows of a purchases file."""
        hasher = self._store.hasher
        rows = [
            (
                bought.purchase_id,
                bought.purchased_at_ms,
                hasher.user(bought.user_id) if bought.user_id else None,
                hasher.session(bought.session_id) if bought.session_id else None,
                bought.click_id,
                bought.value_micros,
                bought.currency,
                _PARTITION,
                offset,
            )
            for offset, bought in enumerate(purchases, first_offset)
        ]
        return _batch(rows, purchase_log.schema())

    def _forget(self, now_ms: int) -> None:
        if now_ms >= self._forgotten_ms + _FORGET_EACH_MS:
            self._store.forget_idle(now_ms)
            self._forgotten_ms = now_ms


def _truth_rows(truths: Sequence[Truth]) -> Any:
    return _batch([(truth.click_id, truth.kind, truth.robot) for truth in truths], TRUTH_SCHEMA)


def _batch(rows: Sequence[tuple[Any, ...]], schema: Any) -> Any:
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
