"""What a command that tunes is refused for, in a second and before a folder is made."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tiny
from commands import ROOT

from mlp_torch.configuration import CONFIGS, composed
from mlp_torch.errors import ConfigError, MissingExtra
from mlp_torch.tuning.plan import planned
from mlp_torch.verbs.train import check, main

ASKED = ["-m", "hparams_search=default"]
EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hparams_search=default"], "a study has many runs, however: hparams_search without -m"),
        ([*ASKED, "optimizer.lrr=interval(0,1)"], "no lrr of optimizer; did you mean lr?"),
        ([*ASKED, "backbone.blocks=1,2"], "no blocks of backbone; known: "),
        (
            [*ASKED, "backbone=mlp,rsenet"],
            "backbone must be one of its options, however: backbone=rsenet; did you",
        ),
        ([*ASKED, "data.columns.city.dmi=4,8"], "takes no dmi; did you mean dim?"),
        ([*ASKED, "backbone.dropout=a,b"], "backbone.dropout must be float, however: 'a'"),
        ([*ASKED, "optimizer.lr=interval(1,0.1)"], "optimizer.lr must have values between its ends"),
        ([*ASKED, "optimizer.lr=1", "optimizer.weight_decay=1"], "a study must vary something"),
        ([*ASKED, "hparams_search.n_trial=5"], "no n_trial of hparams_search; did you mean n_trials?"),
        ([*ASKED, "hparams_search.n_trials=0"], "n_trials must be a whole number of at least 1, however: 0"),
        ([*ASKED, "hparams_search.timeout=-1"], "timeout must be null or seconds, however: -1"),
        ([*ASKED, "hparams_search.study=a/b"], "study must be made of letters"),
        ([*ASKED, "hparams_search.sampler.sed=1"], "no sed of hparams_search.sampler; did you mean seed"),
        ([*ASKED, "hparams_search.sampler=null"], "sampler must have a _target_, however: None"),
        ([*ASKED, "debug=true"], "debug=true looks at one run"),
        ([*ASKED, "folds=5"], "a trial is one run, however: folds=5; choose one of them by fold=0"),
        (
            [*ASKED, "callback.best.monitor=train/loss"],
            "compared on validation rows, however: callback.best.monitor",
        ),
        ([*ASKED, "hydra.sweeper.n=3"], "by no sweeper or launcher of Hydra's, however: hydra.sweeper.n=3"),
        ([*ASKED, "optimizer.lr=interval("], "optimizer.lr must be a set of values, however: optimizer.lr=interval("),
        (["-m", "hparams_search=defalt"], "hparams_search must be one of its options"),
    ],
)
def test_a_study_that_cannot_be_is_refused_by_name(arguments, message, tmp_path):
    with pytest.raises(ConfigError) as caught:
        main([*tiny.experiment(tmp_path), *arguments])
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_mistyped_key_of_ones_own_search_space_is_told_with_the_near_ones(tmp_path):
    arguments = tiny.experiment(tmp_path)
    own = tmp_path / "configs" / "hparams_search" / "own.yaml"
    own.parent.mkdir()
    text = "# @package _global_\ndefaults: [default]\nhparams_search: {params: {backbone.droput: 'interval(0,0.5)'}}\n"
    own.write_text(text)
    with pytest.raises(ConfigError, match=r"no droput of backbone; did you mean dropout\?"):
        main([*arguments, "-m", "hparams_search=own"])
    own.write_text(text.replace("droput", "dropout"))
    plan = planned([*arguments[2:], "hparams_search=own"], tmp_path / "configs", check)
    assert list(plan.space) == ["backbone.dropout", "optimizer.lr", "optimizer.weight_decay"]


def test_without_optuna_the_extra_is_named_and_all_else_works(tmp_path, monkeypatch):
    real = importlib.util.find_spec
    missing = {"mlp_torch.tuning.plan.find_spec": lambda name: None if name == "optuna" else real(name)}
    for path, value in missing.items():
        monkeypatch.setattr(path, value)
    arguments = tiny.experiment(tmp_path)
    with pytest.raises(MissingExtra, match=r"pip install 'mlp_torch\[tune\]'"):
        main([*arguments, *ASKED])
    with pytest.raises(MissingExtra, match="from_study needs optuna"):
        main([*arguments, "from_study=default"])
    assert composed(arguments[2:], Path(arguments[1])).name == "tiny"


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_default_space_fits_every_experiment(experiment, monkeypatch):
    plan = planned([f"experiment={experiment}", "hparams_search=default"], None, lambda cfg: None)
    assert list(plan.space) == ["optimizer.lr", "optimizer.weight_decay"]
    assert "hparams_search" not in plan.base


def test_the_space_of_an_mlp_fits_the_quickstart():
    plan = planned(["experiment=quickstart", "hparams_search=mlp"], None, check)
    assert list(plan.space) == ["backbone.dropout", "backbone.hidden", "optimizer.lr", "optimizer.weight_decay"]
    assert plan.name == "quickstart/mlp"


def test_hydra_finds_the_sweeper_without_optuna_and_nothing_slow_is_imported_for_help():
    """The plugin is imported by every command that Hydra composes."""
    text = (
        "import sys; from hydra.core.plugins import Plugins; from hydra.plugins.sweeper import Sweeper; "
        "import mlp_torch.verbs.train; "
        "assert 'Tuning' in [each.__name__ for each in Plugins.instance().discover(Sweeper)]; "
        "print(sorted({'optuna', 'sqlalchemy', 'torch', 'lightning'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_sweeper_ships_in_the_wheel_and_is_a_part_of_a_namespace():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "hydra_plugins" in packages["packages"]
    assert not (ROOT / "hydra_plugins" / "__init__.py").exists()
    assert len((ROOT / "hydra_plugins" / "mlp_torch_tuning.py").read_text().splitlines()) <= 100
