"""`mlp_torch init TABLE --target FIELD`: looks at a table and writes an experiment for it, never over a file.

Each decision is printed and stands as a comment in the experiment, so that it can be judged and changed. With --update
an experiment that is there, edits and all, is compared with a newer table; only --write changes its file.
"""

import re
import shlex
import shutil
import sys
from argparse import Namespace
from difflib import unified_diff
from pathlib import Path

from mlp_torch import files
from mlp_torch.configuration import CONFIGS
from mlp_torch.configuration import options as known_options
from mlp_torch.errors import ConfigError
from mlp_torch.ingest.endings import check_there
from mlp_torch.verbs.options import Options
from mlp_torch.verbs.problems import in_options

UPDATE = """\
With --update an experiment is compared with a newer table: which fields are new, have vanished or are of another type,
which ranges and classes have grown, what training would refuse. It shows that, and the lines that follow from it, and
writes nothing: the file is somebody's own by now. With --write too those lines are written. New fields get lines;
columns and policies of vanished fields become comments. All else stays as it is, byte for byte, and doing it twice
changes nothing the second time.

  mlp_torch init new.csv --update configs/experiment/mine.yaml
  mlp_torch init new.csv --update configs/experiment/mine.yaml --write"""


def main(arguments: list[str]) -> int:
    """Reads, prints, writes; 0 = done."""
    purpose = "Looks at a table and writes configs/experiment/NAME.yaml, which trains on it."
    options = Options("init", purpose, epilog=UPDATE)
    options.add_argument(
        "table", metavar="TABLE", help="a .csv or .tsv file with a header, .parquet, or a folder of .parquet"
    )
    options.add_argument("--target", metavar="FIELD", help="the field to predict; with --update the experiment's")
    options.add_argument("--name", help="of the experiment; by default the file's")
    options.add_argument("--config-dir", default="configs", metavar="FOLDER", help="where experiment/NAME.yaml goes")
    options.add_argument("--encoding", help="of a CSV file's text, e.g. cp1252; by default UTF-8")
    options.add_argument("--delimiter", help="of a CSV file; by default found in it")
    options.add_argument("--decimal", help="of a CSV file's numbers, . or a comma; by default found in it")
    options.add_argument("--update", metavar="YAML", help="an experiment to compare the table with")
    options.add_argument("--write", action="store_true", help="with --update: write the lines into the experiment")
    given = options.parse(arguments)
    if not given.update and (given.target is None or given.write):
        options.error("--write needs --update" if given.write else "the following arguments are required: --target")
    check_there(Path(given.table))
    with in_options(options):
        return compare(given) if given.update else write(given, shlex.join(["mlp_torch", "init", *arguments]))


def write(given: Namespace, origin: str) -> int:
    """A new experiment; 0 = written.

    Args:
        given: the options.
        origin: the command line.
    """
    name = experiment_name(given.name, given.table)
    path = free(Path(given.config_dir) / "experiment" / f"{name}.yaml")
    from mlp_torch.profile.source import opened  # here, so that --help, mistyped paths and names need no torch
    from mlp_torch.proposal.large import BoundedReader
    from mlp_torch.proposal.plan import propose
    from mlp_torch.proposal.text import printed, yaml_of
    from mlp_torch.verbs.rows import reading

    bounded = BoundedReader()
    table = opened(given.table, **reading(given), read=bounded)
    noted = table._replace(notes=[*table.notes, *filter(None, [bounded.note])])
    plan = propose(noted, given.target, total=bounded.total)
    command = train_command(name, Path(given.config_dir))
    text = yaml_of(plan, name, command=command, origin=origin)
    print(printed(plan))
    files.write_text(free(path), text)
    print(f"\nwrote     {path}\nlook      {command} debug=true\ntrain     {command}")
    return 0


def compare(given: Namespace) -> int:
    """An experiment beside a newer table; 0 = shown, or written."""
    from mlp_torch.profile.table import printable
    from mlp_torch.proposal.experiment import Experiment
    from mlp_torch.proposal.update import update
    from mlp_torch.verbs.rows import reading

    path = Path(given.update)
    experiment = Experiment.load(path)
    if given.name is not None or given.target not in (None, experiment.target):
        text = "--update takes the name and the target of the experiment, however"
        raise ConfigError(f"{text}: --name={given.name}, --target={given.target}; its target is {experiment.target}")
    block = experiment.read(given.table, reading(given))
    found = update(experiment, block, given.table)
    print(f"{path} and {given.table}: {len(block.table):,} rows, {len(block.table.column_names)} fields\n")
    print(*(printable(f"{change.what:<10}{change.text}") for change in found.changes), sep="\n")
    if not found.changes:
        print("nothing is new, nothing is gone, nothing is beyond what was seen")
    if found.text == experiment.text:
        print("\nnothing to write")
    else:
        after = "as it is now" if given.write else "as it would be"
        lines = unified_diff(experiment.text.splitlines(), found.text.splitlines(), str(path), after, n=1)
        print("", *(line.rstrip("\n") for line in lines), sep="\n")
        if given.write:
            files.write_text(path.resolve(), found.text)  # where a link leads to
        print(f"\nwrote     {path}" if given.write else "\nnothing was written; --write writes these lines")
    if given.write:
        print(*(printable(f"first     {text}") for text in found.by_hand), sep="\n", end="\n" * bool(found.by_hand))
        if found.source is not None:
            command = train_command(path.stem, path.parent.parent)
            print(f"train     {' '.join(filter(None, [command, shlex.quote(found.source) if found.source else '']))}")
    return 0


def experiment_name(given: str | None, table: str) -> str:
    """A word that Hydra takes for an option and a folder may be called."""
    from mlp_torch.proposal.yaml import YAML_WORDS

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
    """The command that trains it: in a clone, or with the installed program, also where that is on no path."""
    if folder.resolve() == CONFIGS.resolve() and Path("train.py").is_file():
        return f"python train.py experiment={name}"
    program = "mlp_torch" if shutil.which("mlp_torch") else f"{shlex.quote(sys.executable)} -m mlp_torch"
    return f"{program} train --config-dir {shlex.quote(str(folder))} experiment={name}"
