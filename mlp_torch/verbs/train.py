"""`mlp_torch train [KEY=VALUE …]`, in a clone `python train.py`: an experiment, or a run that was stopped."""

import re
import shlex
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig, OmegaConf

from mlp_torch.configuration import CONFIGS, check_targets, composed, key_of, opened, options, sweeps
from mlp_torch.errors import ConfigError, UserError, near
from mlp_torch.responsible.report import Report
from mlp_torch.serving.formats import check_formats
from mlp_torch.verbs.folders import has_trained, is_finished, new_folder, point_back, pointed, resumed

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
    if not looks and any(key_of(text) == "resume" and not text.endswith(("=", "=null")) for text in chosen.overrides):
        return guarded(lambda: go(*resumed(chosen.overrides)))
    if not looks:
        folder = Path(chosen.config_dir) if chosen.config_dir else None
        for overrides in sweeps(chosen.overrides) if chosen.multirun else [chosen.overrides]:
            cfg = composed(overrides, folder)
            check_switches(cfg)
            check_source(cfg)
            check_targets(cfg)
    sys.argv = [sys.argv[0], *map(opened, arguments)]
    hydra.main(config_path=str(CONFIGS), config_name="train", version_base="1.3")(start)()
    return 0


def parsed(arguments: list[str]) -> Namespace:
    """Hydra's options.

    Raises:
        ConfigError: for an option that there is not, and a folder of groups that there is not.
    """
    for text in arguments:
        if text.startswith("--") and key_of(text.removeprefix("--")) in options(None):
            raise ConfigError(f"no such option: {text}; write {text.removeprefix('--')}")
    parser = get_args_parser()  # private to Hydra, and all there is: its own main names no near options
    chosen, unknown = parser.parse_known_args(arguments)
    flags = [flag for action in parser._actions for flag in action.option_strings]
    if unknown:
        raise ConfigError(f"no such option: {unknown[0]}; {near(unknown[0], flags)}")
    if chosen.config_dir and not Path(chosen.config_dir).is_dir():
        raise ConfigError(f"--config-dir must be a folder, however: {chosen.config_dir}")
    return chosen


def check_switches(cfg: DictConfig) -> None:
    """Refuses a name that can be no folder and no part of a URL, a seed, threads or debug that mean nothing."""
    if type(cfg.debug) is not bool:
        raise ConfigError(f"debug must be true or false, however: debug={cfg.debug}")
    for key, least in (("seed", 0), ("threads", 1)):
        if type(cfg[key]) is not int or cfg[key] < least:
            raise ConfigError(f"{key} must be a whole number of at least {least}, however: {key}={cfg[key]}")
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


def start(cfg: DictConfig) -> None:
    """A new run, or a look at what it would be; called by Hydra, which would swallow what a run raises."""
    code = guarded(lambda: go(cfg, None) if cfg.debug else begin(cfg))
    if code:
        sys.exit(code)


def begin(cfg: DictConfig) -> None:
    """A new run; one that is refused before it trains leaves no folder, and `latest` where it was."""
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


def guarded(run: Callable[[], None]) -> int:
    """0, or 2 after what the user can mend; other exceptions keep their traceback."""
    try:
        run()
    except UserError as error:
        print(f"\n{error.told()}", file=sys.stderr)
        return 2
    return 0


def go(cfg: DictConfig, folder: Path | None) -> None:
    """Trains in a run's folder; without a folder it only looks."""
    if folder and is_finished(folder):
        print(f"{folder} is finished; nothing was changed. Its figures are in {folder / 'metrics.json'}.")
        return
    try:
        from mlp_torch.run import look, quiet, train  # lightning takes seconds, and --help does not need it

        quiet()
        if folder is None:
            print(look(cfg))
        else:
            closing(cfg, folder, train(cfg, folder))
    except (KeyboardInterrupt, SystemExit):  # Lightning turns Ctrl-C into SystemExit(1) and SIGTERM into SystemExit(0)
        hint = f" Go on with:  {command('train')} resume={shlex.quote(str(folder))}" if folder else ""
        print(f"\nStopped.{hint}", file=sys.stderr)
        sys.exit(130)


def command(verb: str) -> str:
    """How the verb is called in the way that this one was: installed, as a module, or in a clone."""
    program = Path(sys.argv[0])
    if program.name not in ("train.py", "__main__.py"):
        return f"mlp_torch {verb}"
    if program.name == "train.py" and program.with_name(f"{verb}.py").is_file():
        return f"python {shlex.quote(str(program.with_name(f'{verb}.py')))}"
    return f"python -m mlp_torch {verb}"


def closing(cfg: DictConfig, folder: Path, report: Report) -> None:
    """The table, what it says, and the commands that come next."""
    print(f"\n{report.table()}\n")
    for line in [*report.findings(), *report.notes]:
        print(line)
    run, model = shlex.quote(str(folder)), shlex.quote(str(folder / "model"))
    page = folder / "data.html"  # not there where an earlier run's encoded rows were used
    told = f"data      {shlex.quote(str(page))}\n" if page.exists() else ""
    print(
        f"\nrun       {run}\n"
        f"{told}"
        f"watch     tensorboard --logdir {shlex.quote(str(cfg.runs))}\n"
        f"evaluate  {command('evaluate')} --model {model} --input labelled.csv\n"
        f"predict   {command('predict')} --model {model} --input rows.csv --output predictions.parquet\n"
        f"serve     {command('serve')} {model} --port 8000"
    )
