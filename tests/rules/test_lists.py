"""The file of rule lists: what it may say, what it may not, and where it says what is wrong."""

import json
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput
from contracts.events import Click
from rules.networks import Network, NetworkSet
from rules.ruleset import RuleSet

NOW_MS = 1_700_000_000_000


def fired(
    rules: RuleSet, user_agent: str = "Mozilla/5.0 X", ip: str = "10.0.0.1", gap_s: float = -1
) -> tuple[str, ...]:
    click = Click("c", NOW_MS, "s", False, ip, user_agent, "desktop", "a", "k", 1, "EUR")
    return rules.fired([click], [NOW_MS], [gap_s])[0]


def test_written_rules_read_back_judge_alike_and_are_complete() -> None:
    document = RuleSet.default().to_json()

    again = RuleSet.from_json(document)

    assert again.to_json() == document
    assert set(json.loads(document)) == {
        "format",
        "declared_robot",
        "non_browser",
        "datacentre_networks",
        "double_click_within_s",
        "stale_click_after_ms",
        "future_click_beyond_ms",
    }


def test_a_section_left_out_is_the_products_default() -> None:
    assert RuleSet.from_json(b"{}").to_json() == RuleSet.default().to_json()


def test_an_operators_lists_replace_the_default_ones() -> None:
    rules = RuleSet.from_json(
        b'{"declared_robot": {"substrings": ["ACME-Probe"]}, "datacentre_networks": ["192.0.2.0/24"],'
        b' "double_click_within_s": 0.5}'
    )

    assert fired(rules, "Mozilla/5.0 acme-probe/1") == ("declared_robot",)
    assert fired(rules, "Googlebot/2.1") == ()
    assert fired(rules, ip="192.0.2.7") == ("datacentre_ip",)
    assert fired(rules, ip="34.201.7.9") == ()
    assert fired(rules, gap_s=0.6) == ()


def test_null_and_empty_lists_switch_rules_off() -> None:
    rules = RuleSet.from_json(
        b'{"declared_robot": {}, "non_browser": {}, "datacentre_networks": [], "double_click_within_s": null,'
        b' "stale_click_after_ms": null, "future_click_beyond_ms": null}'
    )
    click = Click("c", NOW_MS, "s", False, "34.201.7.9", "Googlebot curl/8", "desktop", "a", "k", 1, "EUR")

    fired = rules.fired([click] * 2, [NOW_MS + 10**10, NOW_MS - 10**10], [0.0, 0.0])

    assert fired == [(), ()]


@pytest.mark.parametrize(
    ("document", "path", "says"),
    [
        ("{", "$", "cannot be read"),
        ("[]", "$", "Expected `object`"),
        ('{"declared_robots": {}}', "$", "unknown field `declared_robots`"),
        ('{"format": 2}', "$.format", "<= 1"),
        ('{"declared_robot": {"regexes": ["ok", "(bot"]}}', "$.declared_robot.regexes[1]", "not a regular expression"),
        ('{"non_browser": {"substrings": [""]}}', "$.non_browser.substrings[0]", "length >= 1"),
        ('{"non_browser": {"substrings": ["mozilla"]}}', "$.non_browser.substrings[0]", "every browser"),
        ('{"non_browser": {"regexes": ["bot|"]}}', "$.non_browser.regexes[0]", "every browser"),
        ('{"datacentre_networks": ["3.0.0.0/8", "3.0.0.1/8"]}', "$.datacentre_networks[1]", "has host bits set"),
        ('{"datacentre_networks": ["example.org"]}', "$.datacentre_networks[0]", "Expected CIDR"),
        ('{"datacentre_networks": ["0.0.0.0/0"]}', "$.datacentre_networks[0]", "widest allowed is /8"),
        ('{"datacentre_networks": ["2000::/3"]}', "$.datacentre_networks[0]", "widest allowed is /16"),
        ('{"double_click_within_s": -1}', "$.double_click_within_s", "> 0"),
        ('{"stale_click_after_ms": "1h"}', "$.stale_click_after_ms", "Expected `int | null`"),
    ],
)
def test_a_bad_file_is_refused_with_the_place_of_the_fault(document: str, path: str, says: str) -> None:
    with pytest.raises(BadInput) as refusal:
        RuleSet.from_json(document.encode())

    assert refusal.value.path == path
    assert says in str(refusal.value)
    assert path in str(refusal.value)


networks = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)),
    st.tuples(st.integers(2**120, 2**128 - 1), st.integers(16, 128)),
).map(lambda pair: ip_network(pair, strict=False))


@given(st.lists(networks, max_size=8), st.data())
def test_membership_equals_a_walk_through_the_networks(listed: list[Network], data: st.DataObject) -> None:
    edges = [int(address) + step for net in listed for address in (net[0], net[-1]) for step in (-1, 0, 1)]
    number = data.draw(st.sampled_from(edges) if edges else st.integers(0, 2**32 - 1))
    text = str(ip_address(number % 2**128))

    found = text in NetworkSet(listed)

    assert found == any(ip_address(text) in net for net in listed if net.version == ip_address(text).version)
