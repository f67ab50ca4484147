"""The examples of docs/importing.md do what the page says."""

import re
from pathlib import Path

from contracts.events import Purchase
from traffic.csv_import import Row, convert
from traffic.mapping import Source, read_mapping

PAGE = (Path(__file__).parents[2] / "docs" / "importing.md").read_text()


def test_the_example_maps_the_rows_beside_it() -> None:
    (mapping,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    lines = [line.strip() for line in PAGE.splitlines() if line.startswith("    ") and ";" in line]

    rows = list(convert(lines, read_mapping(mapping), "shop"))

    clicks = [row.click for row in rows if isinstance(row, Row) and row.click]
    assert [(c.click_id, c.user_id, c.logged_in, c.device, c.cost_micros) for c in clicks] == [
        ("7f1", "u12", True, "desktop", 350_000),
        ("7f2", None, False, "mobile", 350_000),
    ]
    assert clicks[0].clicked_at_ms == 1_717_243_402_000  # 12:03:22 UTC
    assert [row.purchase for row in rows if isinstance(row, Row)] == [
        Purchase("o77", 1_717_244_400_000, 59_900_000, "EUR", "u12", "s881", "7f1"),
        None,
    ]


def test_every_option_of_a_source_stands_on_the_page() -> None:
    assert [name for name in Source.__struct_fields__ if f"`{name}" not in PAGE] == []
