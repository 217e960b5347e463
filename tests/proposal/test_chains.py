"""The chain of steps that a number gets: ranked on training rows, written with the reason, printed, and trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from own_table import EXPERIMENT, numbers, prepared, proposal, words, write

from mlp_torch.__main__ import main as main_of
from mlp_torch.configuration import composed
from mlp_torch.profile.content import of_field
from mlp_torch.profile.facts import look
from mlp_torch.profile.report import report_of
from mlp_torch.proposal import large
from mlp_torch.proposal.columns import decide
from mlp_torch.verbs.init import main

ROWS = 400


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def skewed(rows: int = ROWS, seed: int = 10) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).lognormal(2, 1, rows).round(4)


def steps(cfg: Any, key: str) -> list[str]:
    """The classes of a column's steps."""
    return [step["_target_"].rpartition(".")[2] for step in cfg["data"]["columns"][key].get("steps", ())]


def above(key: str) -> str:
    """The comment above a column."""
    lines = EXPERIMENT.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"    {key}: "))
    start = at
    while lines[start - 1].startswith("    #"):
        start -= 1
    return " ".join(line.strip("# ") for line in lines[start:at])


def test_skewed_numbers_get_a_chain_with_the_reason_and_normal_ones_stay_z_scores(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts = np.floor(skewed(seed=1))
    write({"pay": skewed(), "x": numbers(), "seen": counts, "debt": -skewed(seed=2), "y": words(ROWS, "a", "b")})
    cfg = proposal()
    assert steps(cfg, "pay") == ["Log", "ZScore"]
    assert steps(cfg, "seen") == ["Log1p", "ZScore"]
    assert steps(cfg, "debt") == ["Power", "ZScore"]
    assert steps(cfg, "x") == []
    for key, step in (("pay", "Log"), ("seen", "Log1p"), ("debt", "Power")):
        assert "normality ." in above(key)
        assert f": take {step}, " in above(key)
    assert ": near enough" in above("x")
    out = capsys.readouterr().out
    assert "Scaled (Log1p)" in out
    assert '"pay": normality .' in out
    assert "near enough to normal as they are: 1 of 4 numbers" in out
    data = prepared()
    column = data.transform.named_columns()["pay"]
    assert [type(step).__name__ for step in column.steps] == ["Log", "ZScore"]
    assert float(data.tables["train"].features["pay"].std()) == pytest.approx(1, abs=0.01)
    assert not any(data.counts["clipped"].values())


def test_a_value_that_lies_far_off_behind_its_chain_too_is_clipped() -> None:
    draw = np.random.default_rng(0)
    values = np.concatenate([np.zeros(9000), np.exp(draw.normal(0, 1, 11_000)).round(1), [110]])
    node = decide(look("gain", pa.array(values))).entries[0].node
    assert node["steps"][0]["_target_"].endswith("SquareRoot")
    encoded = np.sqrt(values)
    assert (encoded.max() - encoded.mean()) / encoded.std() > 10
    assert node["clip"] == 10


def test_chains_are_ranked_on_training_rows_alone() -> None:
    days = pd.date_range("2024-01-01", periods=ROWS, freq="D").strftime("%Y-%m-%d")
    normal = np.random.default_rng(3).normal(50, 5, ROWS).round(4)
    late = normal.copy()
    late[ROWS // 2 :] = -skewed(ROWS // 2)  # only validation and test rows have a tail, and numbers below 0
    pay = skewed()
    pay[-3:] = (0, -5, -1e9)
    write({"day": days, "late": late, "pay": pay, "y": words(ROWS, "a", "b")})
    cfg = proposal()
    assert cfg["data"]["split"]["_target_"].endswith("ByTime")
    cut = cfg["data"]["split"]["val"]
    assert (days < cut).sum() > ROWS // 2  # else the halves above are no test of this
    assert steps(cfg, "pay") == ["Log", "ZScore"]
    data = prepared()
    assert all(bool(table.features["pay"].isfinite().all()) for table in data.tables.values())


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([*skewed(ROWS - 40), *[-9999.0] * 40], "may mean missing"),
        ([*np.zeros(ROWS - 60), *skewed(60)], "most rows share a value"),
        (np.random.default_rng(0).uniform(1, 2, ROWS), "near enough"),
    ],
)
def test_where_a_chain_would_do_harm_or_nothing_the_z_score_stays_and_is_explained(values: Any, why: str) -> None:
    write({"pay": values, "x": numbers(), "y": words(ROWS, "a", "b")})
    assert steps(proposal(), "pay") == []
    assert why in above("pay")
    prepared()


def test_what_one_unseen_row_could_rule_out_is_not_taken_of_a_table_that_is_not_read_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write({"pay": skewed(1900), "y": words(1900, "a", "b")})
    assert steps(proposal(), "pay") == ["Log", "ZScore"]

    def small(bounded: large.BoundedReader) -> None:
        bounded.cells, bounded.rows, bounded.total, bounded.note = 100, 1000, None, ""

    EXPERIMENT.unlink()
    monkeypatch.setattr(large.BoundedReader, "__init__", small)
    assert steps(proposal(), "pay") == ["Power", "ZScore"]


def test_update_gives_a_new_skewed_number_its_chain_by_the_experiments_own_training_rows() -> None:
    table = {"id": range(ROWS), "x": numbers(), "y": words(ROWS, "a", "b")}
    write(table)
    proposal()
    pay = skewed()
    write({**table, "pay": pay}, "new.csv")
    assert main(["new.csv", "--update", str(EXPERIMENT), "--write"]) == 0
    cfg = composed(["experiment=mine", "data.source.path=new.csv"], Path("configs"))
    assert steps(cfg, "pay") == ["Log", "ZScore"]
    assert ": take Log, " in above("pay")
    text = EXPERIMENT.read_text()
    assert main(["new.csv", "--update", str(EXPERIMENT), "--write"]) == 0
    assert EXPERIMENT.read_text() == text


def test_update_ranks_nothing_where_the_split_does_not_take_the_table() -> None:
    table = {"id": range(ROWS), "x": numbers(), "y": words(ROWS, "a", "b")}
    write(table)
    assert proposal()["data"]["split"]["fields"] == ["id"]
    del table["id"]
    write({**table, "pay": skewed()}, "new.csv")
    assert main(["new.csv", "--update", str(EXPERIMENT), "--write"]) == 0
    assert steps(composed(["experiment=mine"], Path("configs")), "pay") == []


def test_clip_is_not_advised_where_a_chain_brings_all_values_near(capsys: pytest.CaptureFixture[str]) -> None:
    write({"pay": skewed(), "y": words(ROWS, "a", "b")})
    cfg = proposal()
    assert steps(cfg, "pay") == ["Log", "ZScore"]
    told = capsys.readouterr().out
    assert 'outliers: "pay"' in told
    for text in (told, EXPERIMENT.read_text()):
        assert "data.fields.pay.{min,max} for what cannot be true" in text
        assert "clip" not in text
    assert main_of(["profile", "mine.csv"]) == 0
    told = capsys.readouterr().out
    assert "Log brings them within 10 standard deviations; or data.fields.pay.{min,max}" in told
    assert "clip" not in told


def test_a_clip_that_is_written_is_said_to_be() -> None:
    draw = np.random.default_rng(0)
    values = np.concatenate([np.zeros(9000), np.exp(draw.normal(0, 1, 11_000)).round(1), [110]])
    facts = look("gain", pa.array(values))
    (finding,) = (finding for finding in of_field(facts) if finding.code == "outliers")
    assert finding.advice.startswith("clip: 10 in its column; or data.fields")
    decision = decide(facts, [finding])
    assert decision.entries[0].node["clip"] == 10
    assert decision.findings[0].advice.startswith("written: clip: 10 in its column; or data.fields")
    (outlier,) = (one for one in report_of({"gain": facts.array}).findings if one.code == "outliers")
    assert outlier.advice == finding.advice
