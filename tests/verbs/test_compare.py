"""Runs side by side: what differs is told, what does not is not, and a difference that is luck is called none."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
from omegaconf import OmegaConf

from mlp_torch.build import without_advice
from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.evaluation.paired import difference
from mlp_torch.evaluation.runs import configurations, finished
from mlp_torch.run import train
from mlp_torch.verbs.compare import main
from mlp_torch.verbs.folders import new_folder

NUMBER = "data.target={_target_: mlp_torch.target.Number, field: size}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs of the tiny experiment by name."""
    folder = tmp_path_factory.mktemp("compare")
    arguments = tiny.experiment(folder)
    options = {
        "one": [],
        "other": ["seed=1", "optimizer.lr=0.02", "trainer.max_epochs=4"],
        "fewer": ["data.split.test=0.15", "data.split.val=0.25"],
        "number": ["~data.target", f"+{NUMBER}", "head=regression"],
        "gaussian": ["~data.target", f"+{NUMBER}", "head=gaussian"],
    }
    without_advice()
    found = {}
    for name, own in options.items():
        cfg = composed([*arguments[2:], "baseline.look-up=null", "importance=null", *own], Path(arguments[1]))
        found[name] = new_folder(cfg)
        train(cfg, found[name])
    return found


def told(capsys, *folders: Path) -> list[str]:
    assert main(list(map(str, folders))) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_what_differs_is_told_and_what_does_not_is_not(trained, capsys, tmp_path):
    one, other = trained["one"], trained["other"]
    lines = told(capsys, one, other)
    assert "seed 0 1" in lines
    assert "optimizer.lr 0.001 0.02" in lines
    assert "trainer.max_epochs 3 4" in lines
    assert "data: no difference" in lines
    assert not any(line.startswith(("folder", "callback", "backbone", "runs")) for line in lines)
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (one, other)]
    assert f"test/auroc {metrics[0]['test/auroc']:.4g} {metrics[1]['test/auroc']:.4g}" in lines
    assert f"seconds {metrics[0]['seconds']:.4g} {metrics[1]['seconds']:.4g}" in lines
    assert "validation, run 2 against run 1: 229 rows of both" in lines

    main([str(one), str(other), "--json", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())
    gap = found["differences"]["test: run 2"]["scores"]["log_loss"]["difference"]
    assert gap == pytest.approx(metrics[1]["test/log_loss"] - metrics[0]["test/log_loss"])
    assert found["configuration"]["seed"] == ["0", "1"]


def test_a_difference_has_the_sign_and_the_interval_of_the_rows_scores(trained):
    one, other = finished(str(trained["one"])), finished(str(trained["other"]))
    there, back = difference(one, other, "test"), difference(other, one, "test")
    assert there.rows == back.rows == 270
    assert there.scores["log_loss"].value == pytest.approx(-back.scores["log_loss"].value)
    assert there.scores["log_loss"].high < 0, "a higher rate learns more in so few epochs"
    assert there.lines("run 1", "run 2")[2].endswith("run 2 is better")
    assert back.lines("run 1", "run 2")[2].endswith("run 2 is worse")


def test_a_run_does_not_differ_from_its_copy(trained, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(trained["one"], copy)
    lines = told(capsys, trained["one"], copy)
    assert "configuration: no difference" in lines
    assert "log_loss: +0 (0 to 0): run 2 has no clear difference" in lines


def test_rows_are_joined_by_key_and_those_of_one_run_alone_are_counted(trained, tmp_path):
    shutil.copytree(trained["other"], tmp_path / "other")
    path = tmp_path / "other" / "predictions" / "test.parquet"
    table = pq.read_table(path)
    mixed = table.take(pa.array(range(len(table) - 1, 9, -1)))  # the other way round, without ten
    labels = mixed["target"].to_pylist()
    labels[0] = 1 - labels[0]
    pq.write_table(mixed.set_column(mixed.column_names.index("target"), "target", pa.array(labels)), path)
    one = finished(str(trained["one"]))
    found = difference(one, finished(str(tmp_path / "other")), "test")
    assert (found.rows, found.only, found.relabelled) == (259, (10, 0), 1)
    assert "259 rows of both, 10 rows of run 1 alone, 1 row of other or no labels" in found.lines("run 1", "run 2")
    whole = difference(one, finished(str(trained["other"])), "test")
    assert found.scores["log_loss"].value == pytest.approx(whole.scores["log_loss"].value, abs=0.02)


def test_runs_that_share_no_row_say_so(trained, tmp_path):
    shutil.copytree(trained["other"], tmp_path / "other")
    path = tmp_path / "other" / "predictions" / "test.parquet"
    table = pq.read_table(path)
    ids = pa.array([f"another {name}" for name in table["id"].to_pylist()], table["id"].type)
    pq.write_table(table.set_column(table.column_names.index("id"), "id", ids), path)
    found = difference(finished(str(trained["one"])), finished(str(tmp_path / "other")), "test")
    assert found.lines("run 1", "run 2") == ["no test row is in both runs, by data.key"]


def test_runs_of_other_splits_are_compared_on_the_rows_that_both_tested(trained, capsys):
    lines = told(capsys, trained["one"], trained["fewer"])
    assert "data.split.test 0.2 0.15" in lines
    assert "data" in lines
    tested = [
        set(pq.read_table(trained[name] / "predictions" / "test.parquet")["id"].to_pylist())
        for name in ("one", "fewer")
    ]
    both = len(tested[0] & tested[1])
    assert 0 < both < len(tested[0])
    assert any(line.startswith(f"test, run 2 against run 1: {both} rows of both, ") for line in lines)


def test_runs_of_other_targets_are_told_apart_and_the_rest_is_compared(trained, capsys):
    lines = told(capsys, trained["one"], trained["number"])
    assert any(line.startswith("they predict different targets (data.target)") for line in lines)
    assert any(line.startswith("seconds ") for line in lines)
    assert not any(line.startswith(("val/", "test/", "test, run")) for line in lines)


def test_heads_of_other_kinds_have_their_errors_in_common_and_not_their_losses(trained):
    found = difference(finished(str(trained["number"])), finished(str(trained["gaussian"])), "val")
    assert "absolute error" in found.scores
    assert "loss" not in found.scores
    same = difference(finished(str(trained["number"])), finished(str(trained["number"])), "val")
    assert "loss" in same.scores


def test_three_runs_are_compared_with_the_first(trained, capsys):
    lines = told(capsys, trained["one"], trained["other"], trained["fewer"])
    assert "run 1 run 2 run 3" in lines
    assert "seed 0 1 0" in lines
    assert any(line.startswith("test, run 3 against run 1") for line in lines)


def test_without_a_key_only_the_same_data_can_be_joined(trained, tmp_path):
    runs = []
    for name in ("one", "other", "fewer"):
        shutil.copytree(trained[name], tmp_path / name)
        cfg = OmegaConf.load(tmp_path / name / "config.yaml")
        cfg.data.key = []
        OmegaConf.save(cfg, tmp_path / name / "config.yaml")
        runs.append(finished(str(tmp_path / name)))
    assert difference(runs[0], runs[1], "test").rows == 270
    assert difference(runs[0], runs[2], "test").why.startswith("rows cannot be joined: data.key names none of them")
    one = finished(str(trained["one"]))
    assert difference(one, runs[1], "test").why.endswith("of the same types, however: id against none")


def test_a_key_that_names_several_rows_joins_none(trained, tmp_path):
    shutil.copytree(trained["other"], tmp_path / "other")
    path = tmp_path / "other" / "predictions" / "test.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)
    found = difference(finished(str(trained["one"])), finished(str(tmp_path / "other")), "test")
    assert found.why == "rows cannot be joined: data.key names several of them by the same values"


def test_paths_below_a_runs_folder_do_not_differ(trained):
    runs = [finished(str(trained[name])) for name in ("one", "other")]
    assert runs[0].cfg.callback.best.dirpath != runs[1].cfg.callback.best.dirpath
    assert set(configurations(runs)) == {"seed", "optimizer.lr", "trainer.max_epochs"}


def test_a_run_that_is_missing_unfinished_damaged_or_the_same_is_refused(trained, tmp_path):
    one, other = str(trained["one"]), trained["other"]
    with pytest.raises(ConfigError, match=r"compare needs two runs or more, however: .* alone"):
        main([one])
    with pytest.raises(ConfigError, match="runs must be different ones"):
        main([one, one])
    with pytest.raises(
        ModelError, match=r"RUN must be a run's folder, however: .*x; (did you mean|known: ) ?[0-9]{4}-"
    ):
        main([one, f"{other}x"])
    with pytest.raises(ModelError, match=r"RUN must be a run's folder, however: .*/model is its model; write "):
        main([one, str(other / "model")])
    shutil.copytree(other, tmp_path / "other")
    (tmp_path / "other" / "predictions" / "val.parquet").write_text("damaged")
    with pytest.raises(ModelError, match=r"val\.parquet is missing or damaged"):
        main([one, str(tmp_path / "other")])
    (tmp_path / "other" / "model" / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"RUN must be finished, however: .* go on with: mlp_torch train resume="):
        main([one, str(tmp_path / "other")])
    cfg = OmegaConf.load(tmp_path / "other" / "config.yaml")
    cfg.trial = {"study": "tiny/default", "number": 3, "params": {}}
    OmegaConf.save(cfg, tmp_path / "other" / "config.yaml")
    with pytest.raises(ModelError, match="is trial 3 of tiny/default, which was judged on validation rows alone"):
        main([one, str(tmp_path / "other")])
