"""The demo's figures, from what the topics hold at the end. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from contracts.rates import rate
from slidr.demo.kinds import Caught, in_order
from slidr.demo.readback import LiveClick
from traffic.attacks import Attack
from traffic.robots import HUMAN


class AttackOutcome(Struct):
    """Clicks of the attack's kind of robot while it went on, those in the background among them."""

    kind: str
    from_ms: int
    until_ms: int
    clicks: int
    invalid: int
    recall: float | None


class LiveDay(Struct):
    """What became of live clicks. `recall` is by kind of robot; a share of nothing is None.

    `people_double_clicks` are those of people's invalid clicks that only repeat another.
    """

    live_clicks: int
    invalid: int
    ivr: float | None
    fpr: float | None
    fpr_low: float
    fpr_high: float
    purchasing_clicks: int
    purchasing_invalid: int
    people_double_clicks: int
    recall: dict[str, float]
    by_kind: dict[str, Caught]
    attacks: list[AttackOutcome]


class Outcome(LiveDay):
    """What the run came to: conservation over all clicks, the live day, latency over its clicks."""

    clicks: int
    decisions: int
    missing: int
    duplicates: int
    conflicting: int
    fpr_budget: float
    in_worker_ms_p50: float
    in_worker_ms_p99: float
    in_worker_ms_p999: float
    model_version: str
    seed: int
    seconds: float

    @property
    def conserved(self) -> bool:
        """Every click has exactly one decision, written once."""
        return self.missing == self.duplicates == self.conflicting == 0


def live_day(clicks: Sequence[LiveClick], attacks: Iterable[Attack]) -> LiveDay:
    """Rates over all these clicks, by kind, and by attack. The FPR's interval is Wilson's, 95 %."""
    total = caught(clicks)
    purchasing = caught(click for click in clicks if click.purchasing)
    fpr = rate(purchasing.invalid, purchasing.clicks)
    by_kind = caught_by_kind(clicks)
    return LiveDay(
        live_clicks=total.clicks,
        invalid=total.invalid,
        ivr=_rounded(total),
        fpr=_rounded(purchasing),
        fpr_low=round(fpr.low, 4),
        fpr_high=round(fpr.high, 4),
        purchasing_clicks=purchasing.clicks,
        purchasing_invalid=purchasing.invalid,
        people_double_clicks=sum(click.double for click in clicks if click.kind == HUMAN),
        recall={kind: round(found.share or 0.0, 3) for kind, found in by_kind.items() if kind != HUMAN},
        by_kind=by_kind,
        attacks=[_attack_outcome(clicks, attack) for attack in attacks],
    )


def caught(clicks: Iterable[LiveClick]) -> Caught:
    """How many of these clicks are invalid."""
    invalid = [click.invalid for click in clicks]
    return Caught(len(invalid), sum(invalid))


def caught_by_kind(clicks: Iterable[LiveClick]) -> dict[str, Caught]:
    """People first, then robots in the simulator's order."""
    groups: dict[str, list[LiveClick]] = defaultdict(list)
    for click in clicks:
        groups[click.kind].append(click)
    return {kind: caught(groups[kind]) for kind in in_order(groups)}


def caught_by_time(clicks: Iterable[LiveClick], from_ms: int, bin_ms: int, bins: int) -> dict[str, list[Caught]]:
    """By kind, for each of `bins` stretches of `bin_ms` from `from_ms` on."""
    found: dict[str, list[Caught]] = defaultdict(lambda: [Caught()] * bins)
    for click in clicks:
        number = (click.at_ms - from_ms) // bin_ms
        if 0 <= number < bins:
            found[click.kind][number] += Caught(1, click.invalid)
    return {kind: found[kind] for kind in in_order(found)}


def _attack_outcome(clicks: Iterable[LiveClick], attack: Attack) -> AttackOutcome:
    found = caught(
        click for click in clicks if click.kind == attack.kind and attack.from_ms <= click.at_ms < attack.until_ms
    )
    return AttackOutcome(attack.kind, attack.from_ms, attack.until_ms, found.clicks, found.invalid, _rounded(found))


def _rounded(found: Caught) -> float | None:
    """Share invalidated to four decimals."""
    return None if found.share is None else round(found.share, 4)
