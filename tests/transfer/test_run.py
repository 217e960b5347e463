"""Transfer learning by configuration: from another run's folder, or from one that the run trains first."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tiny
import torch
from omegaconf import OmegaConf
from training.test_resume import same

import mlp_torch
from mlp_torch.errors import UserError
from mlp_torch.verbs.train import main

SHORT = ["trainer.max_epochs=2", "importance=null"]
DIES = (RuntimeError, SystemExit)  # which Hydra makes of it
STOP = "+callback.stop={_target_: tiny.Stop, after: 13}"  # in the second epoch


@pytest.fixture(autouse=True)
def _arguments(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py"])  # Hydra reads it; main sets it


@pytest.fixture(scope="module")
def body(tmp_path_factory) -> Path:
    """A folder with the tiny experiment and a run that has seen two cities only."""
    folder = tmp_path_factory.mktemp("transfer")
    arguments = tiny.experiment(folder)
    table = tiny.table()
    pq.write_table(table.filter(pc.is_in(table["city"], pa.array(["Oslo", "Rome"]))), folder / "few.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["train.py"])
        assert main([*arguments, *SHORT, f"data.source.path={folder / 'few.parquet'}", "name=body"]) == 0
    return folder


def arguments(body: Path, runs: Path, *more: str) -> list[str]:
    experiment = ["--config-dir", str(body / "configs"), "experiment=tiny", f"runs={runs}"]
    return [*experiment, *SHORT, *more]


def from_body(body: Path, runs: Path, *more: str) -> list[str]:
    return arguments(body, runs, f"init_from={body}/runs/body/latest", *more)


def latest(runs: Path, name: str = "tiny") -> Path:
    return (runs / name / "latest").resolve()


def test_a_run_begins_with_another_and_reports_what_it_took(body, tmp_path, caplog):
    caplog.set_level("INFO", "mlp_torch")
    assert main(from_body(body, tmp_path, "freeze=[encoder.*]", "unfreeze={2: [encoder.layers.city.*]}")) == 0
    run = latest(tmp_path)
    told = json.loads((run / "transfer.json").read_text())
    assert told["run"] == str(latest(body / "runs", "body"))
    assert told["restored"] == ["city", "age", "hour", "city_hour"]
    assert told["vocabularies"] == {"city": [4, 7]}
    assert "backbone.layers.3.weight" in told["loaded"]
    assert told["missing"] == {}
    assert "grown: city from 4 to 7 codes" in caplog.text
    assert "frozen until epoch 2 begins: 1 tensor: encoder.layers.city.table.weight" in caplog.text
    old = tiny.best(latest(body / "runs", "body") / "checkpoints")["state_dict"]
    new = tiny.last(run / "checkpoints")["state_dict"]
    assert torch.equal(new["model.encoder.layers.hour.table.weight"], old["model.encoder.layers.hour.table.weight"])
    assert not torch.equal(
        new["model.encoder.layers.city.table.weight"][:4], old["model.encoder.layers.city.table.weight"]
    )
    assert not torch.equal(new["model.backbone.layers.3.weight"], old["model.backbone.layers.3.weight"])
    assert torch.equal(new["transform.columns.age.steps.0.mean"], old["transform.columns.age.steps.0.mean"])
    model = mlp_torch.load(run / "model")
    assert model.predict(model.schema.example)


def test_a_run_goes_on_without_the_other_run_to_the_same_bits(body, tmp_path):
    options = ["freeze=[encoder.*]", "unfreeze={2: [encoder.layers.city.*]}", "rates={backbone.*: 0.5}"]
    assert main(from_body(body, tmp_path / "whole", *options)) == 0
    shutil.copytree(body / "runs" / "body", tmp_path / "other", symlinks=True)
    with pytest.raises(DIES):
        main(arguments(body, tmp_path / "killed", f"init_from={tmp_path}/other/latest", *options, STOP))
    shutil.rmtree(tmp_path / "other")
    run = latest(tmp_path / "killed")
    assert main([f"resume={run}", "resume_allow=[callback.stop]", "callback.stop=null"]) == 0
    whole = latest(tmp_path / "whole")
    for kept in (tiny.best, tiny.last):
        found, wanted = kept(run / "checkpoints"), kept(whole / "checkpoints")
        assert same(found["state_dict"], wanted["state_dict"])
    assert (run / "predictions/test.parquet").read_bytes() == (whole / "predictions/test.parquet").read_bytes()


def test_a_run_that_died_before_its_first_checkpoint_begins_with_the_copy_that_it_keeps(body, tmp_path):
    assert main(from_body(body, tmp_path / "whole")) == 0
    shutil.copytree(body / "runs" / "body", tmp_path / "other", symlinks=True)
    with pytest.raises(DIES):
        main(arguments(body, tmp_path / "killed", f"init_from={tmp_path}/other/latest", STOP.replace("13", "0")))
    shutil.rmtree(tmp_path / "other")
    run = latest(tmp_path / "killed")
    assert not list((run / "checkpoints").glob("step_*"))
    assert main([f"resume={run}", "resume_allow=[callback.stop]", "callback.stop=null"]) == 0
    ends = [tiny.last(latest(tmp_path / name) / "checkpoints")["state_dict"] for name in ("whole", "killed")]
    assert same(*ends)


def test_a_copy_that_a_kill_left_without_its_manifest_is_made_again(body, tmp_path):
    with pytest.raises(DIES):
        main(from_body(body, tmp_path, STOP.replace("13", "0")))
    run = latest(tmp_path)
    (run / "init_from.json").unlink()
    assert main([f"resume={run}", "resume_allow=[callback.stop]", "callback.stop=null"]) == 0
    assert (run / "init_from.json").exists()


def test_latest_of_the_same_name_is_the_run_before_and_not_the_new_one(body, tmp_path):
    few = f"data.source.path={body / 'few.parquet'}"
    assert main(arguments(body, tmp_path, few)) == 0
    first = latest(tmp_path)
    assert main(arguments(body, tmp_path, f"init_from={tmp_path}/tiny/latest")) == 0
    second = latest(tmp_path)
    assert second != first
    assert json.loads((second / "transfer.json").read_text())["run"] == str(first)
    assert f"init_from: {first}\n" in (second / "config.yaml").read_text()


def test_a_table_on_disk_begins_with_another_run_too(body, tmp_path):
    table = ["~data.source", f"+data.source={shards(body, tmp_path)}"]
    assert main(from_body(body, tmp_path / "disk", *table)) == 0
    assert main(from_body(body, tmp_path / "memory")) == 0
    told = [json.loads((latest(tmp_path / name) / "transfer.json").read_text()) for name in ("disk", "memory")]
    assert told[0] == told[1]
    features = [tiny.last(latest(tmp_path / name) / "checkpoints")["state_dict"] for name in ("disk", "memory")]
    assert all(torch.equal(x, features[1][name]) for name, x in features[0].items() if name.startswith("transform."))


def test_a_table_on_disk_is_looked_at_beside_the_run_before(body, tmp_path):
    table = ["~data.source", f"+data.source={shards(body, tmp_path)}"]
    own = "init_from={trainer: {max_epochs: 1}}"
    assert main(arguments(body, tmp_path / "disk", own, *table)) == 0
    assert main(arguments(body, tmp_path / "memory", own)) == 0
    for name in ("disk", "memory"):
        assert (latest(tmp_path / name) / "data.html").is_file()


def shards(body: Path, folder: Path) -> str:
    path = {"path": body / "tiny.parquet", "folder": folder / "encoded"}
    arguments = ", ".join(f"{key}: {value}" for key, value in path.items())
    return f"{{_target_: mlp_torch.training.table.shards.parquet, {arguments}}}"


def test_what_is_new_and_frozen_for_good_is_warned_of(body, tmp_path, caplog):
    other = ["data.columns.city.dim=5", "freeze=[encoder.*]"]
    assert main(from_body(body, tmp_path, *other)) == 0
    said = "WARNING: new here and frozen for good, so that they stay as they were drawn: 1 tensor: encoder.layers.city."
    assert said in caplog.text
    caplog.clear()
    assert main(from_body(body, tmp_path, *other, "unfreeze={2: [encoder.*]}")) == 0
    assert "frozen for good" not in caplog.text


def test_columns_that_are_defined_otherwise_are_fitted_anew_and_another_target_has_a_new_head(body, tmp_path):
    other = [
        "data.columns.hour.part=weekday",
        "data.columns.city.dim=5",
        "data.target={field: late, classes: [late, on time]}",
    ]
    assert main(from_body(body, tmp_path, *other)) == 0
    told = json.loads((latest(tmp_path) / "transfer.json").read_text())
    assert told["fitted"] == {"hour": "part is weekday, there hour"}
    assert told["missing"]["encoder.layers.hour.table.weight"] == "column hour is fitted anew"
    assert told["missing"]["encoder.layers.city.table.weight"] == "(7, 5), there (4, 4)"
    assert told["missing"]["head.output.weight"] == "of another target or head"
    assert "backbone.layers.3.weight" in told["loaded"]


def test_without_growth_the_new_cities_are_unknown(body, tmp_path):
    assert main(from_body(body, tmp_path, "init_grow=false")) == 0
    state = tiny.last(latest(tmp_path) / "checkpoints")["state_dict"]
    assert len(state["transform.columns.city.vocabulary"]) == 2
    assert json.loads((latest(tmp_path) / "transfer.json").read_text())["vocabularies"] == {}


def own_origin(body: Path) -> str:
    return f"init_from={{data: {{source: {{path: {body / 'few.parquet'}}}}}}}"


def test_one_command_trains_the_run_that_it_begins_with_first(body, tmp_path):
    assert main(arguments(body, tmp_path / "one", own_origin(body))) == 0
    assert main(from_body(body, tmp_path / "two")) == 0
    one, two = latest(tmp_path / "one"), latest(tmp_path / "two")
    origin, wanted = (tiny.best(run / "checkpoints") for run in (one / "origin", latest(body / "runs", "body")))
    assert same(
        {name: x for name, x in origin["state_dict"].items() if not name.startswith("model.head.threshold")},
        {name: x for name, x in wanted["state_dict"].items() if not name.startswith("model.head.threshold")},
    )
    assert same(*(tiny.last(run / "checkpoints")["state_dict"] for run in (one, two)))
    assert json.loads((one / "transfer.json").read_text())["run"] == str(one / "origin")


def test_one_command_that_dies_in_either_part_goes_on_to_the_same_bits(body, tmp_path):
    assert main(arguments(body, tmp_path / "whole", own_origin(body))) == 0
    with pytest.raises(DIES):
        main(arguments(body, tmp_path / "killed", own_origin(body), STOP.replace("13", "5")))
    run = latest(tmp_path / "killed")
    assert not (run / "init_from.pt").exists()
    allowed = [f"resume={run}", "resume_allow=[callback.stop]", "allow=[tiny.Stop]"]
    with pytest.raises(DIES):
        main([*allowed, "callback.stop.after=13"])  # of the origin's steps there are fewer
    assert (run / "init_from.pt").exists()
    shutil.rmtree(run / "origin")
    assert main([*allowed, "callback.stop=null"]) == 0
    ends = [tiny.last(latest(tmp_path / name) / "checkpoints")["state_dict"] for name in ("whole", "killed")]
    assert same(*ends)


def test_the_run_before_goes_on_as_it_began_or_says_what_differs(body, tmp_path, capsys):
    with pytest.raises(DIES):
        main(arguments(body, tmp_path, own_origin(body), STOP.replace("13", "5"), "callback.last.every_n_steps=1"))
    run = latest(tmp_path)
    config = OmegaConf.load(run / "config.yaml")
    config.backbone.hidden = [8]
    OmegaConf.save(config, run / "config.yaml")
    assert main([f"resume={run}", "allow=[tiny.Stop]"]) == 2
    assert "init_from.backbone.hidden: [16, 8] → [8]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("freeze=[encodr.*]", "freeze must match a parameter of the model, however: encodr.*"),
        ("rates={bakcbone.*: 0.1}", "rates must match a parameter of the model, however: bakcbone.*"),
        ("model=bagging", "/origin has none; here 72 tensors: members.0."),
        ("callback.best.monitor=val/rmse", "callback.best.monitor must be a metric of this run, however: val/rmse"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_run_before_trains(given, message, body, tmp_path, capsys):
    own = "init_from={model: {_target_: mlp_torch.parts.alone, _partial_: true}, callback: {best: {monitor: val/loss}}}"
    with pytest.raises(SystemExit) as stopped:
        main(arguments(body, tmp_path, own, given))
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("tiny/2*"))


def test_the_run_before_has_the_runs_schedule_over_its_own_epochs(body, tmp_path):
    assert main(arguments(body, tmp_path, "init_from={trainer: {max_epochs: 1}}", "scheduler=cosine")) == 0
    run = latest(tmp_path)
    lengths = [tiny.last(fit / "checkpoints")["lr_schedulers"][0]["T_max"] for fit in (run / "origin", run)]
    assert lengths == [1, 2]


def test_a_look_shows_what_is_frozen_and_begins_with_the_other_run(body, tmp_path, capsys):
    assert main(from_body(body, tmp_path, "freeze=[encoder.*]", "debug=true")) == 0
    out = capsys.readouterr().out
    assert "frozen: 3 tensors: encoder.layers.city.table.weight" in out
    assert "'Rome' → 2" in out or "'Rome' → 3" in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["init_from=nowhere/latest"], "init_from must name a run's folder, however: nowhere/latest"),
        (["init_from={BODY}/runs/bdoy/latest"], "did you mean body?"),
        (["init_from={BODY}/runs"], "it holds no config.yaml"),
        (
            ["init_from={dta: {batch_size: 3}}"],
            "init_from must change keys that there are, however: dta; did you mean data",
        ),
        (
            ["init_from={data: {batch_sise: 3}}"],
            "init_from: data: mlp_torch.training.data.Data takes no batch_sise; did you mean batch_size",
        ),
        (["init_from={trainer: {max_epochs: 2}, freeze: encoder}"], "init_from: freeze must be a list of globs"),
        (["init_from={trainer: null}"], "init_from.trainer must be single keys of the run's, however: None"),
        (["init_from={seed: -1}"], "init_from: seed must be a whole number of at least 0, however: seed=-1"),
        (["init_from={trainer: {precision: 64-true}}"], "init_from: trainer.precision must be one of 32-true"),
        (["init_from={trainer: {devices: 2}}"], "init_from: trainer.devices must be that of the run, 1, however: 2"),
        (["init_from=3"], "init_from must name a run's folder, however: init_from=3"),
        (["init_grow=maybe"], "init_grow must be true or false, however: init_grow=maybe"),
        (["freeze=encoder"], "freeze must be a list of globs, as in ['encoder.*'], however: freeze=encoder"),
        (["freeze=[encodr.*]"], "freeze must match a parameter of the model, however: encodr.*"),
        (["freeze=['*']"], "freeze must leave something to learn in the first epoch, however: all 9 parameters"),
        (["freeze=[encoder.*]", "unfreeze={1: [encoder.*]}"], "epochs from 2 on"),
        (["freeze=[encoder.*]", "unfreeze={3: [encoder.*]}"], "up to trainer.max_epochs=2, however: 3"),
        (["freeze=[encoder.*]", "unfreeze={2: encoder}"], "unfreeze.2 must be a list of globs"),
        (["unfreeze=3"], "unfreeze must be a table of keys"),
        (["unfreeze={2: [head.*]}"], "unfreeze.2 must match a frozen parameter"),
        (
            ["rates={encoder.*: 0}"],
            "rates of encoder.* must be a number of more than 0, however: 0; for 0 write freeze",
        ),
        (["rates={bakcbone.*: 0.1}"], "rates must match a parameter of the model, however: bakcbone.*"),
        (["layer_decay=-1"], "layer_decay must be a number of more than 0"),
        (["freze=[encoder.*]"], "did you mean freeze"),
        (["freeze=[encoder.*]", "stages.gate={folds: 2}"], "transfer learning is of a run with one model"),
        (["init_from={BODY}/runs/body/latest", "stages.gate={folds: 2}"], "beside stages"),
        (["init_from={BODY}/runs/body/latest", "model=bagging"], "has none; here"),
    ],
)
def test_what_means_nothing_is_refused_by_name(given, message, body, tmp_path, capsys):
    said = ""
    try:
        code = main(arguments(body, tmp_path, *(text.replace("{BODY}", str(body)) for text in given)))
    except SystemExit as stopped:  # out of Hydra
        code = stopped.code
    except UserError as error:  # out of what is checked before
        code, said = 2, error.told()
    assert code == 2
    assert message in said + capsys.readouterr().err
    assert not list(tmp_path.glob("tiny/2*"))


def test_a_table_of_globs_may_come_from_the_experiment_and_null_drops_an_entry(body, tmp_path):
    text = (body / "configs/experiment/tiny.yaml").read_text()
    own = body / "configs/experiment/rated.yaml"
    own.write_text(text + 'rates: {"encoder.*": 0.1, "head.*": 2}\nfreeze: ["backbone.layers.0.*"]\n')
    given = [*arguments(body, tmp_path), "rates={head.*: null, backbone.layers.3.*: 0.5}"]
    assert main([text.replace("experiment=tiny", "experiment=rated") for text in given]) == 0
    groups = tiny.last(latest(tmp_path) / "checkpoints")["optimizer_states"][0]["param_groups"]
    assert [group["lr"] for group in groups] == pytest.approx([1e-3, 5e-4, 1e-4])
    assert [len(group["params"]) for group in groups] == [2, 2, 3]
