"""What the rules say of single clicks, and that batches and caches change nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Click
from rules import ruleset
from rules.ruleset import RULES, RuleSet

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
NO_GAP = -1.0


def click(user_agent: str = BROWSER, ip: str = "81.2.69.142", clicked_at_ms: int = NOW_MS) -> Click:
    return Click("c1", clicked_at_ms, "s1", False, ip, user_agent, "desktop", "adv", "camp", 250_000, "EUR")


def fired(one: Click, kafka_ms: int = NOW_MS, gap_s: float = NO_GAP, rules: RuleSet | None = None) -> tuple[str, ...]:
    return (rules or RuleSet.default()).fired([one], [kafka_ms], [gap_s])[0]


@pytest.mark.parametrize(
    "user_agent",
    [
        BROWSER,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
        "Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 9; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0 Mobile",
        "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A.220624.014)",
        "ShopApp/7.1 CFNetwork/1490.0.4 Darwin/23.2.0",
        "13-1",
    ],
)
def test_people_with_browsers_and_apps_are_left_alone(user_agent: str) -> None:
    assert fired(click(user_agent)) == ()


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/116.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0 Safari/537.36",
        "facebookexternalhit/1.1",
    ],
)
def test_a_robot_that_says_so_is_a_declared_robot(user_agent: str) -> None:
    assert fired(click(user_agent)) == ("declared_robot",)


@pytest.mark.parametrize(
    "user_agent", ["curl/8.5.0", "python-requests/2.32", "Java/17.0.2", "Go-http-client/2.0", "", "-"]
)
def test_programs_and_empty_user_agents_are_no_browsers(user_agent: str) -> None:
    assert fired(click(user_agent)) == ("non_browser",)


@pytest.mark.parametrize("ip", ["34.201.7.9", "::ffff:34.201.7.9", "2600:1f18:24e6:b900::1", "188.166.3.4"])
def test_addresses_of_data_centres_fire_in_every_notation(ip: str) -> None:
    assert fired(click(ip=ip)) == ("datacentre_ip",)


@pytest.mark.parametrize(
    "ip", ["183938", "user-7f3a", "34.201.7", "34.201.7.9.1", "34.201.7.9/32", "81.2.69.142", "::1"]
)
def test_opaque_texts_and_other_addresses_never_match_a_network(ip: str) -> None:
    assert fired(click(ip=ip)) == ()


@pytest.mark.parametrize(
    ("gap_s", "expected"), [(0.0, ("double_click",)), (2.0, ("double_click",)), (2.1, ()), (NO_GAP, ())]
)
def test_a_second_click_on_the_campaign_within_the_bound_is_a_double_click(gap_s: float, expected: tuple[str]) -> None:
    assert fired(click(), gap_s=gap_s) == expected


@pytest.mark.parametrize(
    ("late_ms", "expected"),
    [
        (HOUR_MS + 1, ("stale_click",)),
        (HOUR_MS, ()),
        (0, ()),
        (-300_000, ()),
        (-300_001, ("future_click",)),
    ],
)
def test_time_is_judged_by_the_kafka_timestamp(late_ms: int, expected: tuple[str]) -> None:
    assert fired(click(clicked_at_ms=NOW_MS), kafka_ms=NOW_MS + late_ms) == expected


def test_all_rules_that_fire_are_recorded_in_the_fixed_order() -> None:
    hostile = click("Googlebot/2.1 curl/8.5.0", ip="34.201.7.9")

    rules = fired(hostile, kafka_ms=NOW_MS + 2 * HOUR_MS, gap_s=0.0)

    assert rules == ("declared_robot", "non_browser", "datacentre_ip", "double_click", "stale_click")
    assert rules == tuple(rule for rule in RULES if rule != "future_click")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([BROWSER, "curl/8", "Googlebot/2.1", ""]),
            st.sampled_from(["34.201.7.9", "81.2.69.142", "opaque", "2600:1f18::1"]),
            st.integers(-2 * HOUR_MS, 2 * HOUR_MS),
            st.sampled_from([NO_GAP, 0.0, 1.5, 9.0]),
        ),
        max_size=30,
    )
)
def test_a_batch_is_judged_as_its_clicks_are_alone(rows: list[tuple[str, str, int, float]]) -> None:
    clicks = [click(user_agent, ip) for user_agent, ip, _, _ in rows]
    rules, alone = RuleSet.default(), RuleSet.default()

    together = rules.fired(clicks, [NOW_MS + late for _, _, late, _ in rows], [gap for *_, gap in rows])

    assert together == [
        fired(one, NOW_MS + late, gap, alone) for one, (_, _, late, gap) in zip(clicks, rows, strict=True)
    ]


def test_caches_stay_bounded_under_ever_new_user_agents_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruleset, "USER_AGENTS_KEPT", 8)
    monkeypatch.setattr(ruleset, "ADDRESSES_KEPT", 8)
    rules = RuleSet.default()
    clicks = [click(f"{BROWSER} {i}", f"34.201.7.{i}") for i in range(100)]

    twice = [rules.fired(clicks, [NOW_MS] * 100, [NO_GAP] * 100) for _ in range(2)]

    assert twice == [[("datacentre_ip",)] * 100] * 2
    assert rules._user_agent_rules.cache_info().currsize == 8
    assert rules._in_datacentre.cache_info().currsize == 8


def test_a_batch_of_unequal_columns_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        RuleSet.default().fired([click()], [], [NO_GAP])
