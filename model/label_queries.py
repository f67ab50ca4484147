"""Labels in SQL: which purchases count, which clicks led to them, who was a good customer on a day. See `labels`."""

from typing import Any, Final

from model.duck import table
from model.inputs import Inputs

DAY_MS: Final = 24 * 3_600_000
# Recency, frequency and monetary quintile of a good customer add up to at least this, of 15.
GOOD_CUSTOMER: Final = 12


def prepare(database: Any, inputs: Inputs, as_of_ms: int, attribution_ms: int) -> None:
    """Tables `bought` and `purchasing` and, of simulated traffic, `kinds`; view `logged`."""
    database.execute(f"CREATE VIEW logged AS SELECT * FROM {table(inputs.rows, inputs)} WHERE run = 'live'")
    database.execute(_BOUGHT.format(purchases=table(inputs.purchases, inputs)), {"as_of_ms": as_of_ms})
    database.execute(_PURCHASING, {"attribution_ms": attribution_ms})
    if inputs.truth:
        database.execute(_KINDS.format(truth=table(inputs.truth, inputs), day_ms=DAY_MS))


# Each purchase once, however often it was delivered.
_BOUGHT = """
CREATE TABLE bought AS
SELECT * FROM (
    SELECT DISTINCT ON (purchase_id)
        purchase_id, purchased_at_ms, user_hash, session_hash, click_id, value_micros, currency
    FROM {purchases}
    WHERE purchased_at_ms < $as_of_ms
    ORDER BY purchase_id, source_partition, source_offset
)
ORDER BY purchased_at_ms, purchase_id
"""

# The last click of either account; of one millisecond the one that came last. Only those who buy are looked through.
_PURCHASING = """
CREATE TABLE purchasing AS
WITH seeking AS (
    SELECT purchase_id, purchased_at_ms, unnest([user_hash, session_hash]) AS account
    FROM bought
    WHERE click_id IS NULL
),
clicked AS (
    SELECT account_hash, clicked_at_ms, max({'p': source_partition, 'o': source_offset}) AS source
    FROM logged
    WHERE account_hash IN (SELECT account FROM seeking WHERE account IS NOT NULL)
    GROUP BY account_hash, clicked_at_ms
),
last_clicks AS (
    SELECT purchase_id, max({'at': clicked_at_ms, 'p': source.p, 'o': source.o}) AS click
    FROM seeking ASOF JOIN clicked ON account = account_hash AND purchased_at_ms >= clicked_at_ms
    WHERE purchased_at_ms - clicked_at_ms <= $attribution_ms
    GROUP BY purchase_id
)
SELECT click.p AS source_partition, click.o AS source_offset FROM last_clicks
UNION
SELECT source_partition, source_offset FROM logged SEMI JOIN bought USING (click_id)
"""

# By day, so that the rows of one are found without going through all of them again.
_KINDS = """
CREATE TABLE kinds AS
SELECT clicked_at_ms // {day_ms} AS day, click_id, kind
FROM (SELECT DISTINCT click_id, kind FROM {truth}) JOIN (SELECT DISTINCT click_id, clicked_at_ms FROM logged)
    USING (click_id)
ORDER BY day
"""

# A quintile is 1 to 5 by the share of accounts strictly below; money is compared within its currency.
_GOOD = """
good AS (
    WITH before AS (
        SELECT coalesce(user_hash, session_hash) AS account, purchased_at_ms, value_micros, currency
        FROM bought
        WHERE purchased_at_ms < $day_starts_ms AND coalesce(user_hash, session_hash) IS NOT NULL
    ),
    accounts AS (SELECT account, max(purchased_at_ms) AS latest, count(*) AS times FROM before GROUP BY account),
    spent AS (SELECT account, currency, sum(value_micros) AS value FROM before GROUP BY account, currency),
    recency AS (
        SELECT account,
            1 + 5 * (rank() OVER (ORDER BY latest) - 1) // count(*) OVER () AS r,
            1 + 5 * (rank() OVER (ORDER BY times) - 1) // count(*) OVER () AS f
        FROM accounts
    ),
    monetary AS (
        SELECT account, max(m) AS m
        FROM (
            SELECT account,
                1 + 5 * (rank() OVER (PARTITION BY currency ORDER BY value) - 1)
                    // count(*) OVER (PARTITION BY currency) AS m
            FROM spent
        )
        GROUP BY account
    )
    SELECT account FROM recency JOIN monetary USING (account) WHERE r + f + m >= $good_customer
)
"""

_DAY = """
WITH {good}
SELECT
    click_id, clicked_at_ms, logged.source_partition, logged.source_offset, slice, features, session_clicks_1h,
    len(rules) > 0 AS by_rules,
    purchasing.source_offset IS NOT NULL AS purchasing,
    purchasing.source_offset IS NOT NULL OR good.account IS NOT NULL AS human,
    {kind} AS kind
FROM logged
LEFT JOIN purchasing USING (source_partition, source_offset)
LEFT JOIN good ON account_hash = good.account
{kinds}
WHERE clicked_at_ms >= $from_ms AND clicked_at_ms < $until_ms AND flags = 0
ORDER BY clicked_at_ms, logged.source_partition, logged.source_offset, decided_at_ms
"""


def rows_of_day(database: Any, inputs: Inputs, day: int, from_ms: int, until_ms: int) -> Any:
    """Labelled clicks of the UTC day `day` (days since 1970) within `from_ms` .. `until_ms`, by time: Arrow reader."""
    kinds = f"LEFT JOIN (SELECT * FROM kinds WHERE day = {day}) AS kinds USING (click_id)" if inputs.truth else ""
    query = _DAY.format(good=_GOOD, kinds=kinds, kind="coalesce(kinds.kind, 'unknown')" if inputs.truth else "NULL")
    starts_ms = day * DAY_MS
    bounds = {
        "day_starts_ms": starts_ms,
        "good_customer": GOOD_CUSTOMER,
        "from_ms": max(from_ms, starts_ms),
        "until_ms": min(until_ms, starts_ms + DAY_MS),
    }
    return database.sql(query, params=bounds).to_arrow_reader()


def days_of(database: Any, from_ms: int, until_ms: int) -> list[int]:
    """UTC days (since 1970) with clicks without a flag in `from_ms` .. `until_ms`."""
    found = database.execute(
        f"SELECT DISTINCT clicked_at_ms // {DAY_MS} FROM logged "
        "WHERE clicked_at_ms >= $from_ms AND clicked_at_ms < $until_ms AND flags = 0 ORDER BY 1",
        {"from_ms": from_ms, "until_ms": until_ms},
    )
    return [day for (day,) in found.fetchall()]
