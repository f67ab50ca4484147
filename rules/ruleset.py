"""The rules, ready to judge batches of clicks."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from contracts.events import Click
from rules.lists import RuleLists, compile_regexes, default_lists, parse_networks, read_lists
from rules.networks import NetworkSet

DECLARED_ROBOT: Final = "declared_robot"
NON_BROWSER: Final = "non_browser"
DATACENTRE_IP: Final = "datacentre_ip"
DOUBLE_CLICK: Final = "double_click"
STALE_CLICK: Final = "stale_click"
FUTURE_CLICK: Final = "future_click"
# All that fire are recorded in this order; the first is the reason of the verdict.
RULES: Final = (DECLARED_ROBOT, NON_BROWSER, DATACENTRE_IP, DOUBLE_CLICK, STALE_CLICK, FUTURE_CLICK)

# Verdicts kept per rule set; an entry holds its text, so these bounds are at most some 35 and 10 MB.
USER_AGENTS_KEPT = 1 << 14
ADDRESSES_KEPT = 1 << 16

_NEVER = float("inf")


class RuleSet:
    """Judges clicks by lists. A verdict depends on the click, its Kafka timestamp and its gap alone.

    Timeline of the two rules about time, as seen from the record's Kafka timestamp k:

        stale_click          fine             future_click
        ------------| k - stale_after .. k + future_beyond |------------> clicked_at_ms
    """

    def __init__(self, lists: RuleLists) -> None:
        self._lists = lists
        self._user_agents = [
            (rule, tuple(text.lower() for text in listed.substrings), compile_regexes(rule, listed))
            for rule, listed in ((DECLARED_ROBOT, lists.declared_robot), (NON_BROWSER, lists.non_browser))
        ]
        self._networks = NetworkSet(parse_networks(lists.datacentre_networks))
        # Per instance, so that verdicts go with the release whose lists they come from.
        self._user_agent_rules = lru_cache(USER_AGENTS_KEPT)(self._judge_user_agent)
        self._in_datacentre = lru_cache(ADDRESSES_KEPT)(self._networks.__contains__)

    @classmethod
    def from_json(cls, document: bytes) -> "RuleSet":
        """Rules of a release's `rules.json`. Raises BadInput with the place of the fault."""
        return cls(read_lists(document))

    @classmethod
    def default(cls) -> "RuleSet":
        """The rules that come with the product."""
        return cls(default_lists())

    def to_json(self) -> bytes:
        """Every list and bound, complete: `from_json` of it gives the same rules whatever the product's defaults."""
        return msgspec.json.format(msgspec.json.encode(self._lists), indent=2)

    def fired(
        self,
        clicks: Sequence[Click],
        kafka_timestamps_ms: Sequence[int],
        account_campaign_gaps: Sequence[float],
    ) -> list[tuple[str, ...]]:
        """Names of the rules that fire on each click, in the order of `RULES`; mostly the empty tuple.

        `account_campaign_gaps` is the feature `account_campaign_gap_s`: seconds to the newest other click of the same
        account on the same campaign, negative where there was none. Plain floats are faster here than a NumPy column.
        """
        by_user_agent, in_datacentre = self._user_agent_rules, self._in_datacentre
        double_s = _none_is(self._lists.double_click_within_s, -_NEVER)
        stale_ms = _none_is(self._lists.stale_click_after_ms, _NEVER)
        early_ms = -_none_is(self._lists.future_click_beyond_ms, _NEVER)
        fired = []
        for click, kafka_ms, gap_s in zip(clicks, kafka_timestamps_ms, account_campaign_gaps, strict=True):
            rules = by_user_agent(click.user_agent)
            late_ms = kafka_ms - click.clicked_at_ms
            if in_datacentre(click.ip):
                rules += (DATACENTRE_IP,)
            if 0 <= gap_s <= double_s:
                rules += (DOUBLE_CLICK,)
            if late_ms > stale_ms:
                rules += (STALE_CLICK,)
            elif late_ms < early_ms:
                rules += (FUTURE_CLICK,)
            fired.append(rules)
        return fired

    def _judge_user_agent(self, user_agent: str) -> tuple[str, ...]:
        lowered = user_agent.lower()
        return tuple(
            rule
            for rule, substrings, regexes in self._user_agents
            if any(text in lowered for text in substrings) or any(regex.search(user_agent) for regex in regexes)
        )


def _none_is(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound
