"""A ledger in SQLite: the bill and the reader's positions in one database, changed in one transaction.

Small, but complete: killed at any moment and started again, it bills every click once. A ledger in another database
does the same three things in its transaction: look up what stands, apply `effect`, store the positions.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from billing.fold import CHANGES_THE_BILL, Effect, Rank, effect, rank
from billing.reader import Batch, PartitionPosition, Positions
from contracts.errors import Misconfigured, Unavailable
from contracts.events import Decision

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clicks (
    click_id TEXT PRIMARY KEY,
    source_partition INTEGER NOT NULL, source_offset INTEGER NOT NULL, revision INTEGER NOT NULL,
    verdict TEXT NOT NULL, advertiser_id TEXT NOT NULL, campaign_id TEXT NOT NULL,
    cost_micros INTEGER NOT NULL, currency TEXT NOT NULL, clicked_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reader_topic (topic_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reader_positions (partition INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reader_runs (
    partition INTEGER NOT NULL, run TEXT NOT NULL, last_source_offset INTEGER NOT NULL, PRIMARY KEY (partition, run)
);
"""
_STANDING = "SELECT click_id, source_partition, source_offset, -revision FROM clicks WHERE click_id IN ({})"
_IDS_PER_QUERY = 500
_CHARGES = """
SELECT advertiser_id, currency, SUM(verdict = 'valid'), SUM(verdict = 'invalid'),
       SUM(CASE verdict WHEN 'valid' THEN cost_micros ELSE 0 END)
FROM clicks GROUP BY advertiser_id, currency ORDER BY advertiser_id, currency
"""


class Charge(NamedTuple):
    """What one advertiser owes for valid clicks, in micros of the currency."""

    advertiser_id: str
    currency: str
    valid_clicks: int
    invalid_clicks: int
    charged_micros: int


class SqliteLedger:
    """The bill in one file. Raises Misconfigured if it can't be used, Unavailable while another process writes."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise Misconfigured(f"{path} cannot be used as a ledger: {error}. Name a new or another file.") from error

    def apply(self, batch: Batch) -> list[tuple[Effect, Decision]]:
        """Apply a batch and store its positions, both or neither. Returns what each decision did to the bill."""
        with _Transaction(self._database):
            standing = self._standing([decision.click_id for decision in batch.decisions])
            outcomes = [(_take(standing, decision), decision) for decision in batch.decisions]
            self._write(decision for outcome, decision in outcomes if outcome in CHANGES_THE_BILL)
            self._store(batch.positions)
        return outcomes

    def positions(self) -> Positions | None:
        """Where the reader goes on; None if nothing was read yet."""
        topic = self._database.execute("SELECT topic_id FROM reader_topic").fetchone()
        if topic is None:
            return None
        offsets = dict(self._database.execute("SELECT partition, next_offset FROM reader_positions"))
        runs: dict[int, dict[str, int]] = {partition: {} for partition in offsets}
        for partition, run, last in self._database.execute("SELECT * FROM reader_runs"):
            runs[partition][run] = last
        return Positions(topic[0], {p: PartitionPosition(offset, runs[p]) for p, offset in offsets.items()})

    def charges(self) -> list[Charge]:
        """What each advertiser owes."""
        return [Charge(*row) for row in self._database.execute(_CHARGES)]

    def verdicts(self) -> dict[str, str]:
        """The standing verdict of each click_id."""
        return dict(self._database.execute("SELECT click_id, verdict FROM clicks"))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _standing(self, click_ids: list[str]) -> dict[str, Rank]:
        found: dict[str, Rank] = {}
        for at in range(0, len(click_ids), _IDS_PER_QUERY):
            ids = click_ids[at : at + _IDS_PER_QUERY]
            query = _STANDING.format(",".join("?" * len(ids)))
            found |= {click_id: (*place,) for click_id, *place in self._database.execute(query, ids)}
        return found

    def _write(self, decisions: Iterable[Decision]) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO clicks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (d.click_id, d.source_partition, d.source_offset, d.revision, d.verdict, d.advertiser_id,
                 d.campaign_id, d.cost_micros, d.currency, d.clicked_at_ms)
                for d in decisions
            ),
        )  # fmt: skip

    def _store(self, positions: Positions) -> None:
        run = self._database.executemany
        self._database.execute("DELETE FROM reader_topic")
        self._database.execute("INSERT INTO reader_topic VALUES (?)", (positions.topic_id,))
        stored = positions.partitions.items()
        run("INSERT OR REPLACE INTO reader_positions VALUES (?, ?)", ((p, at.next_offset) for p, at in stored))
        runs = ((p, name, last) for p, at in stored for name, last in at.last_source_offsets.items())
        run("INSERT OR REPLACE INTO reader_runs VALUES (?, ?, ?)", runs)


def _take(standing: dict[str, Rank], decision: Decision) -> Effect:
    outcome = effect(standing.get(decision.click_id), rank(decision))
    if outcome in CHANGES_THE_BILL:
        standing[decision.click_id] = rank(decision)
    return outcome


class _Transaction:
    """All or nothing; `IMMEDIATE` takes the write lock before anything is looked up."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise Unavailable(f"The ledger cannot be written ({error}): another process may be at it.") from error

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")
