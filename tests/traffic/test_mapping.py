"""A mapping is checked before anything is sent, and all its faults are told at once."""

import pytest

from contracts.errors import Misconfigured
from traffic.mapping import read_mapping
from traffic.talkingdata import TALKINGDATA_TOML, talkingdata_mapping

CLICK = """
[click]
click_id = { column = "id" }
clicked_at_ms = { column = "at" }
session_id = { column = "session" }
logged_in = { value = true }
ip = { column = "ip" }
user_agent = { column = "agent" }
device = { value = "desktop" }
advertiser_id = { column = "advertiser" }
campaign_id = { column = "campaign" }
cost_micros = { column = "cost" }
currency = { value = "EUR" }
"""


def faults_of(document: str) -> str:
    with pytest.raises(Misconfigured) as refusal:
        read_mapping(document, "map.toml")
    return str(refusal.value)


def test_a_complete_mapping_is_read() -> None:
    mapping = read_mapping(CLICK)

    assert mapping.click["currency"].value == "EUR"
    assert mapping.purchase == {}


def test_all_faults_are_told_in_one_message() -> None:
    message = faults_of(
        CLICK.replace('ip = { column = "ip" }', "").replace('{ column = "agent" }', '{ column = "agent", value = "x" }')
        + 'shoe_size = { column = "size" }\n'
    )

    assert "map.toml cannot be used" in message
    assert "click.ip is missing" in message
    assert "click.shoe_size is no field" in message
    assert "click.user_agent needs exactly one of" in message


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ('[clicks]\nip = { column = "ip" }', "unknown field `clicks`"),
        ("[click", "cannot be read"),
        ("", "neither a table [click] nor [purchase]"),
        (CLICK + 'ad_id = { click = "ip" }', "only a purchase can take a field"),
        (CLICK + 'ad_id = { column = "ad", idle_minutes = 5 }', "only click.session_id can"),
        (CLICK + 'ad_id = { column = "ad", otherwise = "x" }', "no use without translate"),
        (CLICK + 'ad_id = { colum = "ad" }', "unknown field `colum`"),
        ('purchase_if = { column = "x", values = ["1"] }' + CLICK, "no use without a table [purchase]"),
        ('[file]\ndelimiter = ";;"' + CLICK, "delimiter must be one character"),
    ],
)
def test_each_fault_is_named(change: str, fault: str) -> None:
    assert fault in faults_of(change)


def test_the_mapping_of_talkingdata_is_itself_a_mapping_file() -> None:
    assert read_mapping(TALKINGDATA_TOML) == talkingdata_mapping()
