"""The file of limits: read, changed by a file of one's own, and refused with a sentence where it cannot be."""

import re
from pathlib import Path

import pytest

from contracts.errors import Misconfigured
from guardrails.limits import read_limits

ROOT = Path(__file__).parents[2]
BUILT_IN = ROOT / "guardrails" / "limits.toml"
DOCS = ROOT / "docs" / "guardrails.md"


def own(tmp_path: Path, text: str) -> Path:
    (tmp_path / "limits.toml").write_text(text)
    return tmp_path / "limits.toml"


def test_a_file_of_ones_own_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    limits = read_limits(own(tmp_path, "[volume]\nleast_share = 0.05\n"))

    assert limits.volume.least_share == 0.05
    assert limits.volume.hours == read_limits().volume.hours
    assert limits.fpr == read_limits().fpr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[volume]\nleast_shard = 0.1", "least_shard"),
        ("[volumes]\nleast_share = 0.1", "volumes"),
        ("[volume]\nleast_share = 1.5", r"volume\.least_share"),
        ("[volume]\nleast_share = -0.1", r"volume\.least_share"),
        ('[volume]\nleast_share = "much"', r"Expected `float`, got `str` - at `\$\.volume\.least_share`"),
        ("[volume]\nhours = []", r"volume\.hours"),
        ("[volume]\nhours = [0]", r"volume\.hours"),
        ("[feature_units]\nmost_times = 0.5", r"feature_units\.most_times"),
        ("[trailing]\nweeks = 0", r"trailing\.weeks"),
        ("volume = 3", r"\$\.volume"),
        ("[volume", "cannot be read"),
    ],
)
def test_what_cannot_be_a_limit_is_refused_with_its_name(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says) as failure:
        read_limits(own(tmp_path, text))

    assert "SLIDR_GUARDRAILS_FILE" in str(failure.value)
    assert str(tmp_path) in str(failure.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"SLIDR_GUARDRAILS_FILE.*cannot be read"):
        read_limits(tmp_path / "nowhere.toml")


def test_every_guardrail_has_a_comment_beside_its_limit_and_a_row_in_the_docs() -> None:
    tables = re.split(r"^\[(\w+)\]$", BUILT_IN.read_text(), flags=re.M)[1:]
    names, bodies = tables[::2], tables[1::2]

    assert all("# " in body for body in bodies)
    assert set(names) == set(read_limits().__struct_fields__)
    assert set(re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.M)) == {*names, "release_files"} - {
        "trailing",
        "sentinel",
    }


def test_every_judgement_of_the_sentinel_is_described() -> None:
    described = (ROOT / "docs" / "sentinel.md").read_text()
    judgements = ("newly_invalid", "let_through", "disagreement", "ivr_above", "ivr_fallen_to", "fpr_above")

    assert set(judgements) <= set(read_limits().sentinel.__struct_fields__)
    assert all(f"| `{name}` |" in described for name in (*judgements, "coverage_fallen_to"))
