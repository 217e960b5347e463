"""`mlp_torch init TABLE --target FIELD`: looks at a table and writes an experiment for it, never over a file.

Each decision is printed and stands as a comment in the experiment, so that it can be judged and changed.
"""

import re
import shlex
from pathlib import Path

from mlp_torch import files
from mlp_torch.configuration import CONFIGS
from mlp_torch.configuration import options as known_options
from mlp_torch.errors import ConfigError
from mlp_torch.proposal.plan import propose
from mlp_torch.profile.source import opened
from mlp_torch.proposal.text import printed, yaml_of
from mlp_torch.proposal.yaml import YAML_WORDS
from mlp_torch.verbs.options import Options


def main(arguments: list[str]) -> int:
    """Reads, prints, writes; 0 = written."""
    options = Options("init", "Looks at a table and writes configs/experiment/NAME.yaml, which trains on it.")
    options.add_argument("table", metavar="TABLE", help="a .csv, .tsv or .parquet file with a header")
    options.add_argument("--target", required=True, metavar="FIELD", help="the field to predict")
    options.add_argument("--name", help="of the experiment; by default the file's")
    options.add_argument("--config-dir", default="configs", metavar="FOLDER", help="where experiment/NAME.yaml goes")
    options.add_argument("--encoding", help="of a CSV file's text, e.g. cp1252; by default UTF-8")
    given = options.parse(arguments)
    name = experiment_name(given.name, given.table)
    path = free(Path(given.config_dir) / "experiment" / f"{name}.yaml")
    plan = propose(opened(given.table, given.encoding), given.target)
    command = train_command(name, Path(given.config_dir))
    text = yaml_of(plan, name, command=command, origin=shlex.join(["mlp_torch", "init", *arguments]))
    print(printed(plan))
    files.write_text(free(path), text)
    print(f"\nwrote     {path}\nlook      {command} debug=true\ntrain     {command}")
    return 0


def experiment_name(given: str | None, table: str) -> str:
    """A word that Hydra takes for an option and a folder may be called."""
    word = re.sub("[^A-Za-z0-9_-]+", "_", given if given is not None else Path(table).stem).strip("_-")
    if given is not None and word != given:
        raise ConfigError(f"--name must be made of letters, digits, _ and -, however: {given!r}; try {word or 'mine'}")
    if not word[:1].isalpha() or word.lower() in {*YAML_WORDS, "inf", "nan"}:
        word = f"table_{word}".rstrip("_")  # Hydra takes experiment=2024 and experiment=inf for numbers
    return word


def free(path: Path) -> Path:
    """The path of a file that is not there yet.

    Raises:
        ConfigError: if there is one, or an experiment of ours has its name.
    """
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} is there already; nothing was written. Give another --name, or move it away")
    if path.stem in known_options(CONFIGS).get("experiment", ()):
        raise ConfigError(f"{path.stem} is an experiment of ours, which Hydra would take; give another --name")
    return path


def train_command(name: str, folder: Path) -> str:
    """The command that trains it: in a clone, or with the installed program."""
    if folder.resolve() == CONFIGS.resolve() and Path("train.py").is_file():
        return f"python train.py experiment={name}"
    return f"mlp_torch train --config-dir {shlex.quote(str(folder))} experiment={name}"
