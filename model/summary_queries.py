"""Summaries in SQL: clicks and purchases by hour and slice, their sources, and what came twice. See `day_summaries`.

Hashes are MD5: summaries of years may be compared, and other hashes change with the version of the database.
"""

from typing import Final

from contracts.summaries import DAY_MS

_HOUR_MS: Final = 3_600_000
# Enough to find a few hundredths of a day's clicks in another day.
_SAMPLE: Final = 256

# Each place in Kafka once, however often it was logged.
CLICKS: Final = f"""
CREATE TABLE clicks AS
SELECT
    clicked_at_ms, source_partition, source_offset, clicked_at_ms // {DAY_MS} AS day,
    any_value(slice) AS slice,
    md5_number_lower(any_value(click_id)) AS click,
    md5_number_lower(concat(hex(any_value(account_hash)), clicked_at_ms % {DAY_MS})) AS moment,
    count(*) AS times
FROM {{rows}}
WHERE run = 'live'
GROUP BY clicked_at_ms, source_partition, source_offset
"""

LABELLED: Final = "CREATE VIEW labelled AS SELECT * FROM {labelled}"

SLICES: Final = f"""
WITH logged AS (
    SELECT clicked_at_ms // {_HOUR_MS} AS hour, slice, count(*) AS clicks
    FROM clicks
    WHERE clicked_at_ms >= $from_ms AND clicked_at_ms < $until_ms
    GROUP BY ALL
),
known AS (
    SELECT
        clicked_at_ms // {_HOUR_MS} AS hour, slice, count(*) AS labelled,
        count(*) FILTER (human) AS human, count(*) FILTER (purchasing) AS purchasing
    FROM labelled
    GROUP BY ALL
)
SELECT
    hour // 24, hour % 24, slice,
    coalesce(clicks, 0), coalesce(labelled, 0), coalesce(human, 0), coalesce(purchasing, 0)
FROM logged FULL JOIN known USING (hour, slice)
"""

WEEK: Final = f"""
SELECT
    clicked_at_ms // {DAY_MS} AS day, hour_of_week, count(*), count(*) FILTER (human),
    count(*) FILTER (purchasing AND NOT human)
FROM labelled
GROUP BY ALL
"""

PURCHASES: Final = f"""
WITH reported AS (
    SELECT
        purchased_at_ms,
        row_number() OVER (PARTITION BY purchase_id ORDER BY source_partition, source_offset) AS time
    FROM {{purchases}}
),
hours AS (
    SELECT
        purchased_at_ms // {_HOUR_MS} AS hour, count(*) FILTER (time = 1) AS new, count(*) FILTER (time > 1) AS again
    FROM reported
    WHERE purchased_at_ms >= $from_ms AND purchased_at_ms < $until_ms
    GROUP BY ALL
)
SELECT hour // 24, hour % 24, new, again FROM hours
"""

# Groups may be more than fit into memory, other than the sets of count(DISTINCT).
SOURCES: Final = f"""
WITH known AS (
    SELECT day, click, moment, times FROM clicks WHERE clicked_at_ms >= $from_ms AND clicked_at_ms < $until_ms
),
by_click AS (SELECT day, count(*) AS clicks FROM (SELECT day, click FROM known GROUP BY ALL) GROUP BY day),
by_moment AS (SELECT day, count(*) AS moments FROM (SELECT day, moment FROM known GROUP BY ALL) GROUP BY day),
by_place AS (
    SELECT
        day, sum(times)::BIGINT AS rows, count(*) AS places,
        min(click, {_SAMPLE}) AS click_sample, min(moment, {_SAMPLE}) AS moment_sample
    FROM known
    GROUP BY day
)
SELECT day, rows, rows - places, places - least(clicks, moments), click_sample, moment_sample
FROM by_place JOIN by_click USING (day) JOIN by_moment USING (day)
"""

# A row late by hours has an offset of its arrival, so that gaps are looked for in the order of offsets of all days.
GAPS: Final = """
WITH after AS (
    SELECT
        clicked_at_ms, day,
        lead(source_offset) OVER (PARTITION BY source_partition ORDER BY source_offset) - source_offset - 1 AS missing
    FROM (SELECT source_partition, source_offset, min(clicked_at_ms) AS clicked_at_ms, min(day) AS day FROM clicks
        GROUP BY source_partition, source_offset)
)
SELECT day, sum(missing)::BIGINT
FROM after
WHERE missing > 0 AND clicked_at_ms >= $from_ms AND clicked_at_ms < $until_ms
GROUP BY day
"""
