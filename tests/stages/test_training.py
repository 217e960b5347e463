"""Stages: who learns from which rows, what later models read of them, and what a stopped run does."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import staged
import tiny
import torch
from omegaconf import OmegaConf

import mlp_torch.stages.training as training
from mlp_torch.configuration import composed
from mlp_torch.errors import ModelError
from mlp_torch.evaluation.evaluation import evaluate
from mlp_torch.head import Batch
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.model import Model, predicted
from mlp_torch.reproducibility.groups import fold_of
from mlp_torch.run import table, train
from mlp_torch.serving.predictor import Predictor
from mlp_torch.verbs.folders import resumed
from mlp_torch.verbs.train import main

pytestmark = pytest.mark.filterwarnings("ignore:on this machine a row's last bits")


class Seen:
    """The rows, by fingerprint, that each fit of a stage learned from, by its folder below `stages`; and its model."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.rows: dict[str, set[int]] = {}
        self.fits: dict[str, tuple[Model, Batch]] = {}
        self.fit = training.fit
        monkeypatch.setattr(training, "fit", self)

    def __call__(self, cfg, data, model, folder, **options):
        name = "/".join(folder.parts[-2:])
        table = data.tables["train"]
        self.rows[name], self.fits[name] = set(table.row.tolist()), (model, table)
        return self.fit(cfg, data, model, folder, **options)


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("cascade")
    with pytest.MonkeyPatch.context() as patch:
        seen = Seen(patch)
        assert main(staged.experiment(folder, staged.CASCADE)) == 0
    return (folder / "runs" / "tiny" / "latest").resolve(), seen.rows


def out_of_fold(run: Path, stage: str = "gate") -> dict[str, list]:
    return pq.read_table(run / "stages" / stage / "out_of_fold.parquet").to_pydict()


def test_no_row_is_routed_by_a_gate_that_has_trained_on_it(cascade) -> None:
    run, learned = cascade
    found = out_of_fold(run)
    for row, fold in zip(found["row"], found["fold"], strict=True):
        assert row not in learned[f"gate/fold_{fold}"]
        for other in {0, 1, 2} - {fold}:
            assert row in learned[f"gate/fold_{other}"]
    routed = {row for row, label in zip(found["row"], found["class"], strict=True) if label == 1}
    assert learned["tardy/whole"] == routed
    assert learned["early/whole"] == set(found["row"]) - routed
    assert 0 < len(routed) < len(found["row"])


@pytest.mark.parametrize("calibration", [0.1, pytest.param(0, marks=pytest.mark.proof)])
def test_out_of_fold_predictions_are_those_of_the_model_of_the_fold(tmp_path: Path, monkeypatch, calibration) -> None:
    seen = Seen(monkeypatch)
    rows = f"calibration: 0.1 -> calibration: {calibration}"
    assert main(staged.experiment(tmp_path, staged.CASCADE, rows=rows)) == 0
    found = out_of_fold(tmp_path / "runs" / "tiny" / "latest")
    probability, fold = torch.tensor(found["probability"]), torch.tensor(found["fold"])
    table = seen.fits["gate/whole"][1]
    assert torch.equal(table.row, torch.tensor(found["row"]))
    for i in range(3):  # dropout is at rest
        model = seen.fits[f"gate/fold_{i}"][0].eval()
        with torch.no_grad():
            wanted = predicted(model, model(table.features))["probability"]
        assert torch.allclose(probability[fold == i], wanted[fold == i], atol=1e-6)


def test_a_cascade_is_one_graph_whose_gate_answers_beside_it(cascade) -> None:
    run, _ = cascade
    model = Predictor(run / "model")
    answer = model.predict(model.schema.example)
    assert {"prediction", "gate/probability", "gate/class", "gate/label"} <= set(answer)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test/rmse_whole"] > 0
    assert "epoch" not in metrics


def test_a_cascade_is_evaluated_like_any_model(cascade) -> None:
    run, _ = cascade
    found = evaluate(run / "model", run.parents[2] / "tiny.parquet")
    assert found.verdicts["model"].values["rmse"] < 1.1 * found.verdicts["constant"].values["rmse"]


def test_a_stack_learns_from_predictions_out_of_fold_and_ships_its_members(tmp_path: Path) -> None:
    assert main(staged.experiment(tmp_path, staged.STACK)) == 0
    run = tmp_path / "runs" / "tiny" / "latest"
    assert {"narrow", "wide"} == {path.name for path in (run / "stages").iterdir()}
    state = tiny.best(run / "checkpoints")["state_dict"]
    said = torch.tensor(out_of_fold(run, "wide")["probability"]).double().logit()
    assert torch.allclose(state["model.members.1.opinion.mean"], said.mean().reshape(1), atol=1e-6)
    member = tiny.best(run / "stages" / "wide" / "whole" / "checkpoints")["state_dict"]
    assert torch.equal(state["model.members.1.model.head.output.weight"], member["model.head.output.weight"])
    model = Predictor(run / "model")
    assert set(model.predict(model.schema.example)) >= {"probability", "class", "label"}
    (run / "model" / "manifest.json").unlink()  # as if it had not come to its end
    heard = json.loads((run / "checkpoints" / "stages.json").read_text())
    hashes = {name: json.loads((run / f"stages/{name}/stage.json").read_text())["hash"] for name in ("narrow", "wide")}
    assert heard["reads"] == hashes
    heard["reads"]["wide"] = "0" * 64
    (run / "checkpoints" / "stages.json").write_text(json.dumps(heard))
    with pytest.raises(ModelError, match=r"the last model must learn from what the present stage wide says"):
        train(*resumed([f"resume={run}"]))


def test_rows_of_one_group_are_in_one_fold(tmp_path: Path) -> None:
    arguments = staged.experiment(tmp_path, staged.STACK, split="fields: [id]\n -> fields: [tail]\n")
    data = table(composed(arguments[2:], Path(arguments[1]))).prepare()
    found = fold_of(data.prepared.groups["train"], 3).tolist()
    rows = pq.read_table(tmp_path / "tiny.parquet").to_pydict()
    tail = dict(zip(fingerprints(rows["id"]).tolist(), rows["tail"], strict=True))
    folds: dict[str, set[int]] = {}
    for row, fold in zip(data.tables["train"].row.tolist(), found, strict=True):
        folds.setdefault(tail[row], set()).add(fold)
    assert max(map(len, folds.values())) == 1
    assert len(folds) < len(found) / 2
    assert set(found) == {0, 1, 2}


class Killed(Exception):
    """A run that dies before a fit."""


def test_a_stopped_run_goes_on_in_the_fit_that_was_not_done(cascade, tmp_path: Path, monkeypatch) -> None:
    whole, _ = cascade
    arguments = staged.experiment(tmp_path, staged.CASCADE)
    run = tmp_path / "runs" / "tiny" / "latest"
    real = training.fit

    def dying(cfg, data, model, folder, **options):
        if "/".join(folder.parts[-2:]) == last:
            raise Killed
        return real(cfg, data, model, folder, **options)

    monkeypatch.setattr(training, "fit", dying)
    last = "gate/fold_1"  # its checkpoints know another target than the run's
    with pytest.raises(SystemExit):  # by Hydra, which swallows what a run raises
        main(arguments)
    last = "tardy/whole"
    with pytest.raises(Killed):
        main([f"resume={run}"])
    monkeypatch.setattr(training, "fit", real)
    before = {path: path.stat().st_mtime_ns for path in run.resolve().rglob("stages/gate/*/checkpoints/*.ckpt")}
    assert main([f"resume={run}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for name in ("val", "test"):
        ours, theirs = (pq.read_table(each / f"predictions/{name}.parquet") for each in (run, whole))
        assert ours.equals(theirs)


def test_a_stage_goes_on_with_as_many_folds_as_it_began_with(tmp_path: Path, monkeypatch, capsys) -> None:
    real = training.fit

    def dying(cfg, data, model, folder, **options):
        if folder.name == "fold_1":
            raise Killed
        return real(cfg, data, model, folder, **options)

    monkeypatch.setattr(training, "fit", dying)
    with pytest.raises(SystemExit):
        main(staged.experiment(tmp_path, staged.CASCADE))
    run = (tmp_path / "runs" / "tiny" / "latest").resolve()
    config = OmegaConf.load(run / "config.yaml")
    before, config.stages.gate.folds = config.stages.gate.folds, 7
    OmegaConf.save(config, run / "config.yaml")
    assert main([f"resume={run}"]) == 2
    assert f"stages.gate.folds: {before} → 7" in capsys.readouterr().err


def test_a_gate_that_was_trained_again_forces_its_branches(cascade, tmp_path: Path) -> None:
    run, _ = cascade
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    (copied / "model" / "manifest.json").unlink()  # as if it had not come to its end
    path = copied / "stages" / "early" / "stage.json"
    stored = json.loads(path.read_text())
    assert stored["reads"] == {"gate": json.loads((copied / "stages/gate/stage.json").read_text())["hash"]}
    path.write_text(json.dumps({**stored, "reads": {"gate": "0" * 64}}))
    with pytest.raises(
        ModelError, match=r"gate was trained again since then; delete .*early to train stage early again too"
    ):
        training.check_reads(path, "stage early", {"gate": stored["reads"]["gate"]})
    main([f"resume={copied}"])
    assert not (copied / "model" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "stage.json is damaged"),
        ("[]", "must hold one JSON object"),
        ('{"format": 1}', "present stage gate says, however: gate was trained again"),
        ('{"format": 1, "reads": {"gait": "0"}}', "present stage gait says"),
    ],
)
def test_a_damaged_stage_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "stage.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        training.check_reads(path, "stage early", {"gate": "1"})


def test_a_gate_that_takes_no_row_for_a_class_is_told(tmp_path: Path, capsys) -> None:
    untrained = "trainer: {max_epochs: 8} -> trainer: {max_epochs: 1, limit_train_batches: 1}"
    with pytest.raises(SystemExit):
        main(
            staged.experiment(
                tmp_path, staged.CASCADE, gate=untrained, rate="optimizer: {lr: 0.02} -> optimizer: {lr: 1e-9}"
            )
        )
    message = capsys.readouterr().err
    wanted = "stages.tardy: a stage must have training and validation rows that stage gate takes for late"
    assert f"empty_split: {wanted}" in message
