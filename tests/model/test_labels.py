"""Labels from files: which click a purchase belongs to, who was a good customer when, and what is left out."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import BadInput, Misconfigured, Refused
from contracts.events import Click, Purchase
from contracts.feature_log import Flag
from contracts.features import FEATURE_INDEX
from model.duck import Bounds
from model.inputs import Inputs
from model.labels import ATTRIBUTION_MS, Known, Terms, known_of, write_labels
from model.local_time import hour_of_week
from tests.builders import click, purchase
from tests.model import label_oracle
from tests.model.logged import features_of, inputs_of, write_purchases, write_rows, write_truth

# 2024-01-01T00:00:00Z, a Monday; 40 days later nothing is young any more.
T0_MS = 1_704_067_200_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LATER_MS = T0_MS + 40 * DAY_MS
BOUNDS = Bounds(memory_bytes=256 << 20, threads=1)


def at(ms: float, **fields: Any) -> Click:
    return click(clicked_at_ms=T0_MS + round(ms), **fields)


def bought(ms: float, **fields: Any) -> Purchase:
    return purchase(**{"purchase_id": f"p{ms}", **fields}, purchased_at_ms=T0_MS + round(ms))


def labelled(inputs: Inputs, folder: Path, **terms: int) -> list[dict[str, Any]]:
    plain = {"from_ms": T0_MS - 40 * DAY_MS, "until_ms": LATER_MS, "as_of_ms": LATER_MS, "maturity_ms": 0}
    write_labels(inputs, Terms(**{**plain, **terms}), folder / "labelled", BOUNDS)
    return [row for path in sorted((folder / "labelled").iterdir()) for row in pq.read_table(path).to_pylist()]


def purchasing(folder: Path, clicks: Sequence[Click], purchases: Sequence[Purchase], **terms: int) -> list[str]:
    rows = labelled(inputs_of(folder, clicks, purchases), folder, **terms)
    return [row["click_id"] for row in rows if row["purchasing"]]


def test_a_purchase_belongs_to_the_accounts_last_click_before_it(tmp_path: Path) -> None:
    clicks = [at(0, click_id="c1"), at(10, click_id="c2"), at(19, click_id="of bob", user_id="bob")]
    clicks += [at(30, click_id="c3")]

    assert purchasing(tmp_path, clicks, [bought(20)]) == ["c2"]


def test_a_click_in_the_millisecond_of_the_purchase_is_before_it(tmp_path: Path) -> None:
    clicks = [at(0, click_id="c1"), at(20, click_id="c2"), at(21, click_id="c3")]

    assert purchasing(tmp_path, clicks, [bought(20)]) == ["c2"]


def test_of_two_clicks_in_one_millisecond_the_one_that_came_last_counts(tmp_path: Path) -> None:
    assert purchasing(tmp_path, [at(5, click_id="b"), at(5, click_id="a")], [bought(20)]) == ["a"]


def test_a_purchase_that_names_its_click_belongs_to_that_one_however_often_it_was_delivered(tmp_path: Path) -> None:
    clicks = [at(0, click_id="c1"), at(0, click_id="c1"), at(10, click_id="c2")]

    assert purchasing(tmp_path, clicks, [bought(20, click_id="c1")]) == ["c1", "c1"]


def test_a_purchase_that_names_a_click_we_do_not_have_belongs_to_none(tmp_path: Path) -> None:
    assert purchasing(tmp_path, [at(0)], [bought(20, click_id="gone")]) == []


@pytest.mark.parametrize(("age_ms", "expected"), [(ATTRIBUTION_MS, ["c1"]), (ATTRIBUTION_MS + 1, [])])
def test_attribution_ends_after_fourteen_days(tmp_path: Path, age_ms: int, expected: list[str]) -> None:
    assert purchasing(tmp_path, [at(0, click_id="c1")], [bought(age_ms)]) == expected


def test_a_guest_who_logs_in_to_buy_is_found_by_the_session(tmp_path: Path) -> None:
    clicks = [at(0, click_id="by user"), at(10, click_id="as guest", user_id=None, session_id="s9", logged_in=False)]

    assert purchasing(tmp_path, clicks, [bought(20, session_id="s9")]) == ["as guest"]


def test_a_purchase_of_nobody_known_belongs_to_none(tmp_path: Path) -> None:
    assert purchasing(tmp_path, [at(0)], [bought(20, user_id=None)]) == []


def test_a_click_before_the_labelled_range_still_takes_the_purchase_that_is_its_own(tmp_path: Path) -> None:
    """Otherwise the range's first click would be said to have led to what an earlier one did."""
    clicks = [at(0, click_id="before"), at(DAY_MS, click_id="within")]

    assert purchasing(tmp_path, clicks, [bought(5)], from_ms=T0_MS + 1) == []


def test_a_purchase_that_had_not_happened_yet_labels_nothing(tmp_path: Path) -> None:
    clicks = [at(0, click_id="c1"), at(10, click_id="c2", user_id="bob")]
    purchases = [bought(DAY_MS), bought(DAY_MS - 1, user_id="bob")]

    assert purchasing(tmp_path, clicks, purchases, as_of_ms=T0_MS + DAY_MS) == ["c2"]


def test_clicks_younger_than_the_maturity_are_left_out(tmp_path: Path) -> None:
    clicks = [at(ms, click_id=f"at {ms}") for ms in (0, HOUR_MS - 1, HOUR_MS)]

    rows = labelled(
        inputs_of(tmp_path, clicks, [bought(0)]), tmp_path, as_of_ms=T0_MS + 3 * HOUR_MS, maturity_ms=2 * HOUR_MS
    )

    assert [row["click_id"] for row in rows] == ["at 0", f"at {HOUR_MS - 1}"]


@pytest.mark.parametrize("flag", list(Flag))
def test_clicks_with_any_flag_are_left_out_and_still_lead_to_purchases(tmp_path: Path, flag: Flag) -> None:
    clicks = [at(0, click_id="c1"), at(10, click_id="flagged"), at(30, click_id="c3")]
    rows = write_rows(tmp_path / "rows.parquet", clicks, flags=[0, flag, 0])

    found = labelled(Inputs([rows], [write_purchases(tmp_path / "p.parquet", [bought(20)])]), tmp_path)

    assert [(row["click_id"], row["purchasing"]) for row in found] == [("c1", False), ("c3", False)]


def regulars(of_day: int) -> list[Purchase]:
    """Five buyers; each bought once more, later and for more than the one before."""
    return [
        bought(of_day * DAY_MS + 100 * rank + i, user_id=f"u{rank}", value_micros=10 * rank)
        for rank in range(1, 6)
        for i in range(rank)
    ]


def humans(folder: Path, clicks: Sequence[Click], purchases: Sequence[Purchase]) -> list[str]:
    rows = labelled(inputs_of(folder, clicks, purchases), folder)
    assert not any(row["purchasing"] for row in rows)
    return [row["click_id"] for row in rows if row["human"]]


def test_clicks_of_good_customers_are_human_from_the_day_after_they_became_it(tmp_path: Path) -> None:
    """Bought on day 0; the click of 23:00 on that day, in UTC, does not know it yet."""
    far_ms = 16 * DAY_MS
    clicks = [at(23 * HOUR_MS, click_id="same day", user_id="u5", session_id="s")]
    clicks += [at(far_ms, click_id=f"u{rank}", user_id=f"u{rank}") for rank in range(1, 6)]

    assert humans(tmp_path, clicks, regulars(0)) == ["u4", "u5"]


def test_money_is_compared_within_its_currency(tmp_path: Path) -> None:
    yen = [bought(900 + i, user_id=f"y{i}", value_micros=10**6 + i, currency="JPY") for i in range(5)]
    clicks = [at(2 * DAY_MS, click_id=f"u{rank}", user_id=f"u{rank}") for rank in range(1, 6)]

    assert "u5" in humans(tmp_path, clicks, [*regulars(0), *yen])


def test_a_purchase_delivered_again_and_again_counts_once(tmp_path: Path) -> None:
    purchases = regulars(0)
    again = [p for p in purchases if p.user_id == "u3"] * 9
    clicks = [at(16 * DAY_MS, click_id=f"u{rank}", user_id=f"u{rank}") for rank in range(1, 6)]

    assert humans(tmp_path, clicks, [*purchases, *again]) == ["u4", "u5"]


USERS, SESSIONS = (None, "ann", "bob", "cat"), ("s1", "s2")
# Around the beginnings of days and the attribution window's end, and many of the same millisecond.
TIMES_MS = st.sampled_from(
    [0, 1, 2, DAY_MS - 1, DAY_MS, DAY_MS + 1, 3 * DAY_MS, *(ATTRIBUTION_MS + i for i in (-1, 0, 1, 2))]
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Click], list[Purchase]]:
    """Clicks as they arrive, in time order, and purchases in any."""
    clicks = [
        at(
            ms,
            click_id=f"c{i // draw(st.integers(1, 2))}",
            user_id=draw(st.sampled_from(USERS)),
            session_id=draw(st.sampled_from(SESSIONS)),
        )
        for i, ms in enumerate(sorted(draw(st.lists(TIMES_MS, min_size=1, max_size=14))))
    ]
    names = st.sampled_from([None, None, None, "gone", *(made.click_id for made in clicks)])
    purchases = [
        bought(
            draw(TIMES_MS),
            purchase_id=f"p{i}",
            user_id=draw(st.sampled_from(USERS)),
            session_id=draw(st.sampled_from((None, *SESSIONS))),
            click_id=draw(names),
            value_micros=draw(st.integers(0, 3)),
            currency=draw(st.sampled_from(("EUR", "JPY"))),
        )
        for i in range(draw(st.integers(1, 10)))
    ]
    return clicks, purchases


@settings(max_examples=60)
@given(histories(), st.sampled_from([3 * DAY_MS + 1, ATTRIBUTION_MS + 2, 40 * DAY_MS]), st.integers(1, 14))
def test_labels_equal_those_of_a_walk_through_everything(
    history: tuple[list[Click], list[Purchase]], as_of_ms: int, cut: int
) -> None:
    """With clicks in two files, given in either order."""
    clicks, purchases = history
    known = [p for p in purchases if p.purchased_at_ms < T0_MS + as_of_ms]
    if not known or clicks[0].clicked_at_ms >= T0_MS + as_of_ms:
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        first = write_rows(folder / "1.parquet", clicks[:cut])
        second = write_rows(folder / "2.parquet", clicks[cut:], first_offset=cut)
        inputs = Inputs([second, first], [write_purchases(folder / "p.parquet", purchases)])

        rows = labelled(inputs, folder, as_of_ms=T0_MS + as_of_ms)

    expected = label_oracle.label(clicks, purchases, T0_MS + as_of_ms)
    seen = [i for i, made in enumerate(clicks) if made.clicked_at_ms < T0_MS + as_of_ms]
    assert [row["click_id"] for row in rows] == [clicks[i].click_id for i in seen]
    assert [row["purchasing"] for row in rows] == [expected.purchasing[i] for i in seen]
    assert [row["human"] for row in rows] == [expected.human[i] for i in seen]


def test_equal_buyers_are_all_in_the_lowest_quintile() -> None:
    assert label_oracle.quintiles({"a": 3.0, "b": 3.0, "c": 3.0}) == {"a": 1, "b": 1, "c": 1}


@given(st.lists(st.integers(0, 9).map(float), min_size=1, max_size=40))
def test_a_quintile_is_the_share_strictly_below(values: list[float]) -> None:
    found = label_oracle.quintiles({str(i): value for i, value in enumerate(values)})

    below = [sum(other < value for other in values) for value in values]
    assert list(found.values()) == [1 + 5 * count // len(values) for count in below]


def test_a_row_says_all_that_training_and_measuring_need(tmp_path: Path) -> None:
    clicks = [at(0, click_id="c1", utc_offset_min=90), at(5, click_id="c2", logged_in=False)]
    rows = write_rows(tmp_path / "r.parquet", clicks, rules=[("double_click",), ()])
    truth = write_truth(tmp_path / "t.parquet", {"c1": "burst"})

    first, second = labelled(Inputs([rows], [write_purchases(tmp_path / "p.parquet", [bought(0)])], [truth]), tmp_path)

    assert first.pop("features") == features_of(clicks)[0].tolist()
    assert first == {
        "click_id": "c1",
        "clicked_at_ms": T0_MS,
        "slice": "desktop/in",
        "hour_of_week": 1,
        "logged_in": True,
        "human": True,
        "purchasing": True,
        "by_rules": True,
        "session_clicks_1h": 1.0,
        "kind": "burst",
    }
    assert (second["logged_in"], second["by_rules"], second["kind"]) == (False, False, "unknown")


@given(
    st.lists(
        st.tuples(
            # Within milliseconds of full hours, where a small error would show.
            st.integers(0, 60 * 365 * 24)
            .map(lambda hour: hour * HOUR_MS)
            .flatmap(lambda ms: st.integers(max(0, ms - 3), ms + 3)),
            st.none() | st.integers(-1080, 1080),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_hour_of_the_local_week_is_recovered_exactly(times: list[tuple[int, int | None]]) -> None:
    clicks = [click(clicked_at_ms=ms, utc_offset_min=offset) for ms, offset in times]
    features = features_of(clicks)

    found = hour_of_week(
        np.array([ms for ms, _ in times]),
        features[:, FEATURE_INDEX["weekday_sin"]],
        features[:, FEATURE_INDEX["weekday_cos"]],
    )

    # 1 January 1970 was a Thursday.
    local_h = [(ms + 60_000 * (offset or 0)) // HOUR_MS for ms, offset in times]
    assert found.tolist() == [(hour + 3 * 24) % 168 for hour in local_h]


def test_the_same_files_give_the_same_bytes_whatever_the_threads(tmp_path: Path) -> None:
    clicks = [at(ms * 60_000, click_id=f"c{ms}", user_id=f"u{ms % 50}") for ms in range(3000)]
    inputs = inputs_of(tmp_path, clicks, [bought(ms * 600_000, user_id=f"u{ms % 50}") for ms in range(200)])
    terms = Terms(T0_MS, LATER_MS, LATER_MS)

    for threads in (1, 2):
        write_labels(inputs, terms, tmp_path / str(threads), Bounds(128 << 20, threads))

    names = [path.name for path in sorted((tmp_path / "1").iterdir())]
    assert names == ["2024-01-01.parquet", "2024-01-02.parquet", "2024-01-03.parquet"]
    assert all((tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes() for name in names)


@pytest.mark.parametrize("rows", [2, 3, 5000])
def test_a_click_logged_again_or_in_two_files_is_labelled_once(tmp_path: Path, rows: int) -> None:
    """What a worker logs after it was cut off is decided later; the first verdict is the one that was billed."""
    clicks = [at(ms, click_id=f"c{ms}", user_id=f"u{ms}") for ms in range(rows)]
    fired = [("declared_robot",)] * rows
    first = write_rows(tmp_path / "1.parquet", clicks, decided_after_ms=5)
    again = write_rows(tmp_path / "2.parquet", clicks[1:], first_offset=1, rules=fired[1:], decided_after_ms=9)
    purchases = write_purchases(tmp_path / "p.parquet", [bought(rows, user_id="u1")])

    found = labelled(Inputs([again, first, again], [purchases]), tmp_path)

    assert [row["click_id"] for row in found] == [click.click_id for click in clicks]
    assert not any(row["by_rules"] for row in found)
    assert [row["purchasing"] for row in found] == [click.user_id == "u1" for click in clicks]


def test_clicks_that_a_replay_decided_again_are_not_labelled(tmp_path: Path) -> None:
    live, replayed = [at(0, click_id="live")], [at(1, click_id="replayed")]
    rows = [write_rows(tmp_path / "1", live), write_rows(tmp_path / "2", replayed, first_offset=1, run="replay-1")]

    found = labelled(Inputs(rows, [write_purchases(tmp_path / "p", [bought(2)])]), tmp_path)

    assert [row["click_id"] for row in found] == ["live"]


def test_what_the_files_reach_over(tmp_path: Path) -> None:
    inputs = inputs_of(tmp_path, [at(0), at(70)], [bought(30), bought(90)])

    assert known_of(inputs) == Known(T0_MS, T0_MS + 70, T0_MS + 90)


def nan_in_a_feature(folder: Path) -> Inputs:
    clicks = [at(0, click_id="fine"), at(1, click_id="broken")]
    features = features_of(clicks)
    features[1, 5] = np.nan
    rows = write_rows(folder / "rows.parquet", clicks, features=features)
    return Inputs([rows], [write_purchases(folder / "p.parquet", [bought(2)])])


def cut_off(folder: Path) -> Inputs:
    inputs = inputs_of(folder, [at(0)], [bought(2)])
    whole = Path(inputs.rows[0]).read_bytes()
    Path(inputs.rows[0]).write_bytes(whole[: len(whole) // 2])
    return inputs


def damaged_inside(folder: Path) -> Inputs:
    """The footer is whole, the pages are not."""
    inputs = inputs_of(folder, [at(ms, click_id=f"c{ms}") for ms in range(500)], [bought(2)])
    whole = bytearray(Path(inputs.rows[0]).read_bytes())
    whole[4 : len(whole) // 2] = b"\xff" * (len(whole) // 2 - 4)
    Path(inputs.rows[0]).write_bytes(whole)
    return inputs


def other_columns(folder: Path) -> Inputs:
    inputs = inputs_of(folder, [at(0)], [bought(2)])
    return Inputs(inputs.purchases, inputs.purchases)


def other_features(folder: Path) -> Inputs:
    inputs = inputs_of(folder, [at(0)], [bought(2)])
    table = pq.read_table(inputs.rows[0])
    fewer = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(50, np.float32)), 50)
    pq.write_table(
        table.set_column(table.schema.get_field_index("features"), "features", fewer),
        inputs.rows[0],
        store_schema=False,
    )
    return inputs


@pytest.mark.parametrize(
    ("spoilt", "error", "says"),
    [
        (nan_in_a_feature, Refused, "click 'broken' is nan, not a finite number"),
        (cut_off, BadInput, r"rows\.parquet cannot be read as Parquet"),
        (damaged_inside, BadInput, "The Parquet files cannot be read"),
        (other_columns, Misconfigured, "has no column 'click_id'|has no column 'advertiser_id'"),
        (other_features, BadInput, r"Clicks have \['50'\] features, expected 53"),
        (lambda folder: Inputs([str(folder / "gone.parquet")], ["p"]), Misconfigured, "gone.parquet is not there"),
        (lambda folder: Inputs([], []), Misconfigured, "No feature-log files were named"),
        (lambda folder: inputs_of(folder, [at(0)], []), Refused, "No purchase before"),
        (lambda folder: inputs_of(folder, [at(0)], [bought(41 * DAY_MS)]), Refused, "No purchase before"),
        (lambda folder: inputs_of(folder, [], [bought(0)]), Refused, "No click without a flag"),
        (lambda folder: inputs_of(folder, [at(50 * DAY_MS)], [bought(0)]), Refused, "No click without a flag"),
    ],
)
def test_files_of_no_use_are_one_sentence_and_nothing_is_written(
    tmp_path: Path, spoilt: Any, error: type[Exception], says: str
) -> None:
    inputs = spoilt(tmp_path)
    before = sorted(tmp_path.iterdir())

    with pytest.raises(error, match=says):
        labelled(inputs, tmp_path)

    assert sorted(tmp_path.iterdir()) == before


def test_a_range_that_is_empty_or_not_yet_mature_is_refused(tmp_path: Path) -> None:
    inputs = inputs_of(tmp_path, [at(0)], [bought(0)])

    with pytest.raises(Refused, match="No click can be labelled"):
        labelled(inputs, tmp_path, as_of_ms=T0_MS - 40 * DAY_MS + 5, maturity_ms=5)
    with pytest.raises(Refused, match="No click can be labelled"):
        labelled(inputs, tmp_path, until_ms=T0_MS - 40 * DAY_MS)


def test_too_little_memory_is_said_with_what_was_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = inputs_of(tmp_path, [at(0)], [bought(0)])

    def short(*args: Any) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate\nand more")

    monkeypatch.setattr("model.labels.prepare", short)

    with pytest.raises(Misconfigured, match=r"more than 256 MiB of memory.*could not allocate"):
        labelled(inputs, tmp_path)
