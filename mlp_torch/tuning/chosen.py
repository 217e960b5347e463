"""The best trial's parameters, for an ordinary run: `train experiment=X from_study=NAME`."""

from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError, ModelError, near
from mlp_torch.overrides import choices, key_of, opened
from mlp_torch.responsible.report import number
from mlp_torch.tuning.plan import is_installed
from mlp_torch.tuning.storage import DEFINITION, STUDY, intact, kept

KEY = "from_study"
EVERYWHERE = "mlp_torch.reproducibility.everywhere.Everywhere"


class Best(NamedTuple):
    """A study's best trial.

    Args:
        study: its name.
        trial: the trial's number.
        told: in words.
        overrides: its parameters as they are typed.
        epoch: its best one, from 1.
    """

    study: str
    trial: int
    told: str
    overrides: list[str]
    epoch: int


def with_best(overrides: list[str], configs: Path | None) -> list[str]:
    """The overrides with the best trial's parameters before them, which are printed; those typed win.

    Raises:
        ConfigError: where there is no such study, or none of its trials has a value.
        ModelError: for a storage that is damaged.
    """
    single = [values[0] for values in choices(overrides)]  # a list is of runs that have the same study
    cfg = composed(single, configs)
    best = best_of(cfg, str(cfg[KEY]))
    typed = {key_of(text) for text in overrides}
    kept_out = [text for text in best.overrides if key_of(text) in typed]
    used = [text for text in best.overrides if text not in kept_out]
    print(f"from study {best.study}: {best.told}: {' '.join(used)}")
    if kept_out:
        print(f"not {' '.join(kept_out)}, which the command line sets")
    found = [*map(opened, used), *overrides]
    if not cfg.all_rows:
        return found
    print(f"all_rows: no row is kept back; epochs 1 to {best.epoch}, as the best trial has them")
    return [*found, *on_all_rows(composed([*map(opened, used), *single], configs), best.epoch)]


def on_all_rows(cfg: DictConfig, epoch: int) -> list[str]:
    """What makes a run learn from every row, up to an epoch that was chosen before; its rate falls as it did there."""
    scheduler = OmegaConf.to_container(cfg.scheduler or OmegaConf.create(), resolve=True)
    assert isinstance(scheduler, dict)
    return [
        "~data.split",
        f"+data.split={{_target_: {EVERYWHERE}}}",
        *(f"scheduler.{key!s}={text(value)}" for key, value in scheduler.items() if not str(key).startswith("_")),
        f"trainer.max_epochs={epoch}",
        "callback.early_stopping=null",
    ]


def best_of(cfg: DictConfig, given: str) -> Best:
    """The best trial of a study.

    Args:
        cfg: of the run.
        given: the study's name, its folder, or its storage.
    """
    is_installed(KEY)
    where, name = located(cfg, given)
    import optuna

    from mlp_torch.training.pruning import connected

    if "://" not in where and not Path(where).is_file():
        raise ModelError(f"{where} is missing; it holds the study {name}")
    with intact(where):
        storage = connected(where)
        names = optuna.get_all_study_names(storage)
        if name not in names:
            own = [other for other in names if other.startswith(f"{cfg.name}/")]
            raise ConfigError(f"from_study must name a study, however: {name}; {near(name, own or names)}")
        study = optuna.load_study(study_name=name, storage=storage)
        complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
        if not complete:
            raise ConfigError(f"from_study needs a trial that has come to its end, however: {name} has none")
        trial, monitor = study.best_trial, study.user_attrs[DEFINITION]["monitor"]
    told = f"trial {trial.number} of {len(study.trials)}, {monitor} {number(trial.value)}"
    texts = [f"{key}={text(value)}" for key, value in trial.params.items()]
    return Best(name, trial.number, told, texts, trial.user_attrs["epoch"])


def text(value: Any) -> str:
    """A parameter as an override has it: texts are written so already."""
    return value if isinstance(value, str) else repr(value)


def located(cfg: DictConfig, given: str) -> tuple[str, str]:
    """Storage and name of the study that is meant.

    Raises:
        ConfigError: where it is no study's name, and no path of one.
    """
    around = Path(cfg.runs) / str(cfg.name)
    for folder in (around / f"study_{given}", Path(given)):
        if (folder / STUDY).is_file():
            return kept(folder)
    if "://" in given or Path(given).is_file():
        return only(cfg, given)
    known = [path.parent.name.removeprefix("study_") for path in around.glob(f"study_*/{STUDY}")]
    raise ConfigError(f"from_study must name a study of {around}, or its path, however: {given}; {near(given, known)}")


def only(cfg: DictConfig, where: str) -> tuple[str, str]:
    """The study of this experiment in a storage, of which there must be one.

    Raises:
        ConfigError: for none, and for several.
    """
    import optuna

    from mlp_torch.training.pruning import connected

    with intact(where):
        names = optuna.get_all_study_names(connected(where))
    own = [name for name in names if name.startswith(f"{cfg.name}/")]
    if len(own) != 1:
        told = ", ".join(names) or "nothing"
        raise ConfigError(f"from_study must hold one study of {cfg.name}, however: {where} holds {told}")
    return where if "://" in where else str(Path(where).resolve()), own[0]
