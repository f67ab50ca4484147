"""Rows to events: every way to read a field, and every way in which a row can be bad."""

import random
from datetime import UTC, datetime
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Misconfigured
from contracts.events import Click
from tests.traffic.test_mapping import CLICK
from traffic.csv_import import BadRow, Row, convert
from traffic.fields import compile_field
from traffic.mapping import Source, read_mapping
from traffic.sessions import Sessions

HEADER = "id,at,session,ip,agent,advertiser,campaign,cost"
GOOD = ["c1", "1704067200000", "s1", "203.0.113.7", "Mozilla/5.0", "a1", "k1", "250000"]


def row(**changed: str) -> str:
    return ",".join({**dict(zip(HEADER.split(","), GOOD, strict=True)), **changed}.values())


def converted(*lines: str, mapping: str = CLICK, header: str = HEADER) -> list[Row | BadRow]:
    text = StringIO("".join(f"{line}\n" for line in (header, *lines)), newline="")
    return list(convert(text, read_mapping(mapping), "file"))


def click_with(field: str, source: str, cell: str, name: str = "extra") -> Any:
    """The value of a click's field that is read from an extra column."""
    kept = "\n".join(line for line in CLICK.splitlines() if not line.startswith(f"{field} "))
    (found,) = converted(f"{row()},{cell}", mapping=f"{kept}\n{field} = {source}", header=f"{HEADER},{name}")
    if isinstance(found, BadRow):
        return found.reason
    return getattr(found.click, field)


def test_a_row_becomes_a_click() -> None:
    (found,) = converted(row())

    agent, at_ms = "Mozilla/5.0", 1_704_067_200_000
    expected = Click("c1", at_ms, "s1", True, "203.0.113.7", agent, "desktop", "a1", "k1", 250_000, "EUR")
    assert found == Row(2, expected, purchase=None)


@pytest.mark.parametrize(
    ("source", "cell", "expected"),
    [
        ('{ column = "extra" }', "1704067200123", 1_704_067_200_123),
        ('{ column = "extra", time = "s" }', "1704067200.1239", 1_704_067_200_124),
        ('{ column = "extra", time = "iso" }', "2024-01-01T00:00:00.5+00:00", 1_704_067_200_500),
        ('{ column = "extra", time = "iso", zone = "Europe/Berlin" }', "2024-01-01 01:00:00", 1_704_067_200_000),
        ('{ column = "extra", time = "%d.%m.%Y %H:%M" }', "01.01.2024 00:00", 1_704_067_200_000),
        ('{ column = "extra", time = "iso" }', "yesterday", "clicked_at_ms: extra is 'yesterday': Invalid isoformat"),
        ('{ column = "extra" }', "1704067200", "clicked_at_ms: Expected `int` >= 946684800000"),
        ('{ column = "extra" }', "", "clicked_at_ms: extra is '': expected a whole number"),
    ],
)
def test_times_are_read_as_the_mapping_says(source: str, cell: str, expected: int | str) -> None:
    found = click_with("clicked_at_ms", source, cell)

    assert found == expected or str(found).startswith(str(expected))


@pytest.mark.parametrize(
    ("money", "cell", "expected"),
    [
        ("units", "0.35", 350_000),
        ("units", "1e-3", 1_000),
        ("cents", "12.5", 125_000),
        ("micros", "7", 7),
        ("units", "-1", "cost_micros: Expected `int` >= 0"),
        ("units", "free", "cost_micros: extra is 'free': expected a number"),
        ("units", "nan", "cost_micros: extra is 'nan': expected a number of ordinary size"),
        ("units", "1e999999999", "cost_micros: extra is '1e999999999': expected a number of ordinary size"),
        ("micros", "9" * 25, "cost_micros: "),
    ],
)
def test_money_becomes_micros_exactly(money: str, cell: str, expected: int | str) -> None:
    found = click_with("cost_micros", f'{{ column = "extra", money = "{money}" }}', cell)

    assert found == expected if isinstance(expected, int) else str(found).startswith(expected)


@pytest.mark.parametrize(("cell", "expected"), [("Yes", True), ("0", False), ("", None), ("maybe", None)])
def test_flags_are_read_in_the_usual_spellings(cell: str, expected: bool | None) -> None:
    found = click_with("logged_in", '{ column = "extra" }', cell)

    assert found is expected if expected is not None else "expected yes or no" in found


@pytest.mark.parametrize(
    ("cell", "expected"), [("ios", "mobile"), ("web", "desktop"), ("fridge", "other"), ("", "other")]
)
def test_words_are_translated_and_the_rest_is_otherwise(cell: str, expected: str) -> None:
    source = '{ column = "extra", translate = { ios = "mobile", web = "desktop" }, otherwise = "other" }'

    assert click_with("device", source, cell) == expected


def test_a_word_without_translation_makes_a_bad_row() -> None:
    found = click_with("device", '{ column = "extra", translate = { ios = "mobile" } }', "fridge")

    assert found == "device: extra is 'fridge': expected one of ios"


def test_a_template_joins_columns_with_the_file_and_the_line() -> None:
    found = click_with("click_id", '{ template = "{file}/{line}-{{{extra}}}" }', "x{y}")

    assert found == "file/2-{x{y}}"


@pytest.mark.parametrize(
    ("field", "cell", "expected"), [("user_id", "", None), ("user_id", "u", "u"), ("utc_offset_min", "-60", -60)]
)
def test_an_empty_cell_of_an_optional_field_is_null(field: str, cell: str, expected: str | int | None) -> None:
    assert click_with(field, '{ column = "extra" }', cell) == expected


def test_bad_rows_are_told_with_line_and_reason_and_the_good_ones_go_on() -> None:
    found = converted(row(), "too,few", row(ip=""), row(cost="x"), "", f"{row()},more", row(session="s" * 129), row())

    assert [(item.line, item.reason) for item in found if isinstance(item, BadRow)] == [
        (3, "has 2 cells, expected 8"),
        (4, "ip: Expected `str` of length >= 1"),
        (5, "cost_micros: cost is 'x': expected a number"),
        (7, "has 9 cells, expected 8"),
        (8, "session_id: Expected `str` of length <= 128"),
    ]
    assert [item.line for item in found if isinstance(item, Row)] == [2, 9]


def test_invalid_utf8_costs_one_row() -> None:
    broken = b"\xff\xfe".decode("utf-8", "surrogateescape")

    found = converted(row(agent=broken), row(agent="Mozilla/5.0 ÄÖ"))

    assert found[0] == BadRow(2, "$: the row is not valid UTF-8")
    assert isinstance(found[1], Row)


def test_a_cell_of_absurd_length_costs_one_row() -> None:
    found = converted(row(agent="x" * 200_000), row())

    assert [type(item) for item in found] == [BadRow, Row]
    assert found[0] == BadRow(2, "not readable as delimited text: field larger than field limit (131072)")


def test_a_quoted_line_break_counts_towards_line_numbers() -> None:
    found = converted(row(agent='"a\nb"'), row(cost="x"))

    assert [item.line for item in found] == [3, 4]


def test_a_file_of_tabs_without_header_and_quotes_is_described_by_the_mapping() -> None:
    form = '[file]\ndelimiter = "\\t"\nquote = ""\ncolumns = ["{}"]'.format('", "'.join(HEADER.split(",")))
    lines = ["\t".join([*GOOD[:4], '"Mozilla/5.0"', *GOOD[5:]])]

    (found,) = convert(lines, read_mapping(CLICK + form), "file")

    assert isinstance(found, Row)
    assert found.click is not None
    assert (found.line, found.click.user_agent) == (1, '"Mozilla/5.0"')


def test_columns_that_the_file_lacks_are_all_named_with_those_it_has() -> None:
    with pytest.raises(Misconfigured) as refusal:
        converted(row(), header=HEADER.replace("ip", "address").replace("cost", "price"))

    assert "ip: there is no column ip" in str(refusal.value)
    assert "cost_micros: there is no column cost" in str(refusal.value)
    assert "columns are id, at, session, address" in str(refusal.value)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(Misconfigured, match="expected a header row"):
        list(convert([], read_mapping(CLICK), "file"))


PURCHASE = """
[purchase]
purchase_id = { template = "p-{id}" }
purchased_at_ms = { column = "bought_at" }
value_micros = { value = 5 }
currency = { value = "EUR" }
click_id = { click = "click_id" }
"""
IF_BOUGHT = 'purchase_if = { column = "bought", values = ["1", "y"] }\n'


def test_a_row_holds_a_purchase_only_if_its_column_says_so() -> None:
    rows = [f"{row(id=i)},{bought},1704067300000" for i, bought in [("a", "1"), ("b", "0"), ("c", "y")]]

    found = converted(*rows, mapping=IF_BOUGHT + CLICK + PURCHASE, header=f"{HEADER},bought,bought_at")

    purchases = [item.purchase for item in found if isinstance(item, Row)]
    assert [purchase and (purchase.purchase_id, purchase.click_id) for purchase in purchases] == [
        ("p-a", "a"), None, ("p-c", "c"),
    ]  # fmt: skip


def test_a_row_with_a_bad_purchase_does_not_go_in_by_half() -> None:
    (found,) = converted(f"{row()},1,", mapping=IF_BOUGHT + CLICK + PURCHASE, header=f"{HEADER},bought,bought_at")

    assert found == BadRow(2, "purchased_at_ms: bought_at is '': expected a whole number")


def test_a_file_may_hold_purchases_alone() -> None:
    mapping = PURCHASE.replace('click_id = { click = "click_id" }', "")

    (found,) = converted("7,1704067300000", mapping=mapping, header="id,bought_at")

    assert isinstance(found, Row)
    assert found.click is None
    assert found.purchase is not None


@given(st.integers(0, 4_000_000_000_000), st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d/%b/%Y:%H:%M:%S"]))
def test_formatted_times_are_what_datetime_makes_of_them(at_ms: int, form: str) -> None:
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    source = Source(column="at", time=form)

    read = compile_field("clicked_at_ms", source, ["at"], optional=False)

    assert read([moment.strftime(form)]) == at_ms // 1000 * 1000


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40)), max_size=30))
def test_a_session_lasts_until_a_gap_of_its_account(steps: list[tuple[str, int]]) -> None:
    sessions, at_ms, clicks = Sessions(idle_ms=30_000), 0, []

    for who, gap_s in steps:
        at_ms += gap_s * 1000
        clicks.append((who, at_ms, sessions.of(who, at_ms)))

    for who in "ab":
        mine = [(at, session) for account, at, session in clicks if account == who]
        for (earlier, first), (later, second) in pairwise(mine):
            assert (first == second) == (later - earlier <= 30_000)
        assert all(session.startswith(f"{who}-") for _, session in mine)


def test_forgetting_quiet_accounts_changes_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(4)
    clicks = [(f"u{rng.randrange(500)}", at_ms) for at_ms in range(0, 500_000, 100)]
    remembering = Sessions(idle_ms=3_000)
    expected = [remembering.of(*click) for click in clicks]
    monkeypatch.setattr("traffic.sessions.SESSIONS_REMEMBERED", 10)
    forgetful = Sessions(idle_ms=3_000)

    found = [forgetful.of(*click) for click in clicks]

    assert found == expected
    assert len(forgetful) < 100 < len(remembering)
