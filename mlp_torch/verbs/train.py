"""`mlp_torch train [KEY=VALUE …]`, in a clone `python train.py`: an experiment, or a run that was stopped."""

import os
import sys
from datetime import datetime
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from mlp_torch import files
from mlp_torch.configuration import CONFIGS, check_targets, composed, key_of
from mlp_torch.errors import ConfigError, ModelError, UserError, near
from mlp_torch.responsible.report import Report


def main(arguments: list[str]) -> int:
    """Checks the arguments in a second, then hands them to Hydra."""
    parser = get_args_parser()
    options, unknown = parser.parse_known_args(arguments)
    flags = [flag for action in parser._actions for flag in action.option_strings]
    if unknown:
        raise ConfigError(f"no such option: {unknown[0]}; {near(unknown[0], flags)}")
    if not (options.help or options.hydra_help or options.info):
        folder = Path(options.config_dir) if options.config_dir else None
        if folder and not folder.is_dir():
            raise ConfigError(f"--config-dir must be a folder, however: {folder}")
        single = [text for text in options.overrides if not options.multirun or "," not in text]
        cfg = composed(single, folder)
        if not cfg.resume:
            check_targets(cfg)
    sys.argv = ["mlp_torch train", *arguments]
    hydra.main(config_path=str(CONFIGS), config_name="train", version_base="1.3")(start)()
    return 0


def start(cfg: DictConfig) -> None:
    """One run: debug, a new one, or one that goes on."""
    from mlp_torch.run import look, quiet, train  # lightning takes seconds, and --help does not need it

    try:
        if cfg.resume:
            cfg, folder = resumed(cfg, list(HydraConfig.get().overrides.task))
        elif not cfg.debug:
            folder = new_folder(cfg)
        quiet()
        if cfg.debug:
            print(look(cfg))
            return
        if (folder / "model" / "manifest.json").exists():
            print(f"{folder} is finished; nothing was changed. Its figures are in {folder / 'metrics.json'}.")
            return
        closing(cfg, folder, train(cfg, folder))
    except UserError as error:
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit):  # Lightning turns Ctrl-C into SystemExit(1)
        print(f"\nStopped. Go on with:  python train.py resume={folder}", file=sys.stderr)
        sys.exit(130)


def new_folder(cfg: DictConfig) -> Path:
    """RUNS/NAME/DATE_TIME with the resolved configuration in it; RUNS/NAME/latest points to it."""
    parent = Path(cfg.runs) / cfg.name
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ["", *(f"_{i}" for i in range(2, 100))]:
        folder = parent / (stamp + suffix)
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            continue
    cfg.folder = str(folder)
    files.write_text(folder / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    point(parent / "latest", folder)
    return folder


def point(link: Path, folder: Path) -> None:
    """Makes a symbolic link point to a folder beside it, in one step."""
    new = link.with_name(f".latest-{os.getpid()}")
    new.symlink_to(folder.name)
    new.replace(link)


def resumed(cfg: DictConfig, overrides: list[str]) -> tuple[DictConfig, Path]:
    """The stored configuration of a run, with what `resume_allow` permits on top, and its folder."""
    given = Path(str(cfg.resume))
    folder = given.parent.parent if given.suffix == ".ckpt" else given
    if not (folder / "config.yaml").is_file():
        raise ModelError(f"resume must name a run's folder, however: {folder} holds no config.yaml")
    stored = OmegaConf.load(folder / "config.yaml")
    changes = [text for text in overrides if key_of(text) not in ("resume", "resume_allow")]
    for text in changes:
        key = key_of(text)
        if not any(key == allowed or key.startswith(f"{allowed}.") for allowed in cfg.resume_allow):
            raise ConfigError(
                f"a resumed run keeps its configuration, however: {text}; to allow it: resume_allow=[{key}]"
            )
    merged = OmegaConf.merge(stored, OmegaConf.from_dotlist(changes))
    assert isinstance(merged, DictConfig)
    folder = folder.resolve()
    merged.folder = os.path.relpath(folder)
    check_targets(merged)
    return merged, Path(merged.folder)


def closing(cfg: DictConfig, folder: Path, report: Report) -> None:
    """The table, what it says, and the commands that come next."""
    print(f"\n{report.table()}\n")
    for line in [*report.findings(), *report.notes]:
        print(line)
    print(
        f"\nrun       {folder}\n"
        f"watch     tensorboard --logdir {cfg.runs}\n"
        f"resume    python train.py resume={folder}\n"
        f"evaluate  mlp_torch evaluate --model {folder}/model --input labelled.csv\n"
        f"serve     python serve.py {folder}/model --port 8000"
    )
