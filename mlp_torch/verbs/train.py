"""`mlp_torch train [KEY=VALUE …]`, in a clone `python train.py`: an experiment, or a run that was stopped."""

import os
import re
import shlex
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig, OmegaConf

from mlp_torch import foreign
from mlp_torch.configuration import CONFIGS, built, check_targets, composed, options, settle_schedules
from mlp_torch.errors import ConfigError, UserError, near
from mlp_torch.files import held
from mlp_torch.interruption import Interrupted, interruptible
from mlp_torch.overrides import choices, key_of, opened
from mlp_torch.reproducibility import folds
from mlp_torch.serving.formats import check_formats
from mlp_torch.stages.configured import check as check_stages
from mlp_torch.stages.configured import configured, wanted
from mlp_torch.training import devices
from mlp_torch.transfer.configured import check as check_transfer
from mlp_torch.transfer.configured import check_labels, own_origin, pin
from mlp_torch.tuning.chosen import with_best
from mlp_torch.tuning.plan import GROUP
from mlp_torch.tuning.plan import planned as tuned
from mlp_torch.verbs import plan, ranks, sweep
from mlp_torch.verbs.closing import closing, command, guarded
from mlp_torch.verbs.folders import (
    allowed,
    has_trained,
    is_finished,
    new_folder,
    point_back,
    pointed,
    reopened,
    resumed,
    unfinished,
)

AUTO = "resume=auto"
SOURCES = (  # that read a file, or a folder of them
    "mlp_torch.ingest.source.Csv",
    "mlp_torch.ingest.source.Parquet",
    "mlp_torch.training.table.shards.csv",
    "mlp_torch.training.table.shards.parquet",
)


def main(arguments: list[str]) -> int:
    """Checks the arguments in a second; a run that goes on needs no more of Hydra, all else is handed to it."""
    chosen = parsed(arguments)
    chosen.overrides = [opened(text) for text in chosen.overrides]
    looks = chosen.help or chosen.hydra_help or chosen.info or chosen.cfg
    is_auto = AUTO in chosen.overrides
    chosen.overrides = [text for text in chosen.overrides if text != AUTO]
    if not looks and is_asked(chosen.overrides, "resume"):
        return resume(chosen.overrides, several=chosen.multirun)
    typed = chosen.overrides
    if not looks and is_asked(typed, "from_study"):
        chosen.overrides = with_best(typed, configs_of(chosen))
    if not looks and is_asked(chosen.overrides, GROUP):
        check_tuning(chosen)
    elif not looks:
        runs = planned(chosen)
        if len(runs) > 1:
            return guarded(lambda: several(runs, typed, is_auto=is_auto))
        if is_auto and (folder := unfinished(runs[0].cfg)):
            return guarded(lambda: go(*reopened(folder)))  # equal to what its user has composed now
    flags = [text for text in arguments if opened(text) not in chosen.overrides]
    sys.argv = [sys.argv[0], *flags, *chosen.overrides]  # Hydra's own parser wants the overrides side by side
    hydra.main(config_path=str(CONFIGS), config_name="train", version_base="1.3")(start)()
    return 0


def several(runs: list[sweep.Planned], overrides: list[str], *, is_auto: bool) -> None:
    """Several runs: those that were begun with these arguments and are not finished if asked, else new ones."""
    folder = plan.unfinished(Path(runs[0].cfg.runs) / str(runs[0].cfg.name), overrides) if is_auto else None
    if folder:
        sweep.proceed(folder, [name for run in runs for name in foreign.own(OmegaConf.to_container(run.cfg))])
    else:
        sweep.begin(runs, overrides)


def is_asked(overrides: list[str], key: str) -> bool:
    """Whether a key that is null by default is set."""
    return any(key_of(text) == key and not text.endswith(("=", "=null")) for text in overrides)


def configs_of(chosen: Namespace) -> Path | None:
    """The folder of `--config-dir`."""
    return Path(chosen.config_dir) if chosen.config_dir else None


def check_tuning(chosen: Namespace) -> None:
    """Refuses a study that cannot be, before it is handed to Hydra, whose sweeper begins it."""
    if not chosen.multirun:
        raise ConfigError(f"a study has many runs, however: {GROUP} without -m; write -m {GROUP}=default")
    check_sweeper(chosen)
    tuned(chosen.overrides, configs_of(chosen), check)


def resume(overrides: list[str], *, several: bool) -> int:
    """Goes on with a run, or with several of which some are not finished."""
    if folder := sweep.meant(overrides, several=several):
        return guarded(lambda: sweep.proceed(folder, allowed(overrides)))
    return guarded(lambda: go(*resumed(overrides)))


def planned(chosen: Namespace) -> list[sweep.Planned]:
    """All that is to be run, composed and checked before the first of it begins.

    Raises:
        ConfigError: for a list without -m, -m without one, and what any of the configurations has that is wrong.
    """
    each = choices(chosen.overrides)
    lists = [text for text, values in zip(chosen.overrides, each, strict=True) if len(values) > 1]
    check_lists(lists, chosen)
    folder = configs_of(chosen)
    runs: list[sweep.Planned] = []
    for overrides in product(*each):
        cfg = composed(list(overrides), folder)
        check(cfg)
        pin(cfg)
        settle_schedules(cfg)
        varied = [text for text, values in zip(overrides, each, strict=True) if len(values) > 1]
        runs += sweep.folded(cfg, varied)
    if chosen.multirun and not lists and len(runs) < 2:
        given = " ".join(chosen.overrides) or "nothing"
        raise ConfigError(f"-m needs a list of values, as in seed=1,2,3, or folds=5, however: {given}")
    sweep.check(runs)
    return runs


def check(cfg: DictConfig) -> None:
    """Refuses what is wrong with a run's configuration, before anything is read."""
    check_switches(cfg)  # before all that takes its time
    check_source(cfg)
    check_targets(cfg)
    check_labels(cfg)
    check_folds(cfg)
    check_stages(cfg)
    check_transfer(cfg)
    ranks.check(cfg)
    for at, fit in fits(cfg):
        try:
            check_switches(fit)
            devices.check(str(fit.trainer.accelerator), str(fit.trainer.precision))
            ranks.check_same(fit, cfg)
        except ConfigError as error:
            raise ConfigError(f"{at}: {error}" if at else str(error)) from None


def fits(cfg: DictConfig) -> Iterator[tuple[str, DictConfig]]:
    """All that a run trains, itself first: the configuration of each, and where it stands in that of the run."""
    yield "", cfg
    yield from ((f"stages.{name}", configured(cfg, name, "")) for name in wanted(cfg))
    if isinstance(cfg.init_from, DictConfig):
        yield "init_from", own_origin(cfg, "")


def check_lists(lists: list[str], chosen: Namespace) -> None:
    """Refuses a list without -m, and two of one key."""
    if lists and not chosen.multirun:
        hint = f"write -m {lists[0]}, [...] for one list, or quote a text that holds a comma"
        raise ConfigError(f"a list of values needs -m, however: {lists[0]}; {hint}")
    if len({*map(key_of, lists)}) < len(lists):
        raise ConfigError(f"each list must be of another key, however: {' '.join(lists)}")
    check_sweeper(chosen)


def check_sweeper(chosen: Namespace) -> None:
    """Refuses what Hydra would sweep by, which is not asked but by `hparams_search`."""
    own = [text for text in chosen.overrides if key_of(text).startswith(("hydra/", "hydra."))]
    if own and chosen.multirun:
        raise ConfigError(f"-m begins one run after the other, by no sweeper or launcher of Hydra's, however: {own[0]}")


def parsed(arguments: list[str]) -> Namespace:
    """Hydra's options.

    Raises:
        ConfigError: for an option that there is not, and a folder of groups that there is not.
    """
    for text in arguments:
        if text.startswith("--") and key_of(text.removeprefix("--")) in options(None):
            raise ConfigError(f"no such option: {text}; write {text.removeprefix('--')}")
    parser = get_args_parser()  # private to Hydra, and all there is: its own main names no near options
    chosen, unknown = parser.parse_known_intermixed_args(arguments)  # as in: experiment=mine -m seed=1,2
    flags = [flag for action in parser._actions for flag in action.option_strings]
    if unknown:
        raise ConfigError(f"no such option: {unknown[0]}; {near(unknown[0], flags)}")
    if chosen.config_dir and not Path(chosen.config_dir).is_dir():
        raise ConfigError(f"--config-dir must be a folder, however: {chosen.config_dir}")
    return chosen


def check_switches(cfg: DictConfig) -> None:
    """Refuses a name that can be no folder and no part of a URL, a seed, threads or switches that mean nothing."""
    for key in ("debug", "compile", "all_rows"):
        if type(cfg[key]) is not bool:
            raise ConfigError(f"{key} must be true or false, however: {key}={cfg[key]}")
    for key, least in (("seed", 0), ("threads", 1), ("rows_per_epoch", 1)):
        is_open = key == "rows_per_epoch" and cfg[key] is None
        if not is_open and (type(cfg[key]) is not int or cfg[key] < least):
            raise ConfigError(f"{key} must be a whole number of at least {least}, however: {key}={cfg[key]}")
    if cfg.all_rows and cfg.from_study is None:
        raise ConfigError("all_rows needs a study that has chosen the epoch, however: from_study=null")
    if cfg.trainer.max_epochs == 0:
        raise ConfigError("trainer.max_epochs must be at least 1, however: trainer.max_epochs=0; see also debug=true")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", str(cfg.name)):
        raise ConfigError(f"name must be made of letters, digits, _ . and -, however: name={cfg.name}")
    check_formats(cfg.export.formats)


def check_source(cfg: DictConfig) -> None:
    """Refuses a file that is not there, before what it would be read by is imported, which takes seconds."""
    target, path = (OmegaConf.select(cfg, f"data.source.{key}", default=None) for key in ("_target_", "path"))
    if str(target) in SOURCES and isinstance(path, str):
        from mlp_torch.ingest.parquet_files import ENDINGS, shards  # pyarrow takes a moment; --help does not need it

        first = shards(Path(path))[0].path
        kind = str(target).rpartition(".")[2].lower()
        ending = first.suffix.lower()
        found = "parquet" if ending in ENDINGS else "csv" if ending in (".csv", ".tsv") else kind
        if found != kind:
            option = f"{found}_in_memory" if str(target).startswith("mlp_torch.ingest") else found
            raise ConfigError(f"data.source reads {kind}, however: {path} is {found}; write data={option}")


def check_folds(cfg: DictConfig) -> None:
    """Refuses folds that cannot be, before anything is read."""
    if cfg.folds is None and cfg.fold is not None:
        raise ConfigError(f"fold is one of several, which folds says, however: fold={cfg.fold}, folds=null")
    if cfg.folds is not None:
        folds.check_number(cfg.folds)
        built(cfg.data.split).fold(0 if cfg.fold is None else cfg.fold, of=cfg.folds)


def start(cfg: DictConfig) -> None:
    """A new run, or a look at what it would be; called by Hydra, which would swallow what a run raises."""
    code = guarded(lambda: go(cfg, None) if cfg.debug else begin(cfg))
    if code:
        sys.exit(code)


def begin(cfg: DictConfig) -> None:
    """A new run; one that is refused before it trains leaves no folder, and `latest` where it was."""
    pin(cfg)
    settle_schedules(cfg)
    latest = Path(cfg.runs) / str(cfg.name) / "latest"
    before = pointed(latest)
    folder = new_folder(cfg)
    try:
        go(cfg, folder)
    except UserError:
        if not has_trained(folder):
            shutil.rmtree(folder)
            point_back(latest, before)
        raise


def go(cfg: DictConfig, folder: Path | None) -> None:
    """Trains in a run's folder; without a folder it only looks."""
    if folder and is_finished(folder):
        print(f"{folder} is finished; nothing was changed. Its figures are in {folder / 'metrics.json'}.")
        return
    hint = f"Go on with:  {command('train')} resume={shlex.quote(str(folder))}{trusted(cfg)}" if folder else ""
    try:
        from mlp_torch.run import look, quiet, train  # lightning takes seconds, and --help does not need it

        quiet()
        if folder is None:
            print(look(cfg))
            return
        with held(folder), interruptible():
            if ranks.number(cfg) > 1:
                ranks.together(cfg, folder, hint)
            else:
                closing(cfg, folder, train(cfg, folder))
    except Interrupted as stopped:
        print(f"\nStopped. {hint}".rstrip(), file=sys.stderr)
        sys.exit(stopped.code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would write to it once more at its end
        print(f"\nStopped, since nobody reads what it prints. {hint}".rstrip(), file=sys.stderr)
        sys.exit(128 + signal.SIGPIPE)


def trusted(cfg: DictConfig) -> str:
    """What a run with classes of a user's own needs to go on."""
    own = foreign.own(OmegaConf.to_container(cfg))
    return f" {foreign.in_overrides(own)}" if own else ""
