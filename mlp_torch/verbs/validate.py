"""`mlp_torch validate FILE --model DIR | --experiment X`: every problem of a file, before it is served or trained on.

With a model, its schema.json judges, as the server does: a row that training would drop is a problem. With an
experiment, its policies judge all fields that columns, target, split and key read, and then labels, splits and keys
(`mlp_torch.validation.rehearsal` says which rules). Memory is bounded: the file is read in blocks.
"""

import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlp_torch import files
from mlp_torch.errors import ConfigError
from mlp_torch.ingest.endings import check_there
from mlp_torch.verbs.options import Options, check_model
from mlp_torch.verbs.problems import in_options, worded

if TYPE_CHECKING:  # torch and hydra take seconds, which --help does not need
    from mlp_torch.validation.validation import Validation

NOT_JUDGED = "not judged: what only a fit can tell, for example that a column of training rows has no spread"
EPILOG = f"""\
--model judges columns and cells as the server does: rows that training would drop are problems.
--experiment judges columns, cells, labels, splits and keys as training does;
{NOT_JUDGED}

exit code: 0 = the file can be used, 2 = it has problems.

examples:
  mlp_torch validate new.csv --model runs/quickstart/latest/model
  mlp_torch validate mine.csv --experiment mine --config-dir configs --json problems.json"""


def main(arguments: list[str]) -> int:
    """Prints the verdict; `--json` writes it."""
    options = Options("validate", "Judge a file as training or serving would, and tell every problem.", epilog=EPILOG)
    options.add_argument("file", metavar="FILE", help=".csv, .tsv, .parquet, or a folder of .parquet")
    options.add_argument("--model", metavar="DIR", help="a model's folder: judge as its server does")
    options.add_argument("--experiment", metavar="NAME", help="judge as its training does")
    options.add_argument("--config-dir", metavar="DIR", help="a folder of your own experiments")
    options.add_argument("--delimiter", help="of a CSV; by default as in training")
    options.add_argument("--encoding", help="of a CSV; by default as in training")
    options.add_argument("--decimal", help="of a CSV's numbers; by default as in training")
    options.add_argument("--json", metavar="FILE", help="where to write the verdict for machines")
    chosen = options.parse(arguments)
    if bool(chosen.model) == bool(chosen.experiment):
        raise ConfigError("validate needs one of --model DIR and --experiment NAME")
    if chosen.config_dir and not Path(chosen.config_dir).is_dir():
        raise ConfigError(f"--config-dir must be a folder, however: {chosen.config_dir}")
    trained = bool(chosen.model)
    with in_options(options, trained=trained):
        found = by_model(chosen) if chosen.model else by_experiment(chosen)
    shown = replace(found, problems=[worded(problem, options, trained=trained) for problem in found.problems])
    print(shown.text(width=min(shutil.get_terminal_size().columns, 120)))
    if chosen.experiment:
        print(f"\n{NOT_JUDGED}")
    if chosen.json:
        files.write_json(Path(chosen.json), {"input": chosen.file, **found.to_json()})
    return 2 if found.problems else 0


def check_file(chosen: Namespace) -> None:
    """Refuses a file that is not there, before torch is loaded; with `--json` the verdict for machines says so."""
    if not chosen.json:
        check_there(Path(chosen.file))


def by_model(chosen: Namespace) -> "Validation":
    """What the model's server would say. Raises ModelError for files of a model that are missing or damaged."""
    check_model(chosen.model)
    check_file(chosen)
    from mlp_torch.serving.predictor import checked_manifest, served, stored_schema
    from mlp_torch.validation.validation import validated
    from mlp_torch.verbs.rows import reader, reading, trained

    folder = Path(chosen.model)
    checked_manifest(folder)
    schema = served(stored_schema(folder))
    rows = reader(Path(chosen.file), trained(folder), reading(chosen))
    return validated(rows.only(schema.fields).blocks(), schema)


def by_experiment(chosen: Namespace) -> "Validation":
    """What the experiment's training would say."""
    from mlp_torch.configuration import built, check_targets, composed

    cfg = composed([f"experiment={chosen.experiment}"], Path(chosen.config_dir) if chosen.config_dir else None)
    check_file(chosen)
    from mlp_torch.training.table.definition import Definition
    from mlp_torch.validation.rehearsal import Rehearsal
    from mlp_torch.validation.validation import validated
    from mlp_torch.verbs.rows import reader, reading

    source = reader(Path(chosen.file), cfg.data.source, reading(chosen))
    if "path" in cfg.data.source:
        cfg.data.source.path = chosen.file
    check_targets(cfg)
    data = built(cfg.data)
    wanted = Definition(data.transform, data.target, data.split, data.key, data.policies, data.weight)
    with TemporaryDirectory() as folder:
        schema = wanted.schema()
        return validated(source.only(schema.fields).blocks(), schema, Rehearsal(wanted, built(cfg.head), Path(folder)))
