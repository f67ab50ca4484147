"""Simulated history in files: the features that a worker logs, digests that match, whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from contracts import feature_log, purchase_log
from contracts.errors import Misconfigured, Refused
from contracts.events import Click, Purchase
from contracts.features import FEATURE_INDEX
from features.memory_store import MemoryFeatureStore
from features.vector import feature_matrix
from rules.ruleset import DATACENTRE_IP, RuleSet
from slidr.commands import app
from slidr.history import DAY_MS, history_scenario, write_history
from slidr.part_files import ROWS_PER_GROUP, PartFiles
from traffic.simulate import events

END_MS = 1_705_881_600_000  # 2024-01-22, a Monday
SCENARIO = history_scenario(seed=3, end_ms=END_MS, days=2, clicks=4000, robot_share=0.2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history") / "two-days"
    write_history(SCENARIO, RuleSet.default(), folder)
    return folder


def read(folder: Path, name: str) -> pa.Table:
    return pq.read_table(folder / name)


def features_of(rows: pa.Table) -> np.ndarray:
    return rows["features"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)


def test_rows_have_the_features_of_their_clicks_counted_one_by_one_in_order(folder: Path) -> None:
    store = MemoryFeatureStore("another key than the history's")
    clicks = [event for _, event, _ in events(SCENARIO) if isinstance(event, Click)]

    one_by_one = b"".join(store.count_clicks([click]) for click in clicks)

    rows = read(folder, "feature-log")
    exact = [i for name, i in FEATURE_INDEX.items() if "distinct" not in name]
    assert rows["click_id"].to_pylist() == [click.click_id for click in clicks]
    assert (feature_matrix(one_by_one, clicks)[:, exact] == features_of(rows)[:, exact]).all()
    assert rows["session_clicks_1h"].to_pylist() == features_of(rows)[:, FEATURE_INDEX["session_clicks_1h"]].tolist()


def test_the_files_have_the_columns_of_the_archive(folder: Path) -> None:
    rows, purchases = read(folder, "feature-log"), read(folder, "purchases")

    assert rows.schema.equals(feature_log.schema())
    assert purchases.schema.equals(purchase_log.schema())
    assert rows["source_offset"].to_pylist() == list(range(len(rows)))
    assert rows["clicked_at_ms"].to_pylist() == sorted(rows["clicked_at_ms"].to_pylist())


def test_clicks_are_decided_by_the_rules_alone(folder: Path) -> None:
    rows = read(folder, "feature-log").to_pylist()

    fired = [row for row in rows if row["rules"]]
    assert {row["verdict"] for row in fired} == {"invalid"}
    assert {(row["verdict"], row["score"], row["threshold"]) for row in rows if not row["rules"]} == {("valid", 0, 1)}
    assert any(DATACENTRE_IP in row["rules"] for row in fired)


def test_purchases_and_clicks_of_an_account_share_a_digest(folder: Path) -> None:
    simulated = list(events(SCENARIO))
    accounts = [event.account_id for _, event, _ in simulated if isinstance(event, Click)]
    users = [event.user_id for _, event, _ in simulated if isinstance(event, Purchase)]

    digest = dict(zip(accounts, read(folder, "feature-log")["account_hash"].to_pylist(), strict=True))

    pairs = list(zip(users, read(folder, "purchases")["user_hash"].to_pylist(), strict=True))
    known = [(user, found) for user, found in pairs if user in digest]
    assert len(known) > 50
    assert all(digest[user] == found for user, found in known)
    assert all(found is None for user, found in pairs if user is None)


def test_the_truth_names_every_click_once(folder: Path) -> None:
    truth = read(folder, "truth")

    assert truth["click_id"].to_pylist() == read(folder, "feature-log")["click_id"].to_pylist()
    assert truth["robot"].to_pylist() == [kind != "human" for kind in truth["kind"].to_pylist()]


def test_the_same_scenario_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_history(SCENARIO, RuleSet.default(), tmp_path / "again")

    for path in folder.rglob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(folder)).read_bytes()


def test_what_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(clicks: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_history(SCENARIO, RuleSet.default(), tmp_path / "new", interrupt)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("of use")

    with pytest.raises(Refused, match="not an empty folder"):
        write_history(SCENARIO, RuleSet.default(), tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Misconfigured, match="cannot be written"):
        write_history(SCENARIO, RuleSet.default(), tmp_path / "file" / "new")


def test_row_groups_and_files_are_cut_so_that_none_grows_with_history(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])
    batch = pa.RecordBatch.from_pydict({"n": np.zeros(ROWS_PER_GROUP // 2, np.int64)}, schema)

    with PartFiles(tmp_path / "numbers", schema) as parts:
        for _ in range(35):
            parts.write(batch)

    files = [pq.ParquetFile(path) for path in sorted((tmp_path / "numbers").iterdir())]
    assert [file.metadata.num_rows for file in files] == [16 * ROWS_PER_GROUP, 3 * ROWS_PER_GROUP // 2]
    assert files[0].metadata.row_group(0).num_rows == ROWS_PER_GROUP


def test_what_never_happened_is_a_file_without_rows(tmp_path: Path) -> None:
    with PartFiles(tmp_path / "purchases", purchase_log.schema()):
        pass

    assert pq.read_table(tmp_path / "purchases").schema.equals(purchase_log.schema())


def test_the_command_writes_history_and_prints_one_object(tmp_path: Path) -> None:
    options = ["--clicks-per-s", "0.02", "--duration-s", str(DAY_MS // 1000), "--features", str(tmp_path / "day")]

    run = CliRunner().invoke(app, ["simulate", *options, "--json"])

    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["clicks"] == read(tmp_path / "day", "feature-log").num_rows
