"""What a run that ends prints: its table, what that says, the commands that come next; or what the user can mend."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_torch import files, foreign
from mlp_torch.errors import UserError
from mlp_torch.responsible.report import Report
from mlp_torch.serving.folder import MANIFEST


def guarded(run: Callable[[], None]) -> int:
    """0, or 2 after what the user can mend; other exceptions keep their traceback."""
    try:
        run()
    except UserError as error:
        print(f"\n{error.told()}", file=sys.stderr)
        return 2
    return 0


def outcome(report: Report) -> None:
    """The table and what it says."""
    print(f"\n{report.table()}\n")
    for line in [*report.findings(), *report.notes]:
        print(line)


def closing(cfg: DictConfig, folder: Path, report: Report) -> None:
    """The table, what it says, and the commands that come next."""
    outcome(report)
    run, model = shlex.quote(str(folder)), shlex.quote(str(folder / "model"))
    page = folder / "data.html"  # not there where an earlier run's encoded rows were used
    told = f"data      {shlex.quote(str(page))}\n" if page.exists() else ""
    judged: Any = OmegaConf.to_container(OmegaConf.create([cfg.data.target, cfg.head, cfg.metric]))
    own = foreign.in_options(foreign.own(judged))
    print(
        f"\nrun       {run}\n"
        f"{told}"
        f"watch     tensorboard --logdir {shlex.quote(str(cfg.runs))}\n"
        f"evaluate  {command('evaluate')} --model {model} --input labelled.csv{' ' if own else ''}{own}\n"
        f"predict   {command('predict')} --model {model} --input rows.csv --output predictions.parquet\n"
        f"serve     {command('serve')} {model} --port 8000\n"
        f"sha256    {files.sha256(folder / 'model' / MANIFEST)}  (of {model}/{MANIFEST}: for --sha256)"
    )


def command(verb: str) -> str:
    """How the verb is called in the way that this one was: installed, as a module, or in a clone."""
    program = Path(sys.argv[0])
    if program.name not in ("train.py", "__main__.py"):
        return f"mlp_torch {verb}"
    if program.name == "train.py" and program.with_name(f"{verb}.py").is_file():
        return f"python {shlex.quote(str(program.with_name(f'{verb}.py')))}"
    return f"python -m mlp_torch {verb}"
