"""Which clicks led to purchases, as events come: what `model.labels` says of all of them, click by click.

clicks       c1 ------ c2 ---------- c3 ----        of one account, in time order
purchases                    p1            p2       p1, unnamed, belongs to c2; p2 names c1
purchasing   {}              {c2}          {c2, c1}

Keeps one click an account. Pure.
"""

from collections.abc import Sequence
from typing import NamedTuple

from contracts.events import Click, Purchase
from model.labels import ATTRIBUTION_MS


class _Clicked(NamedTuple):
    """Compares by time; of one millisecond the later arrival is the last."""

    at_ms: int
    number: int
    click_id: str


class Attribution:
    """Takes events in time order, of one millisecond the clicks first."""

    def __init__(self) -> None:
        self._last: dict[str, _Clicked] = {}
        self._clicks = 0

    def clicked(self, click: Click) -> None:
        """Take in a click."""
        self._clicks += 1
        self._last[click.account_id] = _Clicked(click.clicked_at_ms, self._clicks, click.click_id)

    def led_by(self, purchase: Purchase) -> str | None:
        """The click that led to the purchase: the one it names, else the account's last one, at most 14 days older."""
        if purchase.click_id is not None:
            return purchase.click_id
        accounts = (account for account in (purchase.user_id, purchase.session_id) if account is not None)
        last = max((self._last[account] for account in accounts if account in self._last), default=None)
        if last is None or purchase.purchased_at_ms - last.at_ms > ATTRIBUTION_MS:
            return None
        return last.click_id


def all_attributed(clicks: Sequence[Click], purchases: Sequence[Purchase]) -> set[str]:
    """Ids of the clicks that led to the purchases; both in any order, clicks of one millisecond as they arrived."""
    attribution, found = Attribution(), set()
    waiting = sorted(clicks, key=lambda click: click.clicked_at_ms)[::-1]
    for purchase in sorted(purchases, key=lambda purchase: purchase.purchased_at_ms):
        while waiting and waiting[-1].clicked_at_ms <= purchase.purchased_at_ms:
            attribution.clicked(waiting.pop())
        found.add(attribution.led_by(purchase))
    return {click_id for click_id in found if click_id is not None}
