"""The SQLite ledger: every click billed once, whatever is killed when."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.fold import Deduplicator, Effect
from billing.ledger import Charge, SqliteLedger
from billing.reader import Batch, PartitionPosition, Positions
from billing.snapshot import read_all_effective
from contracts.events import Decision
from tests.billing.conftest import WriteDecisions
from tests.billing.logs import Log, interleaved, oracle, partition_logs, record
from tests.builders import decision

NO_POSITIONS = Positions("topic-1", {})

# Reads in batches of at most 40 records; in the given batch it is killed between the bill and the positions.
KILLED_READER = """
import os, signal, sys
import billing.log
from billing.ledger import SqliteLedger
from billing.reader import BillingReader

servers, topic, path, killed_in_batch = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
billing.log._FETCH_AT_MOST = 39
store = SqliteLedger._store
batches = 0

def store_or_die(self, positions):
    global batches
    batches += 1
    if batches == killed_in_batch:
        os.kill(os.getpid(), signal.SIGKILL)
    store(self, positions)

SqliteLedger._store = store_or_die
with SqliteLedger(path) as ledger, BillingReader({"bootstrap.servers": servers}, topic, ledger.positions()) as reader:
    for batch in reader.batches(until_end=True):
        ledger.apply(batch)
"""


def test_a_batch_says_what_each_decision_did_to_the_bill(tmp_path: Path) -> None:
    records = [record(1, "a"), record(2, "b"), record(3, "a"), record(2, "b", revision=4, verdict="invalid")]
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        effects = [effect for effect, _ in ledger.apply(Batch(records, 0, NO_POSITIONS))]

        verdicts = ledger.verdicts()

    assert effects == [Effect.BILLED, Effect.BILLED, Effect.REPEATED_CLICK_ID, Effect.CORRECTED]
    assert verdicts == {"a": "valid", "b": "invalid"}


def test_charges_add_up_valid_clicks_by_advertiser_and_currency(tmp_path: Path) -> None:
    decisions = [
        decision(click_id="a", source_offset=0, advertiser_id="x", cost_micros=300_000),
        decision(click_id="b", source_offset=1, advertiser_id="x", cost_micros=200_000),
        decision(click_id="c", source_offset=2, advertiser_id="x", cost_micros=900_000, verdict="invalid"),
        decision(click_id="d", source_offset=3, advertiser_id="x", cost_micros=50_000, currency="USD"),
        decision(click_id="e", source_offset=4, advertiser_id="y", verdict="invalid"),
    ]
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        ledger.apply(Batch(decisions, 0, NO_POSITIONS))

        charges = ledger.charges()

    assert charges == [Charge("x", "EUR", 2, 1, 500_000), Charge("x", "USD", 1, 0, 50_000), Charge("y", "EUR", 0, 1, 0)]


def test_positions_come_back_as_they_were_stored(tmp_path: Path) -> None:
    stored = Positions("topic-1", {0: PartitionPosition(9, {"live": 7, "r3": 2}), 2: PartitionPosition(0, {})})
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        before = ledger.positions()
        ledger.apply(Batch([], 0, stored))

    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        after = ledger.positions()

    assert before is None
    assert after == stored


def test_a_batch_that_fails_changes_neither_bill_nor_positions(tmp_path: Path) -> None:
    too_large_for_sqlite = decision(click_id="b", source_offset=1, cost_micros=2**70)
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        ledger.apply(Batch([record(0, "a")], 0, NO_POSITIONS))

        with pytest.raises(OverflowError):
            ledger.apply(Batch([record(2, "c"), too_large_for_sqlite], 0, Positions("topic-2", {})))

        assert ledger.verdicts() == {"a": "valid"}
        assert ledger.positions() == NO_POSITIONS


@given(partition_logs(), st.integers(0, 1_000_000), st.lists(st.integers(0, 40), max_size=4))
def test_restarts_between_any_two_batches_end_with_the_oracles_bill(
    logs: list[Log], seed: int, restarts: list[int]
) -> None:
    rule = Deduplicator()
    with SqliteLedger(Path(":memory:")) as ledger:
        for number, found in enumerate(interleaved(logs, seed)):
            if number in restarts:
                rule = Deduplicator(_integers(ledger.positions()))
            new = [found] if rule.admit(found.source_partition, found) else []
            ledger.apply(Batch(new, 1 - len(new), _positions(rule, partitions=len(logs))))

        verdicts = ledger.verdicts()

    assert verdicts == {click_id: expected.verdict for click_id, expected in oracle(logs).items()}


def test_killed_within_its_transactions_and_restarted_it_bills_every_click_once(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions, tmp_path: Path
) -> None:
    write_decisions(_log_with_everything())
    path = tmp_path / "ledger.sqlite"
    servers = kafka_config["bootstrap.servers"]
    never = 0

    exits = [_run_reader(servers, decisions_topic, path, batch) for batch in (1, 2, 4, 3, never)]

    assert exits == [-signal.SIGKILL] * 4 + [0]
    effective = read_all_effective(kafka_config, decisions_topic.removesuffix("decisions"))
    assert len(effective) == 1500
    with SqliteLedger(path) as ledger:
        assert ledger.verdicts() == {click_id: found.verdict for click_id, found in effective.items()}


def _log_with_everything() -> list[Decision]:
    """500 clicks in each of three partitions, with duplicates, corrections and stale repetitions behind them."""
    log = []
    for partition in range(3):
        live = [record(offset, partition=partition, verdict=_verdict(offset)) for offset in range(500)]
        fixed = [record(offset, partition=partition, revision=8, verdict="valid") for offset in range(0, 400, 7)]
        log += [*live[:300], *live[250:300], *live[300:], *fixed, *live[10:60], *fixed[:9]]
    return log


def _verdict(offset: int) -> str:
    return "invalid" if offset % 3 else "valid"


def _run_reader(servers: str, topic: str, path: Path, killed_in_batch: int) -> int:
    command = [sys.executable, "-c", KILLED_READER, servers, topic, str(path), str(killed_in_batch)]
    return subprocess.run(command, check=False, timeout=60).returncode


def _positions(rule: Deduplicator, partitions: int) -> Positions:
    return Positions("topic-1", {p: PartitionPosition(0, rule.last_source_offsets(p)) for p in range(partitions)})


def _integers(positions: Positions | None) -> dict[int, dict[str, int]]:
    return {} if positions is None else {p: at.last_source_offsets for p, at in positions.partitions.items()}
