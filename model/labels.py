"""Weak labels: who bought, as far as purchases tell. Parquet in, Parquet out, a day of clicks at a time.

human        the click led to a purchase: named by it, else the account's last click before it, at most 14 days
             older; or the account was a good customer (RFM) when the click's UTC day began
non-human    the rest: robots, and people who have bought nothing yet
purchasing   the click led to a purchase. False-positive rates count these alone; RFM labels only train.

clicks       c1 ------ c2 --------- c3 ----        of one account
purchases                    p1            p2      p1, unnamed, belongs to c2; p2 names c1
purchasing:  c1, c2

All is as of a time: a purchase that had not happened yet labels nothing, and a click younger than the maturity is left
out, since whoever made it may yet buy.

                                 as of - maturity        as of
    ----- labelled clicks -------------|---- left out ----|-------- not happened yet
    ----- purchases that count ---------------------------|

Recency, frequency and monetary quintile (1-5, among those who have bought) of a good customer add up to 12 or more.
What an account pays in several currencies is compared within each, and the best counts.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.errors import Refused
from contracts.files import new_folder
from model.duck import BOUNDS, Bounds, bounded, table
from model.inputs import Inputs
from model.label_queries import DAY_MS, days_of, prepare, rows_of_day
from model.labelled import DayWriter, Tally

HOUR_MS: Final = 3_600_000
ATTRIBUTION_MS: Final = 14 * DAY_MS
# Shops report most purchases within a day.
MATURITY_MS: Final = 24 * HOUR_MS


class Terms(NamedTuple):
    """Which clicks are labelled, by what was known when. Times in milliseconds UTC, ends not included."""

    from_ms: int
    until_ms: int
    as_of_ms: int
    maturity_ms: int = MATURITY_MS
    attribution_ms: int = ATTRIBUTION_MS

    @property
    def mature_until_ms(self) -> int:
        """Up to when clicks are labelled."""
        return min(self.until_ms, self.as_of_ms - self.maturity_ms)


class Known(NamedTuple):
    """What the files reach over: the first and last click, and the last purchase (None without any)."""

    first_click_ms: int
    last_click_ms: int
    last_purchase_ms: int | None


def known_of(inputs: Inputs, bounds: Bounds = BOUNDS) -> Known:
    """Look at the files. Raises Refused where there are no clicks, Misconfigured or BadInput for files of no use."""
    inputs.check()
    with bounded(bounds, inputs) as database:
        clicks = f"SELECT min(clicked_at_ms), max(clicked_at_ms) FROM {table(inputs.rows, inputs)}"
        first_ms, last_ms = database.execute(clicks).fetchone()
        purchases = f"SELECT max(purchased_at_ms) FROM {table(inputs.purchases, inputs)}"
        (purchase_ms,) = database.execute(purchases).fetchone()
    if first_ms is None:
        raise Refused("The feature-log files hold no click, so there is nothing to label. Name others.")
    return Known(first_ms, last_ms, purchase_ms)


def write_labels(
    inputs: Inputs,
    terms: Terms,
    folder: Path,
    bounds: Bounds = BOUNDS,
    on_day: Callable[[int, int], None] = lambda done, days: None,
) -> Tally:
    """Write labelled clicks to the new `folder`, one file a UTC day, in time order; `model.labelled` reads them.

    The same files and terms give the same bytes. `on_day` hears how many days of how many are done. Raises Refused
    where no click or no purchase is left and for features that are no numbers; BadInput
    for damaged files; Misconfigured for files, memory or disk that do not do; Unavailable for a store that does not
    answer. Then nothing is written.
    """
    inputs.check()
    _check(terms)
    with new_folder(folder) as hidden, bounded(bounds, inputs) as database:
        prepare(database, inputs, terms.as_of_ms, terms.attribution_ms)
        _check_purchases(database, terms)
        days = days_of(database, terms.from_ms, terms.mature_until_ms)
        tally = Tally()
        for done, day in enumerate(days, 1):
            reader = rows_of_day(database, inputs, day, terms.from_ms, terms.mature_until_ms)
            with DayWriter(hidden, day, with_kinds=bool(inputs.truth)) as writer:
                tally = tally.plus(writer.write_all(reader))
            on_day(done, len(days))
        if tally.clicks == 0:
            raise Refused(
                f"No click without a flag lies from {terms.from_ms} up to {terms.mature_until_ms} (ms UTC), so "
                "there is nothing to label. Take another time range or more files."
            )
    return tally


def _check(terms: Terms) -> None:
    if terms.from_ms >= terms.mature_until_ms:
        raise Refused(
            f"No click can be labelled: the range begins at {terms.from_ms} and clicks are mature up to "
            f"{terms.mature_until_ms} (ms UTC; {terms.maturity_ms} ms before {terms.as_of_ms}). Begin earlier, or "
            "lower the maturity."
        )


def _check_purchases(database: Any, terms: Terms) -> None:
    (known,) = database.execute("SELECT count(*) FROM bought").fetchone()
    if known == 0:
        raise Refused(
            f"No purchase before {terms.as_of_ms} (ms UTC) is in the purchases files, so no click would be labelled "
            "human. Name the files of the same time as the clicks."
        )
