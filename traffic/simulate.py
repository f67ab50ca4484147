"""Simulated traffic as events in time order: same arguments, same bytes. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from contracts.events import Click, Purchase
from traffic.attacks import Attack
from traffic.blocks import Block, blocks
from traffic.events import to_clicks, to_purchases
from traffic.robots import HUMAN, KINDS
from traffic.sales import Sale
from traffic.scenario import HISTORY_DAYS, PURCHASE_DELAY_S, Scenario


class Truth(Struct, frozen=True):
    """What made a click: never part of the click itself."""

    click_id: str
    kind: str
    robot: bool


class Simulated(NamedTuple):
    """A click with its truth, or a purchase (truth None)."""

    at_ms: int
    event: Click | Purchase
    truth: Truth | None


def simulate(
    seed: int,
    start_ms: int,
    duration_ms: int,
    clicks_per_s: float,
    robot_share: float = 0.2,
    purchase_delay_s: float = PURCHASE_DELAY_S,
    history_days: float = HISTORY_DAYS,
    attacks: Sequence[Attack] = (),
    shape: Sequence[float] = (),
    sales: Sequence[Sale] = (),
) -> Iterator[Simulated]:
    """Clicks from `start_ms` on, and purchases, in time order. See `Scenario` for the arguments.

    Purchases of the `history_days` before the start come first, and those of the last clicks after all clicks. About
    4 % of people's clicks lead to one. Raises Misconfigured for arguments that make no traffic.
    """
    return events(
        Scenario(
            seed,
            start_ms,
            duration_ms,
            clicks_per_s,
            robot_share,
            purchase_delay_s,
            history_days,
            attacks,
            shape,
            sales,
        )
    )


def events(scenario: Scenario) -> Iterator[Simulated]:
    """The scenario's traffic. Raises Misconfigured, at once, for one that makes none."""
    scenario.check()
    return (event for block in blocks(scenario) for event in _merged(block, scenario.id_prefix))


def _merged(block: Block, id_prefix: str) -> Iterator[Simulated]:
    """Purchases before the clicks of the same millisecond."""
    waiting = to_purchases(block.purchases, id_prefix)[::-1]
    clicks = to_clicks(block.clicks, id_prefix, block.first_number)
    for click, kind in zip(clicks, block.clicks["kind"].tolist(), strict=True):
        while waiting and waiting[-1].purchased_at_ms <= click.clicked_at_ms:
            yield _bought(waiting.pop())
        name = KINDS[kind]
        yield Simulated(click.clicked_at_ms, click, Truth(click.click_id, name, name != HUMAN))
    yield from map(_bought, reversed(waiting))


def _bought(purchase: Purchase) -> Simulated:
    return Simulated(purchase.purchased_at_ms, purchase, None)
