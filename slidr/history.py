"""History to learn from: simulated clicks with the features that a worker would have seen, by the same code."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

from contracts.events import Click, Purchase
from contracts.ports import FloatMatrix
from features.memory_store import MemoryFeatureStore
from features.vector import feature_matrix
from traffic.simulate import Simulated, simulate

DAY_MS = 86_400_000
# Features are a function of the clicks, and with a key of its own a history is the same on every machine.
_ENTITY_KEY = "simulated history has no secrets"
_CHUNK = 1024


class History(NamedTuple):
    """Clicks in the order of their Kafka timestamps, with features (n, F) float32 of the whole table.

    `kinds` names what really made each click ("human" or a kind of robot), which only a simulation knows.
    """

    clicks: list[Click]
    timestamps_ms: list[int]
    features: FloatMatrix
    purchases: list[Purchase]
    kinds: list[str]


def simulated_history(
    seed: int,
    end_ms: int,
    days: int,
    clicks: int,
    robot_share: float,
    on_progress: Callable[[int], None] = lambda done: None,
) -> History:
    """About `clicks` clicks of the `days` before `end_ms`; `on_progress` hears how many are done.

    The same arguments give the same history.
    """
    duration_ms = days * DAY_MS
    events = simulate(seed, end_ms - duration_ms, duration_ms, clicks * 1000 / duration_ms, robot_share)
    return _count(events, on_progress)


def _count(events: Iterable[Simulated], on_progress: Callable[[int], None]) -> History:
    store = MemoryFeatureStore(_ENTITY_KEY)
    answers: list[bytes] = []
    history = History([], [], feature_matrix(b"", []), [], [])
    remaining = iter(events)
    while chunk := list(islice(remaining, _CHUNK)):
        clicks = [(at_ms, event, truth.kind) for at_ms, event, truth in chunk if isinstance(event, Click) and truth]
        history.timestamps_ms.extend(at_ms for at_ms, _, _ in clicks)
        history.clicks.extend(click for _, click, _ in clicks)
        history.kinds.extend(kind for _, _, kind in clicks)
        history.purchases.extend(event for _, event, _ in chunk if isinstance(event, Purchase))
        answers.append(store.count_clicks([click for _, click, _ in clicks]))
        on_progress(len(history.clicks))
    return history._replace(features=feature_matrix(b"".join(answers), history.clicks))
