"""Labels in plain Python, obvious and slow: what `model.labels` is compared with."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from contracts.events import Click, Purchase

DAY_MS = 24 * 3_600_000
ATTRIBUTION_MS = 14 * DAY_MS
GOOD_CUSTOMER = 12


class Labels(NamedTuple):
    """Labels of n clicks."""

    human: list[bool]
    purchasing: list[bool]


def label(clicks: Sequence[Click], purchases: Sequence[Purchase], as_of_ms: int) -> Labels:
    """Label clicks, in the order in which they arrived, by what had been bought before `as_of_ms`."""
    known = [p for p in purchases if p.purchased_at_ms < as_of_ms]
    found = attributed(clicks, known)
    purchasing = [i in found for i in range(len(clicks))]
    human = []
    for click, bought in zip(clicks, purchasing, strict=True):
        day_starts_ms = click.clicked_at_ms // DAY_MS * DAY_MS
        good = good_customers([p for p in known if p.purchased_at_ms < day_starts_ms])
        human.append(bought or click.account_id in good)
    return Labels(human, purchasing)


def attributed(clicks: Sequence[Click], purchases: Iterable[Purchase]) -> set[int]:
    """Places in `clicks` of those that led to a purchase.

    A purchase that names a click counts for that one or, if it is not among `clicks`, for none.
    """
    by_id: dict[str, list[int]] = defaultdict(list)
    by_account: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for i, click in enumerate(clicks):
        by_id[click.click_id].append(i)
        by_account[click.account_id].append((click.clicked_at_ms, i))
    for history in by_account.values():
        history.sort()
    found: set[int] = set()
    for purchase in purchases:
        if purchase.click_id is not None:
            found.update(by_id.get(purchase.click_id, ()))
        else:
            found.update(_last_click(by_account, purchase))
    return found


def _last_click(by_account: dict[str, list[tuple[int, int]]], purchase: Purchase) -> list[int]:
    candidates = []
    for account in {purchase.user_id, purchase.session_id} - {None}:
        history = by_account.get(str(account), [])
        before = bisect_right(history, purchase.purchased_at_ms, key=itemgetter(0))
        candidates += history[max(0, before - 1) : before]
    recent = [(at_ms, i) for at_ms, i in candidates if purchase.purchased_at_ms - at_ms <= ATTRIBUTION_MS]
    return [max(recent)[1]] if recent else []


def good_customers(purchases: Sequence[Purchase]) -> set[str]:
    """Accounts whose recency, frequency and monetary quintiles (1-5, among buyers) add up to `GOOD_CUSTOMER`.

    Money is compared within its currency; an account that pays in several has the best of its quintiles.
    """
    latest: dict[str, float] = {}
    count: dict[str, float] = defaultdict(float)
    spent: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for purchase in purchases:
        account = purchase.user_id or purchase.session_id
        if account is not None:
            latest[account] = max(latest.get(account, 0), purchase.purchased_at_ms)
            count[account] += 1
            spent[purchase.currency][account] += purchase.value_micros
    recency, frequency = quintiles(latest), quintiles(count)
    monetary: dict[str, int] = defaultdict(int)
    for totals in spent.values():
        for account, quintile in quintiles(totals).items():
            monetary[account] = max(monetary[account], quintile)
    return {a for a in latest if recency[a] + frequency[a] + monetary[a] >= GOOD_CUSTOMER}


def quintiles(values: dict[str, float]) -> dict[str, int]:
    """1 to 5 by the share of accounts strictly below: ties share a quintile, and if all are equal it is 1."""
    ordered = np.sort(np.fromiter(values.values(), np.float64, len(values)))
    below = np.searchsorted(ordered, np.fromiter(values.values(), np.float64, len(values)), side="left")
    return {account: 1 + int(5 * b // len(values)) for account, b in zip(values, below.tolist(), strict=True)}
