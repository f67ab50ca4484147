"""How the filter does while it runs: decisions as billing reads them, joined with what the simulator knows. Pure.

    sent       click c1 (burst)   click c2 (human)                       purchase of c2
    decided                       c1 invalid          c2 invalid
    tally                         burst 1 of 1        human 1 of 1       FPR 1 of 1

A click's truth is known before its decision; a purchase may come before or after the decision. What is counted is of
live clicks only, and a few words a click are remembered: the demo ends before that matters.
"""

from contracts.events import Click, Decision, Purchase
from slidr.demo.attribution import Attribution
from slidr.demo.kinds import Caught
from traffic.simulate import Simulated


class Tally:
    """Counts of live clicks, those made from `live_from_ms` on; `decisions` counts all.

    `kinds` says what made each live click.
    """

    def __init__(self, live_from_ms: int) -> None:
        self._live_from_ms = live_from_ms
        self._attribution = Attribution()
        self.kinds: dict[str, str] = {}
        self._invalid: dict[str, bool] = {}
        self._purchasing: set[str] = set()
        self.decisions = 0
        self.sent_until_ms = 0
        self.total = Caught()
        self.purchasing = Caught()
        self.by_kind: dict[str, Caught] = {}

    def sent(self, simulated: Simulated) -> None:
        """Take in an event, in the order of sending and before the decision on it."""
        self.sent_until_ms = simulated.at_ms
        match simulated.event:
            case Click() as click:
                self._attribution.clicked(click)
                if simulated.truth and click.clicked_at_ms >= self._live_from_ms:
                    self.kinds[click.click_id] = simulated.truth.kind
            case Purchase() as purchase:
                self._bought(self._attribution.led_by(purchase))

    def decided(self, decision: Decision) -> None:
        """Take in a decision; only the first on a click counts."""
        self.decisions += 1
        click_id, invalid = decision.click_id, decision.verdict == "invalid"
        kind = self.kinds.get(click_id)
        if kind is None or click_id in self._invalid:
            return
        self._invalid[click_id] = invalid
        self.total += Caught(1, invalid)
        self.by_kind[kind] = self.by_kind.get(kind, Caught()) + Caught(1, invalid)
        if click_id in self._purchasing:
            self.purchasing += Caught(1, invalid)

    def _bought(self, click_id: str | None) -> None:
        if click_id is None or click_id in self._purchasing:
            return
        self._purchasing.add(click_id)
        if click_id in self._invalid:
            self.purchasing += Caught(1, self._invalid[click_id])
